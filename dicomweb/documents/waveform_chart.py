"""Waveforms that are no electrocardiogram: each channel in a row of its own, over the whole recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dicomweb.documents.drawing import Drawing, Label, Path, Points, points, rectangle
from dicomweb.documents.trace import Values, strokes, thinned
from dicomweb.documents.waveform import Channel, Group

_WIDTH, _MARGIN, _NAMES = 1200.0, 20.0, 150.0
_TEXT, _LINE_HEIGHT, _GAP = 13.0, 18.0, 8.0
_TALL_ROW, _LOW_ROW, _MANY_ROWS = 90.0, 44.0, 12
_MOST_POINTS = 2000
_LONGEST_NAME = 18
_INK, _FRAME, _FAINT = "#16202c", "#b8c2cc", "#e4e9ee"
_COLOURS = ("#1664b8", "#b3382c", "#1d7d43", "#8a4bb0", "#a86a00", "#0f7f8a")
# Steps of a time axis, in seconds.
_STEPS = (
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
)
_MOST_STEPS = 12


def chart_drawing(groups: Sequence[Group], lines: Sequence[str]) -> Drawing:
    """Each group below the one before; lines: text above them all."""
    shapes: list[Path | Label] = []
    y = _MARGIN
    for line in lines:
        y += _LINE_HEIGHT
        shapes.append(Label(_MARGIN, y - 4, line, _TEXT, _INK))
    for group in groups:
        y += _LINE_HEIGHT
        shapes.append(Label(_MARGIN, y - 4, _caption(group), _TEXT, _INK, bold=True))
        y = _group(group, y + 2, shapes)
    return Drawing(_WIDTH, y + _MARGIN, shapes, "#ffffff", "Waveform")


def chart_thumbnail(group: Group) -> Drawing:
    """The traces alone, thick enough to be seen in a small picture."""
    side = _WIDTH / 4
    tall = side / len(group.channels)
    traces = [
        _trace(channel, _COLOURS[n % len(_COLOURS)], 4, rectangle(8, n * tall + 12, side - 16, tall - 24))
        for n, channel in enumerate(group.channels)
    ]
    return Drawing(side, side, traces, "#ffffff", "Waveform")


def _caption(group: Group) -> str:
    return "   ".join(filter(None, [group.label, group.shown_time, f"{group.frequency:g} Hz"]))


def _group(group: Group, y: float, shapes: list[Path | Label]) -> float:
    """Draw a group from y on; returns where it ends."""
    left, right = _MARGIN + _NAMES, _WIDTH - _MARGIN
    seconds = max(len(channel.values) for channel in group.channels) / group.frequency
    tall = _TALL_ROW if len(group.channels) <= _MANY_ROWS else _LOW_ROW
    bottom = y + len(group.channels) * (tall + _GAP)
    shapes += _time_axis(seconds, left, right, y, bottom)
    for number, channel in enumerate(group.channels):
        shapes += _row(channel, _COLOURS[number % len(_COLOURS)], left, right, y, tall)
        y += tall + _GAP
    return bottom + _LINE_HEIGHT


def _row(
    channel: Channel, colour: str, left: float, right: float, top: float, tall: float
) -> list[Path | Label]:
    low, high = _range(channel.values)
    unit = f" {channel.unit}" if channel.unit else ""
    return [
        Path([rectangle(left, top, right - left, tall)], _FRAME, 1, closed=True),
        _trace(channel, colour, 1.2, rectangle(left, top, right - left, tall)),
        Label(_MARGIN, top + tall / 2 + _TEXT / 3, channel.name[:_LONGEST_NAME], _TEXT, colour, bold=True),
        Label(left - 4, top + _TEXT * 0.8, f"{high:.4g}{unit}", _TEXT * 0.8, _INK, "end"),
        Label(left - 4, top + tall, f"{low:.4g}{unit}", _TEXT * 0.8, _INK, "end"),
    ]


def _trace(channel: Channel, colour: str, width: float, box: Points) -> Path:
    """The whole recording, from edge to edge of a box."""
    (left, top), (right, bottom) = box[0], box[2]
    low, high = _range(channel.values)
    at, values = thinned(channel.values, _MOST_POINTS)
    x = left + at / max(1, len(channel.values) - 1) * (right - left)
    y = bottom - (values - low) / (high - low) * (bottom - top)
    return Path(strokes(x, y), colour, width)


def _range(values: Values) -> tuple[float, float]:
    """Least and greatest value, apart even where all are equal."""
    there = values[np.isfinite(values)]
    low, high = (float(there.min()), float(there.max())) if len(there) else (0.0, 1.0)
    return (low, high) if high > low else (low - 1, high + 1)


def _time_axis(seconds: float, left: float, right: float, top: float, bottom: float) -> list[Path | Label]:
    step = next((step for step in _STEPS if seconds / step <= _MOST_STEPS), seconds / _MOST_STEPS)
    shapes: list[Path | Label] = []
    for number in range(int(seconds / step + 1e-9) + 1):
        x = left + number * step / seconds * (right - left)
        shapes.append(Path([points([(x, top), (x, bottom)])], _FAINT, 1))
        shapes.append(Label(x, bottom + _TEXT * 0.6, f"{number * step:g} s", _TEXT * 0.8, _INK, "middle"))
    return shapes
