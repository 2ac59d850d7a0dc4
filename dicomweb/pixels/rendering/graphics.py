"""Graphic annotations of presentation states, drawn on the finished picture (PS3.3 C.10.5, C.10.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from dicomweb.pixels.lettering import lettered
from dicomweb.pixels.rendering.colour import Rgb, rgb_of_cielab
from dicomweb.pixels.rendering.compound import CompoundShape, compound_shapes
from dicomweb.pixels.rendering.placement import Placement
from dicomweb.pixels.rendering.values import Values

_ANNOTATIONS, _LAYERS = "00700001", "00700060"
_LAYER, _LAYER_ORDER, _LAYER_GRAY, _LAYER_COLOUR = "00700002", "00700062", "00700066", "00700401"
_OBJECTS, _UNITS, _DATA, _TYPE, _FILLED = "00700009", "00700005", "00700022", "00700023", "00700024"
_TEXTS, _TEXT, _TEXT_STYLE, _TEXT_COLOUR = "00700008", "00700006", "00700231", "00700241"
_COMPOUND_UNITS = "00700282"
_LINE_STYLE, _FILL_STYLE, _PATTERN_COLOUR = "00700232", "00700233", "00700251"
_BOX_UNITS, _BOX_TOP_LEFT, _BOX_BOTTOM_RIGHT = "00700003", "00700010", "00700011"
_ANCHOR_UNITS, _ANCHOR, _ANCHOR_VISIBLE = "00700004", "00700014", "00700015"

_YELLOW: Rgb = (255, 230, 60)
_MOST_OBJECTS, _MOST_POINTS, _LONGEST_TEXT = 2000, 20_000, 2000
_POINT_RADIUS = 3
# Places farther out than this many pixels cannot be seen; Pillow would walk all the way there.
_FARTHEST = 1 << 17
_CURVE_STEPS = 16

Point = tuple[float, float]


def with_graphics(picture: Image.Image, presentation: Values, placement: Placement) -> Image.Image:
    """The picture with the graphic and text objects of its presentation, lower layers first."""
    layers = {layer.text(_LAYER): layer for layer in presentation.items(_LAYERS)}
    annotations = presentation.items(_ANNOTATIONS)
    if not annotations:
        return picture
    annotations.sort(key=lambda annotation: _order(layers.get(annotation.text(_LAYER))))
    picture = picture.convert("RGB")
    draw = _Drawing(picture, placement)
    for annotation in annotations:
        colour = _layer_colour(layers.get(annotation.text(_LAYER)))
        for shape in annotation.items(_OBJECTS)[:_MOST_OBJECTS]:
            draw.shape(shape, colour)
        for text in annotation.items(_TEXTS)[:_MOST_OBJECTS]:
            draw.text(text, colour)
        for compound in compound_shapes(annotation)[:_MOST_OBJECTS]:
            draw.compound(compound, colour)
    return picture


def _order(layer: Values | None) -> int:
    return 0 if layer is None else layer.integer(_LAYER_ORDER)


def _layer_colour(layer: Values | None) -> Rgb:
    if layer is None:
        return _YELLOW
    gray = layer.number(_LAYER_GRAY)
    level = None if gray is None else min(max(int(gray) * 255 // 0xFFFF, 0), 255)
    return rgb_of_cielab(layer.numbers(_LAYER_COLOUR)) or (_YELLOW if level is None else (level,) * 3)


class _Drawing:
    """A picture that is drawn on."""

    def __init__(self, picture: Image.Image, placement: Placement) -> None:
        self._draw = ImageDraw.Draw(picture)
        self._size = picture.size
        self._placement = placement
        self._width = max(round(min(picture.size) / 400), 1)

    def shape(self, shape: Values, colour: Rgb) -> None:
        """One graphic object (C.10.5.1.2)."""
        points = list(self._points(shape.numbers(_DATA), shape.text(_UNITS)))
        outline = _OUTLINES.get(shape.text(_TYPE))
        if outline is None or not points:
            return
        colour = _styled(shape, _LINE_STYLE, _PATTERN_COLOUR) or colour
        if shape.text(_TYPE) == "POINT":
            for x, y in points:
                self._draw.ellipse(_around(x, y, _POINT_RADIUS * self._width), fill=colour)
            return
        line = outline(points)
        if shape.text(_FILLED) == "Y" and len(line) > 2:
            self._draw.polygon(line, fill=_styled(shape, _FILL_STYLE, _PATTERN_COLOUR) or colour)
        elif len(line) > 1:
            self._draw.line(line, fill=colour, width=self._width, joint="curve")

    def compound(self, shape: CompoundShape, colour: Rgb) -> None:
        """The lines of one compound graphic (C.10.5.1.3)."""
        colour = _styled(shape.item, _LINE_STYLE, _PATTERN_COLOUR) or colour
        for line in shape.lines:
            numbers = [number for point in line for number in point]
            points = list(self._points(numbers, shape.item.text(_COMPOUND_UNITS)))
            if shape.filled and len(points) > 2:
                self._draw.polygon(points, fill=_styled(shape.item, _FILL_STYLE, _PATTERN_COLOUR) or colour)
            else:
                self._draw.line(points, fill=colour, width=self._width, joint="curve")

    def text(self, text: Values, colour: Rgb) -> None:
        """One text object: in its bounding box, with a line to its anchor point, or there (C.10.5.1.1)."""
        colour = _styled(text, _TEXT_STYLE, _TEXT_COLOUR) or colour
        words = "\n".join(text.text(_TEXT)[:_LONGEST_TEXT].splitlines())
        box = list(
            self._points(text.numbers(_BOX_TOP_LEFT) + text.numbers(_BOX_BOTTOM_RIGHT), text.text(_BOX_UNITS))
        )
        anchor = list(self._points(text.numbers(_ANCHOR), text.text(_ANCHOR_UNITS)))
        place = _top_left(box) if len(box) == 2 else anchor[0] if anchor else None
        if place is None or not words:
            return
        if anchor and len(box) == 2 and text.text(_ANCHOR_VISIBLE) == "Y":
            self._draw.line([anchor[0], _nearest(box, anchor[0])], fill=colour, width=self._width)
        written, font = lettered(words, min(max(min(self._size) / 32, 10), 48))
        self._draw.multiline_text(
            place, written, fill=colour, font=font, stroke_width=1, stroke_fill=(0, 0, 0)
        )

    def _points(self, numbers: list[float], units: str) -> Iterator[Point]:
        """Places in the picture of column and row pairs: pixels of the image, or fractions of the picture."""
        numbers = numbers[: 2 * _MOST_POINTS]
        for x, y in zip(numbers[::2], numbers[1::2], strict=False):
            if units == "DISPLAY":
                place = x * self._size[0], y * self._size[1]
            else:
                place = self._placement.point(x, y)
            yield _seen(place[0]), _seen(place[1])


def _styled(item: Values, style: str, tag: str) -> Rgb | None:
    """The colour that an object's own style gives it."""
    return next((rgb_of_cielab(one.numbers(tag)) for one in item.items(style)), None)


