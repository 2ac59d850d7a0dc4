"""A bounded pipe of byte chunks from the event loop to one thread.

The scanner is plain pull code (pure, no asyncio); an upload arrives on the event loop. The pipe joins
them with a bound on what lies between, so that memory does not grow with the object.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator


class ChunkPipe:
    """`await put(chunk, ...)` on the loop, iterate in the thread; either side may close it."""

    def __init__(self, *, capacity: int) -> None:
        """capacity: bytes that may wait between the two sides before `put` waits."""
        self._loop = asyncio.get_running_loop()
        self._capacity = capacity
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False
        self._torn = False
        self._abandoned = False

    async def put(self, *chunks: bytes) -> None:
        """Hand over chunks; waits while the reader is behind. Dropped once the reader is done."""
        await self._room.wait()
        with self._changed:
            if self._abandoned:
                return
            self._chunks.extend(chunks)
            self._waiting += sum(map(len, chunks))
            if self._waiting >= self._capacity:
                self._room.clear()
            self._changed.notify()

    def end(self) -> None:
        """No more chunks: the object is complete."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def tear(self) -> None:
        """No more chunks, and the object is not complete: the reader raises TornStream."""
        with self._changed:
            self._torn = True
            self._changed.notify()

    def abandon(self) -> None:
        """The reader wants no more; `put` returns at once from now on. Called from the thread."""
        with self._changed:
            self._abandoned = True
            self._chunks.clear()
        self._loop.call_soon_threadsafe(self._room.set)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._chunks or self._ended or self._torn)
                if self._torn:
                    raise TornStream
                if not self._chunks:
                    return
                chunk = self._chunks.popleft()
                self._waiting -= len(chunk)
                room = self._waiting < self._capacity
            if room:
                self._loop.call_soon_threadsafe(self._room.set)
            yield chunk


class TornStream(Exception):
    """The writing side gave up before the object was complete."""
