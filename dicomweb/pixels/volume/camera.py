"""The camera of a rendered volume, and the raster that it sees (PS3.18 8.3.5.3.4 to 8.3.5.3.9; R-31, R-32).

Projection is orthographic (R-34): what the camera sees depends on its direction and the point it looks at,
not on its distance. The picture is as wide and high as the volume is from there, with the point in its
middle.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from dicomweb.errors import InvalidRequest
from dicomweb.pixels.volume.grid import Grid
from dicomweb.pixels.volume.vectors import Vector, cross, dot, minus, plus, scaled, turned, unit

_HEAD, _FRONT = (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)
# Letter -> where the camera is, and what is up.
_ORIENTATIONS: dict[str, tuple[Vector, Vector]] = {
    "a": ((0.0, -1.0, 0.0), _HEAD),
    "p": ((0.0, 1.0, 0.0), _HEAD),
    "r": ((-1.0, 0.0, 0.0), _HEAD),
    "l": ((1.0, 0.0, 0.0), _HEAD),
    "h": ((0.0, 0.0, 1.0), _FRONT),
    "f": ((0.0, 0.0, -1.0), _FRONT),
}
# Sines of angles below it say nothing of a direction.
_PARALLEL = 1e-4

# Pixels of the longer side of a projected volume; for a small one, at most so many in a voxel.
_PROJECTED_SIDE, _FINER = 512, 4

LONGEST_SIDE = 2048
"""Pixels of a side of a raster; larger pictures are scaled from it."""


@dataclass(frozen=True, slots=True)
class Camera:
    """position, lookat: in mm of patient space. up: of length 1, at right angles to the direction of view."""

    position: Vector
    lookat: Vector
    up: Vector

    @property
    def forward(self) -> Vector:
        """The direction of view."""
        direction = unit(minus(self.lookat, self.position))
        assert direction is not None, "a camera is not where it looks at"
        return direction

    @property
    def right(self) -> Vector:
        """Of the picture, as the viewer sees it."""
        return cross(self.forward, self.up)

    def swivelled(self, degrees: float) -> Camera:
        """Turned around the axis through what it looks at, upwards (C.11.29)."""
        arm = turned(minus(self.position, self.lookat), self.up, degrees)
        return replace(self, position=plus(self.lookat, arm))


@dataclass(frozen=True, slots=True)
class Raster:
    """Sample points: (plane, row, column) lies at corner + each index times its vector, planes away from the
    viewer. spacing: of pixels, and of planes, in mm."""

    corner: Vector
    plane_vector: Vector
    row_vector: Vector
    column_vector: Vector
    planes: int
    rows: int
    columns: int

    def to_parameters(self) -> dict[str, Any]:
        """JSON-able form for a job."""
        return asdict(self)


def oriented(letter: str, grid: Grid) -> Camera:
    """Seen from a side of the patient, outside of the volume."""
    place, up = _ORIENTATIONS[letter]
    return Camera(plus(grid.center, place, _distance(grid)), grid.center, up)


def viewpoint(
    grid: Grid, position: Vector | None, lookat: Vector | None, up: Vector | None, default: str
) -> Camera:
    """Seen from a point; what is not given is as with the default orientation. Raises InvalidRequest."""
    place, _ = _ORIENTATIONS[default]
    lookat = grid.center if lookat is None else lookat
    position = plus(lookat, place, _distance(grid)) if position is None else position
    forward = unit(minus(lookat, position))
    if forward is None:
        raise InvalidRequest("The viewpoint is where it looks at: that gives no direction.")
    found = _upwards(forward, up)
    if found is None:
        raise InvalidRequest("The parameter viewpointup must give a direction other than that of the view.")
    return Camera(position, lookat, found)


def _upwards(forward: Vector, up: Vector | None) -> Vector | None:
    """The direction of `up` at right angles to the view; the head of the patient, else the front."""
    for candidate in (_HEAD, _FRONT) if up is None else (up,):
        direction = unit(candidate)
        aside = minus(direction, scaled(forward, dot(direction, forward))) if direction else (0.0, 0.0, 0.0)
        if dot(aside, aside) > _PARALLEL * _PARALLEL:
            return unit(aside)
    return None


def _distance(grid: Grid) -> float:
    """From the middle, far enough to be outside."""
    return sum(grid.extent(axis) for axis in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))


def raster_of(camera: Camera, grid: Grid, *, slab: float | None, most_samples: int) -> Raster:
    """The sample points of a picture.

    slab: thickness around the point looked at, in mm; 0 for one plane, None for the whole volume.
    most_samples: more are avoided by taking them further apart.
    """
    right, down, forward = camera.right, scaled(camera.up, -1.0), camera.forward
    width, height = grid.extent(right), grid.extent(down)
    depth = grid.extent(forward) if slab is None else min(slab, 2 * grid.extent(forward))
    middle = camera.lookat if slab is not None else _beside(camera.lookat, grid.center, forward)
    spacing = max(
        _spacing(grid, max(width, height), projected=slab is None), max(width, height) / LONGEST_SIDE
    )
    columns, rows, planes = _counts(width, height, depth, spacing)
    while columns * rows * planes > most_samples:
        spacing *= max((columns * rows * planes / most_samples) ** (1 / 3), 1.01)
        columns, rows, planes = _counts(width, height, depth, spacing)
    between = depth / planes if planes > 1 else spacing
    corner = plus(middle, right, -(columns - 1) / 2 * spacing)
    corner = plus(corner, down, -(rows - 1) / 2 * spacing)
    corner = plus(corner, forward, -(planes - 1) / 2 * between)
    return Raster(
        corner,
        scaled(forward, between),
        scaled(down, spacing),
        scaled(right, spacing),
        planes,
        rows,
        columns,
    )


def _spacing(grid: Grid, side: float, *, projected: bool) -> float:
    """The shortest side of a voxel; less where a small volume is projected: its surface is smooth then."""
    if not projected:
        return grid.finest
    return min(grid.finest, max(side / _PROJECTED_SIDE, grid.finest / _FINER))


def _counts(width: float, height: float, depth: float, spacing: float) -> tuple[int, int, int]:
    sides = (max(round(side / spacing), 1) for side in (width, height, depth))
    columns, rows, planes = sides
    return columns, rows, planes


def _beside(point: Vector, center: Vector, forward: Vector) -> Vector:
    """The point moved along the view to the depth of the center: the whole volume lies around that."""
    return plus(point, forward, dot(minus(center, point), forward))
