"""What pixels are described as: by their own headers, beside what their sender says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.transfer_syntax import lookup
from dicomweb.dicom.video_header import VideoHeader
from dicomweb.errors import InvalidDicom
from dicomweb.pixels.image_description import ImageDescription, completed, description_of, video_attributes
from dicomweb.pixels.native_pixels import packed, redescribed, unpacked

_FOUR = "1.2.840.10008.1.2.4."


@given(data=st.binary(max_size=200))
def test_a_picture_is_described_or_refused(data: bytes) -> None:
    for suffix in ("50", "80", "90", "201", "112"):
        syntax = lookup(_FOUR + suffix)
        assert syntax is not None
        try:
            description_of(data, syntax)
        except InvalidDicom:
            pass


def test_what_the_sender_says_stays() -> None:
    found = completed(
        {"00280010": {"vr": "US", "Value": [5]}, "00280011": {"vr": "US"}},
        ImageDescription(1, 2, 1, "X", 8, 8).attributes(),
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
    picture = ImageDescription(4, 5, samples, "RGB" if samples == 3 else "MONOCHROME2", 16, 16)
    found = redescribed(attributes, picture, 2)
    assert found["00280004"]["Value"] == [photometric]
    assert found["00280101"]["Value"] == [stored]
    assert found["00280008"]["Value"] == [2]
    assert "00281101" not in found


def test_a_converted_picture_is_packed_with_its_description() -> None:
    description = ImageDescription(4, 5, 3, "RGB", 8, 8)
    found, frames, pixels = unpacked(packed(description, 2, b"pixels"))
    assert (found, frames, bytes(pixels)) == (description, 2, b"pixels")


def test_a_video_is_described_by_its_header() -> None:
    found = video_attributes(VideoHeader("mpeg2", 576, 720, frames=25, frame_time=100 / 3))
    assert found["00181063"]["Value"] == [33.3333]
    assert (found["00280010"]["Value"], found["00280008"]["Value"]) == ([576], [25])
