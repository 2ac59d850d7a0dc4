"""Volume rendering: samples as a coloured, lit, more or less transparent matter (PS3.3 C.11.30).

CT is shown by its Hounsfield units, skin and flesh clear, bone solid; all else, and whatever a window is
asked for, by its window: what is dark in it is clear, what is bright is solid. The light comes from the
viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomweb.dicom.picture import Window
from dicomweb.pixels.volume.projection import Rays
from dicomweb.pixels.volume.samples import Voxels

Colours = NDArray[np.float32]

_AMBIENT, _DIFFUSE, _SPECULAR, _SHININESS = 0.25, 0.75, 0.2, 12
# Behind so much nothing is seen any more; and so little is nothing.
_OPAQUE, _CLEAR = 0.98, 1e-3
_ENTRIES = 2048

# Modality value; share of light that 1 mm of it holds back; red, green, blue.
_CT = (
    (-300.0, 0.0, 0.75, 0.45, 0.35),
    (-150.0, 0.004, 0.80, 0.52, 0.40),
    (-20.0, 0.012, 0.85, 0.58, 0.45),
    (60.0, 0.022, 0.80, 0.35, 0.28),
    (140.0, 0.05, 0.85, 0.50, 0.38),
    (220.0, 0.25, 0.96, 0.86, 0.72),
    (500.0, 0.70, 1.00, 0.96, 0.88),
    (1500.0, 0.95, 1.00, 1.00, 0.97),
)
# Place in the window from 0 to 1; the same.
_BY_WINDOW = (
    (0.10, 0.0, 0.60, 0.42, 0.36),
    (0.20, 0.05, 0.75, 0.55, 0.46),
    (0.60, 0.10, 0.90, 0.76, 0.64),
    (1.00, 0.40, 1.00, 0.97, 0.92),
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """What matter a value is: tables over an even range from low to high."""

    low: float
    high: float
    opacities: Voxels
    colours: Colours

    def places(self, samples: Voxels) -> NDArray[np.intp]:
        """Entries of the tables for samples."""
        share = (samples - self.low) * (_ENTRIES - 1) / (self.high - self.low)
        places: NDArray[np.intp] = np.clip(share, 0, _ENTRIES - 1).astype(np.intp)
        return places


def transfer_of(window: Window | None, *, inverted: bool = False) -> Transfer:
    """By a window, or by Hounsfield units without one. inverted: low values are the bright ones."""
    if window is None:
        points = np.array(_CT)
    else:
        points = np.array(_BY_WINDOW)
        low = window.center - window.width / 2
        points[:, 0] = low + points[:, 0] * window.width
        if inverted:
            points[:, 0] = 2 * window.center - points[:, 0]
            points = points[::-1]
    values = np.linspace(points[0, 0], points[-1, 0], _ENTRIES)
    columns = [np.interp(values, points[:, 0], points[:, column]) for column in range(1, 5)]
    opacities = columns[0].astype(np.float32)
    # Beyond the table's ends only the solid one goes on.
    return Transfer(
        float(values[0]), float(values[-1]), opacities, np.stack(columns[1:], axis=-1).astype(np.float32)
    )


def composed(volume: Voxels, rays: Rays, transfer: Transfer, *, pixel: float, plane: float) -> Colours:
    """Front to back: (rows, columns, 3) of red, green and blue from 0 to 1 on black.

    pixel, plane: distances of samples in mm.
    """
    shape = rays.entry.shape
    light, held = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    # Held back over one plane, not over one millimetre.
    opacities = 1 - (1 - np.minimum(transfer.opacities, 0.999)) ** np.float32(plane)
    for block in rays.blocks(volume, overlap=2):
        for index in range(1, len(block.samples) - 1):
            seen = np.flatnonzero(block.inside[index] & (held < _OPAQUE))
            entries = transfer.places(block.samples[index].ravel()[seen])
            matter = np.flatnonzero(opacities[entries] > _CLEAR)
            if not matter.size:
                continue
            seen, entries = seen[matter], entries[matter]
            lit, shine = _lighting(block.samples[index - 1 : index + 2], seen, np.float32(pixel / plane))
            share = opacities[entries] * (1 - held.ravel()[seen])
            colours = transfer.colours[entries] * lit[:, None] + shine[:, None]
            light.reshape(-1, 3)[seen] += colours * share[:, None]
            held.reshape(-1)[seen] += share
        if (held >= _OPAQUE).all():
            break
    return np.clip(light, 0, 1)


def _lighting(samples: Voxels, seen: NDArray[np.intp], aspect: np.float32) -> tuple[Voxels, Voxels]:
    """Brightness and shine of surfaces, which lie across the steepest change of values.

    samples: a plane between those before and behind it. seen: flat indices in it. aspect: distance of pixels
    divided by that of planes.
    """
    before, here, behind = (plane.ravel() for plane in samples)
    width, last = samples.shape[2], here.size - 1
    # At the sides of the picture a neighbour is of the next row: the volume seldom reaches them.
    across = here[np.minimum(seen + 1, last)] - here[np.maximum(seen - 1, 0)]
    down = here[np.minimum(seen + width, last)] - here[np.maximum(seen - width, 0)]
    away = (behind[seen] - before[seen]) * aspect
    steepness = np.sqrt(across * across + down * down + away * away)
    facing = np.abs(away) / np.maximum(steepness, np.float32(1e-6))
    return _AMBIENT + _DIFFUSE * facing, _SPECULAR * facing**_SHININESS
