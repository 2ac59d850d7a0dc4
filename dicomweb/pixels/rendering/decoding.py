"""Frames as renderers take them: native, and no larger than the picture needs."""

from __future__ import annotations

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import DECODABLE, decode_frame
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.reduced import decode_reduced
from dicomweb.pixels.rendering.geometry import Region
from dicomweb.pixels.rendering.overlays import GROUPS
from dicomweb.pixels.rendering.segmentation import SEGMENTATIONS
from dicomweb.pixels.rendering.values import Values
from dicomweb.pixels.transcode import decoded_layout

_SOP_CLASS, _PALETTE, _SHUTTER_SHAPE = "00080016", "00281101", "00181600"
# Smaller frames are decoded whole: it costs little, and scaling does the best it can.
_WORTH_REDUCING = 1 << 20


def native(frame: bytes, layout: PixelLayout, transfer_syntax_uid: str) -> tuple[bytes, PixelLayout]:
    """The frame decoded, where it is not native yet, and its layout then. Raises DecodeFailed."""
    if transfer_syntax_uid in DECODABLE:
        header = probe(frame, transfer_syntax_uid)
        decoded = decode_frame(frame, layout, transfer_syntax_uid)
        return decoded, decoded_layout(layout, transfer_syntax_uid, header)
    if layout.encapsulated:
        raise DecodeFailed("This transfer syntax cannot be decoded here.")
    return frame, layout


def native_for(
    frame: bytes,
    layout: PixelLayout,
    transfer_syntax_uid: str,
    values: Values,
    *,
    region: Region,
    size: tuple[int, int],
    thumbnail: bool,
) -> tuple[bytes, PixelLayout]:
    """The same, at a reduced resolution where a large frame is to make a small picture.

    region: what is shown of it; size: (columns, rows) of the picture. Raises DecodeFailed.
    """
    shrinking = min((region.right - region.left) / size[0], (region.bottom - region.top) / size[1])
    # Wavelets shrink with a small shift: all but thumbnails leave the last halving to the scaler.
    halvings = int(shrinking).bit_length() - (1 if thumbnail else 2)
    large = layout.rows * layout.columns >= _WORTH_REDUCING
    if halvings >= 1 and large and _may_be_reduced(values, thumbnail=thumbnail):
        reduced = decode_reduced(frame, layout, transfer_syntax_uid, halvings)
        if reduced is not None:
            return reduced
    return native(frame, layout, transfer_syntax_uid)


def _may_be_reduced(values: Values, *, thumbnail: bool) -> bool:
    """Not labels and palette indices, whose means mean nothing, nor what is masked pixel by pixel."""
    labels = _PALETTE in values or values.text(_SOP_CLASS) in SEGMENTATIONS
    planes = any(f"{group}{element}" in values for group in GROUPS for element in ("0010", "0102"))
    return not (labels or (planes and not thumbnail) or _SHUTTER_SHAPE in values)


def scaled_region(region: Region, whole: PixelLayout, reduced: PixelLayout) -> Region:
    """A region of the whole frame in the pixels of the reduced one."""
    x, y = reduced.columns / whole.columns, reduced.rows / whole.rows
    return Region(region.left * x, region.top * y, region.right * x, region.bottom * y)
