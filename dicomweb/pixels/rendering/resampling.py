"""Frames of one geometry in the pixels of another, through the patient (PS3.3 C.7.6.2.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicomweb.pixels.rendering.frame_places import normal_of
from dicomweb.pixels.volume.grid import Slice

Mask = NDArray[np.bool_]

# Of a pixel, or a mm: what rounding may move a place by.
_ROUNDING = 1e-6
_HALF = 0.5


class Stack:
    """Parallel frames of one size, by depth.

    values: (rows, columns) or (rows, columns, 3) each. nothing: where they are no picture.
    reach: mm before the first and behind the last that these stand for.
    """

    def __init__(
        self,
        frames: Sequence[NDArray[np.float32]],
        nothing: Sequence[Mask],
        planes: Sequence[Slice],
        reach: float,
    ) -> None:
        self._visible = np.logical_not(np.stack(nothing)).astype(np.float32)
        self._whole = bool(self._visible.all())
        values = np.stack(frames)
        hidden = (self._visible == 0).reshape(self._visible.shape + (1,) * (values.ndim - 3))
        self._values = np.where(hidden, np.float32(0), values)
        self._axes = [np.array(axis) for axis in _axes_of(planes[0])]
        origins = np.array([plane.position for plane in planes])
        # Of a tilted gantry, each slice begins a little aside of the last.
        self._depths, self._tops, self._lefts = (origins @ axis for axis in self._axes)
        self._reach = reach + _ROUNDING

    def sampled(
        self, plane: Slice, rows: NDArray[np.int64], columns: int
    ) -> tuple[NDArray[np.float32], Mask]:
        """Values at the pixels of some rows of a plane, and where there are none."""
        places, inside = self._places(_points(plane, rows, columns))
        weight = np.ones(inside.shape, np.float32)
        if not self._whole:
            weight = _interpolated(self._visible, places)
        channels = self._values.reshape(*self._visible.shape, -1)
        found = [_interpolated(channels[..., index], places) for index in range(channels.shape[-1])]
        values = np.stack(found, axis=-1) / np.maximum(weight, _ROUNDING)[..., None]
        shape = (*weight.shape, *self._values.shape[3:])
        return values.reshape(shape), ~(inside & (weight >= _HALF))

    def _places(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], Mask]:
        """(frame, row, column) of points of the patient, and which of them the frames stand for."""
        depth, top, left = (points @ axis for axis in self._axes)
        places = np.stack(
            [
                np.interp(depth, self._depths, np.arange(len(self._depths))),
                top - np.interp(depth, self._depths, self._tops),
                left - np.interp(depth, self._depths, self._lefts),
            ]
        )
        inside = (depth >= self._depths[0] - self._reach) & (depth <= self._depths[-1] + self._reach)
        for place, count in zip(places[1:], self._visible.shape[1:], strict=True):
            inside &= (place >= -_HALF - _ROUNDING) & (place <= count - _HALF + _ROUNDING)
        # So that a pixel that lies on another has its very value.
        return np.round(places, 6), inside


def _points(plane: Slice, rows: NDArray[np.int64], columns: int) -> NDArray[np.float64]:
    """Places in the patient, in mm, of the pixels of some rows of a plane."""
    across = np.arange(columns)[None, :, None] * plane.spacing[1] * np.array(plane.row_direction)
    down = rows[:, None, None] * plane.spacing[0] * np.array(plane.column_direction)
    points: NDArray[np.float64] = np.array(plane.position) + across + down
    return points


def _axes_of(plane: Slice) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Depth in mm, row and column in pixels of the plane are the scalar products with these."""
    down, across = plane.spacing
    return (
        normal_of(plane),
        tuple(part / down for part in plane.column_direction),
        tuple(part / across for part in plane.row_direction),
    )


def _interpolated(volume: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = ndimage.map_coordinates(
        volume, places, order=1, mode="nearest", output=np.float32
    )
    return found
