"""Reading ranges of files: at once where the kernel has the bytes in memory, else in a thread.

preadv with RWF_NOWAIT never waits for a disk: it gives what the page cache holds or refuses. So a warm read
costs microseconds on the event loop, where a thread's turn would cost a hundred; a cold one goes to a thread.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from dicomweb.blobs.open_cached import open_cached
from dicomweb.errors import BlobMissing

# Copying this much takes about as long as a hop to a thread; more would hold up the event loop.
INLINE_BYTES = 768 << 10
# Linux moves at most 0x7FFFF000 bytes a call; smaller reads let other threads run.
_READ_BYTES = 64 << 20
_OPEN_FILES = 512
_OPEN_SECONDS = 60.0
# Not every system has the flag, nor every file system: those read in threads.
_NOWAIT = getattr(os, "RWF_NOWAIT", None)


class OpenFile:
    """A descriptor that lives as long as somebody reads from it."""

    __slots__ = ("fd",)

    def __init__(self, path: Path) -> None:
        """Raises BlobMissing."""
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self.fd = -1
            raise BlobMissing("A blob is not in the object store.") from None

    @classmethod
    def at_hand(cls, path: str) -> OpenFile | None:
        """The file, if it can be opened without waiting."""
        file = cls.__new__(cls)
        file.fd = open_cached(path)
        return file if file.fd >= 0 else None

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self.fd).st_size

    def read(self, length: int, offset: int) -> bytes:
        """Exactly these bytes; may wait for the disk. Raises BlobMissing when the file ends before them."""
        data = self._pread(length, offset)
        if len(data) == length:
            return data
        pieces, missing = [data], length - len(data)
        while missing and pieces[-1]:
            pieces.append(self._pread(missing, offset + length - missing))
            missing -= len(pieces[-1])
        if missing:
            raise BlobMissing("A blob ends before the bytes asked of it.")
        return b"".join(pieces)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """As read, of every (offset, length)."""
        return [self.read(length, offset) for offset, length in ranges]

    def read_now(self, length: int, offset: int) -> bytes | None:
        """These bytes if they are few and in memory, else None. Never waits."""
        if not 0 <= length <= INLINE_BYTES:
            return None
        buffer = bytearray(length)
        return bytes(buffer) if self.fill_now(offset, memoryview(buffer)) else None

    def fill_now(self, offset: int, buffer: memoryview) -> bool:
        """Fill the buffer with the bytes at this offset if all are in memory. Never waits."""
        if _NOWAIT is None:
            return False
        try:
            return os.preadv(self.fd, [buffer], offset, _NOWAIT) == len(buffer)
        except OSError:  # not in memory, or a file system without the flag; a real fault shows in read()
            return False

    def _pread(self, length: int, offset: int) -> bytes:
        if length < 0:
            raise BlobMissing("A blob ends before the bytes asked of it.")
        try:
            return os.pread(self.fd, min(length, _READ_BYTES), offset)
        except OSError as error:
            if error.errno == errno.EIO:
                raise BlobMissing("The disk of the object store cannot read a blob.") from error
            raise


class OpenFiles:
    """The files that were read last, kept open, as many instances share one blob.

    For a minute at most: a deleted file takes its room on the disk until it is closed. Event loop only.
    """

    def __init__(self) -> None:
        self._files: OrderedDict[str, OpenFile] = OrderedDict()
        self._closing: asyncio.TimerHandle | None = None

    def get(self, key: str) -> OpenFile | None:
        """The open file of a blob, unless it has been deleted since, by whichever process."""
        file = self._files.get(key)
        if file is None:
            return None
        if os.fstat(file.fd).st_nlink == 0:
            del self._files[key]
            return None
        self._files.move_to_end(key)
        return file

    def add(self, key: str, file: OpenFile) -> None:
        self._files[key] = file
        if len(self._files) > _OPEN_FILES:
            self._files.popitem(last=False)
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(_OPEN_SECONDS, self.close)

    def close(self) -> None:
        """Close all but those being read."""
        self._files.clear()
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
