"""One compressed frame to native pixels: a table from transfer syntax to decoder (PS3.5 8.2, A.4).

Runs in decode workers only (design invariant 6): a native codec may crash, hang or eat memory.
imagecodecs and numpy are imported when the first frame is decoded, so that the table costs nothing to read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    RLE_LOSSLESS,
    Family,
    of_families,
)
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codestream import CodestreamHeader, bare_codestream, probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

_WORD_BITS = (1, 8, 16, 32, 64)
# Of HTJ2K that OpenJPEG reads.
_OPENJPEG_BITS = 24


def decode_frame(codestream: bytes, layout: PixelLayout, transfer_syntax_uid: str) -> bytes:
    """The native little-endian frame of one encapsulated frame, exactly as long as its attributes say.

    Samples are ordered by the stored Planar Configuration. Lossy JPEG, JPEG XL and JPEG 2000 with a
    component transform come out RGB; other colour stays as it was coded (Z-08). 1-bit frames come out
    packed from bit 0.
    Raises DecodeFailed, before anything is allocated when header and attributes disagree.
    """
    if transfer_syntax_uid not in DECODABLE:
        raise DecodeFailed("This transfer syntax cannot be decoded here.")
    if layout.bits_allocated not in _WORD_BITS:
        raise DecodeFailed("Pixels of this Bits Allocated cannot be decoded.")
    try:
        frame = _decode(codestream, layout, transfer_syntax_uid)
    except DecodeFailed:
        raise
    except Exception as error:  # codecs raise what they like over bytes that they do not like
        raise DecodeFailed(f"The codec refused a frame ({type(error).__name__}).") from error
    if len(frame) != decoded_length(layout, transfer_syntax_uid):
        raise DecodeFailed("A decoded frame does not have the size that its attributes say.")
    return frame


def decode_job(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """The job of decode_frame. parameters: layout, transfer_syntax_uid; buffers: the codestream."""
    return decode_frame(buffers[0], PixelLayout(**parameters["layout"]), parameters["transfer_syntax_uid"])


def decoded_length(layout: PixelLayout, transfer_syntax_uid: str) -> int:
    """Bytes of one decoded frame (W-32)."""
    if transfer_syntax_uid in NATIVE_FRAMES:
        layout = replace(layout, encapsulated=False)
    return layout.frame_length


def _decode(codestream: bytes, layout: PixelLayout, transfer_syntax_uid: str) -> bytes:
    to_bytes = _TO_BYTES.get(transfer_syntax_uid)
    if to_bytes is not None:
        return to_bytes(codestream, layout)
    header = probe(codestream, transfer_syntax_uid)
    assert header is not None  # every codec of images has a header reader
    check_header(header, layout)
    pixels = _TO_PIXELS[transfer_syntax_uid](codestream, layout, header)
    return _native(pixels, layout, header)


def check_header(header: CodestreamHeader, layout: PixelLayout) -> None:
    """Raise DecodeFailed where a codestream is not of the size that its attributes say (P-16)."""
    if (header.rows, header.columns) != (layout.rows, layout.columns):
        raise DecodeFailed("A compressed frame does not have the rows and columns that its attributes say.")
    if header.samples not in (0, layout.samples_per_pixel):
        raise DecodeFailed("A compressed frame does not have the samples per pixel that its attributes say.")
    if header.precision > max(layout.bits_allocated, 8):
        raise DecodeFailed("A compressed frame has more bits than its attributes allocate.")


# --- codecs that give an array of pixels -------------------------------------------------------------------


def _jpeg(codestream: bytes, layout: PixelLayout, header: CodestreamHeader) -> Pixels:
    import imagecodecs

    if header.samples != 3:
        return imagecodecs.jpeg8_decode(codestream)
    rgb, ybr = imagecodecs.JPEG8.CS.RGB, imagecodecs.JPEG8.CS.YCbCr
    # Told that both sides are RGB, libjpeg leaves the components alone, whatever they are.
    coded = "RGB" if header.reversible else header.colour or layout.photometric_interpretation
    space = rgb if coded == "RGB" else ybr
    return imagecodecs.jpeg8_decode(codestream, colorspace=space, outcolorspace=rgb)


def _jpeg_ls(codestream: bytes, _layout: PixelLayout, _header: CodestreamHeader) -> Pixels:
    import imagecodecs

    return imagecodecs.jpegls_decode(codestream)


def _jpeg_2000(codestream: bytes, _layout: PixelLayout, _header: CodestreamHeader) -> Pixels:
    import imagecodecs

    # One thread: the workers already use every core, and a frame gains little from openjpeg's own.
    return imagecodecs.jpeg2k_decode(bare_codestream(codestream), planar=False, numthreads=1)


def _htj2k(codestream: bytes, layout: PixelLayout, header: CodestreamHeader) -> Pixels:
    import imagecodecs

    if not header.reversible and header.precision <= _OPENJPEG_BITS:
        return _jpeg_2000(codestream, layout, header)  # OpenJPH is faster, but overshoot wraps around in it
    # Without planar=False, components without a transform come out as planes.
    return imagecodecs.htj2k_decode(bare_codestream(codestream), planar=False)


def _jpeg_xl(codestream: bytes, _layout: PixelLayout, _header: CodestreamHeader) -> Pixels:
    import imagecodecs

    return imagecodecs.jpegxl_decode(codestream, numthreads=1)


def _native(pixels: Pixels, layout: PixelLayout, header: CodestreamHeader) -> bytes:
    """Arrange an array as the attributes say: word size, sign, planes, little endian."""
    import numpy as np

    size = layout.rows, layout.columns
    if pixels.shape != (size if layout.samples_per_pixel == 1 else (*size, layout.samples_per_pixel)):
        raise DecodeFailed("A decoded frame does not have the size that its attributes say.")
    if layout.bits_allocated == 1:
        return np.packbits(pixels != 0, bitorder="little").tobytes()
    words = _words(pixels, layout, header)
    if layout.samples_per_pixel > 1 and layout.planar_configuration:
        words = np.moveaxis(words, -1, 0)
    return words.tobytes()


def _words(pixels: Pixels, layout: PixelLayout, header: CodestreamHeader) -> Pixels:
    """Words of Bits Allocated; signed pixels that were coded as unsigned get their sign back (P-16).

    Clients read words as two's complement without looking at Bits Stored, so the sign fills the word.
    """
    kind = "i" if pixels.dtype.kind == "i" else "u"
    words = pixels.astype(f"<{kind}{layout.bits_allocated // 8}", copy=False)
    unused = layout.bits_allocated - header.precision
    if layout.pixel_representation == 1 and kind == "u" and header.precision and unused > 0:
        signed = words.view(f"<i{layout.bits_allocated // 8}")
        return (signed << unused) >> unused
    return words


# --- codecs that give bytes --------------------------------------------------------------------------------


def _run_length(codestream: bytes, layout: PixelLayout) -> bytes:
    """RLE Lossless: byte planes, most significant first, of every sample (PS3.5 annex G)."""
    import numpy as np

    width = max(layout.bits_allocated // 8, 1)
    samples = layout.samples_per_pixel
    planes = _byte_planes(codestream, width * samples, layout)
    if layout.bits_allocated == 1:
        return planes[0]
    pixels = np.frombuffer(b"".join(planes), np.uint8).reshape(samples, width, -1)
    pixels = pixels[:, ::-1]  # (sample, byte from the least significant, pixel)
    order = (0, 2, 1) if layout.planar_configuration else (2, 0, 1)
    return pixels.transpose(order).tobytes()


def _byte_planes(codestream: bytes, count: int, layout: PixelLayout) -> list[bytes]:
    offsets = struct.unpack_from("<16I", codestream)
    if offsets[0] != count:
        raise DecodeFailed("An RLE frame does not have the segments that its attributes need.")
    ends = (*offsets[2 : count + 1], len(codestream))
    pixels = layout.rows * layout.columns
    return [
        _unpack_bits(codestream[start:end], pixels, one_bit=layout.bits_allocated == 1)
        for start, end in zip(offsets[1 : count + 1], ends, strict=True)
    ]


def _unpack_bits(segment: bytes, pixels: int, *, one_bit: bool) -> bytes:
    """One RLE segment. 1-bit pixels are coded packed, by some writers one a byte."""
    import imagecodecs
    import numpy as np

    spare = 256  # room for what a segment's padding decodes to
    # A run of PackBits gives at most 128 bytes for 2: nothing is allocated for pixels that are not there.
    size = min(pixels, 64 * len(segment)) + spare
    try:
        plane = bytes(imagecodecs.packbits_decode(segment, out=size))
    except imagecodecs.PackbitsError:  # a pad byte other than NUL begins a run that never comes
        plane = bytes(imagecodecs.packbits_decode(segment[:-1], out=size))
    packed = (pixels + 7) // 8
    if one_bit and len(plane) >= pixels:
        return np.packbits(np.frombuffer(plane, np.uint8)[:pixels] != 0, bitorder="little").tobytes()
    return plane[: packed if one_bit else pixels]


def _inflate(codestream: bytes, layout: PixelLayout) -> bytes:
    """Deflated Image Frame Compression: a raw deflate stream, no more of it than the frame holds (A.4.13)."""
    return zlib.decompressobj(wbits=-15).decompress(codestream, decoded_length(layout, DEFLATED_FRAMES))


def _as_it_is(codestream: bytes, layout: PixelLayout) -> bytes:
    """Encapsulated Uncompressed: the fragment without its padding (A.4.11)."""
    return codestream[: decoded_length(layout, ENCAPSULATED_UNCOMPRESSED)]


NATIVE_FRAMES = frozenset({ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES})
"""Syntaxes whose frames are native frames, in fragments or deflated: colour stays whatever it is."""

_TO_BYTES: dict[str, Callable[[bytes, PixelLayout], bytes]] = {
    ENCAPSULATED_UNCOMPRESSED: _as_it_is,
    DEFLATED_FRAMES: _inflate,
    RLE_LOSSLESS: _run_length,
}
_TO_PIXELS: dict[str, Callable[[bytes, PixelLayout, CodestreamHeader], Pixels]] = {
    **dict.fromkeys(of_families(Family.JPEG), _jpeg),
    **dict.fromkeys(of_families(Family.JPEG_LS), _jpeg_ls),
    **dict.fromkeys(of_families(Family.JPEG_2000, Family.JPEG_2000_PART_2), _jpeg_2000),
    **dict.fromkeys(of_families(Family.HTJ2K), _htj2k),
    **dict.fromkeys(of_families(Family.JPEG_XL), _jpeg_xl),
}

DECODABLE: frozenset[str] = frozenset(_TO_BYTES) | frozenset(_TO_PIXELS)
"""Compressed transfer syntaxes that this archive turns into Explicit VR Little Endian (P-15)."""
