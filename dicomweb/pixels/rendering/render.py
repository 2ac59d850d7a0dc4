"""The job "render": a frame of an instance to a picture, in a worker.

Parameters {"layout": asdict(PixelLayout), "transfer_syntax_uid": of the frame, "display": display_of(...),
"request": RenderRequest.to_parameters(), "most_pixels": of a picture of many, else left out}; buffers: the
codestream or native little-endian frame, then the values of bulk_paths(display), b"" for one that cannot be
had.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL import Image

from dicomweb.dicom.picture import LARGEST_PICTURE, Window
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed, InvalidRequest
from dicomweb.pixels.rendering.annotation import burn_in
from dicomweb.pixels.rendering.colour import (
    Levels,
    colour_levels,
    palette_levels,
    palette_of,
    pseudo_coloured,
    rgb_of_cielab,
    with_supplemental_palette,
)
from dicomweb.pixels.rendering.colour_space import with_profile
from dicomweb.pixels.rendering.decoding import native, native_for, scaled_region
from dicomweb.pixels.rendering.display import bulk_paths
from dicomweb.pixels.rendering.encode import PROFILED_MEDIA_TYPES, encode
from dicomweb.pixels.rendering.geometry import picture_size, pixel_aspect, placed, region_of
from dicomweb.pixels.rendering.graphics import with_graphics
from dicomweb.pixels.rendering.grayscale import grayscale_levels
from dicomweb.pixels.rendering.overlays import Mask, overlay_masks, shutter_mask
from dicomweb.pixels.rendering.placement import placement_of
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.pixels.rendering.samples import Pixels, words_of
from dicomweb.pixels.rendering.segmentation import SEGMENTATIONS, segmentation_levels
from dicomweb.pixels.rendering.values import Values

_SOP_CLASS, _ICC_PROFILE = "00080016", "00282000"
_PHOTOMETRIC, _PIXEL_PRESENTATION = "00280004", "00089205"
_SHUTTER_GRAY, _SHUTTER_COLOUR = "00181622", "00181624"


# --- the job -----------------------------------------------------------------------------------------------


def render(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """One frame as an encoded picture. Raises DecodeFailed."""
    request = RenderRequest.from_parameters(parameters["request"])
    frame, display = buffers[0], parameters["display"]
    bulk = dict(zip(bulk_paths(display), buffers[1:], strict=False))
    picture = _picture(frame, parameters, bulk, request)
    return encoded(picture, request, _own_profile(Values(display["attributes"], bulk), frame))


def encoded(picture: Image.Image, request: RenderRequest, own_profile: bytes) -> bytes:
    """A finished picture with profile and annotation as the request wants it. own_profile: b"" for none."""
    asked = request.icc_profile if request.media_type in PROFILED_MEDIA_TYPES else None
    picture, profile = with_profile(picture, asked, own_profile)
    return encode(burn_in(picture, request.annotation), request.media_type, request.quality, profile)


def _own_profile(values: Values, frame: bytes) -> bytes:
    """The profile of the data set, else of a JPEG codestream, else none."""
    profile = values.data(_ICC_PROFILE)
    if profile or not frame.startswith(b"\xff\xd8"):
        return profile
    try:
        with Image.open(BytesIO(frame)) as codestream:
            embedded: bytes = codestream.info.get("icc_profile") or b""
    except (OSError, ValueError, Image.DecompressionBombError):
        return b""
    return embedded


# --- a picture of one frame --------------------------------------------------------------------------------


def _picture(
    frame: bytes,
    parameters: Mapping[str, Any],
    bulk: Mapping[str, bytes],
    request: RenderRequest,
) -> Image.Image:
    """The frame drawn and placed, in the order of PS3.4 N.2, without annotation."""
    display = parameters["display"]
    values = Values(display["attributes"], bulk)
    layout = PixelLayout(**parameters["layout"])
    try:
        region = region_of(request.viewport, layout.rows, layout.columns)
    except InvalidRequest as error:
        raise DecodeFailed(error.message) from None
    size = picture_size(
        region,
        pixel_aspect(values),
        request.viewport,
        thumbnail=request.thumbnail,
        most_pixels=parameters.get("most_pixels", LARGEST_PICTURE),
    )
    uid = parameters["transfer_syntax_uid"]
    if "presentation" in display:
        levels = frame_levels(*native(frame, layout, uid), display["frame_index"], values, request)
        return presented(Image.fromarray(levels), Values(display["presentation"], bulk), values, request)
    frame, drawn = native_for(
        frame, layout, uid, values, region=region, size=size, thumbnail=request.thumbnail
    )
    picture = Image.fromarray(frame_levels(frame, drawn, display["frame_index"], values, request))
    return placed(picture, scaled_region(region, layout, drawn), size, request.viewport)


def presented(
    picture: Image.Image, presentation: Values, values: Values, request: RenderRequest
) -> Image.Image:
    """The picture as a presentation state places and annotates it; graphics may be text about the patient."""
    aspect = pixel_aspect(values)
    placement = placement_of(
        presentation, picture.height, picture.width, aspect, request.viewport, thumbnail=request.thumbnail
    )
    placed_picture = placement.place(picture)
    return placed_picture if request.thumbnail else with_graphics(placed_picture, presentation, placement)


def frame_levels(
    frame: bytes, layout: PixelLayout, frame_index: int, values: Values, request: RenderRequest
) -> Levels:
    """A native frame with its overlays and shutters: (rows, columns) of gray or (rows, columns, 3) of RGB."""
    words = words_of(frame, layout)
    levels = _levels(words, layout, values, request.window)
    if not request.thumbnail:  # overlays often hold text, which may be about the patient
        for _, mask in overlay_masks(words, layout, values, frame_index):
            levels = _painted(levels, mask, 255)
    hidden = shutter_mask(words, layout, values, frame_index)
    return levels if hidden is None else _shuttered(levels, hidden, values)


def _levels(words: Pixels, layout: PixelLayout, values: Values, window: Window | None) -> Levels:
    palette = palette_of(values, layout) if layout.samples_per_pixel == 1 else None
    if layout.photometric_interpretation == "PALETTE COLOR" and palette:
        return palette_levels(words, layout, palette)
    if values.text(_SOP_CLASS) in SEGMENTATIONS and words.ndim == 2:
        return segmentation_levels(words, layout, values)
    if words.ndim == 3:
        return colour_levels(words, layout)
    gray = grayscale_levels(words, layout, values, window)
    if palette and values.text(_PHOTOMETRIC) == "PALETTE COLOR":
        return pseudo_coloured(gray, palette)
    if palette and values.text(_PIXEL_PRESENTATION) in ("COLOR", "MIXED"):
        return with_supplemental_palette(gray, words, layout, palette)
    return gray


def _painted(levels: Levels, mask: Mask, level: int) -> Levels:
    painted = levels.copy()
    painted[mask] = level
    return painted


def _shuttered(levels: Levels, hidden: Mask, values: Values) -> Levels:
    """The picture without what shutters hide; a shutter's colour counts where the picture has colour."""
    colour = rgb_of_cielab(values.numbers(_SHUTTER_COLOUR))
    if colour is not None and levels.ndim == 3:
        levels = levels.copy()
        levels[hidden] = colour
        return levels
    return _painted(levels, hidden, values.integer(_SHUTTER_GRAY) * 255 // 0xFFFF & 0xFF)
