"""What pixel data parts are stored as, and what videos and pictures say of themselves."""

from __future__ import annotations

import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, RLE_LOSSLESS, lookup
from dicomweb.dicom.video_header import VideoHeader, video_header
from dicomweb.errors import InvalidDicom
from dicomweb.pixels.uploaded import (
    Picture,
    codestream_range,
    completed,
    picture_of,
    redescribed,
    upload_syntax,
    video_attributes,
)

_FOUR = "1.2.840.10008.1.2.4."
GREY = (np.arange(40 * 30) % 256).astype("u1").reshape(30, 40)
JPEG = bytes(imagecodecs.jpeg8_encode(GREY))
JPEG_LS = bytes(imagecodecs.jpegls_encode(GREY))


@pytest.mark.parametrize(
    ("media_type", "stated", "head", "native", "uid"),
    [
        ("application/octet-stream", "", b"pixels", True, EXPLICIT_LITTLE),
        ("application/octet-stream", "", JPEG, True, EXPLICIT_LITTLE),  # as long as native pixels are
        ("application/octet-stream", "", JPEG, False, _FOUR + "50"),
        ("application/octet-stream", _FOUR + "80", b"anything", True, _FOUR + "80"),
        ("application/octet-stream", "1.2.840.10008.1.2", b"pixels", False, EXPLICIT_LITTLE),
        ("image/jpeg", "", JPEG, False, _FOUR + "50"),
        ("image/jpeg", EXPLICIT_LITTLE, JPEG, False, _FOUR + "50"),
        ("image/jpeg", "", b"", False, _FOUR + "70"),  # the default of table 8.7.3-5
        ("image/jls", "", JPEG_LS, False, _FOUR + "80"),
        ("image/dicom-rle", "", b"", False, RLE_LOSSLESS),
        ("image/jph", "", b"", False, _FOUR + "201"),
        ("video/mp4", "", b"", False, _FOUR + "102"),
        ("video/h265", "", b"", False, _FOUR + "107"),
    ],
)
def test_the_transfer_syntax_of_parts(
    media_type: str, stated: str, head: bytes, native: bool, uid: str
) -> None:
    assert upload_syntax(media_type, stated, head, native=native).uid == uid


@pytest.mark.parametrize(
    ("media_type", "stated"),
    [("image/tiff", ""), ("text/html", ""), ("image/jpeg", "1.2.840.10008.1.2.2"), ("image/jpeg", "no UID")],
)
def test_what_no_transfer_syntax_holds_is_refused(media_type: str, stated: str) -> None:
    with pytest.raises(InvalidDicom) as refused:
        upload_syntax(media_type, stated, b"", native=False)
    assert refused.value.failure_reason == 0xC122


def test_the_codestream_is_taken_out_of_a_jp2_file() -> None:
    file = bytes(imagecodecs.jpeg2k_encode(GREY, codecformat="jp2"))
    offset, length = codestream_range(file, len(file))
    assert file[offset : offset + 4] == b"\xff\x4f\xff\x51"
    assert offset + length == len(file)
    assert codestream_range(JPEG, len(JPEG)) == (0, len(JPEG))


@given(damage=st.binary(max_size=60), place=st.integers(0, 60))
def test_a_damaged_jp2_file_never_reaches_beyond_itself(damage: bytes, place: int) -> None:
    file = bytearray(imagecodecs.jpeg2k_encode(GREY[:8, :8], codecformat="jp2"))
    file[12 + place : 12 + place + len(damage)] = damage
    try:
        offset, length = codestream_range(bytes(file), len(file))
    except InvalidDicom:
        return
    assert length >= 0
    assert offset + length <= len(file)


@given(data=st.binary(max_size=200))
def test_a_picture_is_described_or_refused(data: bytes) -> None:
    for suffix in ("50", "80", "90", "201", "112"):
        syntax = lookup(_FOUR + suffix)
        assert syntax is not None
        try:
            picture_of(data, syntax)
        except InvalidDicom:
            pass


def test_what_the_sender_says_stays() -> None:
    found = completed(
        {"00280010": {"vr": "US", "Value": [5]}, "00280011": {"vr": "US"}},
        Picture(1, 2, 1, "X", 8, 8).attributes(),
    )
    assert (found["00280010"]["Value"], found["00280011"]["Value"]) == ([5], [2])


@pytest.mark.parametrize(
    ("said", "samples", "photometric", "stored"),
    [
        ({"00280004": "MONOCHROME1", "00280100": 16, "00280101": 12}, 1, "MONOCHROME1", 12),
        ({"00280004": "PALETTE COLOR", "00280100": 8, "00280101": 8}, 3, "RGB", 16),
        ({"00280004": "PALETTE COLOR"}, 1, "MONOCHROME2", 16),
    ],
)
def test_a_converted_picture_is_what_it_is(
    said: dict[str, Any], samples: int, photometric: str, stored: int
) -> None:
    attributes = {tag: {"vr": "US", "Value": [value]} for tag, value in said.items()}
    attributes["00281101"] = {"vr": "US", "Value": [1, 2, 3]}
    picture = Picture(4, 5, samples, "RGB" if samples == 3 else "MONOCHROME2", 16, 16)
    found = redescribed(attributes, picture, 2)
    assert found["00280004"]["Value"] == [photometric]
    assert found["00280101"]["Value"] == [stored]
    assert found["00280008"]["Value"] == [2]
    assert "00281101" not in found


# --- video ---------------------------------------------------------------------------------------


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
    found = video_attributes(header)
    assert found["00181063"]["Value"] == [33.3333]


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
