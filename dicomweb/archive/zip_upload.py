"""A zip file as the body of a store request: each file in it that is DICOM is stored (S-14).

The directory of a zip file stands at its end, so the body is spooled; a body that is cut off has none, and
stores nothing (decision 2). Names of entries are neither used nor repeated: they may hold names of patients.
"""

from __future__ import annotations

import asyncio
import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from dicomweb.archive.archive import Archive
from dicomweb.archive.file_head import read_head
from dicomweb.archive.ingest import Ingest
from dicomweb.archive.spool import Spool
from dicomweb.archive.through_thread import threaded
from dicomweb.errors import InvalidDicom, InvalidRequest, TooLarge
from dicomweb.settings import Settings

# The directory is held in memory, several times as large: this is some 80,000 files.
_DIRECTORY_BYTES = 8 << 20
_PIECE_BYTES = 256 << 10
# As for deflated data sets: empty pixels deflate far, so a bomb is only judged after this many bytes.
_RATIO_FREE_BYTES = 64 << 20
_ENCRYPTED = 1
# What archivers of a Mac leave beside each file.
_HIDDEN_FOLDER = "__MACOSX/"


class ZipUpload:
    """Write the body to it, then `store`."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._spool: Spool | None = None

    async def write(self, data: bytes | memoryview) -> None:
        """The next bytes of the file. Raises Unavailable."""
        if self._spool is None:
            self._spool = await asyncio.to_thread(Spool, self._archive)
        await self._spool.write(data)

    async def store(self, ingest: Ingest) -> None:
        """Hand every entry to the archive. Raises InvalidRequest for what is no zip file, TooLarge."""
        if self._spool is None:
            raise _no_zip()
        await self._spool.flush()
        file = await asyncio.to_thread(_opened, self._spool)
        inflated = _Inflated(self._archive.settings, self._spool.size)
        for entry in file.infolist():
            if not entry.filename.endswith("/"):
                await _store_entry(ingest, file, entry, inflated)

    def close(self) -> None:
        """Nothing more is read of it."""
        if self._spool is not None:
            self._spool.close()


def _no_zip() -> InvalidRequest:
    return InvalidRequest("The body is no zip file, or is cut off.")


def _opened(spool: Spool) -> ZipFile:
    try:
        return ZipFile(_SpoolFile(spool))
    except (BadZipFile, ValueError, NotImplementedError):
        raise _no_zip() from None


def _is_hidden(entry: ZipInfo) -> bool:
    """Whether nobody meant to send it, if it is not DICOM: what systems leave beside files."""
    name = entry.filename
    return not name or name.startswith(_HIDDEN_FOLDER) or os.path.basename(name).startswith(".")


async def _store_entry(ingest: Ingest, file: ZipFile, entry: ZipInfo, inflated: _Inflated) -> None:
    begun = False
    try:
        async for chunk in threaded(_contents(file, entry)):
            inflated.count(len(chunk))
            if not begun:
                head = read_head(chunk)
                if head is None:
                    raise InvalidDicom("A file in the zip file is not DICOM.")
                if head.is_directory:
                    return
                begun = True
            await ingest.write(chunk)
        if not begun:
            raise InvalidDicom("A file in the zip file is empty.")
    except InvalidDicom as error:
        if begun or not _is_hidden(entry):
            await ingest.fail_part(error)
    else:
        await ingest.end_part()


def _contents(file: ZipFile, entry: ZipInfo) -> Iterator[bytes]:
    """The bytes of an entry. In a thread. Raises InvalidDicom."""
    if entry.flag_bits & _ENCRYPTED:
        raise InvalidDicom("A file in the zip file is encrypted.")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise InvalidDicom("A file in the zip file is compressed in another way than by deflate.")
    try:
        with file.open(entry) as opened:
            while piece := opened.read(_PIECE_BYTES):
                yield piece
    except (BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError):
        raise InvalidDicom("A file in the zip file is damaged.") from None


@dataclass(slots=True)
class _Inflated:
    """What has come out of the zip file so far. size: of the file itself."""

    settings: Settings
    size: int
    total: int = 0

    def count(self, more: int) -> None:
        """Raises TooLarge for a bomb."""
        self.total += more
        limit = self.settings.body_bytes
        ratio = self.total > _RATIO_FREE_BYTES and self.total > self.size * self.settings.inflate_ratio
        if ratio or (limit and self.total > limit):
            raise TooLarge("The zip file unfolds beyond this server's limit.", hint="Send several requests.")


class _SpoolFile(io.RawIOBase):
    """The spool as a file for ZipFile, which reads the whole directory at once: so reads are bounded.

    Beyond the bound they raise TooLarge.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._position = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._spool.size}[whence]
        if origin + offset < 0:
            raise OSError("before the beginning")
        self._position = origin + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._spool.size - self._position, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > _DIRECTORY_BYTES:
            raise TooLarge(
                f"The directory of the zip file is longer than {_DIRECTORY_BYTES >> 20} MiB.",
                hint="Send several requests.",
            )
        data = self._spool.read(self._position, wanted)
        self._position += wanted
        return data
