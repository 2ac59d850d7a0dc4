"""How long each frame of an animation is shown (PS3.3 C.7.6.5): of a display, small and without a library."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

CINE_RATE, DISPLAY_RATE = "00180040", "00082144"
FRAME_TIME, FRAME_TIME_VECTOR = "00181063", "00181065"
_DEFAULT = 100.0


def frame_milliseconds(attributes: Mapping[str, Any]) -> float:
    """By the rate that a display should have, else by the time between frames, else ten a second.

    attributes: of display_of, whose Frame Time is that of the frame where each has its own.
    """
    for tag in (CINE_RATE, DISPLAY_RATE):
        rate = number_at(attributes, tag, 0)
        if rate > 0:
            return 1000 / rate
    return number_at(attributes, FRAME_TIME, 0) or _DEFAULT


def own_frame_time(attributes: Mapping[str, Any], frame_index: int) -> float:
    """What the Frame Time Vector says, 0 where nothing.

    Its values are the times before each frame, so that the last frame is shown as long as the one before it.
    """
    values = attributes.get(FRAME_TIME_VECTOR, {}).get("Value")
    last = len(values) - 1 if isinstance(values, list) else 0
    return number_at(attributes, FRAME_TIME_VECTOR, min(frame_index + 1, last)) if last > 0 else 0.0


def number_at(attributes: Mapping[str, Any], tag: str, place: int) -> float:
    """A positive number among the values of an attribute, 0 where there is none."""
    values = attributes.get(tag, {}).get("Value")
    try:
        number = float(values[place])
    except (TypeError, ValueError, LookupError, OverflowError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
