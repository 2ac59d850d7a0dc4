"""The blobs of one store request, from their first byte until the catalog is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from dicomweb.archive.archive import Archive
from dicomweb.blobs import BlobWriter, new_key
from dicomweb.errors import Unavailable

# How long a look at the disk holds, for all uploads of a process together.
_WATERMARK_STEP = 64 << 20
_WATERMARK_SECONDS = 1.0


class RequestBlobs:
    """Each is open, then durable, then handed over; what is not handed over, `abort` removes."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._open: dict[str, BlobWriter] = {}
        self._durable: dict[str, int] = {}

    async def check_room(self, length: int) -> None:
        """To be called before `length` bytes are taken. Raises Unavailable when the disk is nearly full."""
        uploads = self._archive.uploads
        uploads.unchecked += length
        now = time.monotonic()
        if uploads.unchecked >= _WATERMARK_STEP or now >= uploads.checked + _WATERMARK_SECONDS:
            await check_free_space(self._archive)
            uploads.unchecked, uploads.checked = 0, now

    async def open(self, key: str) -> BlobWriter:
        """Begin a blob under a fresh key."""
        writer = self._open[key] = await self._archive.blobs.create(key)
        return writer

    async def commit(self, key: str) -> None:
        """Make it durable. From then on only its key and its size are held."""
        writer = self._open[key]
        await writer.commit()
        self._durable[key] = writer.size
        del self._open[key]

    async def drop(self, key: str) -> None:
        """Remove a blob that is not durable yet, if it was opened at all."""
        writer = self._open.pop(key, None)
        if writer is not None:
            await writer.abort()

    @property
    def is_empty(self) -> bool:
        """Whether no blob is open or waits to be handed over."""
        return not self._open and not self._durable

    def hand_over(self) -> dict[str, int]:
        """Sizes of all durable blobs, which stay from here on whatever happens to the request."""
        sizes, self._durable = self._durable, {}
        return sizes

    async def abort(self) -> None:
        """Remove all that was not handed over."""
        writers, self._open = self._open, {}
        for writer in writers.values():
            await writer.abort()
        await remove_blobs(self._archive, self.hand_over())


class Pack:
    """A blob that many small parts of a request share; opened when the first of them is appended."""

    def __init__(self, blobs: RequestBlobs) -> None:
        self.key = new_key()
        self._blobs = blobs
        self._writer: BlobWriter | None = None

    @property
    def size(self) -> int:
        return self._writer.size if self._writer is not None else 0

    @property
    def held_bytes(self) -> int:
        """What its writer keeps in memory."""
        return self._writer.held_bytes if self._writer is not None else 0

    async def append(self, pieces: Sequence[bytes]) -> None:
        if pieces:
            await self.append_made(lambda: pieces)

    async def append_made(self, make: Callable[[], Sequence[bytes]]) -> None:
        """Append what `make` returns, which is called in a thread."""
        if self._writer is None:
            self._writer = await self._blobs.open(self.key)
        await self._writer.write_made(make)

    async def commit(self) -> None:
        """Make it durable, if there is anything of it."""
        if self.size:
            await self._blobs.commit(self.key)
        else:
            await self._blobs.drop(self.key)


async def remove_blobs(archive: Archive, keys: Iterable[str]) -> None:
    """Delete blobs that no row points to. Where the store is away, the sweeper comes later."""
    for key in keys:
        with suppress(Unavailable):
            await archive.blobs.delete(key)


async def check_free_space(archive: Archive) -> None:
    """Refuse early, before a full disk can hurt what is stored. Raises Unavailable (503)."""
    free = await archive.blobs.free_bytes()
    if free is not None and free < archive.settings.min_free_bytes:
        raise Unavailable(
            "The archive's disk is nearly full; nothing more is stored until space is made.",
            retry_after=60,
            hint="Free space on the volume of the data directory, or lower DICOMWEB_MIN_FREE_BYTES.",
        )
