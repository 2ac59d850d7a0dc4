"""A frame halved so often as it is asked for, in another form: the `reduce` parameter of frames (V-08).

Runs in workers only. Wavelets and JPEG blocks are decoded at the smaller size, as far as they go; what is
left to halve is the mean of a block of pixels, or one of them where means mean nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.pixels.codecs import decode_frame
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.encoders import encode_frame, pixels_of
from dicomweb.pixels.reduced import decode_reduced, has_small_versions
from dicomweb.pixels.transcode import decoded_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

_PALETTE = "PALETTE COLOR"


def reduce_job(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """The job of reduce_frame. parameters: layout, source_uid, target_uid, halvings; buffers: the frame."""
    return reduce_frame(
        buffers[0],
        PixelLayout(**parameters["layout"]),
        parameters["source_uid"],
        parameters["target_uid"],
        parameters["halvings"],
    )


def reduce_frame(frame: bytes, layout: PixelLayout, source_uid: str, target_uid: str, halvings: int) -> bytes:
    """The frame with sides of 1/2**halvings, rounded up, native (Explicit VR Little Endian) or encoded.

    frame, layout: as of transcode.transcode_frame. Native pixels come out pixel by pixel, colour at full
    resolution. Raises DecodeFailed.
    """
    native, smaller = _at_size(frame, layout, source_uid, halvings)
    return native if target_uid == EXPLICIT_LITTLE else encode_frame(native, smaller, target_uid)


def _at_size(frame: bytes, layout: PixelLayout, source_uid: str, halvings: int) -> tuple[bytes, PixelLayout]:
    if not layout.encapsulated:
        return _halved(frame, layout, halvings)
    small = has_small_versions(layout)
    reduced = decode_reduced(frame, layout, source_uid, halvings) if small else None
    if reduced is None:
        header = probe(frame, source_uid)
        reduced = decode_frame(frame, layout, source_uid), decoded_layout(layout, source_uid, header)
    native, decoded = reduced
    return _halved(native, decoded, halvings - _halvings_done(layout, decoded, halvings))


def _halvings_done(whole: PixelLayout, decoded: PixelLayout, most: int) -> int:
    sizes = [(-(-whole.rows >> count), -(-whole.columns >> count)) for count in range(most + 1)]
    return sizes.index((decoded.rows, decoded.columns))


def _halved(native: bytes, layout: PixelLayout, halvings: int) -> tuple[bytes, PixelLayout]:
    """Native pixels halved so often, and their layout. Colour is by pixel, and no longer sub-sampled."""
    import numpy as np

    pixels = pixels_of(native, layout)
    pixels = _means(pixels, halvings) if _has_means(layout) else pixels[:: 1 << halvings, :: 1 << halvings]
    made = np.packbits(pixels, bitorder="little") if layout.bits_allocated == 1 else pixels
    sub_sampled = layout.photometric_interpretation == "YBR_FULL_422"
    smaller = replace(
        layout,
        frames=1,
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        planar_configuration=0,
        photometric_interpretation="YBR_FULL" if sub_sampled else layout.photometric_interpretation,
        value_length=made.nbytes,
    )
    return made.tobytes(), smaller


def _has_means(layout: PixelLayout) -> bool:
    """Whether the mean of words is one of them: not of indices, nor where other bits share the word."""
    return (
        layout.bits_allocated in (8, 16)
        and layout.bits_stored == layout.high_bit + 1
        and layout.photometric_interpretation != _PALETTE
    )


def _means(pixels: Pixels, halvings: int) -> Pixels:
    """Means of square blocks; those at the right and the bottom edge may be cut off."""
    import numpy as np

    for _ in range(halvings):
        odd = [(0, side % 2) for side in pixels.shape[:2]] + [(0, 0)] * (pixels.ndim - 2)
        even = np.pad(pixels, odd, mode="edge").astype("i4")
        four = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
        pixels = (four + 2 >> 2).astype(pixels.dtype)
    return pixels
