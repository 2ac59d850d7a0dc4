from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, HTJ2K_RPCL
from dicomweb.pixels.codecs import DECODABLE
from dicomweb.pixels.encodable import ENCODABLE, can_encode
from dicomweb.pixels.encoders import encode_frame, pixels_of
from dicomweb.pixels.reduced_frame import reduce_frame
from dicomweb.pixels.transcode import encoded_layout
from tests.pixels.layouts import KINDS, Kind
from tests.pixels.samples import make_layout

FOUR = "1.2.840.10008.1.2.4."
ODD = [
    kind for kind in KINDS if kind.name in ("PALETTE COLOR 8 bits", "1 bit 7x5", "12 of 16 bits, high bit 15")
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("halvings", [1, 2, 6])
def test_native_frames_of_every_kind_get_smaller(kind: Kind, halvings: int) -> None:
    layout = kind.layout
    made = reduce_frame(kind.native, layout, EXPLICIT_LITTLE, EXPLICIT_LITTLE, halvings)
    rows, columns = -(-layout.rows >> halvings), -(-layout.columns >> halvings)
    assert len(made) == -(-rows * columns * layout.samples_per_pixel * layout.bits_allocated // 8)


@pytest.mark.parametrize("uid", sorted(ENCODABLE & DECODABLE))
@pytest.mark.parametrize("halvings", [1, 3, 7])
def test_every_stored_syntax_gives_the_same_sizes(uid: str, halvings: int) -> None:
    rows, columns = 130, 97
    layout = make_layout(rows, columns, encapsulated=False)
    image = np.add.outer(np.arange(rows), np.arange(columns)).astype(np.uint8)
    coded, stored = encode_frame(image.tobytes(), layout, uid), encoded_layout(layout, EXPLICIT_LITTLE, uid)
    made = reduce_frame(coded, stored, uid, EXPLICIT_LITTLE, halvings)
    assert len(made) == -(-rows >> halvings) * -(-columns >> halvings)
    if halvings == 1:
        smaller = np.frombuffer(made, np.uint8).reshape(65, 49).astype(int)
        assert np.abs(smaller - image[::2, ::2]).mean() < 4


def test_a_block_is_its_mean_and_an_edge_is_not_darker() -> None:
    layout = make_layout(3, 3, bits=16, stored=12, signed=True, encapsulated=False)
    image = np.array([[0, 2, -8], [4, 6, -8], [100, 200, 2047]], "<i2")
    made = reduce_frame(image.tobytes(), layout, EXPLICIT_LITTLE, EXPLICIT_LITTLE, 1)
    assert np.frombuffer(made, "<i2").tolist() == [3, -8, 150, 2047]


@pytest.mark.parametrize("kind", ODD, ids=lambda kind: kind.name)
def test_what_has_no_mean_keeps_its_values(kind: Kind) -> None:
    made = reduce_frame(kind.native, kind.layout, EXPLICIT_LITTLE, EXPLICIT_LITTLE, 1)
    if kind.layout.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(made, np.uint8), bitorder="little")[:12]
        assert bits.tolist() == pixels_of(kind.native, kind.layout)[::2, ::2].ravel().tolist()
    else:
        words = np.frombuffer(made, f"<u{kind.layout.bits_allocated // 8}")
        assert words.tolist() == pixels_of(kind.native, kind.layout)[::2, ::2].ravel().tolist()


def test_an_encoded_answer_is_the_smaller_picture() -> None:
    layout = make_layout(64, 40, bits=16, stored=12, encapsulated=False)
    image = np.add.outer(np.arange(64), np.arange(40)).astype("<u2")
    native = reduce_frame(image.tobytes(), layout, EXPLICIT_LITTLE, EXPLICIT_LITTLE, 2)
    coded = reduce_frame(image.tobytes(), layout, EXPLICIT_LITTLE, HTJ2K_RPCL, 2)
    decoded = imagecodecs.jpeg2k_decode(coded)
    assert decoded.shape == (16, 10)
    assert decoded.astype("<u2").tobytes() == native


def test_sub_sampled_colour_comes_out_pixel_by_pixel() -> None:
    (kind,) = (kind for kind in KINDS if kind.name == "YBR_FULL_422")
    made = reduce_frame(kind.native, kind.layout, EXPLICIT_LITTLE, EXPLICIT_LITTLE, 1)
    assert len(made) == 3 * 6 * 5
    assert can_encode(kind.layout, HTJ2K_RPCL)
    assert reduce_frame(kind.native, kind.layout, EXPLICIT_LITTLE, HTJ2K_RPCL, 1)
