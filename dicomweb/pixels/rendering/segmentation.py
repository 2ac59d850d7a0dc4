"""Segmentation frames as pictures: each segment in its colour on black (PS3.3 C.8.20)."""

from __future__ import annotations

import numpy as np

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.pixels.rendering.colour import Levels, Rgb, rgb_of_cielab, tinted
from dicomweb.pixels.rendering.grayscale import by_value
from dicomweb.pixels.rendering.samples import Pixels, stored_values
from dicomweb.pixels.rendering.values import Values

SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""SOP classes: Segmentation and Label Map Segmentation Storage."""

_TYPE, _MAXIMUM, _SEGMENTS = "00620001", "0062000E", "00620002"
_SEGMENT_NUMBER, _COLOUR = "00620004", "0062000D"

# For segments without a Recommended Display CIELab Value: well apart, none dark.
_COLOURS: tuple[Rgb, ...] = (
    (255, 255, 255),
    (230, 85, 70),
    (90, 190, 95),
    (90, 140, 235),
    (240, 200, 70),
    (190, 110, 215),
    (80, 205, 205),
    (245, 150, 60),
    (240, 130, 180),
    (170, 200, 90),
)
_LARGEST_LABEL = 0xFFFF


def segmentation_levels(words: Pixels, layout: PixelLayout, values: Values) -> Levels:
    """RGB (rows, columns, 3) of a frame."""
    colours = _segment_colours(values)
    if values.text(_TYPE) == "LABELMAP":
        return _labels(words, layout, colours)
    full = values.number(_MAXIMUM) or 1 if values.text(_TYPE) == "FRACTIONAL" else 1

    def levels(some: Pixels) -> Levels:
        stored = stored_values(some, layout)
        return np.rint(np.clip(stored / full, 0, 1) * 255).astype(np.uint8)

    colour = next(iter(colours.values())) if len(colours) == 1 else _COLOURS[0]
    return tinted(by_value(words, levels), colour)


def _segment_colours(values: Values) -> dict[int, Rgb]:
    colours = {}
    for segment in values.items(_SEGMENTS):
        number = segment.integer(_SEGMENT_NUMBER)
        recommended = rgb_of_cielab(segment.numbers(_COLOUR))
        colours[number] = recommended or _COLOURS[(number - 1) % len(_COLOURS)]
    return colours


def _labels(words: Pixels, layout: PixelLayout, colours: dict[int, Rgb]) -> Levels:
    table = np.array([_COLOURS[label % len(_COLOURS)] for label in range(_LARGEST_LABEL + 1)], np.uint8)
    for number, colour in colours.items():
        if 0 <= number <= _LARGEST_LABEL:
            table[number] = colour
    if 0 not in colours:
        table[0] = 0

    def coloured(some: Pixels) -> Levels:
        return table[np.clip(stored_values(some, layout), 0, _LARGEST_LABEL).astype(np.int64)]

    return by_value(words, coloured)
