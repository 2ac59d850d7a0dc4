"""What a client asks of a picture (PS3.18 8.3.5): plain values, as JSON between server and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LINEAR, LINEAR_EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"

LONGEST_SIDE = 16_384
"""Most rows or columns of a picture; a larger image without a viewport is scaled down to it."""
LARGEST_PICTURE = 64 << 20
"""Most pixels of a picture, whatever its shape."""
LARGEST_ANIMATION = 128 << 20
"""Most pixels of all pictures of an animation; they are made smaller to keep within it."""
MOST_ANIMATED = 1000
"""Most frames of an animation."""
DEFAULT_QUALITY = 90
THUMBNAIL_SIDE = 128
"""Sides of the box that a thumbnail without a viewport fits in."""


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


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """One picture.

    media_type: of MEDIA_TYPES in encode.py. quality: 1 to 100 for lossy coding, None for the default.
    icc_profile: no, yes, srgb, adobergb or rommrgb (8.3.5.1.5); None: as 'no'.
    annotation: lines of text to burn in, as annotation_lines gives them.
    thumbnail: nothing that may show a patient's name is drawn, and the size is small by default.
    """

    media_type: str = "image/jpeg"
    quality: int | None = None
    viewport: Viewport | None = None
    window: Window | None = None
    icc_profile: str | None = None
    annotation: tuple[str, ...] = ()
    thumbnail: bool = False

    def to_parameters(self) -> dict[str, Any]:
        """JSON-able form, for a job's parameters or a cache key."""
        return asdict(self)

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> RenderRequest:
        """Read back what to_parameters gave, through JSON or not."""
        values = dict(parameters)
        if values.get("viewport"):
            values["viewport"] = Viewport(**values["viewport"])
        if values.get("window"):
            values["window"] = Window(**values["window"])
        values["annotation"] = tuple(values.get("annotation", ()))
        return cls(**values)
