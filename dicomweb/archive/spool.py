"""The bytes of a request that can only be used when all of it is there, kept on disk until then.

A file without a name: whatever becomes of the request or of this process, nothing of it stays behind.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator

from dicomweb.archive.archive import Archive
from dicomweb.archive.uploads import Share
from dicomweb.errors import Unavailable

# Written at once: worth the hop to a thread.
_BATCH_BYTES = 256 << 10
_PIECE_BYTES = 256 << 10
_WATERMARK_STEP = 64 << 20


class Spool:
    """Write all of it, then read from threads. It goes when nothing refers to it any more."""

    def __init__(self, archive: Archive) -> None:
        """In a thread. Raises Unavailable."""
        self._settings = archive.settings
        self._share = Share(archive.uploads)
        self._file = _NamelessFile(_nameless_descriptor(archive.settings.data))
        self._held = bytearray()
        self._written = 0
        self._unchecked = _WATERMARK_STEP

    @property
    def size(self) -> int:
        """Bytes written so far: where the next one will be."""
        return self._written + len(self._held)

    async def write(self, data: bytes | memoryview) -> None:
        """Append. Raises Unavailable when the disk is nearly full."""
        fits = self._share.take(len(data))
        self._held += data
        if not fits:
            self._share.add(len(data))
        if not fits or len(self._held) >= _BATCH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Make all that was written readable."""
        if not self._held:
            return
        held, self._held = self._held, bytearray()
        place, self._written = self._written, self._written + len(held)
        self._unchecked += len(held)
        if self._unchecked >= _WATERMARK_STEP:
            self._unchecked = 0
            await asyncio.to_thread(self._check_room)
        try:
            await asyncio.to_thread(self._file.write, held, place)
        except OSError as error:
            raise _unavailable() from error
        self._share.add(-len(held))

    def _check_room(self) -> None:
        found = os.statvfs(self._file.descriptor)
        if found.f_bavail * found.f_frsize < self._settings.min_free_bytes:
            raise Unavailable(
                "The archive's disk is nearly full; nothing more is stored until space is made.",
                retry_after=60,
                hint="Free space on the volume of the data directory, or lower DICOMWEB_MIN_FREE_BYTES.",
            )

    def close(self) -> None:
        """Give its memory back."""
        self._held = bytearray()
        self._share.close()

    # --- called in threads

    def read(self, offset: int, length: int) -> bytes:
        """These bytes, all of which have been flushed."""
        return b"".join(self.chunks(offset, length))

    def chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """The same in pieces."""
        end = offset + length
        while offset < end:
            piece = os.pread(self._file.descriptor, min(end - offset, _PIECE_BYTES), offset)
            if not piece:
                raise EOFError  # a part was used before it was flushed
            offset += len(piece)
            yield piece


def _unavailable() -> Unavailable:
    return Unavailable("The body of the request cannot be kept on the archive's disk now.")


def _nameless_descriptor(directory: os.PathLike[str]) -> int:
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise _unavailable() from error


class _NamelessFile:
    """Closed when the last reference goes, not before: a thread may outlive its cancelled request, and must
    never write into whatever gets the descriptor's number next."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    def write(self, data: bytes | bytearray, place: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self.descriptor, view, place)
            place += written
            view = view[written:]
