"""The marks by which a codestream tells what it is."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.codestream import ends_frame, starts_frame, syntax_of
from dicomweb.dicom.part10 import scan
from tests.builders import make_instance

_JPEG = "1.2.840.10008.1.2.4."
_IMAGE = np.arange(4096, dtype=np.uint8).reshape(64, 64)

ENCODED = {
    "50": imagecodecs.jpeg8_encode(_IMAGE),
    "57": imagecodecs.jpeg8_encode(_IMAGE, lossless=True, predictor=4),
    "70": imagecodecs.jpeg8_encode(_IMAGE, lossless=True, predictor=1),
    "80": imagecodecs.jpegls_encode(_IMAGE),
    "81": imagecodecs.jpegls_encode(_IMAGE, level=2),
    "90": imagecodecs.jpeg2k_encode(_IMAGE, level=0, reversible=True, codecformat="j2k"),
    "91": imagecodecs.jpeg2k_encode(_IMAGE, level=40, reversible=False, codecformat="j2k"),
    "201": imagecodecs.htj2k_encode(_IMAGE, reversible=True),
}


@pytest.mark.parametrize("suffix", ENCODED)
def test_codestreams_tell_their_syntax(suffix: str) -> None:
    stream = bytes(ENCODED[suffix])
    assert syntax_of(stream[:4096]) == _JPEG + suffix
    assert starts_frame(stream)


def test_rle_tells_itself_by_its_header() -> None:
    header = struct.pack("<16I", 2, 64, 90, *[0] * 13)
    assert syntax_of(header + b"x" * 60) == "1.2.840.10008.1.2.5"
    assert syntax_of(struct.pack("<16I", 2, 64, 32, *[0] * 13)) == ""


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(head: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\xff\x4f\xff\x51"):
        syntax_of(start + head)


def test_padding_may_follow_the_end() -> None:
    assert ends_frame(b"x\xff\xd9\0")
    assert not ends_frame(b"xxxx")


def test_a_compressed_syntax_that_lies_is_corrected() -> None:
    jpeg_ls = bytes(ENCODED["80"])
    scanned = scan([make_instance(transfer_syntax_uid=_JPEG + "50", codestreams=[jpeg_ls])])
    assert scanned.transfer_syntax_uid == _JPEG + "80"
    assert scanned.warnings


@pytest.mark.parametrize(
    ("stated", "stream"), [("57", "70"), ("91", "90"), ("51", "50"), ("81", "80"), ("203", "201")]
)
def test_a_wider_syntax_of_the_same_family_stands(stated: str, stream: str) -> None:
    data = make_instance(transfer_syntax_uid=_JPEG + stated, codestreams=[bytes(ENCODED[stream])])
    assert scan([data]).transfer_syntax_uid == _JPEG + stated


def test_without_any_meta_the_codestream_decides() -> None:
    data = make_instance(
        transfer_syntax_uid=_JPEG + "70", codestreams=[bytes(ENCODED["70"])], file_meta=False
    )
    assert scan([data]).transfer_syntax_uid == _JPEG + "70"
