"""Compound graphics of presentation states, as lines (PS3.3 C.10.5.1.3).

Each must also be there as simple graphics with the same Compound Graphic Instance ID, which are drawn as all
others are. So lines are made only of those that a writer gave no simple form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dicomweb.pixels.rendering.values import Values

_COMPOUNDS, _OBJECTS, _TEXTS = "00700209", "00700009", "00700008"
_INSTANCE, _TYPE, _DATA, _FILLED = "00700226", "00700294", "00700022", "00700024"
_ANGLE, _CENTRE = "00700230", "00700273"
_GAP, _DIAMETER, _TICKS, _TICK = "00700261", "00700262", "00700287", "00700288"

_MOST_POINTS = 20_000
# How far lines without an end go: beyond every picture, in pixels as in fractions of one.
_ENDLESS = 1 << 16
_ELLIPSE_CORNERS = 128
# Of the length of an arrow or an axis.
_HEAD_SHARE, _TICK_SHARE, _HEAD_ANGLE = 0.2, 0.03, math.radians(25)

Point = tuple[float, float]
Line = list[Point]


@dataclass(frozen=True, slots=True)
class CompoundShape:
    """lines: in the units of the item, which says colour and units."""

    item: Values
    lines: list[Line]
    filled: bool


def compound_shapes(annotation: Values) -> list[CompoundShape]:
    """Of an item of Graphic Annotation Sequence, the compound graphics that no simple ones stand for."""
    simple = {item.text(_INSTANCE) for tag in (_OBJECTS, _TEXTS) for item in annotation.items(tag)}
    found = []
    for item in annotation.items(_COMPOUNDS):
        outline = _OUTLINES.get(item.text(_TYPE))
        numbers = item.numbers(_DATA)[: 2 * _MOST_POINTS]
        points = list(zip(numbers[::2], numbers[1::2], strict=False))
        if outline is None or len(points) < 2 or (item.text(_INSTANCE) or None) in simple:
            continue
        lines = [_turned(line, item) for line in outline(points, item)]
        filled = item.text(_FILLED) == "Y" and item.text(_TYPE) in _CLOSED
        found.append(CompoundShape(item, lines, filled))
    return found


def _turned(line: Line, item: Values) -> Line:
    """Turned counterclockwise around the rotation point; rows grow downwards."""
    angle, centre = math.radians(item.number(_ANGLE) or 0.0), item.numbers(_CENTRE)
    if not angle or len(centre) != 2:
        return line
    cosine, sine = math.cos(angle), math.sin(angle)
    away = [(x - centre[0], y - centre[1]) for x, y in line]
    return [(centre[0] + cosine * x + sine * y, centre[1] - sine * x + cosine * y) for x, y in away]


def _between(start: Point, end: Point, share: float, aside: float = 0.0) -> Point:
    """A point of the line from start to end, moved aside by a share of its length."""
    along = end[0] - start[0], end[1] - start[1]
    return (
        start[0] + share * along[0] - aside * along[1],
        start[1] + share * along[1] + aside * along[0],
    )


def _whole(points: Line, _item: Values) -> list[Line]:
    return [points]


def _endless(points: Line, _item: Values) -> list[Line]:
    start, end = points[:2]
    length = math.dist(start, end)
    if not length:
        return []
    return [[_between(start, end, -_ENDLESS / length), _between(start, end, _ENDLESS / length)]]


def _rectangle(points: Line, _item: Values) -> list[Line]:
    (left, top), (right, bottom) = points[:2]
    return [[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]]


def _ellipse(points: Line, _item: Values) -> list[Line]:
    """In the rectangle of two corners."""
    (left, top), (right, bottom) = points[:2]
    centre, radii = ((left + right) / 2, (top + bottom) / 2), ((right - left) / 2, (bottom - top) / 2)
    angles = [2 * math.pi * step / _ELLIPSE_CORNERS for step in range(_ELLIPSE_CORNERS + 1)]
    return [[(centre[0] + radii[0] * math.cos(a), centre[1] + radii[1] * math.sin(a)) for a in angles]]


def _arrow(points: Line, _item: Values) -> list[Line]:
    """From the first point to the second, where its head is."""
    tail, tip = points[:2]
    aside = _HEAD_SHARE * math.tan(_HEAD_ANGLE)
    barbs = [_between(tip, tail, _HEAD_SHARE, side) for side in (-aside, aside)]
    return [[tail, tip], [barbs[0], tip, barbs[1]]]


def _ruler(points: Line, item: Values) -> list[Line]:
    """A line with ticks where the item wants some, else at its ends."""
    start, end = points[:2]
    ticks = [tick.number(_TICK) for tick in item.items(_TICKS)]
    lines = [[start, end]]
    for place in [tick for tick in ticks if tick is not None] or [0.0, 1.0]:
        lines.append([_between(start, end, place, side) for side in (-_TICK_SHARE, _TICK_SHARE)])
    return lines


def _crosshair(points: Line, item: Values) -> list[Line]:
    """Around the first point; as wide as the visibility says, else through the second; open in the middle."""
    (x, y), other = points[:2]
    reach = (item.number(_DIAMETER) or 0.0) / 2 or math.dist((x, y), other)
    gap = min(max((item.number(_GAP) or 0.0) / 2, 0.0), reach)
    return [
        [(x + across * gap, y + down * gap), (x + across * reach, y + down * reach)]
        for across, down in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]


_CLOSED = ("RECTANGLE", "ELLIPSE")
_OUTLINES: dict[str, Callable[[Line, Values], Sequence[Line]]] = {
    "MULTILINE": _whole,
    "INFINITELINE": _endless,
    "CUTLINE": _whole,
    "RANGELINE": _whole,
    "RULER": _ruler,
    "AXIS": _ruler,
    "CROSSHAIR": _crosshair,
    "ARROW": _arrow,
    "RECTANGLE": _rectangle,
    "ELLIPSE": _ellipse,
}
