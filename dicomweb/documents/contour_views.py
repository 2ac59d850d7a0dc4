"""Contours seen from three sides: every slice projected onto the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomweb.documents.contours import Points3D, Structure, StructureSet
from dicomweb.documents.drawing import Drawing, Label, Path, Points, points, rectangle

# Points that are drawn in each view, of all contours: an SVG of a few megabytes.
_MOST_DRAWN = 40_000
_LEAST_OF_A_CONTOUR = 8

_SIDE, _GAP, _LINE_HEIGHT, _TEXT = 400.0, 24.0, 20.0, 13.0
_BACKGROUND, _INK, _FRAME = "#101418", "#dfe5ee", "#3a424d"
_CROSS = 5.0

_Place = tuple[float, float]
_Shapes = list[Path | Label]


@dataclass(frozen=True, slots=True)
class _View:
    """A projection. across, down: axes of the patient; upward: the second one points up.

    marks: where left, right, top and bottom lie in the patient.
    """

    title: str
    across: int
    down: int
    upward: bool
    marks: tuple[str, str, str, str]


_AXIAL = _View("Axial", 0, 1, False, ("R", "L", "A", "P"))
_CORONAL = _View("Coronal", 0, 2, True, ("R", "L", "H", "F"))
_SAGITTAL = _View("Sagittal", 1, 2, True, ("A", "P", "H", "F"))


def contours_drawing(structures: StructureSet, lines: Sequence[str]) -> Drawing:
    """Axial, coronal and sagittal projection, and the names of the regions; lines: text above them."""
    scene = _Scene.of(structures.regions)
    top = _GAP + len(lines) * _LINE_HEIGHT
    second_column, second_row = 2 * _GAP + _SIDE, top + _SIDE + _GAP
    shapes: _Shapes = [
        *(Label(_GAP, _GAP + (n + 0.5) * _LINE_HEIGHT, line, _TEXT, _INK) for n, line in enumerate(lines)),
        *scene.seen(_AXIAL, (_GAP, top)),
        *scene.seen(_CORONAL, (second_column, top)),
        *scene.seen(_SAGITTAL, (_GAP, second_row)),
        *_legend(structures, second_column, second_row),
    ]
    return Drawing(2 * _SIDE + 3 * _GAP, top + 2 * (_SIDE + _GAP), shapes, _BACKGROUND, "Contours")


def contours_thumbnail(structures: StructureSet) -> Drawing:
    """The axial projection alone, without any text."""
    outlines = _Scene.of(structures.regions).outlines(_AXIAL, (0.0, 0.0))
    return Drawing(_SIDE, _SIDE, outlines, _BACKGROUND, "Contours")


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is looked at. middle: of all points; extent: side of a cube around them, in millimetres.

    step: of so many points of a long contour one is drawn.
    """

    regions: Sequence[Structure]
    middle: NDArray[np.float64]
    extent: float
    step: int

    @classmethod
    def of(cls, regions: Sequence[Structure]) -> _Scene:
        """The scene that holds all contours with a margin."""
        everything = np.concatenate([contour for region in regions for contour, _ in region.contours])
        low, high = everything.min(axis=0), everything.max(axis=0)
        extent = max(float((high - low).max()) * 1.1, 1.0)
        return cls(regions, (low + high) / 2, extent, max(1, len(everything) // _MOST_DRAWN))

    def outlines(self, view: _View, place: _Place) -> _Shapes:
        """The contours of each region, closed ones filled a little."""
        shapes: _Shapes = []
        for region in self.regions:
            flat = self._projected([contour for contour, _ in region.contours], view, place)
            closed = [stroke for stroke, (_, ends) in zip(flat, region.contours, strict=True) if ends]
            others = [
                line
                for stroke, (_, ends) in zip(flat, region.contours, strict=True)
                if not ends
                for line in _visible(stroke)
            ]
            shapes += [
                Path(closed, region.colour, 1.2, closed=True, fill=region.colour, opacity=0.06),
                Path(others, region.colour, 1.2),
            ]
        return shapes

    def _projected(self, contours: Sequence[Points3D], view: _View, place: _Place) -> list[Points]:
        """Contours in the plane of the drawing; all at once, for there may be thousands."""
        thinned = [
            contour[:: min(self.step, max(1, len(contour) // _LEAST_OF_A_CONTOUR))] for contour in contours
        ]
        scale = _SIDE / self.extent
        axes = [view.across, view.down]
        direction = np.array([scale, -scale if view.upward else scale])
        centre = np.array(place) + _SIDE / 2
        flat = centre + (np.concatenate(thinned)[:, axes] - self.middle[axes]) * direction
        return np.split(flat, np.cumsum([len(contour) for contour in thinned])[:-1])

    def seen(self, view: _View, place: _Place) -> _Shapes:
        """One view in its frame, with its directions and a scale."""
        x, y = place
        left, right, top, bottom = view.marks
        bar = _bar_length(self.extent)
        across = bar * _SIDE / self.extent
        return [
            *self.outlines(view, place),
            Path([rectangle(x, y, _SIDE, _SIDE)], _FRAME, 1, closed=True),
            Label(x + 8, y + 18, view.title, _TEXT, _INK, bold=True),
            Label(x + 6, y + _SIDE / 2, left, _TEXT, _INK),
            Label(x + _SIDE - 6, y + _SIDE / 2, right, _TEXT, _INK, "end"),
            Label(x + _SIDE / 2, y + 16, top, _TEXT, _INK, "middle"),
            Label(x + _SIDE / 2, y + _SIDE - 6, bottom, _TEXT, _INK, "middle"),
            Path([points([(x + 8, y + _SIDE - 8), (x + 8 + across, y + _SIDE - 8)])], _INK, 2),
            Label(x + 8, y + _SIDE - 14, f"{bar:g} mm", _TEXT * 0.9, _INK),
        ]


def _visible(stroke: Points) -> list[Points]:
    """A line, or a cross for a single point."""
    if len(stroke) > 1:
        return [stroke]
    across, down = np.array([_CROSS, 0.0]), np.array([0.0, _CROSS])
    return [np.vstack([stroke - arm, stroke + arm]) for arm in (across, down)]


def _bar_length(extent: float) -> float:
    """A round length of about a quarter of the view."""
    power = 10.0 ** np.floor(np.log10(extent / 4))
    return float(max(step * power for step in (1, 2, 5) if step * power <= extent / 4))


def _legend(structures: StructureSet, x: float, y: float) -> _Shapes:
    most = int(_SIDE // _LINE_HEIGHT) - 2
    lines = [f"{region.name}  ({_count(len(region.contours))})" for region in structures.regions[:most]]
    shapes: _Shapes = [
        Path([rectangle(x, y + number * _LINE_HEIGHT + 9, 12, 12)], fill=region.colour, closed=True)
        for number, region in enumerate(structures.regions[:most])
    ]
    if len(structures.regions) > most:
        lines.append(f"and {len(structures.regions) - most} more")
    if not structures.complete:
        lines.append("Further contours are not shown.")
    return shapes + [
        Label(x + 20, y + (number + 1) * _LINE_HEIGHT, line, _TEXT, _INK) for number, line in enumerate(lines)
    ]


def _count(contours: int) -> str:
    return f"{contours} contour{'' if contours == 1 else 's'}"
