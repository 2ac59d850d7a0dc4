"""Contours of an RT structure set, seen from three sides (PS3.3 C.8.8.5, C.8.8.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomweb.documents.attributes import Item
from dicomweb.documents.drawing import Drawing, Label, Path, Points, points, rectangle
from dicomweb.errors import DecodeFailed

# (n, 3): millimetres in the patient's coordinates, to the left, the back and the head (PS3.3 C.7.6.2.1.1).
Points3D = NDArray[np.float64]

_MOST_CONTOURS = 50_000
_MOST_POINTS = 5_000_000
# Points that are drawn in each view, of all contours: an SVG of a few megabytes.
_MOST_DRAWN = 40_000
_LONGEST_NAME = 28
_LONGEST_COORDINATE = 1e6

_VIEW, _GAP, _LINE_HEIGHT, _TEXT = 400.0, 24.0, 20.0, 13.0
_BACKGROUND, _INK, _FRAME = "#101418", "#dfe5ee", "#3a424d"
_PALETTE = ("#ff6b6b", "#4dabf7", "#69db7c", "#ffd43b", "#da77f2", "#ffa94d", "#38d9a9", "#f783ac", "#a9e34b")
# The least luminance of a line on the dark ground; darker colours are mixed with white.
_DARKEST = 80
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_CROSS = 5.0


@dataclass(frozen=True, slots=True)
class Structure:
    """One region of interest. contours: with whether each is closed."""

    name: str
    colour: str
    contours: Sequence[tuple[Points3D, bool]]


@dataclass(frozen=True, slots=True)
class _View:
    """A projection. across, down: axis of the patient and its direction. marks: left, right, top, bottom."""

    title: str
    across: int
    down: int
    upward: bool
    marks: str


_VIEWS = (
    _View("Axial", 0, 1, False, "RLAP"),
    _View("Coronal", 0, 2, True, "RLHF"),
    _View("Sagittal", 1, 2, True, "APHF"),
)


def structures_of(document: Item) -> list[Structure]:
    """The regions that have contours. Raises DecodeFailed when there is none."""
    names = {
        item.whole("ROINumber", -1): item.text("ROIName")
        for item in document.iterate("StructureSetROISequence")
    }
    found = []
    left = [_MOST_CONTOURS, _MOST_POINTS]
    for index, item in enumerate(document.iterate("ROIContourSequence")):
        contours = list(_contours(item, left))
        if contours:
            number = item.whole("ReferencedROINumber", -1)
            name = names.get(number) or f"Region {number if number >= 0 else index + 1}"
            found.append(Structure(name[:_LONGEST_NAME], _colour(item, index), contours))
    if not found:
        raise DecodeFailed("The structure set holds no contours that can be drawn.")
    return found


def _contours(structure: Item, left: list[int]) -> Iterator[tuple[Points3D, bool]]:
    """Contours of a region while there is room. left: contours and points that may still be read."""
    for contour in structure.iterate("ContourSequence"):
        numbers = contour.numbers("ContourData")
        corners = numbers[: len(numbers) // 3 * 3].reshape(-1, 3)
        corners = corners[
            np.isfinite(corners).all(axis=1) & (np.abs(corners) < _LONGEST_COORDINATE).all(axis=1)
        ]
        left[0] -= 1
        left[1] -= len(corners)
        if min(left) < 0:
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


def contours_drawing(structures: Sequence[Structure], lines: Sequence[str]) -> Drawing:
    """Axial, coronal and sagittal projection of all contours, and the names of the regions."""
    everything = np.concatenate([contour for structure in structures for contour, _ in structure.contours])
    middle, extent = _extent(everything)
    step = max(1, len(everything) // _MOST_DRAWN)
    top = _GAP + len(lines) * _LINE_HEIGHT
    places = [(_GAP, top), (2 * _GAP + _VIEW, top), (_GAP, top + _VIEW + _GAP)]
    shapes: list[Path | Label] = [
        Label(_GAP, _GAP + (n + 0.5) * _LINE_HEIGHT, line, _TEXT, _INK) for n, line in enumerate(lines)
    ]
    for view, place in zip(_VIEWS, places, strict=True):
        shapes += _seen(view, place, structures, middle, extent, step)
    shapes += _legend(structures, 2 * _GAP + _VIEW, top + _VIEW + _GAP)
    width, height = 2 * _VIEW + 3 * _GAP, top + 2 * _VIEW + 2 * _GAP
    return Drawing(width, height, shapes, _BACKGROUND, "Contours")


def contours_thumbnail(structures: Sequence[Structure]) -> Drawing:
    """The axial projection alone, without any text."""
    everything = np.concatenate([contour for structure in structures for contour, _ in structure.contours])
    middle, extent = _extent(everything)
    step = max(1, len(everything) // _MOST_DRAWN)
    shapes = _outlines(_VIEWS[0], (0.0, 0.0), structures, middle, extent, step)
    return Drawing(_VIEW, _VIEW, shapes, _BACKGROUND, "Contours")


def _extent(everything: Points3D) -> tuple[NDArray[np.float64], float]:
    """The middle of all points, and the side of a cube around them with a margin."""
    low, high = everything.min(axis=0), everything.max(axis=0)
    return (low + high) / 2, max(float((high - low).max()) * 1.1, 1.0)


def _outlines(
    view: _View,
    place: tuple[float, float],
    structures: Sequence[Structure],
    middle: NDArray[np.float64],
    extent: float,
    step: int,
) -> list[Path | Label]:
    scale = _VIEW / extent
    axes = [view.across, view.down]
    direction = np.array([scale, -scale if view.upward else scale])
    centre = np.array([place[0] + _VIEW / 2, place[1] + _VIEW / 2])
    shapes: list[Path | Label] = []
    for structure in structures:
        for closed in (True, False):
            strokes = [
                centre + (contour[_thinned(len(contour), step)][:, axes] - middle[axes]) * direction
                for contour, ends in structure.contours
                if ends is closed
            ]
            if not closed:
                strokes = [line for stroke in strokes for line in _visible(stroke)]
            if strokes:
                fill = structure.colour if closed else ""
                shapes.append(Path(strokes, structure.colour, 1.2, closed=closed, fill=fill, opacity=0.06))
    return shapes


def _visible(stroke: Points) -> list[Points]:
    """A line, or a cross for a single point."""
    if len(stroke) > 1:
        return [stroke]
    across, down = np.array([_CROSS, 0.0]), np.array([0.0, _CROSS])
    return [np.vstack([stroke - arm, stroke + arm]) for arm in (across, down)]


def _thinned(count: int, step: int) -> slice:
    """Every so many points of a contour, so that enough are left to see it."""
    return slice(None, None, min(step, max(1, count // 8)))


def _seen(
    view: _View,
    place: tuple[float, float],
    structures: Sequence[Structure],
    middle: NDArray[np.float64],
    extent: float,
    step: int,
) -> list[Path | Label]:
    x, y = place
    left, right, top, bottom = view.marks
    bar = _bar_length(extent)
    across = bar * _VIEW / extent
    return [
        *_outlines(view, place, structures, middle, extent, step),
        Path([rectangle(x, y, _VIEW, _VIEW)], _FRAME, 1, closed=True),
        Label(x + 8, y + 18, view.title, _TEXT, _INK, bold=True),
        Label(x + 6, y + _VIEW / 2, left, _TEXT, _INK),
        Label(x + _VIEW - 6, y + _VIEW / 2, right, _TEXT, _INK, "end"),
        Label(x + _VIEW / 2, y + 16, top, _TEXT, _INK, "middle"),
        Label(x + _VIEW / 2, y + _VIEW - 6, bottom, _TEXT, _INK, "middle"),
        Path([points([(x + 8, y + _VIEW - 8), (x + 8 + across, y + _VIEW - 8)])], _INK, 2),
        Label(x + 8, y + _VIEW - 14, f"{bar:g} mm", _TEXT * 0.9, _INK),
    ]


def _bar_length(extent: float) -> float:
    """A round length of about a quarter of the view."""
    power = 10.0 ** np.floor(np.log10(extent / 4))
    return float(max(step * power for step in (1, 2, 5) if step * power <= extent / 4))


def _legend(structures: Sequence[Structure], x: float, y: float) -> list[Path | Label]:
    most = int(_VIEW // _LINE_HEIGHT) - 1
    shapes: list[Path | Label] = []
    for number, structure in enumerate(structures[:most]):
        line = y + (number + 1) * _LINE_HEIGHT
        shapes.append(Path([rectangle(x, line - 11, 12, 12)], fill=structure.colour, closed=True))
        count = len(structure.contours)
        text = f"{structure.name}  ({count} contour{'' if count == 1 else 's'})"
        shapes.append(Label(x + 20, line, text, _TEXT, _INK))
    if len(structures) > most:
        line = y + (most + 1) * _LINE_HEIGHT
        shapes.append(Label(x + 20, line, f"and {len(structures) - most} more", _TEXT, _INK))
    return shapes
