"""Stored syntax x asked syntax x kind of pixels: what the tables call possible is, and loses nothing."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_LITTLE,
    JPEG_RECOMPRESSED,
    RLE_LOSSLESS,
)
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import decode_frame
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.encodable import ENCODABLE, LOSSY_JPEG
from dicomweb.pixels.transcode import (
    can_transcode,
    decoded_layout,
    encoded_layout,
    transcode_frame,
)
from tests.pixels.layouts import KINDS, Kind

FOUR = "1.2.840.10008.1.2.4."
ASKED = (EXPLICIT_LITTLE, *sorted(ENCODABLE), JPEG_RECOMPRESSED)
STORED = (*ASKED, f"{FOUR}57")
# Share of the range that lossy pixels may be off on average.
LOSS = 0.03


@cache
def stored_frame(kind: Kind, uid: str) -> tuple[bytes, PixelLayout] | None:
    """A frame of this kind as it would be stored in a syntax; None where the syntax cannot hold it."""
    if uid == EXPLICIT_LITTLE:
        return kind.native, kind.layout
    if uid == f"{FOUR}57":
        return process_14(kind)
    via = f"{FOUR}50" if uid == JPEG_RECOMPRESSED else EXPLICIT_LITTLE
    made = stored_frame(kind, via)
    if made is None or not can_transcode(made[1], via, uid):
        return None
    frame, layout = made
    try:
        return transcode_frame(frame, layout, via, uid), encoded_layout(layout, via, uid)
    except DecodeFailed:
        assert "all used" in kind.name  # only the values tell that they are beyond what is said of them
        return None


def process_14(kind: Kind) -> tuple[bytes, PixelLayout] | None:
    """JPEG Lossless with another predictor than .70 has."""
    layout = kind.layout
    if layout.samples_per_pixel != 1 or layout.bits_allocated not in (8, 16):
        return None
    words = np.frombuffer(kind.native, f"<u{layout.bits_allocated // 8}").reshape(layout.rows, layout.columns)
    coded = imagecodecs.jpeg8_encode(words, lossless=True, predictor=6, bitspersample=layout.bits_allocated)
    return bytes(coded), encoded_layout(layout, EXPLICIT_LITTLE, f"{FOUR}70")


# Cells that hold, of each stored syntax: no fewer, so that no table refuses what it used to give.
HOLDING = {
    **dict.fromkeys([EXPLICIT_LITTLE, ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES, RLE_LOSSLESS], 536),
    **dict.fromkeys([f"{FOUR}{n}" for n in (201, 202, 203)], 536),
    **dict.fromkeys([f"{FOUR}{n}" for n in (90, 91)], 515),
    **dict.fromkeys([f"{FOUR}{n}" for n in (70, 80, 81)], 461),
    **dict.fromkeys([f"{FOUR}{n}" for n in (110, 112)], 419),
    f"{FOUR}57": 327,
    f"{FOUR}51": 300,
    **dict.fromkeys([f"{FOUR}50", JPEG_RECOMPRESSED], 255),
}


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """What became of every cell; its sums are shown at the end, whether tests pass or not."""
    counted: Counter[str] = Counter()
    yield counted
    size = f"matrix: {len(STORED)} stored x {len(ASKED)} asked syntaxes x {len(KINDS)} kinds of pixels"
    sums = ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{size}: {sums}")  # noqa: T201 -- the size is to be seen


@pytest.mark.parametrize("source_uid", STORED)
def test_every_stored_frame_comes_out_in_every_syntax_that_can_hold_it(
    source_uid: str, outcomes: Counter[str]
) -> None:
    found: Counter[str] = Counter()
    for kind in KINDS:
        stored = stored_frame(kind, source_uid)
        if stored is None:
            found["cannot be stored so"] += len(ASKED)
            continue
        for target_uid in ASKED:
            found[check(kind, *stored, source_uid, target_uid)] += 1
    outcomes.update(found)
    assert found["bit-exact"] + found["lossy, within the bound"] >= HOLDING[source_uid]


def check(kind: Kind, frame: bytes, layout: PixelLayout, source_uid: str, target_uid: str) -> str:
    where = f"{kind.name}: {source_uid} to {target_uid}"
    if not can_transcode(layout, source_uid, target_uid):
        with pytest.raises(DecodeFailed):
            transcode_frame(frame, layout, source_uid, target_uid)
        return "refused by the table"
    header = probe(frame, source_uid) if layout.encapsulated else None
    try:
        made = transcode_frame(frame, layout, source_uid, target_uid)
    except DecodeFailed:
        assert "all used" in kind.name, where
        return "refused for their values"
    made_layout = encoded_layout(layout, source_uid, target_uid, header)
    before, before_layout = decoded(frame, layout, source_uid)
    after, after_layout = decoded(made, made_layout, target_uid)
    if before_layout.photometric_interpretation == after_layout.photometric_interpretation == "YBR_FULL_422":
        assert np.array_equal(before, after), where
        return "bit-exact"
    if target_uid in LOSSY_JPEG | {JPEG_RECOMPRESSED} and frame != made:
        before, after = shown(before, before_layout), shown(after, after_layout)
        loss = np.abs(before - after).mean() / (1 << max(8, layout.bits_stored))
        assert loss < LOSS, where
        return "lossy, within the bound"
    assert same_colour(before_layout, after_layout), where
    assert np.array_equal(before, after), where
    return "bit-exact"


def same_colour(before: PixelLayout, after: PixelLayout) -> bool:
    one, other = (item.photometric_interpretation.removesuffix("_422") for item in (before, after))
    return one == other


def decoded(frame: bytes, layout: PixelLayout, uid: str) -> tuple[NDArray[Any], PixelLayout]:
    """(rows, columns, samples) of a frame in any syntax, and the layout that they have then."""
    if uid == EXPLICIT_LITTLE:
        return samples_of(frame, layout), layout
    native = decode_frame(frame, layout, uid)
    now = decoded_layout(layout, uid, probe(frame, uid))
    assert len(native) == (now.frame_bits + 7) // 8
    return samples_of(native, now), now


def samples_of(native: bytes, layout: PixelLayout) -> NDArray[Any]:
    rows, columns, samples = layout.rows, layout.columns, layout.samples_per_pixel
    if layout.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(native, np.uint8), bitorder="little")
        return bits[: rows * columns].reshape(rows, columns, 1)
    kind = "i" if layout.pixel_representation else "u"
    words: NDArray[Any] = np.frombuffer(native, f"<{kind}{layout.bits_allocated // 8}")
    if layout.photometric_interpretation == "YBR_FULL_422":
        pairs = words.reshape(rows, columns // 2, 4)
        luminance = pairs[..., :2].reshape(rows, columns)
        blue, red = (np.repeat(pairs[..., place], 2, axis=1) for place in (2, 3))
        return np.stack([luminance, blue, red], axis=-1)
    if layout.planar_configuration:
        return words.reshape(samples, rows, columns).transpose(1, 2, 0)
    return words.reshape(rows, columns, samples)


def shown(pixels: NDArray[Any], layout: PixelLayout) -> NDArray[Any]:
    """Pixels as RGB, where they are luminance and colour differences."""
    if not layout.photometric_interpretation.startswith("YBR_FULL"):
        return pixels.astype(float)
    luminance, blue, red = np.moveaxis(pixels.astype(float), -1, 0)
    blue, red = blue - 128, red - 128
    rgb = (luminance + 1.402 * red, luminance - 0.344136 * blue - 0.714136 * red, luminance + 1.772 * blue)
    clipped: NDArray[Any] = np.clip(np.stack(rgb, axis=-1), 0, 255)
    return clipped


# --- a second decoder --------------------------------------------------------------------------------------

# What reads a syntax besides imagecodecs, and how many kinds of pixels it reads. Nobody else reads JPEG XL,
# deflated frames and 1-bit RLE; OpenJPEG stops before HTJ2K of more than 16 bits, GDCM aborts over fewer bits
# in a byte.
OTHERS = [
    (f"{FOUR}50", "gdcm", 13),
    (f"{FOUR}51", "gdcm", 13),
    (f"{FOUR}70", "gdcm", 26),
    (f"{FOUR}80", "gdcm", 26),
    (f"{FOUR}90", "gdcm", 32),
    (f"{FOUR}90", "pylibjpeg", 34),
    (f"{FOUR}91", "pylibjpeg", 34),
    (f"{FOUR}201", "pylibjpeg", 32),
    (f"{FOUR}202", "pylibjpeg", 32),
    (f"{FOUR}203", "pylibjpeg", 32),
    (RLE_LOSSLESS, "pydicom", 34),
    (RLE_LOSSLESS, "pylibjpeg", 34),
]
# pydicom clears bits beyond Bits Stored.
CLEARED = ("all used", "high bit 15")


@pytest.mark.parametrize(("uid", "plugin", "least"), OTHERS)
def test_a_second_decoder_reads_what_is_encoded(
    uid: str, plugin: str, least: int, outcomes: Counter[str]
) -> None:
    agreed = 0
    for kind in KINDS:
        stored = stored_frame(kind, uid)
        if stored is None or kind.name.endswith(CLEARED) or (plugin == "gdcm" and "of 8 bits" in kind.name):
            continue
        theirs = read_by(plugin, *stored, uid)
        if theirs is None:
            continue
        ours, layout = decoded(*stored, uid)
        if uid in LOSSY_JPEG:
            assert np.abs(shown(ours, layout) - shown(theirs, stored[1])).mean() < 3, kind.name
        else:
            assert np.array_equal(ours, theirs), kind.name
        agreed += 1
    assert agreed >= least
    outcomes[f"read alike by {plugin}"] += agreed


def read_by(plugin: str, frame: bytes, layout: PixelLayout, uid: str) -> NDArray[Any] | None:
    """The frame as another decoder gives it, before any colour conversion; None where it gives none."""
    dataset = described(layout)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            array, _ = get_decoder(uid).as_array(dataset, raw=True, decoding_plugin=plugin)
        except RuntimeError:
            return None
    pixels: NDArray[Any] = array.reshape(layout.rows, layout.columns, -1)
    return pixels


def described(layout: PixelLayout) -> Dataset:
    """A data set that says what the layout says."""
    dataset = Dataset()
    dataset.Rows, dataset.Columns = layout.rows, layout.columns
    dataset.SamplesPerPixel = layout.samples_per_pixel
    dataset.PhotometricInterpretation = layout.photometric_interpretation
    dataset.BitsAllocated, dataset.BitsStored = layout.bits_allocated, layout.bits_stored
    dataset.HighBit, dataset.PixelRepresentation = layout.high_bit, layout.pixel_representation
    if layout.samples_per_pixel > 1:
        dataset.PlanarConfiguration = layout.planar_configuration
    return dataset
