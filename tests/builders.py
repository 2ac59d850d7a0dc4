"""DICOM objects made in code, so that no test needs a file.

make_instance(rows=8, columns=8, frames=3)                        Part 10 bytes
make_instance(transfer_syntax_uid=DEFLATED_EXPLICIT_LITTLE, attributes={"PatientName": "Doe^Jane"})
make_instance(transfer_syntax_uid="1.2.840.10008.1.2.4.50", codestreams=[b"...", b"..."])
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from uuid import uuid4

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import UID

from dicomweb.dicom.transfer_syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, TRANSFER_SYNTAXES

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MULTIFRAME_GRAYSCALE_WORD = "1.2.840.10008.5.1.4.1.1.7.3"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"


def new_uid() -> str:
    """A fresh UID (PS3.5 B.2)."""
    return f"2.25.{uuid4().int}"


@contextmanager
def _any_value() -> Iterator[None]:
    """pydicom warns of values that break a VR's rules; tests want such values too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@_any_value()
def make_dataset(
    *,
    study_instance_uid: str = "",
    series_instance_uid: str = "",
    sop_instance_uid: str = "",
    sop_class_uid: str = CT_IMAGE,
    transfer_syntax_uid: str = EXPLICIT_LITTLE,
    rows: int = 4,
    columns: int = 4,
    frames: int = 1,
    samples_per_pixel: int = 1,
    bits_allocated: int = 16,
    bits_stored: int = 0,
    pixel_representation: int = 0,
    photometric_interpretation: str = "",
    planar_configuration: int = 0,
    pixels: bytes | None = None,
    codestreams: Sequence[bytes] | None = None,
    fragments_per_frame: int = 1,
    offset_table: str = "basic",
    with_pixels: bool = True,
    attributes: Mapping[str, Any] | None = None,
) -> Dataset:
    """A data set; UIDs left empty are fresh.

    pixels: native pixel bytes, little-endian (default: counting samples, each frame different).
    codestreams: for an encapsulated transfer syntax, one a frame (default: distinct short byte strings).
    offset_table: "basic", "empty" or "extended".
    attributes: keyword -> value, set last; None removes the element.
    """
    dataset = Dataset()
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = sop_instance_uid or new_uid()
    dataset.StudyInstanceUID = study_instance_uid or new_uid()
    dataset.SeriesInstanceUID = series_instance_uid or new_uid()
    dataset.Modality = "CT"
    dataset.StudyDate = "20260102"
    dataset.StudyTime = "030405"
    dataset.AccessionNumber = "ACC1"
    dataset.PatientName = "Builder^Test"
    dataset.PatientID = "ID1"
    dataset.StudyID = "S1"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1
    if with_pixels:
        dataset.SamplesPerPixel = samples_per_pixel
        dataset.PhotometricInterpretation = photometric_interpretation or (
            "MONOCHROME2" if samples_per_pixel == 1 else "RGB"
        )
        if samples_per_pixel > 1:
            dataset.PlanarConfiguration = planar_configuration
        if frames != 1:
            dataset.NumberOfFrames = frames
        dataset.Rows, dataset.Columns = rows, columns
        dataset.BitsAllocated = bits_allocated
        dataset.BitsStored = bits_stored or bits_allocated
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = pixel_representation
        if TRANSFER_SYNTAXES[transfer_syntax_uid].encapsulated:
            _encapsulate(dataset, codestreams, frames, fragments_per_frame, offset_table)
        else:
            bits = rows * columns * samples_per_pixel * bits_allocated * frames
            native = counting_pixels(bits, bits_allocated) if pixels is None else pixels
            dataset.PixelData = native + b"\0" * (len(native) % 2)
            dataset["PixelData"].VR = "OW" if bits_allocated > 8 else "OB"
            if transfer_syntax_uid == EXPLICIT_BIG and bits_allocated == 16:
                dataset.PixelData = swapped16(dataset.PixelData)
            if transfer_syntax_uid == IMPLICIT_LITTLE:
                dataset["PixelData"].VR = "OW"
    for keyword, value in (attributes or {}).items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def make_instance(
    *,
    preamble: bytes = b"\0" * 128,
    file_meta: bool = True,
    attributes: Mapping[str, Any] | None = None,
    transfer_syntax_uid: str = EXPLICIT_LITTLE,
    **options: Any,
) -> bytes:
    """A Part 10 object, options as for make_dataset. Without file_meta: the bare data set."""
    dataset = make_dataset(attributes=attributes, transfer_syntax_uid=transfer_syntax_uid, **options)
    return write_instance(dataset, transfer_syntax_uid, preamble=preamble, file_meta=file_meta)


@_any_value()
def write_instance(
    dataset: Dataset, transfer_syntax_uid: str, *, preamble: bytes = b"\0" * 128, file_meta: bool = True
) -> bytes:
    """Part 10 bytes of a pydicom data set in this transfer syntax."""
    syntax = TRANSFER_SYNTAXES[transfer_syntax_uid]
    if not file_meta:
        return encode_dataset(dataset, implicit=not syntax.explicit, little=syntax.little)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or "1.2.3"
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID") or "1.2.3"
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    dataset.file_meta = meta
    dataset.preamble = preamble
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@_any_value()
def encode_dataset(dataset: Dataset, *, implicit: bool, little: bool) -> bytes:
    """The data set alone."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, implicit_vr=implicit, little_endian=little, force_encoding=True)
    return buffer.getvalue()


def counting_pixels(bits: int, bits_allocated: int) -> bytes:
    """Little-endian samples that count up, so that each frame differs from the next."""
    if bits_allocated == 1:
        return bytes((i * 73 + i // 7) & 0xFF for i in range((bits + 7) // 8))
    width = bits_allocated // 8
    mask = (1 << bits_allocated) - 1
    return b"".join((i & mask).to_bytes(width, "little") for i in range(bits // bits_allocated))


def swapped16(data: bytes) -> bytes:
    """Each pair of bytes the other way round."""
    count = len(data) // 2
    return struct.pack(f">{count}H", *struct.unpack(f"<{count}H", data))


def _encapsulate(
    dataset: Dataset,
    codestreams: Sequence[bytes] | None,
    frames: int,
    fragments_per_frame: int,
    offset_table: str,
) -> None:
    streams = list(codestreams) if codestreams is not None else fake_codestreams(frames)
    if offset_table == "extended":
        encapsulated = encapsulate_extended(streams)
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulated
    else:
        dataset.PixelData = encapsulate(
            streams, fragments_per_frame=fragments_per_frame, has_bot=offset_table == "basic"
        )
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def fake_codestreams(frames: int) -> list[bytes]:
    """Distinct byte strings that begin and end like JPEG; no codec reads them."""
    return [
        b"\xff\xd8\xff\xe0frame %06d " % number + b"x" * (number % 5 * 2) + b"\xff\xd9"
        for number in range(frames)
    ]
