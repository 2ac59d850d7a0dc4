"""Mask subtraction in presentation states: what is subtracted from what (PS3.3 C.7.6.10, C.11.13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb.pixels.rendering.display import Attributes, items
from dicomweb.pixels.rendering.presentation import applies, text_of

_SUBTRACTIONS, _OPERATION = "00286100", "00286101"
_RANGE, _MASK_FRAMES, _AVERAGED = "00286102", "00286110", "00286112"
_SHIFT, _TID_OFFSET = "00286114", "00286120"
_PIXEL_SHIFTS, _PIXEL_SHIFT_RANGE = "00289501", "00289506"
_VISIBILITY, _VIEWING_MODE, _PIXEL_INTENSITY = "00289478", "00281090", "00281040"

_MOST_FRAMES = 64
# Pixels; a mask that is moved farther is no mask.
_FARTHEST = 4096.0


@dataclass(frozen=True, slots=True)
class Subtraction:
    """contrast, mask: numbers of the frames whose mean is taken, from 1.

    shift: of the mask, in rows and columns. mask_visibility: from 0 to 1, the share of the mask that stays.
    logarithmic: the pixels are in proportion to the beam; only their logarithms can be subtracted.
    """

    contrast: tuple[int, ...]
    mask: tuple[int, ...]
    shift: tuple[float, float] = (0.0, 0.0)
    mask_visibility: float = 0.0
    logarithmic: bool = False


def subtraction_of(
    state: Attributes, image: Attributes, sop_instance_uid: str, frame_number: int, frames: int
) -> Subtraction | None:
    """What a state subtracts from a frame; None where it shows the frame itself.

    state, image: DICOM JSON. frames: of the image.
    """
    if text_of(state, _VIEWING_MODE).upper() == "NAT":
        return None
    for item in items(state, _SUBTRACTIONS):
        span = _span(item, frame_number, frames)
        if span is None or not applies(item, sop_instance_uid, frame_number):
            continue
        mask = [number for number in _mask_frames(item, frame_number, span[0]) if 1 <= number <= frames]
        if not mask:
            return None
        averaged = min(max(_integer(item, _AVERAGED, 1), 1), _MOST_FRAMES)
        visibility = next(iter(_numbers(item, _VISIBILITY) or _numbers(state, _VISIBILITY)), 0.0)
        return Subtraction(
            tuple(range(frame_number, min(frame_number + averaged, span[1] + 1))),
            tuple(mask[:_MOST_FRAMES]),
            _shift(item, frame_number),
            min(max(visibility / 100, 0.0), 1.0),
            text_of(image, _PIXEL_INTENSITY).upper() == "LIN",
        )
    return None


def _span(item: Attributes, frame_number: int, frames: int) -> tuple[int, int] | None:
    """The range of frames around this one that an item is for, all where it names none."""
    edges = [int(number) for number in _numbers(item, _RANGE)]
    if not edges:
        return 1, frames
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return next(((max(a, 1), min(b, frames)) for a, b in pairs if a <= frame_number <= b), None)


def _mask_frames(item: Attributes, frame_number: int, first: int) -> Sequence[int]:
    """Numbers of the mask frames; they may be none of the image's."""
    operation, offset = text_of(item, _OPERATION).upper(), _integer(item, _TID_OFFSET, 1)
    if operation == "AVG_SUB":
        return [int(number) for number in _numbers(item, _MASK_FRAMES)]
    if operation == "TID":
        return [frame_number - offset]
    # Time runs back for the mask from the first frame on.
    return [first - offset - (frame_number - first)] if operation == "REV_TID" else []


def _shift(item: Attributes, frame_number: int) -> tuple[float, float]:
    """Of the item, else of the pixel shift for this frame (C.8.19.7, Enhanced XA)."""
    places = [item]
    for one in items(item, _PIXEL_SHIFTS):
        edges = _numbers(one, _PIXEL_SHIFT_RANGE)
        pairs = zip(edges[::2], edges[1::2], strict=False)
        if not edges or any(a <= frame_number <= b for a, b in pairs):
            places.append(one)
    for place in places:
        shift = [number for number in _numbers(place, _SHIFT) if abs(number) <= _FARTHEST]
        if len(shift) == 2:
            return shift[0], shift[1]
    return 0.0, 0.0


def _numbers(attributes: Attributes, tag: str) -> list[float]:
    values: Any = attributes.get(tag, {}).get("Value") or []
    return [float(value) for value in values if isinstance(value, int | float) and abs(value) < 1e12]


def _integer(item: Attributes, tag: str, default: int) -> int:
    return int(next(iter(_numbers(item, tag)), default))
