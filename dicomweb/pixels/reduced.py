"""A frame decoded at 1/2, 1/4, 1/8 ... of its size: large pictures for small views, at a part of the cost.

Wavelets hold smaller versions of a picture, and JPEG blocks shrink to fewer pixels while they are decoded.
Runs in workers only, as all decoding does.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import JPEG_BASELINE, JPEG_EXTENDED, Family, of_families
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import check_header
from dicomweb.pixels.codestream import CodestreamHeader, bare_codestream, probe
from dicomweb.pixels.transcode import decoded_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

_MOST_OF_JPEG = 3  # blocks of 8 shrink to 1


def decode_reduced(
    codestream: bytes, layout: PixelLayout, transfer_syntax_uid: str, halvings: int
) -> tuple[bytes, PixelLayout] | None:
    """A native frame halved so often, or less often where the codestream has no more, and its layout. Not at
    all: as it is, but values that overshoot their range, as they do in small versions, do not wrap around.

    Sides are rounded up; colour is by pixel. None where such a frame can only be decoded whole: it then
    goes to codecs.decode_frame. Raises DecodeFailed.
    """
    decode = _DECODERS.get(transfer_syntax_uid)
    if decode is None or layout.bits_allocated not in (8, 16):
        return None
    header = probe(codestream, transfer_syntax_uid)
    assert header is not None  # every codec in the table has a header reader
    check_header(header, layout)
    try:
        pixels = decode(bare_codestream(codestream), layout, header, halvings)
    except (DecodeFailed, MemoryError):
        raise
    except Exception as error:  # codecs raise what they like over bytes that they do not like
        raise DecodeFailed(f"The codec refused a frame ({type(error).__name__}).") from error
    if pixels is None or not _has_shape(pixels, layout):
        return None
    return _native(pixels, layout, decoded_layout(layout, transfer_syntax_uid, header))


def has_small_versions(layout: PixelLayout) -> bool:
    """Whether what a wavelet or a JPEG block shrinks to is a picture that can be read here: not of indices or
    single bits, whose means mean nothing."""
    return (
        layout.bits_allocated in (8, 16)
        and layout.photometric_interpretation != "PALETTE COLOR"
        and (layout.samples_per_pixel == 1 or layout.bits_allocated == 8)
    )


def _has_shape(pixels: Pixels, layout: PixelLayout) -> bool:
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    return samples == layout.samples_per_pixel and pixels.shape[0] <= layout.rows


def _native(pixels: Pixels, layout: PixelLayout, decoded: PixelLayout) -> tuple[bytes, PixelLayout]:
    kind = "i" if layout.pixel_representation else "u"
    words = pixels.astype(f"<{kind}{layout.bits_allocated // 8}", copy=False)
    rows, columns = pixels.shape[:2]
    return words.tobytes(), replace(
        decoded, frames=1, rows=rows, columns=columns, planar_configuration=0, value_length=words.nbytes
    )


def _jpeg_2000(
    codestream: bytes, layout: PixelLayout, header: CodestreamHeader, halvings: int
) -> Pixels | None:
    if header.signed != bool(layout.pixel_representation) or (header.samples > 1 and header.precision > 8):
        return None
    image = _opened(codestream)
    image.reduce = _exact_halvings(image.size, min(halvings, _decompositions(codestream)))
    return _unscaled(_loaded(image), header)


def _exact_halvings(size: tuple[int, int], halvings: int) -> int:
    """Pillow rounds sides to the nearest where the codestream rounds up; 1/2 and less often both agree."""

    def agrees(count: int) -> bool:
        return all((side + (1 << count >> 1)) >> count == -(-side >> count) for side in size)

    return next(count for count in range(halvings, -1, -1) if agrees(count))


def _unscaled(pixels: Pixels, header: CodestreamHeader) -> Pixels:
    """Pillow moves samples up to the top of 8 or 16 bits, and signed ones above zero."""
    values = pixels >> (8 * pixels.itemsize - header.precision)
    return values.astype("i4") - (1 << (header.precision - 1)) if header.signed else values


def _jpeg(codestream: bytes, layout: PixelLayout, header: CodestreamHeader, halvings: int) -> Pixels | None:
    # Pillow takes components for luminance and colour differences when no marker says otherwise.
    told = header.colour or layout.photometric_interpretation.startswith("YBR")
    if header.precision != 8 or layout.pixel_representation or (header.samples == 3 and not told):
        return None
    image = _opened(codestream)
    scale = 1 << min(halvings, _MOST_OF_JPEG)
    image.draft(image.mode, (-(-header.columns // scale), -(-header.rows // scale)))
    return _loaded(image)


def _opened(codestream: bytes) -> Any:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # sizes are compared with the data set's; memory has its own limit
    return Image.open(io.BytesIO(codestream), formats=("JPEG", "JPEG2000"))


def _loaded(image: Any) -> Pixels:
    import numpy as np

    image.load()
    return np.asarray(image)


def _decompositions(codestream: bytes) -> int:
    """How often the wavelet halves, from the COD segment (ISO/IEC 15444-1 A.6.1)."""
    place = 2
    while True:
        marker, length = struct.unpack_from(">HH", codestream, place)
        if marker == 0xFF52:
            return codestream[place + 9]
        place += 2 + length


_DECODERS: dict[str, Callable[[bytes, PixelLayout, CodestreamHeader, int], Pixels | None]] = {
    **dict.fromkeys((JPEG_BASELINE, JPEG_EXTENDED), _jpeg),
    # OpenJPH would be faster with HTJ2K, but values that overshoot their range wrap around in it.
    **dict.fromkeys(of_families(Family.JPEG_2000, Family.HTJ2K), _jpeg_2000),
}
REDUCIBLE: frozenset[str] = frozenset(_DECODERS)
"""Transfer syntaxes whose frames decode_reduced can make smaller."""
