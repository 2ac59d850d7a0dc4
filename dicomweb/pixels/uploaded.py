"""Pixel data that comes in parts of a store request: what it is stored as (PS3.18 10.5.2; S-07 to S-09)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import orjson

from dicomweb.dicom.codestream import syntax_of
from dicomweb.dicom.fragments import ITEM_TAG
from dicomweb.dicom.transfer_syntax import (
    DEFAULT_FOR_MEDIA_TYPE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    TransferSyntax,
    lookup,
)
from dicomweb.dicom.video_header import VideoHeader
from dicomweb.errors import DecodeFailed, InvalidDicom
from dicomweb.pixels.codestream import CodestreamHeader, probe

# Enough of a frame for its header behind colour profiles and other application data.
HEAD_BYTES = 1 << 20
# Pictures whose formats DICOM does not have: they become native pixels.
PICTURES = frozenset({"image/png", "image/gif", "image/bmp", "image/x-ms-bmp", "image/apng"})
# Bytes of such a file, and of the pixels that it becomes: both are held in memory.
LARGEST_PICTURE = 256 << 20
OCTET_STREAM = "application/octet-stream"
_UNSUPPORTED = 0xC122
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_DEFAULTS = DEFAULT_FOR_MEDIA_TYPE | {
    "image/jph": DEFAULT_FOR_MEDIA_TYPE["image/jphc"],
    "image/j2c": DEFAULT_FOR_MEDIA_TYPE["image/jp2"],
    "image/x-j2c": DEFAULT_FOR_MEDIA_TYPE["image/jp2"],
    "image/jpg": DEFAULT_FOR_MEDIA_TYPE["image/jpeg"],
    "video/h265": DEFAULT_FOR_MEDIA_TYPE["video/H265"],
    "video/hevc": DEFAULT_FOR_MEDIA_TYPE["video/H265"],
    "video/h264": DEFAULT_FOR_MEDIA_TYPE["video/mp4"],
}

Attributes = dict[str, Any]


def upload_syntax(
    media_type: str, stated_uid: str, head: bytes, video: VideoHeader | None = None, *, native: bool = True
) -> TransferSyntax:
    """The transfer syntax of pixel data that comes in parts.

    media_type: of the parts, in lower case. stated_uid: what the sender says, or empty; of an image it is
    believed only where it is one of images. head: HEAD_BYTES of the first part. video: its header, if it is
    one that tells. native: the parts have the length of uncompressed pixels. A plain image/jpeg is what its
    codestream says, not the default of table 8.7.3-5: cameras and browsers write baseline.
    Raises InvalidDicom.
    """
    stated = _stated(stated_uid)
    if stated is not None and stated.encapsulated:
        return stated
    if media_type.startswith("video/"):
        return _known(video.transfer_syntax_uid if video else _default(media_type))
    if media_type == OCTET_STREAM:
        return _known(_syntax_of_bytes(head, native=native) or EXPLICIT_LITTLE)
    seen = syntax_of(head[codestream_range(head, len(head))[0] :])
    return _known(seen or _default(media_type))


def _stated(uid: str) -> TransferSyntax | None:
    stated = lookup(uid)
    if uid and (stated is None or stated.uid == EXPLICIT_BIG):
        raise _unsupported("The transfer syntax of the pixel data is not supported.")
    return stated


def _syntax_of_bytes(head: bytes, *, native: bool) -> str:
    """Of plain bytes: none for native pixels; an encapsulated value and a frame may tell their codec."""
    if native:
        return ""
    return syntax_of(_first_fragment(head) if head.startswith(ITEM_TAG) else head)


def native_length(attributes: Attributes) -> int | None:
    """Bytes of uncompressed pixels as the attributes describe them, None where they do not."""
    if not is_described(attributes):
        return None
    bits = 1
    for tag in ("00280002", "00280008", "00280010", "00280011", "00280100"):
        value = _first(attributes, tag)
        bits *= value if isinstance(value, int) else 1
    return (bits + 7) // 8


def _default(media_type: str) -> str:
    uid = _DEFAULTS.get(media_type)
    if uid is None:
        raise _unsupported("Pixel data of this media type cannot be stored.")
    return uid


def _known(uid: str) -> TransferSyntax:
    syntax = lookup(uid)
    assert syntax is not None
    return syntax


def _unsupported(message: str) -> InvalidDicom:
    return InvalidDicom(message, failure_reason=_UNSUPPORTED)


def _first_fragment(items: bytes) -> bytes:
    """The bytes after the Basic Offset Table and the first fragment's header."""
    (table,) = struct.unpack_from("<I", items.ljust(8, b"\0"), 4)
    return items[8 + table + 8 :]


def codestream_range(head: bytes, length: int) -> tuple[int, int]:
    """Offset and length of the codestream in a part: a JP2 or JPH file holds it in a box (PS3.5 A.4.4)."""
    if not head.startswith(_JP2_SIGNATURE):
        return 0, length
    position = 0
    while position + 16 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, position)
        start = position + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", head, start)
            start = min(start + 8, length)
        if kind == b"jp2c":
            end = position + size if size else length
            return start, max(min(end, length) - start, 0)
        if size < 8:
            break
        position += size
    raise InvalidDicom("A JPEG 2000 file holds no codestream.")


# --- Image Pixel Description (S-08) ------------------------------------------------------------------------

_DESCRIBED = ("00280002", "00280004", "00280010", "00280011", "00280100", "00280101", "00280102", "00280103")


