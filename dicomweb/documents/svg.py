"""A drawing as an SVG file (W3C SVG 1.1): no script, no style sheet, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from dicomweb.documents.drawing import Drawing, Label, Path, Points
from dicomweb.documents.values import cleaned

_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Part:
    """What of a drawing is seen: a rectangle in its units, turned around its middle."""

    x: float
    y: float
    width: float
    height: float
    flip_horizontal: bool = False
    flip_vertical: bool = False

    @property
    def turned(self) -> str:
        """The transform that turns it, empty where it is not."""
        if not self.flip_horizontal and not self.flip_vertical:
            return ""
        across, right = (-1, 2 * self.x + self.width) if self.flip_horizontal else (1, 0)
        down, bottom = (-1, 2 * self.y + self.height) if self.flip_vertical else (1, 0)
        return f"matrix({across} 0 0 {down} {right:g} {bottom:g})"


def svg(drawing: Drawing, size: tuple[int, int] | None = None, part: Part | None = None) -> bytes:
    """The drawing as image/svg+xml. size: in pixels, None for its natural size. part: None for all of it."""
    return "".join(_parts(drawing, size, part or Part(0, 0, drawing.width, drawing.height))).encode()


def _parts(drawing: Drawing, size: tuple[int, int] | None, part: Part) -> Iterator[str]:
    width, height = size or (round(drawing.width * drawing.pixels), round(drawing.height * drawing.pixels))
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" '
    yield f'width="{width}" height="{height}" viewBox="{part.x:g} {part.y:g} {part.width:g} {part.height:g}" '
    yield f'font-family="{_FONT}" stroke-linejoin="round" stroke-linecap="round">\n'
    if drawing.title:
        yield f"<title>{_text(drawing.title)}</title>\n"
    if part.turned:
        yield f'<g transform="{part.turned}">\n'
    yield f'<rect width="{drawing.width:g}" height="{drawing.height:g}" fill="{drawing.background}"/>\n'
    for shape in drawing.shapes:
        yield _label(shape) if isinstance(shape, Label) else _path(shape)
    yield "</g>\n</svg>\n" if part.turned else "</svg>\n"


def _label(label: Label) -> str:
    weight = ' font-weight="bold"' if label.bold else ""
    return (
        f'<text x="{label.x:.2f}" y="{label.y:.2f}" font-size="{label.size:g}" fill="{label.colour}" '
        f'text-anchor="{label.anchor}"{weight}>{_text(label.text)}</text>\n'
    )


def _text(text: str) -> str:
    """Text as XML can hold it: not every character may stand in it, escaped or not."""
    return escape(cleaned(text))


def _path(path: Path) -> str:
    closing = "Z" if path.closed else ""
    data = "".join(_stroke(stroke) + closing for stroke in path.strokes if len(stroke))
    if not data:
        return ""
    stroke = f' stroke="{path.colour}" stroke-width="{path.width:g}"' if path.colour else ""
    opacity = f' fill-opacity="{path.opacity:g}"' if path.fill and path.opacity < 1 else ""
    return f'<path d="{data}" fill="{path.fill or "none"}"{opacity}{stroke}/>\n'


def _stroke(stroke: Points) -> str:
    """Points as path data, to a hundredth of a unit."""
    x, y = np.round(stroke, 2).T
    return "M" + "L".join(f"{a:g} {b:g}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
