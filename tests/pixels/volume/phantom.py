"""A patient of landmarks, none of them where its mirror image would be, and scans of it in any direction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomweb.pixels.volume.grid import Grid, Slice, grid_of
from dicomweb.pixels.volume.vectors import Vector, cross, plus, unit

# Value -> centre in mm of a ball: to the left, to the front, to the head; and the rest of it.
LANDMARKS: dict[int, Vector] = {1000: (24.0, 0.0, 0.0), 700: (0.0, -20.0, 0.0), 400: (0.0, 0.0, 28.0)}
RADIUS = 6.0
_HALF = 42.0

# Directions of rows and columns.
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
OBLIQUE = ((0.8, 0.6, 0.0), (-0.36, 0.48, 0.8))


def value_at(points: NDArray[np.float64], balls: Iterable[int]) -> NDArray[np.float32]:
    """Of points in mm, (..., 3). balls: the landmarks that are there."""
    values = np.zeros(points.shape[:-1], np.float32)
    for value in balls:
        center = LANDMARKS[value]
        distances = np.linalg.norm(points - np.array(center), axis=-1)
        values[distances <= RADIUS] = value
    return values


def scan(
    directions: tuple[Vector, Vector] = AXIAL,
    *,
    spacing: tuple[float, float] = (2.0, 2.0),
    gaps: tuple[float, ...] = (2.0,),
    tilt: Vector = (0.0, 0.0, 0.0),
    balls: Iterable[int] = LANDMARKS,
) -> tuple[list[Slice], NDArray[np.float32]]:
    """Slices through the whole patient and their pixels, (slices, rows, columns).

    spacing: between rows, between columns. gaps: between slices, in turns. tilt: that each slice is moved by
    for a millimetre along the normal, as a tilted gantry moves it.
    """
    row, column = (unit(direction) for direction in directions)
    assert row is not None
    assert column is not None
    normal = cross(row, column)
    rows, columns = (int(2 * _HALF / side) + 1 for side in spacing)
    slices, pixels, depth, turn = [], [], -_HALF, 0
    while depth <= _HALF:
        corner = plus(plus(plus((0.0, 0.0, 0.0), row, -_HALF), column, -_HALF), normal, depth)
        corner = plus(corner, tilt, depth)
        slices.append(Slice(corner, row, column, spacing, "1.2.3"))
        places = (
            np.array(corner)
            + np.arange(rows)[:, None, None] * spacing[0] * np.array(column)
            + np.arange(columns)[None, :, None] * spacing[1] * np.array(row)
        )
        pixels.append(value_at(places, balls))
        depth, turn = depth + gaps[turn % len(gaps)], turn + 1
    return slices, np.stack(pixels)


def volume_of(
    directory: Path, slices: list[Slice], pixels: NDArray[np.float32], *, most_voxels: int = 1 << 24
) -> tuple[Grid, dict[str, Any]]:
    """The grid, and the volume of the jobs in a file."""
    grid = grid_of(slices, *pixels.shape[1:], most_voxels=most_voxels)
    path = directory / "volume"
    path.write_bytes(np.ascontiguousarray(pixels[list(grid.order)], np.float32).tobytes())
    return grid, {"path": str(path), "shape": list(pixels.shape), "grid": asdict(grid)}


def center_of(picture: NDArray[Any]) -> tuple[float, float]:
    """Right and down of the picture's middle, in pixels, of what is bright."""
    weights = picture.astype(float)
    assert weights.sum() > 0, "nothing is bright"
    height, width = picture.shape[:2]
    rows, columns = np.indices(picture.shape[:2])
    right = (columns * weights).sum() / weights.sum() - (width - 1) / 2
    down = (rows * weights).sum() / weights.sum() - (height - 1) / 2
    return float(right), float(down)
