"""Colour to RGB: palettes, luminance and chrominance, CIELab (PS3.3 C.7.6.3.1.2, C.10.7.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.rendering.grayscale import by_value
from dicomweb.pixels.rendering.lut import LookupTable, lookup_table, segmented_table
from dicomweb.pixels.rendering.samples import Pixels, stored_bits, stored_values
from dicomweb.pixels.rendering.values import Values

_BAND = 1 << 20  # pixels
Levels = NDArray[np.uint8]
Rgb = tuple[int, int, int]

# Red, green, blue: descriptor, data, segmented data.
_PALETTE = (
    ("00281101", "00281201", "00281221"),
    ("00281102", "00281202", "00281222"),
    ("00281103", "00281203", "00281223"),
)


# --- three samples a pixel ---------------------------------------------------------------------------------


def colour_levels(words: Pixels, layout: PixelLayout) -> Levels:
    """RGB (rows, columns, 3) of a frame of several samples a pixel."""
    levels = _eight_bits(words, layout)
    if levels.shape[2] < 3:
        return np.repeat(levels[..., :1], 3, axis=2)
    convert = _TO_RGB.get(layout.photometric_interpretation, _same)
    return convert(levels)


def _eight_bits(words: Pixels, layout: PixelLayout) -> Levels:
    """Samples scaled to 8 bits by their stored bits."""
    bits = stored_bits(layout)
    if words.dtype.kind == "f":
        raise DecodeFailed("Colour in floating point cannot be drawn.")
    if bits == 8 and layout.bits_allocated == 8:
        return words.astype(np.uint8, copy=False)
    offset = 1 << (bits - 1) if layout.pixel_representation == 1 else 0

    def scaled(some: Pixels) -> Levels:
        shifted = stored_values(some, layout).astype(np.int64) + offset
        return (shifted * 255 // ((1 << bits) - 1)).astype(np.uint8)

    return by_value(words, scaled)


def _same(levels: Levels) -> Levels:
    return levels[..., :3]


def _from_mode(mode: str) -> Callable[[Levels], Levels]:
    """Conversion from a colour space of Pillow, in bands: it holds a picture in four bytes a pixel."""
    samples = len(Image.new(mode, (1, 1)).getbands())

    def convert(levels: Levels) -> Levels:
        shown = np.empty((*levels.shape[:2], 3), np.uint8)
        rows = max(_BAND // levels.shape[1], 1)
        for start in range(0, levels.shape[0], rows):
            band = levels[start : start + rows, :, :samples]
            picture = Image.frombytes(mode, band.shape[1::-1], band.tobytes())
            shown[start : start + rows] = np.asarray(picture.convert("RGB"))
        return shown

    return convert


_full_range = _from_mode("YCbCr")


def _partial_range(levels: Levels) -> Levels:
    """Luminance of 16 to 235, chrominance of 16 to 240 (YBR_PARTIAL)."""
    steps = np.arange(256)
    luminance = np.clip(np.rint((steps - 16) * 255 / 219), 0, 255).astype(np.uint8)
    chrominance = np.clip(np.rint((steps - 128) * 255 / 224 + 128), 0, 255).astype(np.uint8)
    tables = (luminance, chrominance, chrominance)
    return _full_range(np.stack([table[levels[..., i]] for i, table in enumerate(tables)], axis=-1))


_TO_RGB: dict[str, Callable[[Levels], Levels]] = {
    "YBR_FULL": _full_range,
    "YBR_FULL_422": _full_range,
    "YBR_PARTIAL_422": _partial_range,
    "YBR_PARTIAL_420": _partial_range,
    "ARGB": lambda levels: levels[..., 1:4],
    "CMYK": _from_mode("CMYK"),
    "HSV": _from_mode("HSV"),
}


# --- palettes ----------------------------------------------------------------------------------------------


def palette_of(values: Values, layout: PixelLayout) -> tuple[LookupTable, ...] | None:
    """Red, green and blue tables of a data set; None where one is missing."""
    signed = layout.pixel_representation == 1
    tables = [
        lookup_table(values, descriptor, data, signed=signed)
        or segmented_table(values, descriptor, segmented, signed=signed)
        for descriptor, data, segmented in _PALETTE
    ]
    found = tuple(table for table in tables if table is not None)
    return found if len(found) == len(_PALETTE) else None


def palette_levels(words: Pixels, layout: PixelLayout, palette: Sequence[LookupTable]) -> Levels:
    """RGB (rows, columns, 3) of a PALETTE COLOR frame."""
    shift = _palette_shift(palette)

    def coloured(some: Pixels) -> Levels:
        stored = stored_values(some, layout)
        return np.stack([table(stored) >> shift for table in palette], axis=-1).astype(np.uint8)

    return by_value(words, coloured)


def with_supplemental_palette(
    gray: Levels, words: Pixels, layout: PixelLayout, palette: Sequence[LookupTable]
) -> Levels:
    """Colour for stored values from the palette's first input on, gray below (C.7.6.19)."""
    coloured = stored_values(words, layout) >= palette[0].first
    return np.where(coloured[..., None], palette_levels(words, layout, palette), gray[..., None])


def pseudo_coloured(gray: Levels, palette: Sequence[LookupTable]) -> Levels:
    """RGB of gray levels by a palette over the whole range (PS3.4 N.2.2)."""
    shift = _palette_shift(palette)
    every = np.arange(256)
    channels = [
        table.entries[np.rint(every * (len(table.entries) - 1) / 255).astype(np.int64)] >> shift
        for table in palette
    ]
    coloured: Levels = np.stack(channels, axis=-1).astype(np.uint8)[gray]
    return coloured


def _palette_shift(palette: Sequence[LookupTable]) -> int:
    """Bits to drop: 16-bit entries have 8 too many, unless the writer put 8-bit values into them."""
    return 8 if max(int(table.entries.max(initial=0)) for table in palette) > 255 else 0


# --- CIELab ------------------------------------------------------------------------------------------------

_D50 = np.array([0.96422, 1.0, 0.82521])
# XYZ at D50 (Bradford-adapted) to linear sRGB.
_XYZ_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def rgb_of_cielab(encoded: Sequence[float]) -> Rgb | None:
    """sRGB of a CIELab value as data sets hold it, three 16-bit numbers (C.10.7.1.1); None if it is none."""
    if len(encoded) != 3:
        return None
    lightness = encoded[0] * 100 / 0xFFFF
    a, b = (value * 255 / 0xFFFF - 128 for value in encoded[1:])
    y = (lightness + 16) / 116
    cubes = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(cubes > 6 / 29, cubes**3, (cubes - 16 / 116) * 3 * (6 / 29) ** 2) * _D50
    linear = np.clip(_XYZ_TO_SRGB @ xyz, 0, 1)
    companded = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    red, green, blue = (round(float(level)) for level in companded * 255)
    return red, green, blue


def tinted(levels: NDArray[Any], colour: Rgb) -> Levels:
    """RGB of levels in one colour, black where they are 0."""
    scaled = levels[..., None].astype(np.uint16) * np.array(colour, np.uint16)
    return ((scaled + 127) // 255).astype(np.uint8)
