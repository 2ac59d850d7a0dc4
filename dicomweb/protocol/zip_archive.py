"""ZIP archives written from front to back, sans I/O (PKWARE APPNOTE 6.3; M-08).

    writer = ZipWriter(modified)
    yield writer.begin(ZipEntry("a/1.dcm", length=1234))
    yield b"".join(writer.feed(chunk))     # as often as there are chunks
    yield writer.end()
    yield writer.close()

Nothing is compressed: pixels that could shrink much are rare, and the time would be ours. Yet the method is
deflate, in stored blocks: a check sum is known only after the data, and programs that read a ZIP from the
front find the end of an entry only where the data itself says it (Java's ZipInputStream takes no other).
So the size of the whole archive is known beforehand, five bytes a block: ZipSize.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from isal import isal_zlib

# Longest stored block of deflate (RFC 1951 3.2.4), and its header: final bit, type 0, length and complement.
_BLOCK = 0xFFFF
_BLOCK_HEADER = struct.Struct("<BHH")
_LAST_BLOCK = _BLOCK_HEADER.pack(1, 0, 0xFFFF)

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_DESCRIPTOR = struct.Struct("<4s3I")
_DESCRIPTOR_64 = struct.Struct("<4sI2Q")
_EXTRA_64 = struct.Struct("<2H2Q")

_LARGE = 0xFFFFFFFF
_MANY = 0xFFFF
_VERSION, _VERSION_64 = 20, 45
# Sizes and check sum follow the data; names are UTF-8.
_FLAGS = 1 << 3 | 1 << 11
_DEFLATE = 8
_BY_UNIX = 3 << 8
_MODE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file. length: in bytes, None if unknown; then may_be_large says whether it could pass 4 GiB."""

    name: str
    length: int | None
    may_be_large: bool = False

    @property
    def is_large(self) -> bool:
        """Whether its sizes are written with 64 bits."""
        return self.may_be_large if self.length is None else _framed(self.length) >= _LARGE


