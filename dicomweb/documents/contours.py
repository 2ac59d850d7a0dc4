"""The regions of an RT structure set and their contours (PS3.3 C.8.8.5, C.8.8.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomweb.documents.attributes import Item
from dicomweb.errors import DecodeFailed

# (n, 3): millimetres in the patient's coordinates, to the left, the back and the head (PS3.3 C.7.6.2.1.1).
Points3D = NDArray[np.float64]

_MOST_CONTOURS = 30_000
_MOST_POINTS = 3_000_000
_LONGEST_NAME = 28
_LONGEST_COORDINATE = 1e6

_PALETTE = ("#ff6b6b", "#4dabf7", "#69db7c", "#ffd43b", "#da77f2", "#ffa94d", "#38d9a9", "#f783ac", "#a9e34b")
# The least luminance of a line on the dark ground; darker colours are mixed with white.
_DARKEST = 80
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True, slots=True)
class Structure:
    """One region of interest. contours: with whether each is closed."""

    name: str
    colour: str
    contours: Sequence[tuple[Points3D, bool]]


@dataclass(frozen=True, slots=True)
class StructureSet:
    """The regions that have contours. complete: whether all of their contours are here."""

    regions: Sequence[Structure]
    complete: bool


def structure_set_of(document: Item) -> StructureSet:
    """The contours of an object, as many as can be drawn. Raises DecodeFailed when there are none."""
    names = {
        item.whole("ROINumber", -1): item.text("ROIName")
        for item in document.iterate("StructureSetROISequence")
    }
    found: list[Structure] = []
    room = _Room()
    for index, item in enumerate(document.iterate("ROIContourSequence")):
        contours = list(_contours(item, room))
        if contours:
            number = item.whole("ReferencedROINumber", -1)
            name = names.get(number) or f"Region {number if number >= 0 else index + 1}"
            found.append(Structure(name[:_LONGEST_NAME], _colour(item, index), contours))
    if not found:
        raise DecodeFailed("The structure set holds no contours that can be drawn.")
    return StructureSet(found, complete=not room.full)


@dataclass(slots=True)
class _Room:
    """What may still be read."""

    contours: int = _MOST_CONTOURS
    points: int = _MOST_POINTS

    @property
    def full(self) -> bool:
        return self.contours < 0 or self.points < 0


def _contours(structure: Item, room: _Room) -> Iterator[tuple[Points3D, bool]]:
    for contour in structure.iterate("ContourSequence"):
        numbers = contour.numbers("ContourData")
        corners = numbers[: len(numbers) // 3 * 3].reshape(-1, 3)
        # NaN, which stands for what is no number, is not below any bound.
        corners = corners[(np.abs(corners) < _LONGEST_COORDINATE).all(axis=1)]
        room.contours -= 1
        room.points -= len(corners)
        if room.full:
            return
        if len(corners):
            yield corners, contour.code("ContourGeometricType").startswith("CLOSED")


def _colour(item: Item, index: int) -> str:
    """The colour that the structure set recommends, light enough for a dark ground."""
    values = item.numbers("ROIDisplayColor")
    if len(values) != 3 or not np.isfinite(values).all():
        return _PALETTE[index % len(_PALETTE)]
    values = np.clip(values, 0, 255)
    luminance = float(values @ _LUMINANCE)
    if luminance < _DARKEST:
        values = values + (255 - values) * (_DARKEST - luminance) / (255 - luminance)
    red, green, blue = values.astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"
