"""Rays through a volume, and what each of them meets: one plane, or the greatest, least or mean (C.11.30).

A raster's planes are sampled in blocks, from the viewer backwards. Where a ray lies inside the volume is
known beforehand, so that nothing outside counts as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicomweb.pixels.volume.camera import Raster
from dicomweb.pixels.volume.grid import Grid
from dicomweb.pixels.volume.samples import Voxels

Mask = NDArray[np.bool_]

# Samples of one block: what stands in memory at once, several times over.
_BLOCK = 4 << 20
# Of a voxel: what rounding may move a sample by.
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class Block:
    """Some planes of samples: (planes, rows, columns). inside: which of them lie in the volume."""

    samples: Voxels
    inside: Mask


@dataclass(frozen=True, slots=True)
class Rays:
    """The rays of a raster in a volume's indices.

    matrix, offset: raster index to volume index. entry, exit: of each ray, in planes; nothing lies between
    them where the ray misses the volume.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    entry: NDArray[np.float32]
    exit: NDArray[np.float32]
    planes: int

    def blocks(self, volume: Voxels, *, overlap: int = 0) -> Iterator[Block]:
        """The planes that meet the volume, front to back.

        overlap: planes that each block repeats, half of them also before the first and after the last.
        """
        hit = self.entry <= self.exit
        if not hit.any():
            return
        first = max(int(np.ceil(self.entry[hit].min())), 0) - overlap // 2
        stop = min(int(np.floor(self.exit[hit].max())) + 1, self.planes) + overlap // 2
        size = max(_BLOCK // self.entry.size, 1 + overlap)
        for start in range(first, stop, size - overlap):
            yield self._block(volume, start, min(start + size, stop))
            if start + size >= stop:
                return

    def _block(self, volume: Voxels, start: int, stop: int) -> Block:
        samples = ndimage.affine_transform(
            volume,
            self.matrix,
            self.offset + self.matrix[:, 0] * start,
            (stop - start, *self.entry.shape),
            output=np.float32,
            order=1,
            mode="nearest",
        )
        planes = np.arange(start, stop, dtype=np.float32)[:, None, None]
        return Block(samples, (planes >= self.entry) & (planes <= self.exit))


def rays_of(raster: Raster, grid: Grid) -> Rays:
    """Where the rays of a raster pass through a grid."""
    to_patient = np.array([vector for vector, _ in grid.axes]).T
    to_index = np.linalg.inv(to_patient)
    steps = np.array([raster.plane_vector, raster.row_vector, raster.column_vector]).T
    matrix = to_index @ steps
    offset = to_index @ (np.array(raster.corner) - np.array(grid.origin))
    entry, exit = _passage(matrix, offset, raster, [count for _, count in grid.axes])
    return Rays(matrix, offset, entry, exit, raster.planes)


def _passage(
    matrix: NDArray[np.float64], offset: NDArray[np.float64], raster: Raster, counts: list[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The planes at which each ray enters and leaves the voxels: the volume is cut by six planes."""
    shape = raster.rows, raster.columns
    entry, exit = np.zeros(shape), np.full(shape, float(raster.planes - 1))
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    for axis, count in enumerate(counts):
        along, down, right = matrix[axis]
        base = offset[axis] + down * rows + right * columns
        low, high = -0.5 - _ROUNDING - base, count - 0.5 + _ROUNDING - base
        if abs(along) < 1e-9:
            exit[(low > 0) | (high < 0)] = -1
            continue
        near, far = (low, high) if along > 0 else (high, low)
        np.maximum(entry, near / along, out=entry)
        np.minimum(exit, far / along, out=exit)
    return entry.astype(np.float32), exit.astype(np.float32)


def projected(volume: Voxels, rays: Rays, method: str) -> tuple[Voxels, Mask]:
    """What each ray shows, and which rays meet the volume. method: MAXIMUM_IP, MINIMUM_IP or AVERAGE_IP."""
    reduce, neutral = _METHODS[method]
    result = np.full(rays.entry.shape, neutral, np.float32)
    counted = np.zeros(rays.entry.shape, np.float32)
    for block in rays.blocks(volume):
        block.samples[~block.inside] = neutral
        reduce(result, block.samples)
        counted += np.count_nonzero(block.inside, axis=0)
    met = counted > 0
    if method == "AVERAGE_IP":
        np.divide(result, counted, out=result, where=met)
    return result, met


def _most(result: Voxels, samples: Voxels) -> None:
    np.maximum(result, samples.max(axis=0), out=result)


def _least(result: Voxels, samples: Voxels) -> None:
    np.minimum(result, samples.min(axis=0), out=result)


def _sum(result: Voxels, samples: Voxels) -> None:
    np.add(result, samples.sum(axis=0), out=result)


# How the samples of a block join those before, and what counts for nothing.
_METHODS: dict[str, tuple[Callable[[Voxels, Voxels], None], float]] = {
    "MAXIMUM_IP": (_most, -np.inf),
    "MINIMUM_IP": (_least, np.inf),
    "AVERAGE_IP": (_sum, 0.0),
}
