from __future__ import annotations

import struct
from collections.abc import Set
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from dicomweb.dicom.codestream import syntax_of
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import (
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_LITTLE,
    JPEG_RECOMPRESSED,
    RLE_LOSSLESS,
    TRANSFER_SYNTAXES,
)
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import decode_frame
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.encodable import ENCODABLE, can_encode, is_lossy
from dicomweb.pixels.encoders import encode_frame, near_lossless_error
from dicomweb.pixels.resolution_levels import levels_of
from dicomweb.pixels.transcode import (
    can_transcode,
    encoded_attributes,
    encoded_layout,
    transcode_frame,
)
from tests.pixels.layouts import KINDS, Kind
from tests.pixels.samples import make_layout

Values = NDArray[np.int64]

FOUR = "1.2.840.10008.1.2.4."
NATIVE = (ENCAPSULATED_UNCOMPRESSED, "1.2.840.10008.1.2.8.1")
TAKES: dict[str, Set[str]] = {
    "8 bits": ENCODABLE,
    "8 bits signed": ENCODABLE - {f"{FOUR}50", f"{FOUR}51"},
    "12 of 16 bits": ENCODABLE - {f"{FOUR}50"},
    "16 bits": ENCODABLE - {f"{FOUR}50", f"{FOUR}51"},
    "16 bits signed": ENCODABLE - {f"{FOUR}50", f"{FOUR}51"},
    "12 of 16 bits, high bit 15": ENCODABLE - {f"{FOUR}50", f"{FOUR}51"},
    "32 bits": {*(f"{FOUR}{n}" for n in (201, 202, 203)), RLE_LOSSLESS, *NATIVE},
    "24 of 32 bits": {*(f"{FOUR}{n}" for n in (90, 91, 201, 202, 203)), RLE_LOSSLESS, *NATIVE},
    "1 bit 7x5": {*(f"{FOUR}{n}" for n in (90, 91, 201, 202, 203)), RLE_LOSSLESS, *NATIVE},
    "PALETTE COLOR 8 bits": ENCODABLE - {f"{FOUR}50", f"{FOUR}51"},
    "RGB": ENCODABLE,
    "RGB 16 bits": ENCODABLE - {f"{FOUR}50", f"{FOUR}51"},
    "YBR_FULL": ENCODABLE - {f"{FOUR}110", f"{FOUR}112"},
    "YBR_FULL_422": ENCODABLE - {f"{FOUR}110", f"{FOUR}112"},
}


def kind_of(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.name == name)


@pytest.mark.parametrize("name", TAKES)
def test_what_a_syntax_can_hold_is_told_from_attributes_alone(name: str) -> None:
    layout = kind_of(name).layout
    assert {uid for uid in ENCODABLE if can_encode(layout, uid)} == TAKES[name]


IMPOSSIBLE = [
    replace(make_layout(4, 4, bits=32, encapsulated=False), tag="7FE00008"),
    replace(make_layout(4, 4, bits=64, encapsulated=False), tag="7FE00009"),
    make_layout(4, 4, bits=12, encapsulated=False),
    make_layout(0, 4, encapsulated=False),
    make_layout(4, 4, encapsulated=False, frames=0),
    make_layout(4, 5, samples=3, photometric="YBR_FULL_422", encapsulated=False),
]


@pytest.mark.parametrize("layout", IMPOSSIBLE)
@pytest.mark.parametrize("uid", sorted(ENCODABLE - set(NATIVE)))
def test_floats_odd_words_and_no_pixels_are_not_encoded(layout: PixelLayout, uid: str) -> None:
    """P-12, W-15."""
    assert not can_encode(layout, uid)
    with pytest.raises(DecodeFailed):
        encode_frame(bytes(64), layout, uid)


@pytest.mark.parametrize("uid", sorted(ENCODABLE))
@pytest.mark.parametrize("native", [b"", bytes(99), bytes(1 << 16)])
def test_a_frame_of_another_size_than_its_attributes_is_refused(uid: str, native: bytes) -> None:
    with pytest.raises(DecodeFailed, match="size"):
        encode_frame(native, make_layout(10, 10, encapsulated=False), uid)


def test_every_encodable_syntax_is_encapsulated_and_known() -> None:
    assert all(TRANSFER_SYNTAXES[uid].encapsulated for uid in ENCODABLE)


DECLARED = {"70": 16, "80": 16, "90": 12, "91": 12, "201": 12, "202": 12, "203": 12, "110": 16}


