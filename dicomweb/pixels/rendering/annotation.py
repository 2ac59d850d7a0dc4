"""Text burned into pictures (PS3.18 8.3.5.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from dicomweb.pixels.lettering import Font, lettered
from dicomweb.pixels.rendering.annotation_lines import LONGEST_LINE

_MOST_LINES = 24
# Of the picture's height; a line must be readable, and several fit.
_LINE_SHARE = 1 / 32
_SMALLEST_FONT, _LARGEST_FONT = 10, 48


def burn_in(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """The picture with lines of text in its top left corner, white with a dark edge."""
    lines = ["".join(filter(str.isprintable, line))[:LONGEST_LINE] for line in lines[:_MOST_LINES]]
    if not lines:
        return picture
    picture = picture.copy()
    draw = ImageDraw.Draw(picture)
    size, texts = _fitting(draw, lines, picture.width, picture.height)
    white, black = (255, 0) if picture.mode == "L" else ((255,) * 3, (0,) * 3)
    step = round(size * 1.2)
    for number, (line, font) in enumerate(texts):
        place = (step // 2, step // 2 + number * step)
        draw.text(place, line, fill=white, font=font, stroke_width=max(step // 12, 1), stroke_fill=black)
    return picture


def _fitting(
    draw: ImageDraw.ImageDraw, lines: Sequence[str], width: int, height: int
) -> tuple[float, list[tuple[str, Font]]]:
    """Size and fonts in proportion to the picture, smaller where a line would not fit its width."""
    size = min(max(height * _LINE_SHARE, _SMALLEST_FONT), _LARGEST_FONT)
    texts = [lettered(line, size) for line in lines]
    longest = max(draw.textlength(line, font=font) for line, font in texts)
    if longest > 0.95 * width:
        size = max(size * 0.95 * width / longest, _SMALLEST_FONT)
        texts = [lettered(line, size) for line in lines]
    return size, texts
