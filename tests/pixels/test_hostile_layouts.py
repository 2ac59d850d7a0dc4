"""Pixels described by anything at all: jobs give a result or a refusal, and no other error, which would be a
bug of ours and a 500 (design invariant 7)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Any

import imagecodecs
import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import TRANSFER_SYNTAXES
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import DECODABLE
from dicomweb.pixels.dataset_job import dataset_job, dataset_parameters
from dicomweb.pixels.rendering.render import render
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.pixels.transcode import transcode_frame

_EXPLICIT, _IMPLICIT, _BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
_SIDE = st.integers(0, 12)
_LAYOUTS = st.builds(
    PixelLayout,
    tag=st.sampled_from(["7FE00010", "7FE00008", "7FE00009"]),
    vr=st.sampled_from(["OB", "OW", "OF", "OD"]),
    element_offset=st.integers(0, 40),
    element_end=st.integers(0, 300),
    value_offset=st.integers(0, 60),
    value_length=st.integers(0, 300),
    encapsulated=st.booleans(),
    frames=st.integers(0, 2),
    rows=_SIDE,
    columns=_SIDE,
    samples_per_pixel=st.sampled_from([1, 3, 0, 2, 4]),
    bits_allocated=st.sampled_from([8, 16, 1, 32, 64, 0, 12, 24]),
    bits_stored=st.sampled_from([8, 12, 16, 1, 0, 32, 40]),
    high_bit=st.sampled_from([7, 11, 15, 0, 31, 60]),
    pixel_representation=st.sampled_from([0, 1, 2]),
    photometric_interpretation=st.sampled_from(
        ["MONOCHROME2", "MONOCHROME1", "RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR", "YBR_RCT", "X", ""]
    ),
    planar_configuration=st.sampled_from([0, 1, 2]),
)
_IMAGE = np.arange(96, dtype=np.uint8).reshape(8, 12)
_CODED = [
    bytes(imagecodecs.jpeg8_encode(_IMAGE)),
    bytes(imagecodecs.jpegls_encode(_IMAGE)),
    bytes(imagecodecs.jpeg2k_encode(_IMAGE, codecformat="J2K")),
    bytes(imagecodecs.htj2k_encode(_IMAGE, reversible=True)),
    bytes(imagecodecs.jpegxl_encode(_IMAGE, lossless=True, numthreads=1)),
]


@st.composite
def _frames(draw: st.DrawFn) -> bytes:
    """Native bytes, or a codestream with some of its bytes changed or cut off."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=600))
    coded = bytearray(draw(st.sampled_from(_CODED)))
    for place in draw(st.lists(st.integers(0, len(coded) - 1), max_size=4)):
        coded[place] = draw(st.integers(0, 255))
    return bytes(coded[: draw(st.integers(0, len(coded)))]) if draw(st.booleans()) else bytes(coded)


def _settled(function: Any, *arguments: Any) -> None:
    with suppress(DecodeFailed):
        function(*arguments)


@settings(max_examples=400, deadline=None)
@given(
    layout=_LAYOUTS,
    frame=_frames(),
    source=st.sampled_from([_EXPLICIT, *sorted(DECODABLE)]),
    thumbnail=st.booleans(),
)
def test_a_picture_or_a_refusal(layout: PixelLayout, frame: bytes, source: str, thumbnail: bool) -> None:
    parameters = {
        "layout": asdict(layout),
        "transfer_syntax_uid": source,
        "display": {"frame_index": 0, "attributes": {}},
        "request": RenderRequest(thumbnail=thumbnail).to_parameters(),
    }
    _settled(render, parameters, [frame])


@settings(max_examples=400, deadline=None)
@given(
    layout=_LAYOUTS,
    frame=_frames(),
    source=st.sampled_from([_EXPLICIT, *sorted(DECODABLE)]),
    target=st.sampled_from(sorted(TRANSFER_SYNTAXES)),
)
def test_a_transcoded_frame_or_a_refusal(layout: PixelLayout, frame: bytes, source: str, target: str) -> None:
    _settled(transcode_frame, frame, layout, source, target)


@settings(max_examples=400, deadline=None)
@given(
    layout=_LAYOUTS,
    head=st.binary(max_size=40),
    frame=_frames(),
    source=st.sampled_from([_EXPLICIT, _IMPLICIT, _BIG, *sorted(DECODABLE)]),
    target=st.sampled_from(sorted(TRANSFER_SYNTAXES)),
)
def test_a_transcoded_data_set_or_a_refusal(
    layout: PixelLayout, head: bytes, frame: bytes, source: str, target: str
) -> None:
    parameters = orjson.loads(orjson.dumps(dataset_parameters(layout, 0, source, target)))
    _settled(dataset_job, parameters, [head + frame])