@pytest.mark.parametrize("suffix", DECLARED)
def test_codestreams_declare_the_bits_and_the_sign_that_the_attributes_say(suffix: str) -> None:
    """PS3.5 8.2.4, 8.2.14: consistent with Bits Stored; codecs without a sign get the whole word."""
    kind = kind_of("12 of 16 bits signed")
    header = probe(encode_frame(kind.native, kind.layout, FOUR + suffix), FOUR + suffix)
    assert header is not None
    assert (header.precision, header.signed) == (DECLARED[suffix], DECLARED[suffix] == 12)


@pytest.mark.parametrize("suffix", ["50", "51", "70", "80", "90", "201"])
def test_codestreams_look_like_their_syntax(suffix: str) -> None:
    """What finds out the syntax of a frame whose file says another (P-10) is not misled by ours."""
    kind = kind_of("8 bits")
    assert syntax_of(encode_frame(kind.native, kind.layout, FOUR + suffix)) == FOUR + suffix


@pytest.mark.parametrize(("side", "least"), [(64, 5), (2049, 6), (5000, 7)])
def test_htj2k_rpcl_has_what_the_standard_asks_for(side: int, least: int) -> None:
    """PS3.5 10.18: progression RPCL, a base resolution of at most 64, and Tile-part Length markers by which
    each resolution is found."""
    image = np.zeros((3, side), np.uint8)
    coded = encode_frame(image.tobytes(), make_layout(3, side, encapsulated=False), f"{FOUR}202")
    markers = dict(main_header(coded))
    progression, decompositions = markers[0xFF52][1], markers[0xFF52][5]
    assert progression == 2
    assert decompositions == least
    assert side / 2**decompositions <= 64
    levels = levels_of(coded)
    assert levels is not None
    assert levels.halvings == least


def main_header(codestream: bytes) -> list[tuple[int, bytes]]:
    markers: list[tuple[int, bytes]] = []
    place = 2
    while True:
        marker, length = struct.unpack_from(">HH", codestream, place)
        if marker == 0xFF90:
            return markers
        markers.append((marker, codestream[place + 4 : place + 2 + length]))
        place += 2 + length


def test_no_run_of_rle_crosses_a_row() -> None:
    """PS3.5 G.3.1."""
    layout = make_layout(4, 8, encapsulated=False)
    coded = encode_frame(bytes(32), layout, RLE_LOSSLESS)
    assert coded[64:] == bytes([257 - 8, 0]) * 4


def test_lossless_jpeg_names_no_colour_space_that_the_attributes_do_not() -> None:
    """P-16: an Adobe or JFIF segment would have readers convert YBR_FULL, or not."""
    for name, colour in (("RGB", "RGB"), ("YBR_FULL", "")):
        kind = kind_of(name)
        header = probe(encode_frame(kind.native, kind.layout, f"{FOUR}70"), f"{FOUR}70")
        assert header is not None
        assert header.colour == colour


@pytest.mark.parametrize("suffix", ["81", "91", "112", "203"])
@pytest.mark.parametrize("quality", [1, 50, 90, 100])
@pytest.mark.parametrize("name", ["8 bits", "12 of 16 bits", "16 bits", "RGB"])
def test_a_quality_loses_within_bounds_and_only_where_a_syntax_may(
    suffix: str, quality: int, name: str
) -> None:
    kind, uid = kind_of(name), FOUR + suffix
    coded = encode_frame(kind.native, kind.layout, uid, quality=quality)
    layout = encoded_layout(kind.layout, EXPLICIT_LITTLE, uid, quality=quality)
    off = np.abs(words(kind.native, layout) - words(decode_frame(coded, layout, uid), layout))
    if suffix == "81":
        assert off.max() <= near_lossless_error(quality)
    assert off.mean() / (1 << layout.bits_stored) < (0.02 if quality >= 50 else 0.15)
    assert off.max() > 0 or quality >= 90
    assert encoded_attributes(kind.layout, EXPLICIT_LITTLE, uid, quality=quality)["00282110"] == b"01"


@pytest.mark.parametrize("name", ["PALETTE COLOR 8 bits", "16 bits signed", "1 bit 7x5", "32 bits"])
def test_what_is_no_intensity_never_loses_anything(name: str) -> None:
    kind = kind_of(name)
    for uid in TAKES[name]:
        assert not is_lossy(uid, kind.layout, 50)
        coded = encode_frame(kind.native, kind.layout, uid, quality=50)
        assert decode_frame(coded, encoded_layout(kind.layout, EXPLICIT_LITTLE, uid), uid) == kind.native


