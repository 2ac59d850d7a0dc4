"""A drawing made of lines, areas and labels. svg.py and raster.py are the two ways to see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# (n, 2): x to the right and y down, in the units of the drawing.
Points = NDArray[np.float64]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Path:
    """Lines of one look. colour and fill: "#rrggbb", empty for none. opacity: of the fill."""

    strokes: Sequence[Points]
    colour: str = ""
    width: float = 1.0
    closed: bool = False
    fill: str = ""
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Label:
    """One line of text. y: its base line. size: height of its letters' box."""

    x: float
    y: float
    text: str
    size: float
    colour: str = "#000000"
    anchor: Anchor = "start"
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """width, height: in its own units. pixels: how many pixels a unit takes at its natural size."""

    width: float
    height: float
    shapes: Sequence[Path | Label]
    background: str = "#ffffff"
    title: str = ""
    pixels: float = 1.0


def points(coordinates: Iterable[tuple[float, float]]) -> Points:
    """Coordinates as an array."""
    return np.array(list(coordinates), dtype=np.float64).reshape(-1, 2)


def rectangle(x: float, y: float, width: float, height: float) -> Points:
    """The four corners, to be closed."""
    return points([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


def ellipse(x: float, y: float, across: float, down: float, *, corners: int = 48) -> Points:
    """An ellipse around (x, y) with these radii, to be closed."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.column_stack([x + across * np.cos(angle), y + down * np.sin(angle)])
