"""Pictures that come to be stored, as only their decoders know them: the jobs of store (S-08, S-09).

PNG, GIF and BMP, which DICOM does not have, become native pixels.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from dicomweb.errors import DecodeFailed
from dicomweb.pixels.image_description import ImageDescription
from dicomweb.pixels.native_pixels import LARGEST_BYTES, packed

_LONGEST_SIDE = 0xFFFF

Pixels = NDArray[Any]


def native_job(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """Job "native_pixels": the frames of a picture file, with their description (see `packed`).

    parameters: samples_per_pixel, as its sender describes it, or 0. buffers: the file.
    Palettes become RGB, alpha is dropped; a picture all of whose pixels are grey may be asked for as such.
    """
    frames = _frames(buffers[0])
    pixels = _with_samples(frames, parameters["samples_per_pixel"])
    frame_count, rows, columns = pixels.shape[:3]
    samples = 3 if pixels.ndim == 4 else 1
    bits = 8 * pixels.dtype.itemsize
    native = pixels.astype(f"<u{bits // 8}", copy=False).tobytes()
    return packed(_described(rows, columns, samples, bits), frame_count, native)


def describe_job(_parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """Job "describe_image": what a JPEG XL frame is, whose header does not tell plainly (S-08)."""
    try:
        pixels = np.asarray(imagecodecs.jpegxl_decode(buffers[0], numthreads=1))
    except MemoryError:
        raise
    except Exception as error:
        raise DecodeFailed(f"A compressed frame cannot be read ({type(error).__name__}).") from error
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim > 3 or samples not in (1, 3) or pixels.dtype.kind not in "ui":
        raise DecodeFailed("An image of this kind cannot be stored.")
    bits = 8 * pixels.dtype.itemsize
    return orjson.dumps(asdict(_described(pixels.shape[0], pixels.shape[1], samples, bits)))


def _described(rows: int, columns: int, samples: int, bits: int) -> ImageDescription:
    photometric = "RGB" if samples == 3 else "MONOCHROME2"
    return ImageDescription(rows, columns, samples, photometric, bits, bits)


def _frames(file: bytes) -> Pixels:
    """(frames, rows, columns[, 3]) of unsigned 8- or 16-bit samples. Raises DecodeFailed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's of large pictures: ours is a refusal
        Image.MAX_IMAGE_PIXELS = None
        try:
            with Image.open(BytesIO(file), formats=["PNG", "GIF", "BMP"]) as picture:
                _check(picture)
                if picture.format == "PNG" and not getattr(picture, "is_animated", False):
                    return _opaque(np.asarray(imagecodecs.png_decode(file)))[np.newaxis]
                drawn = np.stack([_drawn(frame) for frame in ImageSequence.Iterator(picture)])
                # A GIF has no grey but by its palette.
                return drawn[..., 0] if picture.format == "GIF" and _is_grey(drawn) else drawn
        except (DecodeFailed, MemoryError):
            raise
        except Exception as error:
            raise DecodeFailed(f"A picture cannot be read ({type(error).__name__}).") from error


def _check(picture: Image.Image) -> None:
    """Bound what decoding will take, by the header."""
    if max(picture.size) > _LONGEST_SIDE:
        raise DecodeFailed("A picture has more rows or columns than an instance can.")
    frames = getattr(picture, "n_frames", 1)
    if picture.width * picture.height * 6 * frames > 2 * LARGEST_BYTES:
        raise DecodeFailed("A picture is too large to be turned into native pixels.")


def _drawn(frame: Image.Image) -> Pixels:
    grey = frame.mode in ("1", "L", "LA")
    return np.asarray(frame.convert("L" if grey else "RGB"))


def _is_grey(pixels: Pixels) -> bool:
    return pixels.ndim == 4 and all(np.array_equal(pixels[..., 0], pixels[..., other]) for other in (1, 2))


def _opaque(pixels: Pixels) -> Pixels:
    """Without alpha: of grey or of colour."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] <= 2:
        return pixels[:, :, 0]
    return pixels[:, :, :3]


def _with_samples(pixels: Pixels, samples: int) -> Pixels:
    """As many samples a pixel as the sender's attributes say, where that loses nothing."""
    colour = pixels.ndim == 4
    if samples == 3 and not colour:
        return np.repeat(pixels[..., np.newaxis], 3, axis=-1)
    if samples == 1 and colour:
        if not _is_grey(pixels):
            raise DecodeFailed("A picture in colour is described as having one sample per pixel.")
        return np.ascontiguousarray(pixels[..., 0])
    return pixels