def words(native: bytes, layout: PixelLayout) -> Values:
    return np.frombuffer(native, f"<u{layout.bits_allocated // 8}").astype(np.int64)


@pytest.mark.parametrize("allocated", [8, 16, 32])
@pytest.mark.parametrize("signed", [False, True])
def test_every_number_of_bits_in_every_word_is_bit_exact(allocated: int, signed: bool) -> None:
    generator = np.random.default_rng(allocated)
    for stored in range(1, allocated + 1):
        low = -(1 << (stored - 1)) if signed else 0
        values = low + generator.integers(0, 1 << stored, 7 * 9)
        native = values.astype(f"<{'i' if signed else 'u'}{allocated // 8}").tobytes()
        layout = make_layout(7, 9, bits=allocated, stored=stored, signed=signed, encapsulated=False)
        for uid in losslessly(allocated, stored):
            coded = encode_frame(native, layout, uid)
            assert decode_frame(coded, encoded_layout(layout, EXPLICIT_LITTLE, uid), uid) == native


def losslessly(allocated: int, stored: int) -> Set[str]:
    """Syntaxes that hold such words and lose nothing."""
    if allocated == 32:
        return TAKES["24 of 32 bits" if stored <= 24 else "32 bits"]
    return TAKES["16 bits"]


def test_a_picture_that_libjxl_spoils_at_its_fastest_is_bit_exact() -> None:
    values = slope(np.random.default_rng(1), 9 * 16 * 3, 255)
    values[:3], values[-3:] = 0, 255
    native = values.astype(np.uint8).tobytes()
    layout = make_layout(9, 16, samples=3, encapsulated=False)
    fastest = imagecodecs.jpegxl_encode(
        np.frombuffer(native, np.uint8).reshape(9, 16, 3), lossless=True, effort=1
    )
    if imagecodecs.jpegxl_decode(fastest).tobytes() == native:
        pytest.skip("libjxl is mended: effort 1 may be used again")
    coded = encode_frame(native, layout, f"{FOUR}110")
    assert decode_frame(coded, encoded_layout(layout, EXPLICIT_LITTLE, f"{FOUR}110"), f"{FOUR}110") == native


@pytest.mark.parametrize("seed", range(4))
def test_random_pictures_of_random_shapes_are_bit_exact(seed: int) -> None:
    """Codecs fail for few of many: libjxl at effort 1 lost pixels of one in a thousand, see above."""
    generator = np.random.default_rng(seed)
    for texture in [noise, slope, haze, specks] * 20:
        rows, columns = (int(side) for side in generator.integers(1, 40, 2))
        samples, allocated = int(generator.choice([1, 3])), int(generator.choice([8, 16]))
        stored = int(generator.integers(2, allocated + 1))
        layout = make_layout(
            rows, columns, samples=samples, bits=allocated, stored=stored, encapsulated=False
        )
        values = texture(generator, rows * columns * samples, (1 << stored) - 1)
        native = values.astype(f"<u{allocated // 8}").tobytes()
        for uid in ENCODABLE - {f"{FOUR}50", f"{FOUR}51"}:
            coded = encode_frame(native, layout, uid)
            assert decode_frame(coded, encoded_layout(layout, EXPLICIT_LITTLE, uid), uid) == native


def noise(generator: np.random.Generator, count: int, most: int) -> Values:
    return generator.integers(0, most + 1, count)


def slope(generator: np.random.Generator, count: int, most: int) -> Values:
    return np.clip(np.linspace(0, most, count) + generator.normal(0, most / 50, count), 0, most).astype(int)


def haze(generator: np.random.Generator, count: int, most: int) -> Values:
    return np.clip(generator.normal(most / 2, 3, count), 0, most).astype(int)


def specks(generator: np.random.Generator, count: int, most: int) -> Values:
    return generator.choice([0, most], count, p=[0.9, 0.1])


# --- stored codestreams that fit, and JPEG inside JPEG XL --------------------------------------------------

AS_STORED = [
    ("50", "51"),
    ("80", "81"),
    ("81", "80"),
    ("90", "91"),
    ("91", "90"),
    ("201", "203"),
    ("203", "201"),
    ("202", "201"),
    ("202", "203"),
    ("110", "112"),
]


