"""Pictures to the rendered media types (PS3.18 8.7.4): one table. Grayscale stays grayscale.

quality 1 to 100: of JPEG as libjpeg scales its tables; of JPEG XL, HTJ2K and JPEG 2000 it is turned into
the nearest setting of their coders, 100 being lossless. PNG and GIF know no quality.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO

import imagecodecs
import numpy as np
from PIL import Image

from dicomweb.dicom.picture import DEFAULT_QUALITY
from dicomweb.errors import DecodeFailed

Picture = Image.Image


def encode(picture: Picture, media_type: str, quality: int | None, profile: bytes | None) -> bytes:
    """The bytes of a picture. picture: of mode L or RGB. profile: ICC profile to embed."""
    encoder = _ENCODERS.get(media_type)
    if encoder is None:
        raise DecodeFailed("Pictures are not made in this media type.")
    return encoder(picture, DEFAULT_QUALITY if quality is None else quality, profile)


def _jpeg(picture: Picture, quality: int, profile: bytes | None) -> bytes:
    """Baseline sequential; colour is subsampled below quality 90."""
    subsampling = "4:4:4" if quality >= DEFAULT_QUALITY else "4:2:0"
    return _saved(picture, "JPEG", quality=quality, subsampling=subsampling, icc_profile=profile)


def _png(picture: Picture, _quality: int, profile: bytes | None) -> bytes:
    return _saved(picture, "PNG", compress_level=4, icc_profile=profile)


def _gif(picture: Picture, _quality: int, _profile: bytes | None) -> bytes:
    return _saved(picture, "GIF")


def _saved(picture: Picture, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _jp2(picture: Picture, quality: int, profile: bytes | None) -> bytes:
    """JPEG 2000; below 100 lossy, so many decibels of signal to noise as fit the quality."""
    lossless = quality == 100
    codestream = imagecodecs.jpeg2k_encode(
        np.asarray(picture),
        level=None if lossless else 25 + quality // 4,
        reversible=lossless,
        codecformat="j2k",
        numthreads=1,
    )
    return _boxed(b"jp2 ", picture, codestream, profile)


def _jph(picture: Picture, quality: int, profile: bytes | None) -> bytes:
    """HTJ2K; below 100 lossy, by the step, of the range, that loses what _jp2 may lose of a busy picture."""
    lossless = quality == 100
    step = None if lossless else 0.5 ** (3.5 + quality / 24)
    codestream = imagecodecs.htj2k_encode(np.asarray(picture), level=step, reversible=lossless)
    return _boxed(b"jph ", picture, codestream, profile)


def _boxed(brand: bytes, picture: Picture, codestream: bytes | bytearray, profile: bytes | None) -> bytes:
    """A JP2 or JPH file around a codestream (ISO/IEC 15444-1 annex I, 15444-15 annex D)."""
    components = len(picture.getbands())
    header = struct.pack(">IIHBBBB", picture.height, picture.width, components, 7, 7, 0, 0)
    enumerated = struct.pack(">BBBI", 1, 0, 0, 17 if components == 1 else 16)
    colour = struct.pack(">BBB", 2, 0, 0) + profile if profile else enumerated
    return (
        _box(b"jP  ", b"\r\n\x87\n")
        + _box(b"ftyp", brand + bytes(4) + brand)
        + _box(b"jp2h", _box(b"ihdr", header) + _box(b"colr", colour))
        + _box(b"jp2c", codestream)
    )


def _box(kind: bytes, content: bytes | bytearray) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _jxl(picture: Picture, quality: int, _profile: bytes | None) -> bytes:
    """JPEG XL; its coder takes no profile, so pictures are sRGB and say so."""
    pixels = np.asarray(picture)
    if quality == 100:
        return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=3, numthreads=1))
    # The scale of libjxl's own command line.
    distance = 0.1 + (100 - quality) * 0.09 if quality >= 30 else 6.4 + (30 - quality) * 0.28
    return bytes(imagecodecs.jpegxl_encode(pixels, distance=distance, effort=3, numthreads=1))


_ENCODERS: dict[str, Callable[[Picture, int, bytes | None], bytes]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
    "image/jp2": _jp2,
    "image/jph": _jph,
    "image/jxl": _jxl,
}
MEDIA_TYPES = frozenset(_ENCODERS)
"""Of single pictures."""

PROFILED_MEDIA_TYPES = frozenset({"image/jpeg", "image/png", "image/jp2", "image/jph"})
"""Of pictures that an ICC profile is embedded in; the others show the picture's own colours."""