def _framed(length: int) -> int:
    """Size of `length` bytes in stored blocks."""
    return length + _BLOCK_HEADER.size * max(1, -(-length // _BLOCK))


class ZipSize:
    """The size of an archive, counted entry by entry before it is written."""

    def __init__(self) -> None:
        self._offset = self._directory = self._count = 0
        self._known = True

    def add(self, entry: ZipEntry) -> None:
        """Count one more file."""
        if entry.length is None:
            self._known = False
            return
        name = len(entry.name.encode())
        framed = _framed(entry.length)
        self._directory += _CENTRAL.size + name + len(_extra(framed, entry.length, self._offset))
        self._offset += _LOCAL.size + name + (_EXTRA_64.size if entry.is_large else 0) + framed
        self._offset += (_DESCRIPTOR_64 if entry.is_large else _DESCRIPTOR).size
        self._count += 1

    @property
    def is_empty(self) -> bool:
        """Whether no file was added."""
        return self._known and not self._count

    @property
    def total(self) -> int | None:
        """Bytes of the whole archive, None when the length of an entry is not known."""
        if not self._known:
            return None
        return self._offset + self._directory + len(_end(self._count, self._directory, self._offset))


def _extra(compressed: int, length: int, offset: int) -> bytes:
    """The Zip64 field of a directory entry: what its 32-bit fields cannot hold, in this order."""
    values = [value for value in (length, compressed, offset) if value >= _LARGE]
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""


def _end(count: int, size: int, offset: int) -> bytes:
    """The end of the archive. size, offset: of the directory."""
    short = _END.pack(
        b"PK\5\6", 0, 0, min(count, _MANY), min(count, _MANY), min(size, _LARGE), min(offset, _LARGE), 0
    )
    if count < _MANY and size < _LARGE and offset < _LARGE:
        return short
    record = _END_64.pack(
        b"PK\6\6", _END_64.size - 12, _BY_UNIX | _VERSION_64, _VERSION_64, 0, 0, count, count, size, offset
    )
    return record + _LOCATOR_64.pack(b"PK\6\7", 0, offset + size, 1) + short


class ZipWriter:
    """Writes one archive; what it keeps is the directory, about a hundred bytes a file.

    modified: time of all files, of which DOS knows even seconds from 1980 on.
    """

    def __init__(self, modified: datetime) -> None:
        year = min(max(modified.year, 1980), 2107) - 1980
        self._date = year << 9 | modified.month << 5 | modified.day
        self._time = modified.hour << 11 | modified.minute << 5 | modified.second >> 1
        self._directory = bytearray()
        self._count = 0
        self._offset = 0
        self._entry = ZipEntry("", 0)
        self._crc = self._length = self._block = self._start = self._data = 0

    def begin(self, entry: ZipEntry) -> bytes:
        """The header of the next file."""
        self._entry, self._start = entry, self._offset
        self._crc = self._length = self._block = self._data = 0
        name = entry.name.encode()
        large = entry.is_large
        header = _LOCAL.pack(
            b"PK\3\4",
            _VERSION_64 if large else _VERSION,
            _FLAGS,
            _DEFLATE,
            self._time,
            self._date,
            0,
            _LARGE if large else 0,
            _LARGE if large else 0,
            len(name),
            _EXTRA_64.size if large else 0,
        )
        extra = _EXTRA_64.pack(1, 16, 0, 0) if large else b""
        self._offset += len(header) + len(name) + len(extra)
        return header + name + extra

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes | memoryview]:
        """More of the file, in blocks that depend on its length alone, not on how it arrives."""
        data = memoryview(data)
        self._crc = isal_zlib.crc32(data, self._crc)
        position = 0
        while position < len(data):
            if not self._block:
                yield self._open_block(len(data) - position)
            piece = data[position : position + self._block]
            yield piece
            position += len(piece)
            self._block -= len(piece)
            self._length += len(piece)
            self._data += len(piece)

    def _open_block(self, at_hand: int) -> bytes:
        known = self._entry.length
        left = at_hand if known is None else known - self._length
        assert left > 0, "more data than the length that was announced"
        self._block = min(left, _BLOCK)
        self._data += _BLOCK_HEADER.size
        last = known is not None and left <= _BLOCK
        return _BLOCK_HEADER.pack(last, self._block, self._block ^ 0xFFFF)

    def end(self) -> bytes:
        """The end of the file."""
        entry = self._entry
        assert entry.length in (None, self._length), "less data than the length that was announced"
        last = b"" if entry.length else _LAST_BLOCK
        compressed = self._data + len(last)
        assert entry.is_large or max(compressed, self._length) < _LARGE, "a file larger than was announced"
        descriptor = (_DESCRIPTOR_64 if entry.is_large else _DESCRIPTOR).pack(
            b"PK\7\x08", self._crc, compressed, self._length
        )
        self._directory += self._directory_entry(compressed)
        self._count += 1
        self._offset += compressed + len(descriptor)
        return last + descriptor

    def _directory_entry(self, compressed: int) -> bytes:
        name = self._entry.name.encode()
        extra = _extra(compressed, self._length, self._start)
        version = _VERSION_64 if extra or self._entry.is_large else _VERSION
        return (
            _CENTRAL.pack(
                b"PK\1\2",
                _BY_UNIX | version,
                version,
                _FLAGS,
                _DEFLATE,
                self._time,
                self._date,
                self._crc,
                min(compressed, _LARGE),
                min(self._length, _LARGE),
                len(name),
                len(extra),
                0,
                0,
                0,
                _MODE,
                min(self._start, _LARGE),
            )
            + name
            + extra
        )

    def close(self) -> bytes:
        """The directory: the end of the archive."""
        return bytes(self._directory) + _end(self._count, len(self._directory), self._offset)
