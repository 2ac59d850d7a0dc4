"""Slices laid out as a grid of voxels in the patient, or why they are none (PS3.3 C.11.23.1; R-34).

Slices may be unevenly spaced, and each may be shifted against the last by the same amount for each
millimetre, as a tilted gantry does. What C.11.23.1 forbids is refused: other planes, other sizes, two at one
position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

from dicomweb.errors import InvalidRequest
from dicomweb.pixels.volume.vectors import Vector, cross, dot, length, minus, plus, scaled, unit, vector

MOST_SLICES = 4096
"""Frames of one volume: more than scanners make of one."""

# Cosines of directions that are the same but for digits, and of ones that are perpendicular.
_SAME_DIRECTION, _PERPENDICULAR = 0.9998, 0.01
_SAME_SPACING = 0.005
# Of the usual gap: below it two slices lie at one position; by more than it one is not where it should be.
_SAME_PLACE, _UNEVEN = 0.01, 0.05
# Of a pixel, or of the gap: by more than both a slice lies beside the line of the others.
_ASIDE_PIXELS, _ASIDE_GAPS = 2.0, 0.25
# Unevenly spaced slices are interpolated to even ones, at most so many for each.
_MOST_BETWEEN = 4

_HINT = (
    "Choose the images of one volume by the series, by volumeinputreference, or by matching an attribute such"
    " as ImageType or TemporalPositionIndex."
)


@dataclass(frozen=True, slots=True)
class Slice:
    """One frame. column_direction: along which row numbers grow. spacing: between rows, between columns."""

    position: Vector
    row_direction: Vector
    column_direction: Vector
    spacing: tuple[float, float]
    frame_of_reference: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxels in the patient: the one at (slice, row, column) lies at origin + each index times its vector.

    places: of the stored slices on the axis of slices, which are whole numbers when they are evenly spaced.
    slices: on that axis, after interpolation. order: index of each stored slice among those given.
    """

    origin: Vector
    slice_vector: Vector
    row_vector: Vector
    column_vector: Vector
    slices: int
    rows: int
    columns: int
    places: tuple[float, ...]
    order: tuple[int, ...]

    @property
    def is_even(self) -> bool:
        """Whether the stored slices are the slices of the grid."""
        return self.slices == len(self.places)

    @property
    def axes(self) -> tuple[tuple[Vector, int], ...]:
        """Vectors and sizes of the three axes."""
        return (
            (self.slice_vector, self.slices),
            (self.row_vector, self.rows),
            (self.column_vector, self.columns),
        )

    @property
    def center(self) -> Vector:
        """The middle of the volume."""
        point = self.origin
        for step, count in self.axes:
            point = plus(point, step, (count - 1) / 2)
        return point

    @property
    def finest(self) -> float:
        """The shortest side of a voxel in mm."""
        return min(length(step) for step, _ in self.axes)

    def extent(self, direction: Vector) -> float:
        """Millimetres from side to side along a direction of length 1, whole voxels counted."""
        return sum(abs(dot(step, direction)) * count for step, count in self.axes)

    def thinned(self, step: int) -> Grid:
        """With every step-th row and column only."""
        return replace(
            self,
            row_vector=scaled(self.row_vector, step),
            column_vector=scaled(self.column_vector, step),
            rows=-(-self.rows // step),
            columns=-(-self.columns // step),
        )


def read_slice(found: Mapping[str, Any]) -> Slice:
    """A slice of slices.slices_of. Raises InvalidRequest where it says not where it lies."""
    position, orientation, spacing = found["position"], found["orientation"], found["spacing"]
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        raise InvalidRequest(
            "The images form no volume: one does not say where in the patient it lies"
            " (Image Position, Image Orientation, Pixel Spacing).",
            hint=_HINT,
        )
    row, column = unit(vector(orientation[:3])), unit(vector(orientation[3:]))
    if row is None or column is None or abs(dot(row, column)) > _PERPENDICULAR:
        raise InvalidRequest("The images form no volume: rows and columns of one are not perpendicular.")
    return Slice(vector(position), row, column, (spacing[0], spacing[1]), found["frame_of_reference"])


def grid_of(slices: Sequence[Slice], rows: int, columns: int, *, most_voxels: int) -> Grid:
    """The volume of some slices, which all have so many rows and columns.

    most_voxels: after interpolation of uneven slices. Raises InvalidRequest where they form no volume.
    """
    if len(slices) < 2:
        raise InvalidRequest("One frame is no volume: at least two frames at different positions are needed.")
    first = slices[0]
    for other in slices[1:]:
        _check_alike(first, other)
    normal = cross(first.row_direction, first.column_direction)
    depths = [dot(minus(one.position, first.position), normal) for one in slices]
    order = sorted(range(len(slices)), key=depths.__getitem__)
    ordered = [slices[index] for index in order]
    places = _places([depths[index] for index in order])
    most = max(most_voxels // (rows * columns), len(slices))
    places, count = _on_axis(places, most)
    slice_vector = scaled(minus(ordered[-1].position, ordered[0].position), 1 / places[-1])
    grid = Grid(
        origin=ordered[0].position,
        slice_vector=slice_vector,
        row_vector=scaled(first.column_direction, first.spacing[0]),
        column_vector=scaled(first.row_direction, first.spacing[1]),
        slices=count,
        rows=rows,
        columns=columns,
        places=tuple(places),
        order=tuple(order),
    )
    _check_aligned(grid, ordered)
    return grid


def _check_alike(first: Slice, other: Slice) -> None:
    if other.frame_of_reference != first.frame_of_reference:
        raise InvalidRequest("The images form no volume: their Frame of Reference differs.", hint=_HINT)
    turned = min(
        dot(first.row_direction, other.row_direction), dot(first.column_direction, other.column_direction)
    )
    if turned < _SAME_DIRECTION:
        raise InvalidRequest("The images form no volume: their Image Orientation differs.", hint=_HINT)
    if any(abs(a - b) > _SAME_SPACING * a for a, b in zip(first.spacing, other.spacing, strict=True)):
        raise InvalidRequest("The images form no volume: their Pixel Spacing differs.", hint=_HINT)


def _places(depths: Sequence[float]) -> list[float]:
    """Millimetres from the first slice; no two alike."""
    gaps = [after - before for before, after in pairwise(depths)]
    if min(gaps) <= _SAME_PLACE * median(gaps) or min(gaps) < 1e-4:
        raise InvalidRequest(
            "The images form no volume: several lie at the same position, such as other times or echoes.",
            hint=_HINT,
        )
    return [depth - depths[0] for depth in depths]


def _on_axis(millimetres: Sequence[float], most: int) -> tuple[list[float], int]:
    """Places in steps of an even axis, and how many steps there are: whole numbers for even slices."""
    count, whole = len(millimetres), millimetres[-1]
    even = whole / (count - 1)
    if all(abs(place - index * even) <= _UNEVEN * even for index, place in enumerate(millimetres)):
        return [float(index) for index in range(count)], count
    finest = min(after - before for before, after in pairwise(millimetres))
    steps = round(min(whole / finest, _MOST_BETWEEN * count, max(most - 1, 1)))
    # Of as many as were stored, none would be told from even ones.
    steps = steps + 1 if steps == count - 1 else steps
    return [place / whole * steps for place in millimetres], steps + 1


def _check_aligned(grid: Grid, ordered: Sequence[Slice]) -> None:
    """Each slice lies where the line from the first to the last one passes (C.11.23.1)."""
    pixel = max(length(grid.row_vector), length(grid.column_vector))
    gap = length(minus(ordered[-1].position, ordered[0].position)) / (len(ordered) - 1)
    allowed = max(_ASIDE_PIXELS * pixel, _ASIDE_GAPS * gap)
    for place, one in zip(grid.places, ordered, strict=True):
        if length(minus(one.position, plus(grid.origin, grid.slice_vector, place))) > allowed:
            raise InvalidRequest("The images form no volume: they do not lie in line.", hint=_HINT)