@pytest.mark.parametrize(("source", "target"), AS_STORED)
@pytest.mark.parametrize("name", ["8 bits", "RGB"])
def test_a_codestream_that_fits_goes_out_as_it_is(source: str, target: str, name: str) -> None:
    kind = kind_of(name)
    source_uid, target_uid = FOUR + source, FOUR + target
    if name == "RGB" and (source, target) == ("81", "80"):
        return  # nothing tells that components of JPEG-LS are as the encoder here would write them
    coded = encode_frame(kind.native, kind.layout, source_uid)
    layout = encoded_layout(kind.layout, EXPLICIT_LITTLE, source_uid)
    assert transcode_frame(coded, layout, source_uid, target_uid) == coded
    header = probe(coded, source_uid)
    assert not any(encoded_attributes(layout, source_uid, target_uid, header).values())
    assert encoded_layout(layout, source_uid, target_uid, header) == layout


@pytest.mark.parametrize(("source", "target"), [("81", "80"), ("91", "90"), ("203", "201")])
def test_a_codestream_that_lost_something_is_coded_anew(source: str, target: str) -> None:
    kind = kind_of("RGB")
    source_uid, target_uid = FOUR + source, FOUR + target
    coded = encode_frame(kind.native, kind.layout, source_uid, quality=60)
    layout = encoded_layout(kind.layout, EXPLICIT_LITTLE, source_uid, quality=60)
    again = transcode_frame(coded, layout, source_uid, target_uid)
    header = probe(again, target_uid)
    assert header is not None
    assert header.reversible
    made = encoded_layout(layout, source_uid, target_uid, probe(coded, source_uid))
    assert decode_frame(again, made, target_uid) == decode_frame(coded, layout, source_uid)
    changes = encoded_attributes(layout, source_uid, target_uid, probe(coded, source_uid))
    assert changes["00282110"] == b"01"
    assert "00282114" not in changes


@pytest.mark.parametrize("name", ["8 bits", "8 bits 1x1", "MONOCHROME1", "RGB", "YBR_FULL_422"])
@pytest.mark.parametrize("suffix", ["50", "51"])
@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_jpeg_goes_into_jpeg_xl_and_back_byte_for_byte(name: str, suffix: str, padding: bytes) -> None:
    kind, uid = kind_of(name), FOUR + suffix
    jpeg = encode_frame(kind.native, kind.layout, uid) + padding
    layout = encoded_layout(kind.layout, EXPLICIT_LITTLE, uid)
    inside = transcode_frame(jpeg, layout, uid, JPEG_RECOMPRESSED)
    assert transcode_frame(inside, layout, JPEG_RECOMPRESSED, uid) == jpeg
    assert not any(encoded_attributes(layout, uid, JPEG_RECOMPRESSED).values())
    assert not any(encoded_attributes(layout, JPEG_RECOMPRESSED, uid).values())


def test_only_stored_jpeg_of_8_bits_is_recompressed() -> None:
    kind = kind_of("12 of 16 bits")
    extended = encoded_layout(kind.layout, EXPLICIT_LITTLE, f"{FOUR}51")
    assert not can_transcode(extended, f"{FOUR}51", JPEG_RECOMPRESSED)
    assert not can_transcode(kind.layout, EXPLICIT_LITTLE, JPEG_RECOMPRESSED)
    lossless = encoded_layout(kind.layout, EXPLICIT_LITTLE, f"{FOUR}110")
    coded = encode_frame(kind.native, kind.layout, f"{FOUR}110")
    with pytest.raises(DecodeFailed, match="no JPEG"):
        transcode_frame(coded, lossless, JPEG_RECOMPRESSED, f"{FOUR}50")


@pytest.mark.parametrize("named", [True, False])
def test_rgb_in_jpeg_is_recompressed_only_where_a_marker_says_so(named: bool) -> None:
    """Readers of JPEG XL see no Photometric Interpretation."""
    kind = kind_of("RGB")
    pixels = np.frombuffer(kind.native, np.uint8).reshape(kind.layout.rows, kind.layout.columns, 3)
    jpeg = bytes(imagecodecs.jpeg8_encode(pixels, 95, colorspace="RGB", outcolorspace="RGB"))
    layout = replace(kind.layout, encapsulated=True)
    if named:
        inside = transcode_frame(jpeg, layout, f"{FOUR}50", JPEG_RECOMPRESSED)
        assert np.abs(imagecodecs.jpegxl_decode(inside).astype(int) - pixels).mean() < 3
        return
    unnamed = without_adobe(jpeg)
    native = np.frombuffer(decode_frame(unnamed, layout, f"{FOUR}50"), np.uint8)
    assert np.abs(native.reshape(pixels.shape).astype(int) - pixels).mean() < 3
    with pytest.raises(DecodeFailed, match="RGB"):
        transcode_frame(unnamed, layout, f"{FOUR}50", JPEG_RECOMPRESSED)


