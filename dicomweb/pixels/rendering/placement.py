"""Where the pixels of an image go in its picture: displayed area, turn, scale (PS3.3 C.10.4, C.10.6)."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from dicomweb.dicom.picture import LARGEST_PICTURE, LONGEST_SIDE, Viewport
from dicomweb.errors import DecodeFailed, InvalidRequest
from dicomweb.pixels.rendering.geometry import Region, filtered, picture_size, region_of
from dicomweb.pixels.rendering.values import Values

_AREAS, _TOP_LEFT, _BOTTOM_RIGHT = "0070005A", "00700052", "00700053"
_SIZE_MODE, _MAGNIFICATION = "00700100", "00700103"
_SPACING, _ASPECT_RATIO = "00700101", "00700102"
_FLIP, _ROTATION = "00700041", "00700042"
_MOST_MAGNIFIED = 64.0

_TURNS = {
    90: Image.Transpose.ROTATE_270,  # Pillow turns to the left, DICOM to the right
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Placement:
    """How a presentation state places an image.

    region: the displayed area in pixels of the stored image; it may reach beyond it. size: (columns, rows)
    of the area when scaled, before it is turned. rotation: degrees to the right. flipped: left and right are
    exchanged after that. crop: most (columns, rows) of the picture, for areas shown at a fixed scale.
    """

    region: Region
    size: tuple[int, int]
    rotation: int
    flipped: bool
    crop: tuple[int | None, int | None]

    def place(self, picture: Image.Image) -> Image.Image:
        """The displayed area of a picture of the stored image, scaled and turned."""
        picture = filtered(_widened(picture, self.region), _within(self.region), self.size)
        if self.rotation in _TURNS:
            picture = picture.transpose(_TURNS[self.rotation])
        if self.flipped:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        left, top = self._corner
        return picture.crop((left, top, left + self.shown[0], top + self.shown[1]))

    @property
    def turned(self) -> tuple[int, int]:
        """(columns, rows) of the whole area after turning."""
        return self.size if self.rotation % 180 == 0 else (self.size[1], self.size[0])

    @property
    def shown(self) -> tuple[int, int]:
        """(columns, rows) of the picture."""
        columns, rows = self.turned
        return min(columns, self.crop[0] or columns), min(rows, self.crop[1] or rows)

    @property
    def _corner(self) -> tuple[int, int]:
        """Top left of what is left of the turned area: its middle is shown."""
        return (self.turned[0] - self.shown[0]) // 2, (self.turned[1] - self.shown[1]) // 2

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the stored image, in pixels from its top left corner, is in the picture."""
        across = (x - self.region.left) / (self.region.right - self.region.left)
        down = (y - self.region.top) / (self.region.bottom - self.region.top)
        across, down = {90: (1 - down, across), 180: (1 - across, 1 - down), 270: (down, 1 - across)}.get(
            self.rotation, (across, down)
        )
        columns, rows = self.turned
        left, top = self._corner
        return (1 - across if self.flipped else across) * columns - left, down * rows - top

    @property
    def scale(self) -> float:
        """Pixels of the picture for one stored pixel, across."""
        return self.size[0] / (self.region.right - self.region.left)


