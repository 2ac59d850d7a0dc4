"""Coded answers kept ready on disk: every viewer asks for the metadata of a series (W-24).

One copy serves every client that takes its coding, and the zstd one those that take none too: to inflate it
costs a fifth of a copy of the text itself.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from struct import Struct

import zstandard

from dicomweb.archive.archive import Archive
from dicomweb.archive.content_coding import IDENTITY, Coder, coder_of
from dicomweb.archive.reading import closing

# To be raised when our own code writes other bytes of the same data than before.
_GENERATION = 2
# Coded, some 50,000 instances. It is held in memory while it is sent.
_LARGEST = 4 << 20
# Text that is inflated at once: some 50 microseconds of the event loop.
_PIECE = 256 << 10
_COPY_OF = {IDENTITY: "zstd"}
# Before the coded answer stands the length of its text.
_LENGTH = Struct("<Q")


@dataclass(frozen=True, slots=True)
class Written:
    """An answer on its way out. length: of it all, None where that is not known yet."""

    chunks: AsyncIterator[bytes]
    length: int | None


class Copying:
    """A coder that keeps a copy of what it codes, unless that grows too long."""

    def __init__(self, coding: str) -> None:
        self._coder = coder_of(coding)
        self._copier: Coder | None = coder_of(_COPY_OF[coding]) if coding in _COPY_OF else None
        self._length = 0
        self._held: list[bytes] | None = []
        self._size = 0

    def compress(self, data: bytes, /) -> bytes:
        coded = self._coder.compress(data)
        self._length += len(data)
        self._hold(coded if self._copier is None else self._copier.compress(data))
        return coded

    def flush(self) -> bytes:
        coded = self._coder.flush()
        self._hold(coded if self._copier is None else self._copier.flush())
        return coded

    def _hold(self, coded: bytes) -> None:
        self._size += len(coded)
        if self._held is not None and self._size <= _LARGEST:
            self._held.append(coded)
        else:
            self._held = self._copier = None  # no more work for a copy that is not kept

    @property
    def copy(self) -> bytes | None:
        """As it is kept; None where it is too long."""
        return b"".join([_LENGTH.pack(self._length), *self._held]) if self._held is not None else None


def keeps(archive: Archive) -> bool:
    """Whether answers are kept at all."""
    return archive.derived.cache is not None


async def kept(archive: Archive, key: Sequence[str], coding: str) -> Written | None:
    """The answer of this key, where it is kept.

    key: all that decides about the text, of this database and no other.
    """
    cache = archive.derived.cache
    if cache is None:
        return None
    name = _name(archive, key, coding)
    try:
        copy = cache.get(name, wait=False)
    except BlockingIOError:
        copy = await asyncio.to_thread(cache.get, name)
    if copy is None:
        return None
    coded = memoryview(copy)[_LENGTH.size :]
    if coding not in _COPY_OF:
        return whole(bytes(coded))
    (length,) = _LENGTH.unpack_from(copy)
    return Written(_inflated(coded), length)


async def keeping(
    archive: Archive, key: Sequence[str], coding: str, pieces: AsyncIterator[bytes], coder: Copying
) -> AsyncIterator[bytes]:
    """The pieces; their copy is kept when the last one has gone.

    coder: makes the pieces. What has failed, or was not taken to its end, is not kept.
    """
    async with closing(pieces):
        async for piece in pieces:
            yield piece
    cache, copy = archive.derived.cache, coder.copy
    if cache is not None and copy is not None:
        await asyncio.to_thread(cache.put, _name(archive, key, coding), copy)


def whole(text: bytes) -> Written:
    """An answer that is there already."""
    return Written(_one(text), len(text))


async def _one(text: bytes) -> AsyncIterator[bytes]:
    yield text


async def _inflated(coded: memoryview) -> AsyncIterator[bytes]:
    for piece in zstandard.ZstdDecompressor().read_to_iter(coded, write_size=_PIECE):
        yield piece


def _name(archive: Archive, key: Sequence[str], coding: str) -> str:
    words = ["answer", str(_GENERATION), str(archive.tenant_id), _COPY_OF.get(coding, coding), *key]
    return hashlib.blake2b("\n".join(words).encode(), digest_size=20).hexdigest()
