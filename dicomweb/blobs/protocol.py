"""What the archive asks of an object store: bytes under fresh keys, read by range.

A blob is written once, under a key that nobody used before, and never changes. Keys are random and say
nothing of what they name: a path made from a UID could be overwritten or guessed. Every backend passes
dicomweb/blobs/contract.py.
"""

from __future__ import annotations

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
        """Append. The caller may reuse the memory of a memoryview afterwards."""

    async def commit(self) -> None:
        """Make the blob durable and visible: when this returns, a power cut loses nothing of it."""

    async def abort(self) -> None:
        """Forget what was written. Never raises for a store that is away: the sweeper comes later."""


class Blobs(Protocol):
    """An object store. Raises errors.BlobMissing for bytes it does not have, errors.Unavailable when it
    cannot be asked now."""

    async def create(self, key: str) -> BlobWriter:
        """Begin a blob under a fresh key from new_key(). Nothing is visible before commit."""

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes [offset, offset + length), or to the end. Never fewer: a short blob is BlobMissing."""

    def stream(
        self, key: str, offset: int, length: int, *, chunk: int = STREAM_CHUNK
    ) -> AsyncIterator[bytes]:
        """The same bytes in pieces of at most `chunk`, in order, holding a few pieces at a time."""

    async def read_many(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of every (offset, length), in the order asked, with as few requests as is sensible."""

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


def new_key(*, now: Callable[[], float] = time.time, randomness: Callable[[int], bytes] = os.urandom) -> str:
    """A fresh key: 48 bits of milliseconds, then 80 random bits, as 'tttt/ttt/' and 25 hex digits.

    Time first, because neighbours in time are read together; a directory holds what 17 minutes brought.
    """
    digits = f"{int(now() * 1000) & 0xFFFFFFFFFFFF:012x}{randomness(10).hex()}"
    return f"{digits[:4]}/{digits[4:7]}/{digits[7:]}"
