"""A native frame as an array of stored values (PS3.3 C.7.6.3, PS3.5 8.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed

Pixels = NDArray[Any]

_FLOATS = {"7FE00008": "<f4", "7FE00009": "<f8"}
_WORDS = {8: "u1", 16: "<u2", 32: "<u4", 64: "<u8"}


def words_of(frame: bytes, layout: PixelLayout) -> Pixels:
    """Words of a frame as they stand, overlay bits and all: (rows, columns), or (rows, columns, samples).

    frame: little endian. 1-bit pixels come out one a byte. Raises DecodeFailed for too few bytes.
    """
    shape = layout.rows, layout.columns, layout.samples_per_pixel
    count = shape[0] * shape[1] * shape[2]
    words = _flat_words(frame, layout, count)
    if words.size == count * 2 // 3 and shape[2] == 3 and layout.photometric_interpretation.endswith("422"):
        return _shared_chrominance(words, layout)
    if words.size < count or not count:
        raise DecodeFailed("A frame does not have the size that its attributes say.")
    if layout.samples_per_pixel == 1:
        return words[:count].reshape(shape[:2])
    if layout.planar_configuration == 1:
        return np.moveaxis(words[:count].reshape(shape[2], *shape[:2]), 0, -1)
    return words[:count].reshape(shape)


def _flat_words(frame: bytes, layout: PixelLayout, count: int) -> Pixels:
    if layout.bits_allocated == 1:
        return np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")[:count]
    word = _FLOATS.get(layout.tag) or _WORDS.get(layout.bits_allocated)
    if word is None:
        raise DecodeFailed("Pixels of this Bits Allocated cannot be drawn.")
    size = np.dtype(word).itemsize
    return np.frombuffer(frame, word, min(len(frame) // size, count))


def _shared_chrominance(words: Pixels, layout: PixelLayout) -> Pixels:
    """YBR_FULL_422 as Y Y Cb Cr for two pixels (C.7.6.3.1.2), spread to three samples a pixel."""
    pairs = words[: words.size // 4 * 4].reshape(-1, 4)
    luminance = pairs[:, :2].reshape(-1)
    spread = np.stack([luminance, np.repeat(pairs[:, 2], 2), np.repeat(pairs[:, 3], 2)], axis=-1)
    if len(spread) < layout.rows * layout.columns:
        raise DecodeFailed("A frame does not have the size that its attributes say.")
    return spread[: layout.rows * layout.columns].reshape(layout.rows, layout.columns, 3)


def stored_bits(layout: PixelLayout) -> int:
    """Bits Stored where it makes sense, else Bits Allocated."""
    return layout.bits_stored if 0 < layout.bits_stored <= layout.bits_allocated else layout.bits_allocated


def lowest_bit(layout: PixelLayout) -> int:
    """Place of the least significant bit of a pixel in its word."""
    low = layout.high_bit + 1 - stored_bits(layout)
    return low if 0 <= low <= layout.bits_allocated - stored_bits(layout) else 0


def stored_values(words: Pixels, layout: PixelLayout) -> Pixels:
    """Pixel values of words: only the stored bits, shifted down, with their sign."""
    if words.dtype.kind == "f" or layout.bits_allocated == 1:
        return words
    signed = layout.pixel_representation == 1
    kind = words.dtype.str.replace("u", "i") if signed else words.dtype.str
    above = layout.bits_allocated - stored_bits(layout) - lowest_bit(layout)
    if not above and not lowest_bit(layout):
        return words.view(kind)
    # Up to the top of the word and down again: masks, and fills with the sign where there is one.
    return (words << above).view(kind) >> (above + lowest_bit(layout))
