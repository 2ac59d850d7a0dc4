"""Where the frames of an image lie in the patient, read from its metadata (PS3.3 C.7.6.2, C.7.6.16).

The job "volume_slices": buffers: zstd of the DICOM JSON of instances; returns a JSON array with a list of
slices for each: {"position", "orientation", "spacing", "frame_of_reference", "display"}, null for what is
not there. A display holds what turns stored values into modality values, and the window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from dicomweb.errors import DecodeFailed
from dicomweb.pixels.metadata_text import read_metadata
from dicomweb.pixels.rendering.display import display_of, items
from dicomweb.pixels.rendering.values import Values
from dicomweb.pixels.volume.grid import MOST_SLICES
from dicomweb.pixels.volume.vectors import Vector, cross, plus, unit, vector

Attributes = Mapping[str, Any]

_POSITION, _ORIENTATION, _SPACING = "00200032", "00200037", "00280030"
_FRAME_OF_REFERENCE, _VOLUME_FRAME_OF_REFERENCE = "00200052", "00209312"
_FRAMES, _SOP_CLASS = "00280008", "00080016"
_SHARED_GROUPS, _PER_FRAME_GROUPS = "52009229", "52009230"
_DETECTORS, _SPACING_BETWEEN, _DOSE_OFFSETS = "00540022", "00180088", "3004000C"
_NUCLEAR_MEDICINE = "1.2.840.10008.5.1.4.1.1.20"
# Functional group, and the attribute of it that is wanted; of ultrasound volumes the second.
_PLANES = {
    _POSITION: (("00209113", _POSITION), ("0020930E", "00209301")),
    _ORIENTATION: (("00209116", _ORIENTATION), ("0020930F", "00209302")),
}
_KEPT = frozenset(
    {
        _SOP_CLASS,
        "00080060",  # Modality
        "00280120",  # Pixel Padding Value
        "00280121",  # Pixel Padding Range Limit
        "00281050",  # Window Center
        "00281051",  # Window Width
        "00281052",  # Rescale Intercept
        "00281053",  # Rescale Slope
        "00281056",  # VOI LUT Function
        "00283000",  # Modality LUT Sequence
        "3004000E",  # Dose Grid Scaling
    }
)


def slices_job(_parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """As the head of the module says. Raises DecodeFailed."""
    return orjson.dumps([slices_of(read_metadata(compressed)) for compressed in buffers])


def slices_of(attributes: Attributes) -> list[dict[str, Any]]:
    """One slice for each frame of an instance. Raises DecodeFailed where there are too many."""
    frames = max(Values(attributes, {}).integer(_FRAMES, 1), 1)
    if frames > MOST_SLICES:
        raise DecodeFailed(f"A volume has at most {MOST_SLICES} frames here.")
    return [_slice(attributes, index) for index in range(frames)]


def _slice(attributes: Attributes, index: int) -> dict[str, Any]:
    display = display_of(attributes, index, with_profile=False)
    orientation = _of_plane(attributes, index, _ORIENTATION, 6)
    position = _of_plane(attributes, index, _POSITION, 3)
    if position is not None and orientation is not None:
        position = [*_moved(attributes, index, vector(position), orientation)]
    spacing = Values(display["attributes"], {}).numbers(_SPACING)
    values = Values(attributes, {})
    return {
        "position": position,
        "orientation": orientation,
        "spacing": spacing if len(spacing) == 2 else None,
        "frame_of_reference": values.text(_FRAME_OF_REFERENCE) or values.text(_VOLUME_FRAME_OF_REFERENCE),
        "display": {
            "frame_index": index,
            "attributes": {tag: value for tag, value in display["attributes"].items() if tag in _KEPT},
        },
    }


def _of_plane(attributes: Attributes, index: int, tag: str, count: int) -> list[float] | None:
    """Position or orientation of a frame: its own, that of all frames, that of the image, of a detector."""
    for place, key in _places(attributes, index, tag):
        numbers = Values(place, {}).numbers(key)
        if len(numbers) == count:
            return numbers
    return None


def _places(attributes: Attributes, index: int, tag: str) -> Iterator[tuple[Attributes, str]]:
    groups = [
        *items(attributes, _PER_FRAME_GROUPS)[index : index + 1],
        *items(attributes, _SHARED_GROUPS)[:1],
    ]
    for group in groups:
        for macro, key in _PLANES[tag]:
            yield from ((item, key) for item in items(group, macro)[:1])
    yield attributes, tag
    yield from ((item, tag) for item in items(attributes, _DETECTORS)[:1])


def _moved(attributes: Attributes, index: int, position: Vector, orientation: list[float]) -> Vector:
    """Where one position stands for all frames, that of this frame (dose grids C.8.8.3, NM C.8.4.15)."""
    normal = unit(cross(vector(orientation[:3]), vector(orientation[3:])))
    values = Values(attributes, {})
    offsets = values.numbers(_DOSE_OFFSETS)
    if normal is None:
        return position
    if index < len(offsets):
        return plus(position, normal, offsets[index] - offsets[0])
    if values.text(_SOP_CLASS) == _NUCLEAR_MEDICINE:
        return plus(position, normal, index * (values.number(_SPACING_BETWEEN) or 0.0))
    return position
