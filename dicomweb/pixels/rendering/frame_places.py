"""Where frames lie, and the order in which a presentation state shows them (PS3.18 10.4.1.1.3, R-15).

Plain numbers, for the server; a worker reads them from the metadata (place_of, the job "frame_places").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from dicomweb.errors import InvalidRequest
from dicomweb.pixels.rendering.display import Attributes, items
from dicomweb.pixels.volume.grid import Slice, read_slice
from dicomweb.pixels.volume.vectors import Vector, cross, dot, plus, unit, vector

_PER_FRAME_GROUPS, _FRAME_CONTENT, _INDEX_VALUES = "52009230", "00209111", "00209157"
_ORGANIZATIONS, _ORGANIZATION_UID = "00209221", "00209164"
_TRANSVERSE = (0.0, 0.0, 1.0)
# Cosine between the normals of planes that are parallel but for digits.
_PARALLEL = 0.9998
# Of a pixel: spacings written with few digits.
_SAME_SPACING = 0.005
# What lies so far outside, of a pixel or of a gap between slices, still belongs to the outermost one.
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class FramePlace:
    """organization, index: Dimension Organization UID and Dimension Index Values, empty where there are none.

    position: of its first pixel, in mm of the patient. normal: of its plane, transverse where not said.
    slice: the whole plane. None where the data set does not say.
    """

    organization: str
    index: tuple[int, ...]
    position: Vector | None
    normal: Vector
    slice: Slice | None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> FramePlace:
        """Read what the job gives."""
        place = normal = None
        with suppress(InvalidRequest):
            place = read_slice(found)
        if orientation := found["orientation"]:
            normal = unit(cross(vector(orientation[:3]), vector(orientation[3:])))
        position = vector(found["position"]) if found["position"] else None
        return cls(found["organization"], tuple(found["index"]), position, normal or _TRANSVERSE, place)


def place_of(attributes: Attributes, index: int, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the job gives for one frame. found: its slice, of volume.slices.slices_of."""
    content: list[Any] = []
    for group in items(attributes, _PER_FRAME_GROUPS)[index : index + 1]:
        for item in items(group, _FRAME_CONTENT)[:1]:
            content = item.get(_INDEX_VALUES, {}).get("Value") or []
    organization: list[Any] = []
    for item in items(attributes, _ORGANIZATIONS)[:1]:
        organization = item.get(_ORGANIZATION_UID, {}).get("Value") or []
    return {
        **{name: found[name] for name in ("position", "orientation", "spacing", "frame_of_reference")},
        "organization": str(organization[0]) if organization else "",
        "index": [value for value in content if isinstance(value, int)],
    }


def order_of(places: Sequence[FramePlace]) -> list[int]:
    """Indices of the frames of a series in the order in which they are shown.

    By Dimension Index Values where all have such of one organization, else by position along their
    normal where all are parallel, else as they were.
    """
    frames = range(len(places))
    kinds = {(place.organization, len(place.index)) for place in places}
    if len(kinds) == 1 and places[0].index:
        return sorted(frames, key=lambda frame: places[frame].index)
    depths = _depths([(place.position, place.normal) for place in places])
    return sorted(frames, key=depths.__getitem__) if depths else list(frames)


def _depths(planes: Sequence[tuple[Vector | None, Vector]]) -> list[float]:
    """Millimetres of parallel planes along the normal of the first; none where they are not all parallel."""
    found = []
    for position, normal in planes:
        if position is None or abs(dot(normal, planes[0][1])) < _PARALLEL:
            return []
        found.append(dot(position, planes[0][1]))
    return found


def normal_of(plane: Slice) -> Vector:
    """Of length 1."""
    return cross(plane.row_direction, plane.column_direction)


def frames_through(plane: Slice, rows: int, columns: int, stack: Sequence[Slice]) -> list[int] | None:
    """Indices of the frames of a stack that a plane of so many pixels is filled from, by depth.

    None where nothing can be said: their rows and columns do not run alike, or not all have one frame of
    reference.
    """
    depths = _depths_of(stack)
    references = {one.frame_of_reference for one in (plane, *stack)}
    if not depths or len(references) > 1 or not plane.frame_of_reference:
        return None
    if not all(_lie_alike(stack[0], one) for one in stack):
        return None
    normal = normal_of(stack[0])
    reached = [dot(corner, normal) for corner in _corners(plane, rows, columns)]
    order = sorted(range(len(stack)), key=depths.__getitem__)
    below = sum(depths[index] <= min(reached) for index in order)
    above = sum(depths[index] >= max(reached) for index in order)
    return order[max(below - 1, 0) : len(order) - max(above - 1, 0)]


def _lie_alike(one: Slice, other: Slice) -> bool:
    """Whether the pixels of two planes form one grid."""
    along = dot(one.row_direction, other.row_direction), dot(one.column_direction, other.column_direction)
    sizes = zip(one.spacing, other.spacing, strict=True)
    return min(along) >= _PARALLEL and all(abs(a - b) <= _SAME_SPACING * a for a, b in sizes)


def reach_of(stack: Sequence[Slice]) -> float:
    """Millimetres that the outermost of parallel planes stand for: half of the usual gap between them."""
    depths = sorted(_depths_of(stack))
    gaps = [after - before for before, after in pairwise(depths) if after > before]
    return _HALF * (median(gaps) if gaps else max(stack[0].spacing))


def _depths_of(stack: Sequence[Slice]) -> list[float]:
    return _depths([(one.position, normal_of(one)) for one in stack])


def _corners(plane: Slice, rows: int, columns: int) -> list[Vector]:
    """The outer corners of a frame."""
    return [
        plus(
            plus(plane.position, plane.row_direction, column * plane.spacing[1]),
            plane.column_direction,
            row * plane.spacing[0],
        )
        for row in (-_HALF, rows - _HALF)
        for column in (-_HALF, columns - _HALF)
    ]