@dataclass(frozen=True, slots=True)
class Picture:
    """Image Pixel Description Macro of native or compressed frames (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    bits_allocated: int
    bits_stored: int
    pixel_representation: int = 0
    lossy: bool = False

    def attributes(self) -> Attributes:
        """As DICOM JSON."""
        found = {
            "00280002": _us(self.samples_per_pixel),
            "00280004": {"vr": "CS", "Value": [self.photometric_interpretation]},
            "00280010": _us(self.rows),
            "00280011": _us(self.columns),
            "00280100": _us(self.bits_allocated),
            "00280101": _us(self.bits_stored),
            "00280102": _us(self.bits_stored - 1),
            "00280103": _us(self.pixel_representation),
        }
        if self.samples_per_pixel > 1:
            found["00280006"] = _us(0)
        if self.lossy:
            found["00282110"] = {"vr": "CS", "Value": ["01"]}
        return found


def _us(value: int) -> Attributes:
    return {"vr": "US", "Value": [value]}


def is_described(attributes: Attributes) -> bool:
    """Whether the sender describes the pixels itself."""
    return all(attributes.get(tag, {}).get("Value") for tag in _DESCRIBED)


def completed(attributes: Attributes, found: Attributes) -> Attributes:
    """The attributes, with what was found out for those that the sender left out."""
    missing = {tag: element for tag, element in found.items() if not attributes.get(tag, {}).get("Value")}
    return {**attributes, **missing}


def video_attributes(header: VideoHeader) -> Attributes:
    """Image Pixel Description, Multi-frame and Cine attributes of a video (PS3.5 8.2.5 to 8.2.8)."""
    picture = Picture(header.rows, header.columns, 3, "YBR_PARTIAL_420", *_video_bits(header), lossy=True)
    found = picture.attributes()
    if header.frames:
        found["00280008"] = number_of_frames(header.frames)
    if header.frame_time:
        found["00181063"] = {"vr": "DS", "Value": [round(header.frame_time, 4)]}
        found["00280009"] = {"vr": "AT", "Value": ["00181063"]}
    return found


def _video_bits(header: VideoHeader) -> tuple[int, int]:
    return (8, 8) if header.bits == 8 else (16, header.bits)


def described(made: bytes) -> Picture:
    """What the job "describe_image" gives."""
    return Picture(**orjson.loads(made))


def unpacked(made: bytes) -> tuple[Picture, int, memoryview]:
    """What the job "picture" gives: description, number of frames, native pixels."""
    (length,) = struct.unpack_from("<I", made)
    header = orjson.loads(made[4 : 4 + length])
    return Picture(**header["picture"]), header["frames"], memoryview(made)[4 + length :]


def number_of_frames(frames: int) -> Attributes:
    """Number of Frames as DICOM JSON."""
    return {"vr": "IS", "Value": [frames]}


def redescribed(attributes: Attributes, picture: Picture, frames: int) -> Attributes:
    """The attributes of native pixels made of a picture: what it is, whatever the sender said (S-09).

    The sender's word counts where it says more: which end is white, and which bits are used.
    """
    found = picture.attributes()
    if picture.samples_per_pixel == 1:
        found.pop("00280004")
        if not str(_first(attributes, "00280004")).startswith("MONOCHROME"):
            attributes = {**attributes, "00280004": picture.attributes()["00280004"]}
    if _first(attributes, "00280100") == picture.bits_allocated:
        for tag in ("00280101", "00280102", "00280103"):
            found.pop(tag)
        attributes = completed(attributes, picture.attributes())
    if frames > 1 or "00280008" in attributes:
        found["00280008"] = number_of_frames(frames)
    kept = {tag: element for tag, element in attributes.items() if tag not in _PALETTE}
    return {**kept, **found}


# Palette tables: pixels that are RGB now have none.
_PALETTE = frozenset({f"0028{element}" for element in ("1101", "1102", "1103", "1201", "1202", "1203")})


def _first(attributes: Attributes, tag: str) -> Any:
    values = attributes.get(tag, {}).get("Value")
    return values[0] if values else None


def picture_of(head: bytes, syntax: TransferSyntax) -> Picture | None:
    """What the header of a compressed frame says of it, None where only decoding it tells.

    Raises InvalidDicom.
    """
    try:
        header = probe(head, syntax.uid)
    except DecodeFailed as error:
        raise InvalidDicom(error.message) from None
    if header is None:
        raise InvalidDicom("The attributes that describe the pixels are missing, and the data does not tell.")
    samples = header.samples
    if not samples:
        return None
    if samples not in (1, 3):
        raise InvalidDicom("An image of this many components cannot be stored.")
    return Picture(
        header.rows,
        header.columns,
        samples,
        _photometric(header, samples, syntax),
        8 if header.precision <= 8 else 16,
        header.precision or 8,
        int(header.signed),
        lossy=not header.reversible,
    )


# Component transform of the codestream -> Photometric Interpretation (PS3.5 8.2.1, 8.2.4).
_PHOTOMETRIC = {"YBR": "YBR_FULL_422", "RCT": "YBR_RCT", "ICT": "YBR_ICT", "XYB": "XYB", "RGB": "RGB"}


def _photometric(header: CodestreamHeader, samples: int, syntax: TransferSyntax) -> str:
    if samples == 1:
        return "MONOCHROME2"
    lossy_jpeg = syntax.media_type == "image/jpeg" and not header.reversible
    return _PHOTOMETRIC.get(header.colour, "YBR_FULL_422" if lossy_jpeg else "RGB")