def _seen(coordinate: float) -> float:
    return min(max(coordinate, -_FARTHEST), _FARTHEST)


def _around(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


def _top_left(box: list[Point]) -> Point:
    """Of a box whose corners may be turned round."""
    return min(box[0][0], box[1][0]), min(box[0][1], box[1][1])


def _nearest(box: list[Point], anchor: Point) -> Point:
    """The place of a box nearest to a point."""
    (left, right), (top, bottom) = (sorted(sides) for sides in zip(*box, strict=True))
    return min(max(anchor[0], left), right), min(max(anchor[1], top), bottom)


# --- outlines ----------------------------------------------------------------------------------------------


def _circle(points: list[Point]) -> list[Point]:
    """A circle by its centre and a point on it."""
    if len(points) < 2:
        return []
    centre, edge = np.array(points[:2])
    return _ring(centre, edge - centre, (edge - centre)[::-1] * (-1, 1))


def _ellipse(points: list[Point]) -> list[Point]:
    """An ellipse by the ends of its major axis, then of its minor one."""
    if len(points) < 4:
        return []
    major_start, major_end, minor_start, minor_end = np.array(points[:4])
    return _ring((major_start + major_end) / 2, (major_end - major_start) / 2, (minor_end - minor_start) / 2)


def _ring(centre: Any, one: Any, other: Any) -> list[Point]:
    angles = np.linspace(0, 2 * np.pi, 129)[:, None]
    ring = centre + np.cos(angles) * one + np.sin(angles) * other
    return [(_seen(float(x)), _seen(float(y))) for x, y in ring]


def _interpolated(points: list[Point]) -> list[Point]:
    """A smooth curve through all points (Catmull-Rom; DICOM names none); closed where the ends meet."""
    if len(points) < 3:
        return points
    places = np.array(points)
    closed = points[0] == points[-1]
    before, after = (places[-2], places[1]) if closed else (places[0], places[-1])
    whole = np.concatenate([[before], places, [after]])
    step = np.linspace(0, 1, _CURVE_STEPS, endpoint=False)[:, None, None]
    one, two, three, four = whole[:-3], whole[1:-2], whole[2:-1], whole[3:]
    curve = two + step / 2 * (
        three - one + step * (2 * one - 5 * two + 4 * three - four + step * (3 * (two - three) + four - one))
    )
    along = np.concatenate([curve.swapaxes(0, 1).reshape(-1, 2), places[-1:]])
    return [(_seen(float(x)), _seen(float(y))) for x, y in along]


_OUTLINES: dict[str, Callable[[list[Point]], list[Point]]] = {
    "POINT": list,
    "POLYLINE": list,
    "INTERPOLATED": _interpolated,
    "CIRCLE": _circle,
    "ELLIPSE": _ellipse,
}
