"""One native frame to a compressed one: a table from transfer syntax to encoder (PS3.5 8.2, annex A).

Runs in workers only (design invariant 6), as decoding does. What can be encoded is for encodable to say.
Frames lose nothing unless the syntax is JPEG .50 or .51, or a quality is given with one that may lose.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dicomweb.dicom.picture import DEFAULT_QUALITY
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    HTJ2K_RPCL,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    RLE_LOSSLESS,
    Family,
    of_families,
)
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.encodable import (
    EXACT_JPEG_2000,
    MOST_RLE_SEGMENTS,
    can_encode,
    is_lossy,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]


def encode_frame(
    native: bytes, layout: PixelLayout, transfer_syntax_uid: str, *, quality: int | None = None
) -> bytes:
    """The bare codestream of one native little-endian frame that begins at bit 0.

    layout: of the native pixel data. quality: 1 to 100; without, only .50 and .51 lose anything.
    Raises DecodeFailed where the syntax cannot hold such pixels or the codec refuses them.
    """
    if not can_encode(layout, transfer_syntax_uid):
        raise DecodeFailed("Pixels of this kind cannot be encoded in this transfer syntax.")
    if len(native) != layout.frame_length:
        raise DecodeFailed("A native frame does not have the size that its attributes say.")
    try:
        return _encode(native, layout, transfer_syntax_uid, quality)
    except (DecodeFailed, MemoryError):
        raise
    except Exception as error:  # codecs raise what they like over pixels that they do not like
        raise DecodeFailed(f"The codec refused to encode a frame ({type(error).__name__}).") from error


def _encode(native: bytes, layout: PixelLayout, uid: str, quality: int | None) -> bytes:
    if uid in _NATIVE:
        return _NATIVE[uid](native)
    if uid == RLE_LOSSLESS:
        return _run_length(native, layout)
    pixels = pixels_of(native, layout)
    lossy = is_lossy(uid, layout, quality)
    coding = _Coding(
        uid,
        _precision(pixels, layout),
        quality=(quality or DEFAULT_QUALITY) if lossy else None,
        rgb=layout.samples_per_pixel == 3 and layout.photometric_interpretation == "RGB",
    )
    return bytes(_FROM_PIXELS[uid](pixels, coding))


@dataclass(frozen=True, slots=True)
class _Coding:
    """How to code an array. precision: bits that hold every value. quality: None loses nothing."""

    uid: str
    precision: int
    quality: int | None
    rgb: bool


def pixels_of(native: bytes, layout: PixelLayout) -> Pixels:
    """The frame as (rows, columns) or (rows, columns, samples), signed where the pixels are."""
    import numpy as np

    size = layout.rows, layout.columns
    if layout.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(native, np.uint8), bitorder="little")
        return bits[: layout.rows * layout.columns].reshape(size)
    kind = "i" if layout.pixel_representation else "u"
    words = np.frombuffer(native, f"<{kind}{layout.bits_allocated // 8}")
    if layout.photometric_interpretation == "YBR_FULL_422":
        return _full_chroma(words).reshape(*size, 3)
    if layout.samples_per_pixel == 1:
        return words.reshape(size)
    if layout.planar_configuration:
        return np.moveaxis(words.reshape(-1, *size), 0, -1).copy()
    return words.reshape(*size, -1)


def _full_chroma(words: Pixels) -> Pixels:
    """YBR_FULL of native YBR_FULL_422: two pixels share each pair of colour differences (C.7.6.3.1.2)."""
    import numpy as np

    first, second, blue, red = words.reshape(-1, 4).T
    return np.stack([first, blue, red, second, blue, red], axis=-1)


def _precision(pixels: Pixels, layout: PixelLayout) -> int:
    """Bits Stored where it holds every value; the whole word where bits beyond it are used."""
    if layout.bits_allocated == 1 or layout.bits_stored >= layout.bits_allocated:
        return layout.bits_allocated
    if layout.high_bit != layout.bits_stored - 1:
        return layout.bits_allocated
    low, high = int(pixels.min()), int(pixels.max())
    if layout.pixel_representation:
        low, high = min(low, 0), max(high, -low - 1)
        return layout.bits_stored if high < 1 << (layout.bits_stored - 1) else layout.bits_allocated
    return layout.bits_stored if high < 1 << layout.bits_stored else layout.bits_allocated


def _unsigned(pixels: Pixels) -> Pixels:
    """The words as they are, for codecs that know no sign."""
    return pixels.view(f"<u{pixels.itemsize}")


# --- codecs of arrays --------------------------------------------------------------------------------------


def _lossy_jpeg(pixels: Pixels, coding: _Coding) -> bytes:
    import imagecodecs

    spaces = imagecodecs.JPEG8.CS
    bits = 8 if pixels.itemsize == 1 else 12
    if coding.precision > bits:
        raise DecodeFailed("Pixels that use bits beyond Bits Stored cannot be encoded as lossy JPEG.")
    colour: dict[str, Any] = {}  # imagecodecs types each option by itself
    if pixels.ndim == 3:
        space = spaces.RGB if coding.rgb else spaces.YCbCr
        colour = {"colorspace": space, "outcolorspace": spaces.YCbCr, "subsampling": "422"}
    coded = bytes(imagecodecs.jpeg8_encode(pixels, level=coding.quality, bitspersample=bits, **colour))
    return _as_extended(coded) if coding.uid == JPEG_EXTENDED else coded


def _as_extended(codestream: bytes) -> bytes:
    """A baseline codestream called extended sequential: all of process 1 is part of process 2."""
    place = 2
    while codestream[place + 1] not in (0xC0, 0xC1):
        place += 2 + int.from_bytes(codestream[place + 2 : place + 4], "big")
    return codestream[: place + 1] + b"\xc1" + codestream[place + 2 :]


def _lossless_jpeg(pixels: Pixels, coding: _Coding) -> bytes:
    import imagecodecs

    # Told that both sides are RGB, libjpeg leaves the components alone, whatever they are.
    rgb = imagecodecs.JPEG8.CS.RGB if pixels.ndim == 3 else None
    # Signed words stay whole, and bytes too: few readers put a sign back or know 7-bit JPEG.
    whole = pixels.dtype.kind == "i" or pixels.itemsize == 1
    coded = imagecodecs.jpeg8_encode(
        _unsigned(pixels),
        lossless=True,
        predictor=1,
        bitspersample=8 * pixels.itemsize if whole else max(coding.precision, 9),
        colorspace=rgb,
        outcolorspace=rgb,
    )
    return bytes(coded) if coding.rgb or rgb is None else _of_no_colour_space(bytes(coded))


def _of_no_colour_space(codestream: bytes) -> bytes:
    """Take away what calls the components R, G and B: readers would believe it over YBR_FULL (P-16)."""
    made = bytearray(codestream[:2])
    place = 2
    while True:
        marker, length = struct.unpack_from(">HH", codestream, place)
        segment = bytearray(codestream[place : place + 2 + length])
        if marker in (_SOF3, _SOS):
            first, step = (10, 3) if marker == _SOF3 else (5, 2)
            segment[first : first + 3 * step : step] = b"\1\2\3"
        place += 2 + length
        if marker != _ADOBE:
            made += segment
        if marker == _SOS:
            return bytes(made) + codestream[place:]


_SOF3, _SOS, _ADOBE = 0xFFC3, 0xFFDA, 0xFFEE


def _jpeg_ls(pixels: Pixels, coding: _Coding) -> bytes:
    import imagecodecs

    near = 0 if coding.quality is None else near_lossless_error(coding.quality)
    words = _unsigned(pixels)
    try:
        return bytes(imagecodecs.jpegls_encode(words, level=near))
    except imagecodecs.JpeglsError:  # noise outgrew the room that imagecodecs gives
        room = 4 * words.nbytes + 1024  # the longest code is four times as long as its sample (14495-1 A.5.3)
        return bytes(imagecodecs.jpegls_encode(words, level=near, out=room))


def near_lossless_error(quality: int) -> int:
    """NEAR of JPEG-LS: how far a value may be off."""
    return 1 + (100 - quality) // 10


def _jpeg_2000(pixels: Pixels, coding: _Coding) -> bytes:
    import imagecodecs

    if coding.precision > EXACT_JPEG_2000:
        raise DecodeFailed("Pixels that use so many bits cannot be encoded as JPEG 2000.")
    coded = imagecodecs.jpeg2k_encode(
        _narrowed(pixels, coding),  # in wide words, imagecodecs declares too many bits
        # Peak signal to noise in decibels.
        level=0 if coding.quality is None else 25 + 35 * coding.quality // 100,
        codecformat="J2K",
        bitspersample=coding.precision,
        reversible=coding.quality is None,
        mct=coding.rgb,
        planar=False,
        numthreads=1,
    )
    return bytes(coded)


def _narrowed(pixels: Pixels, coding: _Coding) -> Pixels:
    """In 16-bit words, where 32-bit ones hold no more."""
    if pixels.itemsize == 4 and coding.precision <= 16:
        return pixels.astype(f"<{pixels.dtype.kind}2")
    return pixels


def _htj2k(pixels: Pixels, coding: _Coding) -> bytes:
    """OpenJPH writes whole words; the values are placed so that their true depth can be declared after.

    Of 32-bit words it writes more bit planes than any other decoder takes.
    """
    import imagecodecs

    pixels = _narrowed(pixels, coding)
    coded = imagecodecs.htj2k_encode(
        _placed(pixels, coding),
        # Step of the quantiser, of the whole range: 1/2 to 1/512.
        level=None if coding.quality is None else 2.0 ** -(1 + coding.quality / 12.5),
        reversible=coding.quality is None,
        rgb=coding.rgb,
        planar=False,
        **(_by_resolution(pixels) if coding.uid == HTJ2K_RPCL else {}),
    )
    return _with_depth(bytes(coded), coding.precision)


def _placed(pixels: Pixels, coding: _Coding) -> Pixels:
    """Samples of `precision` bits as OpenJPH must see them in its words.

    Reversible: a level shift of the word must take away what a shift of `precision` bits would.
    Irreversible: the same fraction of the range.
    """
    unused = 8 * pixels.itemsize - coding.precision
    if not unused:
        return pixels
    if coding.quality is not None:
        return pixels << unused
    if pixels.dtype.kind == "i":
        return pixels
    shift = (1 << (8 * pixels.itemsize - 1)) - (1 << (coding.precision - 1))
    placed: Pixels = pixels + pixels.dtype.type(shift)
    return placed


_SIZ_DEPTHS = 42  # place of Ssiz of the first component behind SOC (ISO/IEC 15444-1 A.5.1)


def _with_depth(codestream: bytes, precision: int) -> bytes:
    """The codestream with this bit depth of its components; their signs stay."""
    patched = bytearray(codestream)
    (samples,) = struct.unpack_from(">H", codestream, _SIZ_DEPTHS - 2)
    for place in range(_SIZ_DEPTHS, _SIZ_DEPTHS + 3 * samples, 3):
        patched[place] = patched[place] & 0x80 | precision - 1
    return bytes(patched)


def _by_resolution(pixels: Pixels) -> dict[str, Any]:
    """What RPCL demands (PS3.5 10.18): each resolution a tile-part, found by lengths in the main header."""
    return {"resolutions": _decompositions(pixels), "tlm": True, "tilepart": _AT_RESOLUTIONS}


_AT_RESOLUTIONS = 1


def _decompositions(pixels: Pixels) -> int:
    """Enough for a base resolution of 64 at most (PS3.5 10.18); five, the usual, are the least."""
    halvings = int(-(-max(pixels.shape[:2]) // 64) - 1).bit_length()
    return max(5, halvings)


def _jpeg_xl(pixels: Pixels, coding: _Coding) -> bytes:
    import imagecodecs

    quality = coding.quality
    words = _unsigned(pixels)
    bits = 8 * pixels.itemsize if pixels.dtype.kind == "i" else coding.precision
    coded = imagecodecs.jpegxl_encode(
        words.astype("u1", copy=False) if bits <= 8 else words,  # libjxl wants the narrowest words
        lossless=quality is None,
        distance=None if quality is None else max(0.1, (100 - quality) / 10),
        # Effort 1 of libjxl 0.11 loses pixels of some RGB images that it says are lossless.
        effort=2 if quality is None else 4,
        bitspersample=bits,
        planar=False,
        numthreads=1,
    )
    return bytes(coded)


# --- codecs of bytes ---------------------------------------------------------------------------------------


def _run_length(native: bytes, layout: PixelLayout) -> bytes:
    """RLE Lossless: byte planes, most significant first, of every sample (PS3.5 annex G)."""
    segments = [_segment(plane) for plane in _byte_planes(native, layout)]
    offsets = [64]
    for segment in segments[:-1]:
        offsets.append(offsets[-1] + len(segment))
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (MOST_RLE_SEGMENTS - len(segments)))
    return header + b"".join(segments)


def _byte_planes(native: bytes, layout: PixelLayout) -> list[Pixels]:
    """Each (rows, columns), 1-bit pixels as one row of packed bytes."""
    import numpy as np

    if layout.bits_allocated == 1:
        return [np.frombuffer(native, np.uint8).reshape(1, -1)]
    pixels = pixels_of(native, layout)
    octets = pixels.reshape(layout.rows, layout.columns, -1, 1).view(np.uint8)
    octets = octets[..., ::-1]  # words are little endian
    return [
        octets[:, :, sample, byte].copy()
        for sample in range(octets.shape[2])
        for byte in range(octets.shape[3])
    ]


def _segment(plane: Pixels) -> bytes:
    """Rows are coded one by one: no run crosses from one into the next (G.3.1)."""
    import imagecodecs

    coded = bytes(imagecodecs.packbits_encode(plane, axis=-1))
    return coded + bytes(len(coded) % 2)


def _deflate(native: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(native) + compressor.flush()


def _as_it_is(native: bytes) -> bytes:
    return native


_NATIVE: dict[str, Callable[[bytes], bytes]] = {
    ENCAPSULATED_UNCOMPRESSED: _as_it_is,
    DEFLATED_FRAMES: _deflate,
}
_FROM_PIXELS: dict[str, Callable[[Pixels, _Coding], bytes]] = {
    JPEG_BASELINE: _lossy_jpeg,
    JPEG_EXTENDED: _lossy_jpeg,
    JPEG_LOSSLESS: _lossless_jpeg,
    **dict.fromkeys(of_families(Family.JPEG_LS), _jpeg_ls),
    **dict.fromkeys(of_families(Family.JPEG_2000), _jpeg_2000),
    **dict.fromkeys(of_families(Family.HTJ2K), _htj2k),
    **dict.fromkeys((JPEG_XL_LOSSLESS, JPEG_XL), _jpeg_xl),
}
