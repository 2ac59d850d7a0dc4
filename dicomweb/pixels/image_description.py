"""What describes the pixels of an image: Image Pixel Description Macro (PS3.3 C.7.6.3; S-08)."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from dicomweb.dicom.received_model import Attributes, first_value
from dicomweb.dicom.transfer_syntax import TransferSyntax
from dicomweb.dicom.video_header import VideoHeader
from dicomweb.errors import DecodeFailed, InvalidDicom
from dicomweb.pixels.codestream import CodestreamHeader, probe

_DESCRIBED = ("00280002", "00280004", "00280010", "00280011", "00280100", "00280101", "00280102", "00280103")


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """Of native or compressed frames."""

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


def described_length(attributes: Attributes) -> int | None:
    """Bytes of uncompressed pixels as the attributes describe them, None where they do not."""
    if not is_described(attributes):
        return None
    bits = 1
    for tag in ("00280002", "00280008", "00280010", "00280011", "00280100"):
        value = first_value(attributes, tag)
        bits *= value if isinstance(value, int) else 1
    return (bits + 7) // 8


def video_attributes(header: VideoHeader) -> Attributes:
    """Image Pixel Description, Multi-frame and Cine attributes of a video (PS3.5 8.2.5 to 8.2.8)."""
    bits = (8, 8) if header.bits == 8 else (16, header.bits)
    found = ImageDescription(
        header.rows, header.columns, 3, "YBR_PARTIAL_420", *bits, lossy=True
    ).attributes()
    if header.frames:
        found["00280008"] = number_of_frames(header.frames)
    if header.frame_time:
        found["00181063"] = {"vr": "DS", "Value": [round(header.frame_time, 4)]}
        found["00280009"] = {"vr": "AT", "Value": ["00181063"]}
    return found


def number_of_frames(frames: int) -> Attributes:
    """Number of Frames as DICOM JSON."""
    return {"vr": "IS", "Value": [frames]}


def described(made: bytes) -> ImageDescription:
    """What the job "describe_image" gives."""
    return ImageDescription(**orjson.loads(made))


def description_of(head: bytes, syntax: TransferSyntax) -> ImageDescription | None:
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
    return ImageDescription(
        header.rows,
        header.columns,
        samples,
        _photometric(header, samples, syntax),
        8 if header.precision <= 8 else 16,
        header.precision or 8,
        int(header.signed),
        lossy=not header.reversible,
    )


def is_description_of(attributes: Attributes, head: bytes, syntax: TransferSyntax) -> bool:
    """Whether the sender's attributes agree with the header of a compressed frame, where that tells.

    Only in what no codec changes: codecs have their own ways with bits and colours.
    """
    try:
        found = description_of(head, syntax)
    except InvalidDicom:
        return True
    if found is None:
        return True
    seen = {"00280010": found.rows, "00280011": found.columns, "00280002": found.samples_per_pixel}
    return all(first_value(attributes, tag) == value for tag, value in seen.items())


# Component transform of the codestream -> Photometric Interpretation (PS3.5 8.2.1, 8.2.4).
_PHOTOMETRIC = {"YBR": "YBR_FULL_422", "RCT": "YBR_RCT", "ICT": "YBR_ICT", "XYB": "XYB", "RGB": "RGB"}


def _photometric(header: CodestreamHeader, samples: int, syntax: TransferSyntax) -> str:
    if samples == 1:
        return "MONOCHROME2"
    lossy_jpeg = syntax.media_type == "image/jpeg" and not header.reversible
    return _PHOTOMETRIC.get(header.colour, "YBR_FULL_422" if lossy_jpeg else "RGB")
