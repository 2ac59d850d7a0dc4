"""What a video says of itself: MPEG-4 files, MPEG-2 and H.264 streams, read without a decoder (S-07, S-08).

Where a stream does not tell, its sender has to.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dicomweb.errors import InvalidDicom

_HEAD_BYTES = 1 << 20
# The index of a video of hours is a few MiB.
_LONGEST_INDEX = 32 << 20
_UNSUPPORTED = 0xC122
_FOUR = "1.2.840.10008.1.2.4."

Read = Callable[[int, int], bytes]
"""Bytes by offset and length, fewer at the end."""


@dataclass(frozen=True, slots=True)
class VideoHeader:
    """codec: mpeg2, h264 or h265. level: as the stream codes it, 0 unknown. frames, frame_time (in ms): 0
    unknown."""

    codec: str
    rows: int
    columns: int
    level: int = 0
    bits: int = 8
    frames: int = 0
    frame_time: float = 0.0

    @property
    def transfer_syntax_uid(self) -> str:
        """The syntax whose profile and level hold it. Raises InvalidDicom."""
        if self.codec == "mpeg2":
            return _FOUR + ("100" if self.rows <= 576 and self.columns <= 720 else "101")
        if self.codec == "h265" and self.level <= 153:
            return _FOUR + ("107" if self.bits == 8 else "108")
        if self.codec == "h264" and self.level <= 42:
            return _FOUR + ("102" if self.level <= 41 else "104")
        raise InvalidDicom("No transfer syntax allows a video of this level.", failure_reason=_UNSUPPORTED)


def video_header(read: Read, size: int) -> VideoHeader | None:
    """The header of a video of `size` bytes, None for one that does not tell."""
    head = read(0, min(size, _HEAD_BYTES))
    try:
        if head[4:8] == b"ftyp":
            return _mpeg4(read, size)
        if b"\0\0\1\xb3" in head:
            return _mpeg2(head, read, size)
    except (struct.error, IndexError, ZeroDivisionError):
        return None
    return None


# --- MPEG-4 files (ISO/IEC 14496-12) -----------------------------------------------------------------------


def _mpeg4(read: Read, size: int) -> VideoHeader | None:
    position = 0
    while position + 8 <= size:
        length, kind = struct.unpack(">I4s", read(position, 8))
        header = 8
        if length == 1:
            (length,) = struct.unpack(">Q", read(position + 8, 8))
            header = 16
        length = length or size - position
        if length < header:
            return None
        if kind == b"moov":
            return _movie(read(position + header, min(length - header, _LONGEST_INDEX)))
        position += length
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if length < 8:
            return
        yield kind, data[position + 8 : position + length]
        position += length


def _inner(data: bytes, *path: bytes) -> bytes:
    """The content of the first box at this path, empty when there is none."""
    for kind in path:
        data = next((content for found, content in _boxes(data) if found == kind), b"")
    return data


def _movie(movie: bytes) -> VideoHeader | None:
    tracks = (content for kind, content in _boxes(movie) if kind == b"trak")
    for track in tracks:
        if _inner(track, b"mdia", b"hdlr")[8:12] == b"vide":
            return _track(track)
    return None


_ENTRIES = {b"avc1": "h264", b"avc3": "h264", b"hvc1": "h265", b"hev1": "h265"}


def _track(track: bytes) -> VideoHeader | None:
    table = _inner(track, b"mdia", b"minf", b"stbl")
    kind, entry = next(_boxes(_inner(table, b"stsd")[8:]), (b"", b""))
    codec = _ENTRIES.get(kind)
    if codec is None:
        return None
    columns, rows = struct.unpack_from(">HH", entry, 24)
    configuration = _inner(entry[78:], b"avcC" if codec == "h264" else b"hvcC")
    level = configuration[3 if codec == "h264" else 12]
    bits = 8 if codec == "h264" else (configuration[17] & 7) + 8
    frames, ticks = _times(_inner(table, b"stts"))
    frame_time = 1000 * ticks / _time_scale(_inner(track, b"mdia", b"mdhd")) / frames if frames else 0.0
    return VideoHeader(codec, rows, columns, level, bits, frames, frame_time)


def _times(table: bytes) -> tuple[int, int]:
    """Number of frames, and how long they last, in the track's ticks."""
    (count,) = struct.unpack_from(">I", table, 4)
    pairs = list(struct.iter_unpack(">II", table[8 : 8 + 8 * count]))
    return sum(frames for frames, _ in pairs), sum(frames * ticks for frames, ticks in pairs)


def _time_scale(header: bytes) -> int:
    scale: int = struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0]
    return scale


# --- MPEG-2 streams (ISO/IEC 13818-2) ----------------------------------------------------------------------

_FRAME_RATES = (0.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0)
_PICTURE_START = b"\0\0\1\0"


def _mpeg2(head: bytes, read: Read, size: int) -> VideoHeader:
    start = head.index(b"\0\0\1\xb3") + 4
    sizes = int.from_bytes(head[start : start + 3], "big")
    rate = _FRAME_RATES[head[start + 3] & 15]
    return VideoHeader(
        "mpeg2",
        sizes & 0xFFF,
        sizes >> 12,
        frames=_pictures(read, size),
        frame_time=1000 / rate,
    )


def _pictures(read: Read, size: int) -> int:
    count, position = 0, 0
    while position < size:
        piece = read(position, _HEAD_BYTES + len(_PICTURE_START) - 1)
        count += piece.count(_PICTURE_START)
        position += _HEAD_BYTES
    return count
