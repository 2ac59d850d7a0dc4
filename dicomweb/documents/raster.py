"""A drawing as pixels, by Pillow: drawn larger and made smaller, which smooths its lines."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageColor, ImageDraw

from dicomweb.documents.drawing import Anchor, Drawing, Label, Path, Points
from dicomweb.pixels.lettering import lettered

_FINER = 2
# Pixels of the enlarged drawing: 96 MiB of RGB.
_MOST_PIXELS = 32 << 20
_ANCHORS: dict[Anchor, str] = {"start": "ls", "middle": "ms", "end": "rs"}
# Smaller letters are specks, and a font has no size below one.
_SMALLEST_TEXT = 3.0

_Corners = list[tuple[float, float]]


def raster(drawing: Drawing, size: tuple[int, int]) -> Image.Image:
    """The drawing as an RGB picture of this width and height; what its shape leaves over is background."""
    width, height = size
    finer = max(1.0, min(_FINER, math.sqrt(_MOST_PIXELS / (width * height))))
    canvas = Image.new("RGB", (round(width * finer), round(height * finer)), drawing.background)
    scale = min(canvas.width / drawing.width, canvas.height / drawing.height)
    left = (canvas.width - drawing.width * scale) / 2
    top = (canvas.height - drawing.height * scale) / 2

    def placed(points: Points) -> _Corners:
        return [(left + x * scale, top + y * scale) for x, y in points.tolist()]

    pen = ImageDraw.Draw(canvas, "RGBA")
    for shape in drawing.shapes:
        if isinstance(shape, Label):
            _label(pen, shape, scale, (left, top))
        else:
            _path(pen, shape, scale, placed)
    return canvas if finer == 1 else canvas.resize(size, Image.Resampling.BOX)


def _path(pen: ImageDraw.ImageDraw, path: Path, scale: float, placed: Callable[[Points], _Corners]) -> None:
    width = max(1, round(path.width * scale))
    fill = (*ImageColor.getrgb(path.fill)[:3], round(255 * path.opacity)) if path.fill else None
    for stroke in path.strokes:
        corners = placed(stroke)
        if fill is not None and len(corners) > 2:
            pen.polygon(corners, fill=fill)
        if path.colour and corners:
            if path.closed or len(corners) == 1:
                corners.append(corners[0])
            pen.line(corners, fill=path.colour, width=width, joint="curve" if width > 2 else None)


def _label(pen: ImageDraw.ImageDraw, label: Label, scale: float, corner: tuple[float, float]) -> None:
    size = label.size * scale
    if size < _SMALLEST_TEXT or not label.text:
        return
    place = (corner[0] + label.x * scale, corner[1] + label.y * scale)
    stroke = size / 40 if label.bold else 0
    written, font = lettered(label.text, round(size, 1))
    pen.text(
        place,
        written,
        fill=label.colour,
        font=font,
        anchor=_ANCHORS[label.anchor],
        stroke_width=stroke,
    )
