"""Pictures of documents: sizes within bounds, encoded as pictures of images are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from dicomweb.dicom.picture import LARGEST_PICTURE, LONGEST_SIDE, THUMBNAIL_SIDE
from dicomweb.documents.drawing import Drawing
from dicomweb.documents.raster import raster
from dicomweb.documents.svg import Part, svg
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.rendering.annotation import burn_in
from dicomweb.pixels.rendering.colour_space import with_profile
from dicomweb.pixels.rendering.encode import PROFILED_MEDIA_TYPES, encode

SVG = "image/svg+xml"
JPEG = "image/jpeg"
_CUTTING = ("x", "y", "source_width", "source_height", "flip_horizontal", "flip_vertical")


@dataclass(frozen=True, slots=True)
class PictureForm:
    """How a picture is asked for.

    viewport: the fields of RenderRequest.viewport (dicom/picture.py), None for natural size.
    icc_profile, annotation: as in RenderRequest.
    """

    media_type: str = JPEG
    quality: int | None = None
    viewport: Mapping[str, Any] | None = None
    icc_profile: str | None = None
    annotation: tuple[str, ...] = ()

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> PictureForm:
        """From the parameters of a job: its "request" is RenderRequest.to_parameters()."""
        request = parameters.get("request") or {}
        small = {"width": THUMBNAIL_SIDE, "height": THUMBNAIL_SIDE} if request.get("thumbnail") else None
        return cls(
            request.get("media_type") or JPEG,
            request.get("quality"),
            request.get("viewport") or small,
            request.get("icc_profile"),
            tuple(request.get("annotation") or ()),
        )

    @property
    def box(self) -> tuple[int | None, int | None]:
        """Sides of the viewport, None where one is open."""
        viewport = self.viewport or {}
        return viewport.get("width"), viewport.get("height")

    @property
    def cuts(self) -> bool:
        """Whether a part of the picture is asked for, or its mirror image."""
        return any((self.viewport or {}).get(name) for name in _CUTTING)

    def size(self, width: float, height: float) -> tuple[int, int]:
        """Pixels of something of this natural size, as it fits into the viewport and our bounds."""
        bounds = [LONGEST_SIDE / width, LONGEST_SIDE / height, (LARGEST_PICTURE / (width * height)) ** 0.5]
        sides = [box / side for box, side in zip(self.box, (width, height), strict=True) if box]
        scale = min(*(sides or [1.0]), *bounds)
        return max(1, round(width * scale)), max(1, round(height * scale))


def drawn(drawing: Drawing, form: PictureForm) -> bytes:
    """A drawing as the asked media type. Raises DecodeFailed."""
    if form.media_type == SVG:
        return _vector(drawing, form)
    natural = drawing.width * drawing.pixels, drawing.height * drawing.pixels
    if not form.cuts:
        return encoded(raster(drawing, form.size(*natural)), form)
    return encoded(framed(raster(drawing, PictureForm().size(*natural)), form), form)


def _vector(drawing: Drawing, form: PictureForm) -> bytes:
    """The part that the viewport names, as SVG, in pixels of the natural size as for other types."""
    viewport = form.viewport or {}
    whole = PictureForm().size(drawing.width * drawing.pixels, drawing.height * drawing.pixels)
    if not form.cuts:
        return svg(drawing, form.size(*whole))
    left, top, right, bottom = _region(viewport, whole)
    across, down = drawing.width / whole[0], drawing.height / whole[1]
    part = Part(
        left * across,
        top * down,
        (right - left) * across,
        (bottom - top) * down,
        flip_horizontal=bool(viewport.get("flip_horizontal")),
        flip_vertical=bool(viewport.get("flip_vertical")),
    )
    return svg(drawing, form.size(right - left, bottom - top), part)


def framed(picture: Image.Image, form: PictureForm) -> Image.Image:
    """A picture cut, flipped and scaled as the viewport says (PS3.18 8.3.5.1.3)."""
    viewport = form.viewport or {}
    if form.cuts:
        picture = picture.crop(_region(viewport, picture.size))
    if viewport.get("flip_horizontal"):
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if viewport.get("flip_vertical"):
        picture = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    size = form.size(*picture.size)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _region(viewport: Mapping[str, Any], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The source region, cut at the edges of the picture. Raises DecodeFailed when nothing is left of it."""
    across, down = size if viewport.get("normalized") else (1, 1)
    left, top = (viewport.get("x") or 0) * across, (viewport.get("y") or 0) * down
    wide, high = viewport.get("source_width"), viewport.get("source_height")
    right = size[0] if wide is None else left + wide * across
    bottom = size[1] if high is None else top + high * down
    box = max(0, round(left)), max(0, round(top)), min(size[0], round(right)), min(size[1], round(bottom))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise DecodeFailed("The source region of the viewport lies outside the picture.")
    return box


def annotated(picture: Image.Image, form: PictureForm) -> bytes:
    """A picture that knows nothing of its object, with the annotation burned in. Raises DecodeFailed."""
    return encoded(burn_in(picture.convert("RGB"), form.annotation), form)


def encoded(picture: Image.Image, form: PictureForm) -> bytes:
    """The bytes of a picture, being sRGB, in the colour space asked for (R-11). Raises DecodeFailed."""
    asked = form.icc_profile if form.media_type in PROFILED_MEDIA_TYPES else None
    picture, profile = with_profile(picture.convert("RGB"), asked, b"")
    return encode(picture, form.media_type, form.quality, profile)
