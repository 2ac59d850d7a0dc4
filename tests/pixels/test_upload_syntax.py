"""What pixel data parts are stored as."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, RLE_LOSSLESS
from dicomweb.errors import InvalidDicom
from dicomweb.pixels.upload_syntax import codestream_range, upload_syntax

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
        ("video/mp4", _FOUR + "102", b"", False, _FOUR + "102"),
    ],
)
def test_the_transfer_syntax_of_parts(
    media_type: str, stated: str, head: bytes, native: bool, uid: str
) -> None:
    assert upload_syntax(media_type, stated, head, native=native).uid == uid


@pytest.mark.parametrize(
    ("media_type", "stated"),
    [
        ("image/tiff", ""),
        ("text/html", ""),
        ("video/mp4", ""),
        ("image/jpeg", "1.2.840.10008.1.2.2"),
        ("image/jpeg", "no UID"),
    ],
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
