"""Frames to modality values, and the volume file that they make (PS3.4 FF.2.2.2, PS3.3 C.11.1).

The job "volume_slice": parameters {"layout": asdict(PixelLayout), "transfer_syntax_uid": of the frame,
"display": of slices.slices_of, "step": every how manieth row and column is taken}; buffers: the frame, then
the values of bulk_paths(display). Returns 32-bit floats, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomweb.dicom.picture import Window
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.rendering.decoding import native
from dicomweb.pixels.rendering.display import bulk_paths
from dicomweb.pixels.rendering.grayscale import grayscale
from dicomweb.pixels.rendering.samples import Pixels, stored_values, words_of
from dicomweb.pixels.rendering.values import Values

Voxels = NDArray[np.float32]

_PADDING, _PADDING_LIMIT = "00280120", "00280121"
# The steps before the window are wanted: any window spares the search for a default one.
_NO_WINDOW = Window(0, 1)


def slice_job(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """As the head of the module says. Raises DecodeFailed."""
    display, step = parameters["display"], parameters["step"]
    layout = PixelLayout(**parameters["layout"])
    frame, layout = native(buffers[0], layout, parameters["transfer_syntax_uid"])
    values = Values(display["attributes"], dict(zip(bulk_paths(display), buffers[1:], strict=False)))
    words = words_of(frame, layout)
    if words.ndim != 2:
        raise DecodeFailed("Only images of one sample a pixel make a volume.")
    return modality_values(np.ascontiguousarray(words[::step, ::step]), layout, values).tobytes()


def modality_values(words: Pixels, layout: PixelLayout, values: Values) -> Voxels:
    """In modality units; padding and what is no number become the least of the others."""
    stored = stored_values(words, layout)
    modality = np.asarray(grayscale(words, layout, values, _NO_WINDOW).modality(stored), np.float32)
    nothing = ~np.isfinite(modality) | _padded(stored, layout, values)
    if nothing.any():
        others = modality[~nothing]
        modality = np.where(nothing, others.min() if others.size else np.float32(0), modality)
    return modality


def _padded(stored: Pixels, layout: PixelLayout, values: Values) -> NDArray[np.bool_]:
    """Which stored values are padding (C.7.5.1.1.2)."""
    edges = [number for tag in (_PADDING, _PADDING_LIMIT) if (number := values.number(tag)) is not None]
    if not edges:
        return np.zeros(stored.shape, bool)
    if layout.pixel_representation == 1:  # whatever VR the value came with
        half = float(1 << (layout.bits_allocated - 1))
        edges = [edge - 2 * half if edge >= half else edge for edge in edges]
    return np.asarray((stored >= min(edges)) & (stored <= max(edges)))


def open_volume(path: str, shape: Sequence[int], places: Sequence[float], slices: int) -> Voxels:
    """The volume of a file of slices, with slices interpolated where they are unevenly spaced.

    shape: (stored slices, rows, columns). places: of the stored slices among `slices` even ones.
    """
    count, rows, columns = shape
    file = Path(path)
    if not file.is_file() or file.stat().st_size != 4 * count * rows * columns:
        raise DecodeFailed("The volume is not there any more; ask again.")
    stored: Voxels = np.memmap(file, np.float32, "r", shape=(count, rows, columns))
    return stored if slices == count else _evened(stored, places, slices)


def _evened(stored: Voxels, places: Sequence[float], slices: int) -> Voxels:
    """Linear between the two stored slices around each."""
    positions = np.interp(np.arange(slices), places, np.arange(len(places)))
    volume = np.empty((slices, *stored.shape[1:]), np.float32)
    for index, position in enumerate(positions):
        before = min(int(position), len(places) - 2)
        share = np.float32(position - before)
        np.multiply(stored[before], 1 - share, out=volume[index])
        volume[index] += stored[before + 1] * share
    return volume
