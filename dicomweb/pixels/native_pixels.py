"""Pictures in formats that DICOM does not have, made native pixels: what the server knows of it (S-09).

The job "native_pixels" makes them, in a worker (pixels.pictures).
"""

from __future__ import annotations

import struct
from dataclasses import asdict

import orjson

from dicomweb.dicom.received_model import Attributes, first_value
from dicomweb.pixels.image_description import ImageDescription, completed, number_of_frames

PICTURES = frozenset({"image/png", "image/gif", "image/bmp", "image/x-ms-bmp", "image/apng"})
# Bytes of such a file, and of the pixels that it becomes: both are held in memory.
LARGEST_BYTES = 256 << 20
_HEADER = struct.Struct("<I")
# Palette tables: pixels that are RGB now have none.
_PALETTE = frozenset({f"0028{element}" for element in ("1101", "1102", "1103", "1201", "1202", "1203")})


def packed(description: ImageDescription, frames: int, pixels: bytes) -> bytes:
    """What the job gives: description and number of frames, then the pixels."""
    text = orjson.dumps({"frames": frames, "description": asdict(description)})
    return _HEADER.pack(len(text)) + text + pixels


def unpacked(made: bytes) -> tuple[ImageDescription, int, memoryview]:
    """The same, read: description, number of frames, native pixels."""
    (length,) = _HEADER.unpack_from(made)
    begin = _HEADER.size + length
    header = orjson.loads(made[_HEADER.size : begin])
    return ImageDescription(**header["description"]), header["frames"], memoryview(made)[begin:]


def redescribed(attributes: Attributes, description: ImageDescription, frames: int) -> Attributes:
    """The attributes of native pixels made of a picture: what it is, whatever the sender said (S-09).

    The sender's word counts where it says more: which end is white, and which bits are used.
    """
    found = description.attributes()
    if description.samples_per_pixel == 1:
        found.pop("00280004")
        if not str(first_value(attributes, "00280004")).startswith("MONOCHROME"):
            attributes = {**attributes, "00280004": description.attributes()["00280004"]}
    if first_value(attributes, "00280100") == description.bits_allocated:
        for tag in ("00280101", "00280102", "00280103"):
            found.pop(tag)
        attributes = completed(attributes, description.attributes())
    if frames > 1 or "00280008" in attributes:
        found["00280008"] = number_of_frames(frames)
    kept = {tag: element for tag, element in attributes.items() if tag not in _PALETTE}
    return {**kept, **found}
