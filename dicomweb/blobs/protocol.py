"""What the archive asks of an object store: bytes under fresh keys, read by range.

A blob is written once, under a key that nobody used before, and never changes. Keys are random and say
nothing of what they name: a path made from a UID could be overwritten or guessed. Every backend passes
dicomweb/blobs/contract.py.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

# One piece of a stream: large enough that a thread hop costs little, small enough for many streams at once.
STREAM_CHUNK = 256 * 1024


class BlobEntry(NamedTuple):
    """One blob of a listing. size: bytes. modified: when it was written, aware, by the store's clock."""

    key: str
    size: int
    modified: datetime


class BlobWriter(Protocol):
    """One blob being written. Exactly one of commit and abort ends it; abort after commit does nothing."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    @property
    def held_bytes(self) -> int:
        """Those of them that wait in memory until more come, or commit."""

    async def write(self, data: bytes | memoryview) -> None:
        """Append. Bytes are kept without a copy; the memory of a memoryview may be reused afterwards."""

    async def write_made(self, make: Callable[[], Sequence[bytes]], *, last: bool = False) -> None:
        """Append what `make` returns, which is called in a thread: one that writes too does all in one turn.

        last: commit too, unless the blob is still empty, which aborts it.
        """

    async def commit(self) -> None:
        """Make the blob durable and visible: when this returns, a power cut loses nothing of it."""

    async def abort(self) -> None:
        """Forget what was written. Never raises for a store that is away: the sweeper comes later."""


class BlobReader(Protocol):
    """One blob being read. What has begun to be read stays readable though it be deleted meanwhile, where
    the store can do that."""

    def fill_now(self, offset: int, buffer: memoryview) -> bool:
        """Fill the buffer with the bytes at `offset`, if nothing must be waited for. False: ask read_many,
        which says what is wrong; the buffer may hold anything then."""

    async def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of every (offset, length), in the order asked, with as few requests as is sensible."""


class Blobs(Protocol):
    """An object store. Raises errors.BlobMissing for bytes it does not have, errors.Unavailable when it
    cannot be asked now."""

    @property
    def piece_bytes(self) -> int:
        """How much of long reading is best asked for at once: two such pieces are held for each reader."""

    async def create(self, key: str) -> BlobWriter:
        """Begin a blob under a fresh key from new_key(). Nothing is visible before commit."""

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes [offset, offset + length), or to the end. Never fewer: a short blob is BlobMissing."""

    def stream(
        self, key: str, offset: int, length: int, *, chunk: int = STREAM_CHUNK
    ) -> AsyncIterator[bytes]:
        """The same bytes in pieces of at most `chunk`, in order, holding a few pieces at a time."""

    def reader(self, key: str) -> BlobReader:
        """Reads pieces of one blob, as long as it is kept. Nothing is asked for before the first piece."""

    async def delete(self, key: str) -> None:
        """Remove a blob. One that is not there is no error: a sweep may run twice."""

    async def size(self, key: str) -> int:
        """Size in bytes."""

    def entries(self) -> AsyncIterator[BlobEntry]:
        """Every committed blob, by key, in memory that does not grow with the store."""

    async def sweep_unfinished(self, *, before: datetime, dry_run: bool = False) -> int:
        """Remove what writers that died left behind and have not touched since `before`. Returns how many."""

    async def check(self) -> None:
        """Raises Unavailable when the store as a whole cannot be reached: then no blob is missing."""

    async def free_bytes(self) -> int | None:
        """Room left, or None where the store has no such notion."""

    async def close(self) -> None:
        """Let go of threads and connections."""


async def write_made(writer: BlobWriter, make: Callable[[], Sequence[bytes]], *, last: bool) -> None:
    """BlobWriter.write_made of a writer whose own threads are not ours to use."""
    for piece in await asyncio.to_thread(make):
        await writer.write(piece)
    if last:
        await (writer.commit() if writer.size else writer.abort())


def new_key(*, now: Callable[[], float] = time.time, randomness: Callable[[int], bytes] = os.urandom) -> str:
    """A fresh key: 48 bits of milliseconds, then 80 random bits, as 'tttt/ttt/' and 25 hex digits.

    Time first, because neighbours in time are read together; a directory holds what 17 minutes brought.
    """
    digits = f"{int(now() * 1000) & 0xFFFFFFFFFFFF:012x}{randomness(10).hex()}"
    return f"{digits[:4]}/{digits[4:7]}/{digits[7:]}"
