from __future__ import annotations

import struct
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, HTJ2K, HTJ2K_LOSSLESS, HTJ2K_RPCL
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import decode_frame
from dicomweb.pixels.encoders import encode_frame
from dicomweb.pixels.resolution_levels import HEAD_BYTES, halved, levels_of
from dicomweb.pixels.transcode import encoded_layout
from tests.pixels.samples import make_layout

SHAPES = [(512, 512), (511, 300), (65, 100), (64, 64), (3, 1), (70, 2049)]
WORDS = [(8, 8, False, 1), (16, 12, False, 1), (16, 12, True, 1), (16, 16, True, 1), (8, 8, False, 3)]


def picture(layout: PixelLayout) -> bytes:
    """A slope with noise in the middle of the range: wavelets overshoot at its ends."""
    low = -(1 << layout.bits_stored >> 1) if layout.pixel_representation else 0
    span = 1 << layout.bits_stored
    slope = np.linspace(low + span / 4, low + 3 * span / 4, layout.rows * layout.columns)
    noise = np.random.default_rng(1).normal(0, span / 200, slope.size)
    values = np.repeat(slope + noise, layout.samples_per_pixel)
    kind = "i" if layout.pixel_representation else "u"
    return values.astype(f"<{kind}{layout.bits_allocated // 8}").tobytes()


def layout_of(shape: tuple[int, int], words: tuple[int, int, bool, int]) -> PixelLayout:
    bits, stored, signed, samples = words
    return make_layout(*shape, samples=samples, bits=bits, stored=stored, signed=signed, encapsulated=False)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("words", WORDS)
def test_what_is_cut_out_decodes_to_what_the_whole_gives_at_that_resolution(
    shape: tuple[int, int], words: tuple[int, int, bool, int]
) -> None:
    layout = layout_of(shape, words)
    coded = encode_frame(picture(layout), layout, HTJ2K_RPCL)
    levels = levels_of(coded[:HEAD_BYTES])
    assert levels is not None
    assert levels.end(0) == len(coded) - 2  # all but the end marker
    for count in range(levels.halvings + 1):
        small = halved(coded[: levels.end(count)], levels, count)
        want = imagecodecs.htj2k_decode(coded, skipres=count, planar=False)
        assert want.shape[:2] == (-(-shape[0] >> count), -(-shape[1] >> count))
        assert np.array_equal(imagecodecs.htj2k_decode(small, planar=False), want)
        assert np.array_equal(imagecodecs.jpeg2k_decode(small), want)  # OpenJPEG: no other is as strict


def test_a_cut_codestream_is_a_frame_of_its_own() -> None:
    layout = make_layout(300, 200, bits=16, stored=12, encapsulated=False)
    coded = encode_frame(picture(layout), layout, HTJ2K_RPCL)
    levels = levels_of(coded)
    assert levels is not None
    small = halved(coded[: levels.end(2)], levels, 2)
    smaller = replace(encoded_layout(layout, EXPLICIT_LITTLE, HTJ2K_RPCL), rows=75, columns=50)
    assert len(decode_frame(small, smaller, HTJ2K_RPCL)) == 75 * 50 * 2
    again = levels_of(small)  # its header is as good: it can be halved further
    assert again is not None
    assert halved(small[: again.end(1)], again, 1) == halved(coded[: levels.end(3)], levels, 3)


def test_a_quarter_of_each_side_is_a_small_part_of_the_bytes() -> None:
    layout = make_layout(512, 512, bits=16, stored=12, encapsulated=False)
    coded = encode_frame(picture(layout), layout, HTJ2K_RPCL)
    levels = levels_of(coded)
    assert levels is not None
    assert levels.end(2) < len(coded) / 12


@pytest.mark.parametrize("uid", [HTJ2K_LOSSLESS, HTJ2K])
def test_other_syntaxes_have_no_levels_to_cut_at(uid: str) -> None:
    layout = make_layout(64, 64, encapsulated=False)
    assert levels_of(encode_frame(picture(layout), layout, uid)) is None


def test_one_tile_part_for_all_resolutions_has_no_levels_to_cut_at() -> None:
    image = np.zeros((64, 64), np.uint8)
    assert levels_of(bytes(imagecodecs.htj2k_encode(image, resolutions=5, tlm=True))) is None


def test_several_tiles_have_no_levels_to_cut_at() -> None:
    image = np.zeros((128, 128), np.uint8)
    coded = imagecodecs.htj2k_encode(image, resolutions=1, tlm=True, tilepart=1, tile=(64, 64))
    assert levels_of(bytes(coded)) is None


def test_a_header_that_is_cut_off_has_no_levels() -> None:
    layout = make_layout(64, 64, encapsulated=False)
    coded = encode_frame(picture(layout), layout, HTJ2K_RPCL)
    header = coded.index(b"\xff\x90")
    for length in range(header + 4):
        assert levels_of(coded[:length]) is None


@given(place=integers(2, 170), junk=binary(min_size=1, max_size=8))
def test_a_damaged_header_is_read_or_refused(place: int, junk: bytes) -> None:
    layout = make_layout(64, 64, encapsulated=False)
    coded = encode_frame(picture(layout), layout, HTJ2K_RPCL)
    damaged = coded[:place] + junk + coded[place + len(junk) :]
    levels = levels_of(damaged)
    if levels is not None:
        for count in range(levels.halvings + 1):
            halved(damaged[: levels.end(count)], levels, count)


def test_sampled_components_have_no_levels_to_cut_at() -> None:
    layout = make_layout(64, 64, encapsulated=False)
    coded = bytearray(encode_frame(picture(layout), layout, HTJ2K_RPCL))
    (samples,) = struct.unpack_from(">H", coded, 40)
    assert samples == 1
    coded[43] = 2  # XRsiz
    assert levels_of(bytes(coded)) is None
    with pytest.raises(DecodeFailed):
        decode_frame(bytes(coded[:60]), layout, HTJ2K_RPCL)
