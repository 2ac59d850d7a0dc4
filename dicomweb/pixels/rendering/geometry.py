"""Which part of an image is shown, and how large (PS3.18 8.3.5.1.3, PS3.3 C.7.6.3.1.7, 10.7).

Non-square pixels are made square by stretching the image along the longer side of its pixels, so that
nothing is lost. Pixel Aspect Ratio says what the pixels are; without it the first spacing there is does.
"""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

from dicomweb.dicom.picture import LARGEST_PICTURE, LONGEST_SIDE, THUMBNAIL_SIDE, Viewport
from dicomweb.errors import InvalidRequest
from dicomweb.pixels.rendering.values import Values

_ASPECT_RATIO = "00280034"
_SPACINGS = ("00280030", "00181164", "00182010")
_ULTRASOUND_REGIONS, _UNITS_X, _UNITS_Y = "00186011", "00186024", "00186026"
_DELTA_X, _DELTA_Y = "0018602C", "0018602E"
_CENTIMETRES = 3

# Spacings that differ by less are the same, written with few digits.
_SAME = 0.005
# Beyond this the spacing is no measure of a pixel but a mistake, or a picture nobody can look at.
_MOST_STRETCH = 32.0


class Region(NamedTuple):
    """A part of the stored image, in pixels from its top left corner; fractions are allowed."""

    left: float
    top: float
    right: float
    bottom: float


def region_of(viewport: Viewport | None, rows: int, columns: int) -> Region:
    """The part of an image of so many rows and columns that a viewport shows, cut off at the image's edges.

    Raises InvalidRequest when nothing of the image lies in it.
    """
    if not rows or not columns:
        raise InvalidRequest("The image has no pixels.")
    if viewport is None:
        return Region(0, 0, columns, rows)
    scale_x, scale_y = (columns, rows) if viewport.normalized else (1, 1)
    left, top = viewport.x * scale_x, viewport.y * scale_y
    width = columns - left if viewport.source_width is None else viewport.source_width * scale_x
    height = rows - top if viewport.source_height is None else viewport.source_height * scale_y
    region = Region(
        max(left, 0.0), max(top, 0.0), min(left + width, float(columns)), min(top + height, float(rows))
    )
    if region.right <= region.left or region.bottom <= region.top:
        raise InvalidRequest("The source region of the viewport lies outside the image.")
    return region


def pixel_aspect(values: Values) -> float:
    """Height of a pixel divided by its width; 1 where nothing usable says it."""
    for tag in (_ASPECT_RATIO, *_SPACINGS):
        sides = values.numbers(tag)
        if len(sides) == 2 and min(sides) > 0:
            return _usable(sides[0] / sides[1])
    return _ultrasound_aspect(values)


def _ultrasound_aspect(values: Values) -> float:
    """Of an ultrasound image whose regions all have the same square or non-square pixels (C.8.5.5)."""
    aspects = set()
    for region in values.items(_ULTRASOUND_REGIONS):
        if region.integer(_UNITS_X) != _CENTIMETRES or region.integer(_UNITS_Y) != _CENTIMETRES:
            return 1.0  # a trace or a spectrum: the picture is as the machine drew it
        wide, high = (abs(region.number(tag) or 0) for tag in (_DELTA_X, _DELTA_Y))
        if not wide or not high:
            return 1.0
        aspects.add(_usable(high / wide))
    return aspects.pop() if len(aspects) == 1 else 1.0


def _usable(aspect: float) -> float:
    if abs(aspect - 1) < _SAME or not 1 / _MOST_STRETCH <= aspect <= _MOST_STRETCH:
        return 1.0
    return aspect


def picture_size(
    region: Region,
    aspect: float,
    viewport: Viewport | None,
    *,
    thumbnail: bool = False,
    most_pixels: int = LARGEST_PICTURE,
) -> tuple[int, int]:
    """(columns, rows) of the picture of a region: as large as fits the viewport, in true proportions.

    Without a viewport one stored pixel is one pixel of the picture, along the shorter side of pixels.
    """
    width = (region.right - region.left) * max(1 / aspect, 1)
    height = (region.bottom - region.top) * max(aspect, 1)
    limits = [LONGEST_SIDE / max(width, height), (most_pixels / (width * height)) ** 0.5]
    if viewport is not None and (viewport.width or viewport.height):
        limits += [box / side for box, side in ((viewport.width, width), (viewport.height, height)) if box]
    elif thumbnail:
        limits.append(THUMBNAIL_SIDE / max(width, height))
    else:
        limits.append(1.0)
    scale = min(limits)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def placed(
    picture: Image.Image, region: Region, size: tuple[int, int], viewport: Viewport | None
) -> Image.Image:
    """The region scaled to size and flipped as the viewport asks."""
    picture = filtered(picture, region, size)
    if viewport is not None and viewport.flip_horizontal:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if viewport is not None and viewport.flip_vertical:
        picture = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return picture


def filtered(picture: Image.Image, region: Region, size: tuple[int, int]) -> Image.Image:
    """A region of a picture scaled to (columns, rows)."""
    if region == (0, 0, *picture.size) and size == picture.size:
        return picture
    smaller = size[0] < region.right - region.left or size[1] < region.bottom - region.top
    resampling = Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC
    return picture.resize(size, resampling, box=region)
