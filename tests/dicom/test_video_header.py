"""What video files say of themselves."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.video_header import VideoHeader, video_header
from dicomweb.errors import InvalidDicom

_FOUR = "1.2.840.10008.1.2.4."


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I", len(data) + 8) + kind + data


def movie(codec: bytes, configuration: bytes, *, first: bool = False) -> bytes:
    entry = bytes(24) + struct.pack(">HH", 640, 480) + bytes(50) + configuration
    table = box(
        b"stbl",
        box(b"stsd", bytes(8), box(codec, entry)),
        box(b"stts", struct.pack(">IIII", 0, 1, 30, 100)),
    )
    media = box(
        b"mdia",
        box(b"mdhd", bytes(12), struct.pack(">I", 3000), bytes(8)),
        box(b"hdlr", bytes(8), b"vide", bytes(12)),
        box(b"minf", table),
    )
    index, data = box(b"moov", box(b"trak", media)), box(b"mdat", bytes(5000))
    return box(b"ftyp", b"isom") + (index + data if first else data + index)


AVC = box(b"avcC", bytes([1, 100, 0, 40, 0]))
HEVC = box(b"hvcC", bytes([1, 1]) + bytes(10) + bytes([93, 0, 0, 0, 0, 2]))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("codec", "configuration", "uid"), [(b"avc1", AVC, "102"), (b"hvc1", HEVC, "108")])
def test_an_mp4_file_tells_its_codec_size_and_times(
    codec: bytes, configuration: bytes, uid: str, first: bool
) -> None:
    file = movie(codec, configuration, first=first)
    header = video_header(lambda offset, length: file[offset : offset + length], len(file))
    assert header is not None
    assert (header.rows, header.columns, header.frames) == (480, 640, 30)
    assert header.frame_time == pytest.approx(100 / 3)
    assert header.transfer_syntax_uid == _FOUR + uid


@given(place=st.integers(0, 400), damage=st.binary(min_size=1, max_size=30))
def test_a_damaged_video_is_described_or_not(place: int, damage: bytes) -> None:
    file = bytearray(movie(b"avc1", AVC, first=True))
    file[place : place + len(damage)] = damage
    video_header(lambda offset, length: bytes(file[offset : offset + length]), len(file))


def test_an_mpeg_2_stream_tells_its_size_and_rate() -> None:
    stream = b"\0\0\1\xb3" + bytes([0x2D, 0x02, 0x40, 0x13]) + b"\0\0\1\0picture" * 25
    header = video_header(lambda offset, length: stream[offset : offset + length], len(stream))
    assert header == VideoHeader("mpeg2", 576, 720, frames=25, frame_time=40.0)
    assert header.transfer_syntax_uid == _FOUR + "100"


def test_a_level_that_no_transfer_syntax_allows_is_refused() -> None:
    with pytest.raises(InvalidDicom):
        _ = VideoHeader("h264", 2160, 3840, level=51).transfer_syntax_uid