def placement_of(
    presentation: Values,
    rows: int,
    columns: int,
    aspect: float,
    viewport: Viewport | None,
    *,
    thumbnail: bool,
) -> Placement:
    """The placement of an image of so many rows and columns. aspect: of its pixels, height by width.

    A viewport that names a part of the image shows what of it is in the displayed area (PS3.18 9.1.2.2.5),
    turned as the state says, then flipped as the viewport says. Raises DecodeFailed when that is nothing.
    """
    area = next(iter(presentation.items(_AREAS)), Values({}, {}))
    region = _region(area, rows, columns)
    rotation = presentation.integer(_ROTATION) % 360
    rotation = rotation if rotation in _TURNS else 0
    flipped = presentation.text(_FLIP) == "Y"
    if viewport is not None:
        region = _common(region, viewport, rows, columns)
        # Top to bottom is half a turn and left to right.
        rotation = (rotation + 180 * viewport.flip_vertical) % 360
        flipped ^= viewport.flip_horizontal ^ viewport.flip_vertical
    aspect = _aspect(area) or aspect
    magnification = area.number(_MAGNIFICATION)
    if area.text(_SIZE_MODE) == "MAGNIFY" and magnification and magnification > 0 and not thumbnail:
        size = _magnified(region, aspect, min(magnification, _MOST_MAGNIFIED))
        crop = (viewport.width, viewport.height) if viewport is not None else (None, None)
        return Placement(region, size, rotation, flipped, crop)
    if viewport is not None and rotation % 180:
        viewport = Viewport(viewport.height, viewport.width)
    size = picture_size(region, aspect, viewport, thumbnail=thumbnail)
    return Placement(region, size, rotation, flipped, (None, None))


def _region(area: Values, rows: int, columns: int) -> Region:
    """The displayed area, its corners being pixels counted from 1; bounded to one image around the image."""
    corners = area.numbers(_TOP_LEFT)[:2] + area.numbers(_BOTTOM_RIGHT)[:2]
    if len(corners) != 4:
        return Region(0, 0, columns, rows)
    # The corners are those of the turned image, so left may be right in the stored one.
    across, down = sorted((corners[0], corners[2])), sorted((corners[1], corners[3]))
    region = Region(
        max(across[0] - 1, -float(columns)),
        max(down[0] - 1, -float(rows)),
        min(across[1], 2.0 * columns),
        min(down[1], 2.0 * rows),
    )
    usable = region.right > region.left and region.bottom > region.top
    return region if usable else Region(0, 0, columns, rows)


def _common(area: Region, viewport: Viewport, rows: int, columns: int) -> Region:
    """What of a displayed area a viewport names."""
    if viewport.source_width is None and viewport.source_height is None and not (viewport.x or viewport.y):
        return area  # to all edges, beyond which the state may show a margin
    try:
        part = region_of(viewport, rows, columns)
    except InvalidRequest as error:
        raise DecodeFailed(error.message) from None
    common = Region(*map(max, area[:2], part[:2]), *map(min, area[2:], part[2:]))
    if common.right <= common.left or common.bottom <= common.top:
        raise DecodeFailed("The presentation state shows nothing of this part of the image.")
    return common


def _aspect(area: Values) -> float | None:
    """Height by width of a pixel, as the state says."""
    for tag in (_SPACING, _ASPECT_RATIO):
        sides = area.numbers(tag)
        if len(sides) == 2 and min(sides) > 0 and 1 / 32 <= sides[0] / sides[1] <= 32:
            return sides[0] / sides[1]
    return None


def _magnified(region: Region, aspect: float, magnification: float) -> tuple[int, int]:
    width = (region.right - region.left) * magnification
    height = (region.bottom - region.top) * magnification * aspect
    scale = min(1.0, LONGEST_SIDE / max(width, height), (LARGEST_PICTURE / (width * height)) ** 0.5)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _widened(picture: Image.Image, region: Region) -> Image.Image:
    """The picture with black around it, as far as a region reaches beyond its edges."""
    box = (
        min(int(region.left) - 1, 0) if region.left < 0 else 0,
        min(int(region.top) - 1, 0) if region.top < 0 else 0,
        max(int(region.right) + 1, picture.width) if region.right > picture.width else picture.width,
        max(int(region.bottom) + 1, picture.height) if region.bottom > picture.height else picture.height,
    )
    return picture if box == (0, 0, *picture.size) else picture.crop(box)


def _within(region: Region) -> Region:
    """The region in pixels of the widened picture."""
    x = 1 - int(region.left) if region.left < 0 else 0
    y = 1 - int(region.top) if region.top < 0 else 0
    return Region(region.left + x, region.top + y, region.right + x, region.bottom + y)
