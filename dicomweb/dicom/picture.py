"""What a client asks of a picture (PS3.18 8.3.5), and how large pictures become: plain values."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_SIDE = 16_384
"""Most rows or columns of a picture; a larger image without a viewport is scaled down to it."""
LARGEST_PICTURE = 64 << 20
"""Most pixels of a picture, whatever its shape: it takes seconds and hundreds of megabytes to make."""
LARGEST_ANIMATION = 128 << 20
"""Most pixels of all pictures of an animation; they are made smaller to keep within it."""
MOST_ANIMATED = 1000
"""Most frames of an animation."""
THUMBNAIL_SIDE = 128
"""Sides of the box that a thumbnail without a viewport fits in."""
DEFAULT_QUALITY = 90
"""Of whatever cannot but lose."""

LINEAR, LINEAR_EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """VOI window in modality units, such as HU. function: a constant above (PS3.3 C.11.2.1)."""

    center: float
    width: float
    function: str = LINEAR


@dataclass(frozen=True, slots=True)
class Viewport:
    """The box that the picture must fit in, and the part of the image that it shows (PS3.18 8.3.5.1.3).

    width, height: of the box in pixels; the aspect ratio is kept. None leaves that side open (WADO-URI's
    rows or columns alone).
    x, y, source_width, source_height: the part, in pixels of the stored image from its top left corner;
    None: to the edge. normalized: they are fractions of the image instead (WADO-URI's region).
    """

    width: int | None
    height: int | None
    x: float = 0.0
    y: float = 0.0
    source_width: float | None = None
    source_height: float | None = None
    flip_horizontal: bool = False
    flip_vertical: bool = False
    normalized: bool = False

    @property
    def has_region(self) -> bool:
        """Whether it names a part of the image, or turns it."""
        return self != Viewport(self.width, self.height)

    def shows(self, rows: int, columns: int) -> bool:
        """Whether any of an image of so many rows and columns lies in the part that it names."""
        return self.normalized or (self.x < columns and self.y < rows)
