from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import decode_frame
from dicomweb.pixels.encoders import encode_frame
from dicomweb.pixels.reduced import REDUCIBLE, decode_reduced
from dicomweb.pixels.transcode import encoded_layout
from tests.pixels.samples import make_layout

FOUR = "1.2.840.10008.1.2.4."
WAVELETS = [f"{FOUR}{n}" for n in (90, 91, 201, 202, 203)]
WORDS = [(8, 8, False), (16, 12, False), (16, 16, False), (16, 12, True), (16, 16, True)]


@pytest.mark.parametrize("uid", WAVELETS)
@pytest.mark.parametrize(("bits", "stored", "signed"), WORDS)
@pytest.mark.parametrize("halvings", [1, 3])
def test_a_smaller_picture_looks_like_the_whole_one(
    uid: str, bits: int, stored: int, signed: bool, halvings: int
) -> None:
    rows, columns, scale = 128, 100, 1 << halvings
    low = -(1 << (stored - 1)) if signed else 0
    image = low + np.add.outer(np.arange(rows), np.arange(columns)) * ((1 << stored) // 300)
    layout = make_layout(rows, columns, bits=bits, stored=stored, signed=signed, encapsulated=False)
    kind = f"<{'i' if signed else 'u'}{bits // 8}"
    coded = encode_frame(image.astype(kind).tobytes(), layout, uid)
    reduced = decode_reduced(coded, encoded_layout(layout, EXPLICIT_LITTLE, uid), uid, halvings)
    assert reduced is not None
    frame, smaller = reduced
    assert (smaller.rows, smaller.columns) == (-(-rows // scale), -(-columns // scale))
    assert len(frame) * 8 == smaller.frame_bits
    pixels = np.frombuffer(frame, kind).reshape(smaller.rows, smaller.columns)
    assert np.abs(pixels.astype(int) - image[::scale, ::scale]).mean() < (1 << stored) * 0.02


@pytest.mark.parametrize("uid", WAVELETS)
@pytest.mark.parametrize(("rows", "columns"), [(130, 97), (33, 5), (1, 70), (255, 256), (2, 2)])
def test_sides_that_do_not_halve_evenly_are_rounded_up(uid: str, rows: int, columns: int) -> None:
    layout = make_layout(rows, columns, encapsulated=False)
    coded = encode_frame(bytes(rows * columns), layout, uid)
    for halvings in range(1, 8):
        reduced = decode_reduced(coded, layout, uid, halvings)
        assert reduced is not None
        frame, smaller = reduced
        assert len(frame) == smaller.rows * smaller.columns
        assert any(
            (smaller.rows, smaller.columns) == (-(-rows >> count), -(-columns >> count))
            for count in range(halvings + 1)  # small pictures may have no smaller version
        )


@pytest.mark.parametrize("uid", WAVELETS)
def test_values_at_the_ends_of_their_range_do_not_wrap_around(uid: str) -> None:
    """Filters overshoot at edges: white must not come out black."""
    image = np.zeros((64, 64), np.uint8)
    image[:, 20:40] = 255
    layout = make_layout(64, 64, encapsulated=False)
    coded = encode_frame(image.tobytes(), layout, uid, quality=50)
    whole = np.frombuffer(decode_frame(coded, layout, uid), np.uint8).reshape(64, 64)
    assert np.abs(whole.astype(int) - image).max() < 50
    reduced = decode_reduced(coded, layout, uid, 1)
    assert reduced is not None
    half = np.frombuffer(reduced[0], np.uint8).reshape(32, 32)
    assert np.abs(half.astype(int) - image[::2, ::2])[:, 2:].mean() < 25


@pytest.mark.parametrize("uid", [*WAVELETS, f"{FOUR}50"])
@pytest.mark.parametrize("planar", [0, 1])
def test_colour_comes_out_by_pixel(uid: str, planar: int) -> None:
    red = np.zeros((64, 80, 3), np.uint8)
    red[..., 0] = np.linspace(100, 200, 80)
    native = np.moveaxis(red, -1, 0) if planar else red
    layout = make_layout(64, 80, samples=3, planar=planar, encapsulated=False)
    coded = encode_frame(native.tobytes(), layout, uid)
    reduced = decode_reduced(coded, encoded_layout(layout, EXPLICIT_LITTLE, uid), uid, 2)
    assert reduced is not None
    frame, smaller = reduced
    assert (smaller.photometric_interpretation, smaller.planar_configuration) == ("RGB", 0)
    pixels = np.frombuffer(frame, np.uint8).reshape(16, 20, 3)
    assert np.abs(pixels.astype(int) - red[::4, ::4]).max() < 8


def test_no_picture_gets_smaller_than_its_codestream_has() -> None:
    layout = make_layout(64, 64, encapsulated=False)
    uid = f"{FOUR}201"
    coded = encode_frame(bytes(64 * 64), layout, uid)
    reduced = decode_reduced(coded, layout, uid, 30)
    assert reduced is not None
    assert (reduced[1].rows, reduced[1].columns) == (2, 2)
    uid = f"{FOUR}50"
    reduced = decode_reduced(encode_frame(bytes(64 * 64), layout, uid), layout, uid, 30)
    assert reduced is not None
    assert (reduced[1].rows, reduced[1].columns) == (8, 8)


def test_what_must_be_decoded_whole_is_left_to_decode_frame() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    unnamed = bytes(imagecodecs.jpeg8_encode(image, level=90, outcolorspace="RGB"))
    unnamed = unnamed[:2] + unnamed[18:].replace(b"\x03R", b"\x03\1", 1)
    layout = make_layout(64, 64, samples=3)
    assert decode_reduced(unnamed, layout, f"{FOUR}50", 1) is None
    assert decode_reduced(b"", layout, f"{FOUR}80", 1) is None
    assert decode_reduced(b"", make_layout(64, 64, bits=1), f"{FOUR}90", 1) is None


@pytest.mark.parametrize("uid", sorted(REDUCIBLE))
def test_what_is_no_such_codestream_is_refused(uid: str) -> None:
    layout = make_layout(64, 64, encapsulated=False)
    coded = encode_frame(bytes(64 * 64), layout, uid)
    for junk in (b"", coded[:30], coded[: len(coded) // 2], b"\xff" * 99):
        with pytest.raises(DecodeFailed):
            decode_reduced(junk, layout, uid, 1)
    with pytest.raises(DecodeFailed, match="rows and columns"):
        decode_reduced(coded, make_layout(65, 64), uid, 1)