def without_adobe(jpeg: bytes) -> bytes:
    """The codestream without what tells its colour: the Adobe segment and the names of components."""
    place = jpeg.index(b"\xff\xee")
    (length,) = struct.unpack_from(">H", jpeg, place + 2)
    plain = bytearray(jpeg[:place] + jpeg[place + 2 + length :])
    frame, scan = plain.index(b"\xff\xc0") + 10, plain.index(b"\xff\xda") + 5
    for number in range(3):
        plain[frame + 3 * number] = plain[scan + 2 * number] = number + 1
    return bytes(plain)


# --- what changes around the frames ------------------------------------------------------------------------

EXPECTED = [
    ("RGB", "50", "YBR_FULL_422"),
    ("YBR_FULL", "50", "YBR_FULL_422"),
    ("RGB", "70", "RGB"),
    ("YBR_FULL", "70", "YBR_FULL"),
    ("YBR_FULL_422", "80", "YBR_FULL"),
    ("RGB", "90", "YBR_RCT"),
    ("RGB", "202", "YBR_RCT"),
    ("YBR_FULL", "201", "YBR_FULL"),
    ("RGB", "110", "RGB"),
]


@pytest.mark.parametrize(("name", "suffix", "photometric"), EXPECTED)
@pytest.mark.parametrize("planar", [0, 1])
def test_colour_is_named_as_the_encoder_coded_it(
    name: str, suffix: str, photometric: str, planar: int
) -> None:
    """W-13, Z-08."""
    layout = replace(kind_of(name).layout, planar_configuration=planar)
    changes = encoded_attributes(layout, EXPLICIT_LITTLE, FOUR + suffix)
    assert changes["00280004"] == photometric.encode()
    assert changes["00280006"] == b"\0\0"
    assert encoded_layout(layout, EXPLICIT_LITTLE, FOUR + suffix).photometric_interpretation == photometric


@pytest.mark.parametrize(
    ("suffix", "photometric"), [("91", b"YBR_ICT"), ("203", b"YBR_ICT"), ("112", b"XYB")]
)
def test_lossy_colour_goes_through_other_transforms(suffix: str, photometric: bytes) -> None:
    changes = encoded_attributes(kind_of("RGB").layout, EXPLICIT_LITTLE, FOUR + suffix, quality=80)
    assert changes["00280004"] == photometric


def test_loss_is_said_behind_what_was_lost_before() -> None:
    layout = kind_of("8 bits").layout
    uid = f"{FOUR}50"
    first = encoded_attributes(layout, EXPLICIT_LITTLE, uid, ratio=7.349)
    assert (first["00282110"], first["00282112"], first["00282114"]) == (b"01", b"7.35", b"ISO_10918_1")
    again = encoded_attributes(
        layout, EXPLICIT_LITTLE, uid, ratio=12, stored_ratio="3.5", stored_method="ISO_15444_1"
    )
    assert again["00282112"] == b"3.5\\12.00"
    assert again["00282114"] == b"ISO_15444_1\\ISO_10918_1"


def test_lossy_jpeg_has_8_or_12_bits_and_says_so() -> None:
    ten = encoded_attributes(kind_of("10 of 16 bits").layout, EXPLICIT_LITTLE, f"{FOUR}51")
    assert (ten["00280101"], ten["00280102"]) == (b"\x0c\0", b"\x0b\0")
    assert "00280101" not in encoded_attributes(kind_of("10 of 16 bits").layout, EXPLICIT_LITTLE, f"{FOUR}70")


@pytest.mark.parametrize("uid", sorted(ENCODABLE))
def test_stored_offset_tables_go(uid: str) -> None:
    changes = encoded_attributes(kind_of("8 bits").layout, EXPLICIT_LITTLE, uid)
    assert [changes[tag] for tag in ("7FE00001", "7FE00002", "7FE00003")] == [None] * 3
