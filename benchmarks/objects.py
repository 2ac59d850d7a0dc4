"""Objects made in code: a CT series with headers of usual length, and a long multi-frame object."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MULTIFRAME_BYTE = "1.2.840.10008.5.1.4.1.1.7.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
FRAME_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Series:
    """A series as SOP Instance UIDs and Part 10 objects, and the path of its resource below the base."""

    study: str
    series: str
    instances: list[tuple[str, bytes]]

    @property
    def path(self) -> str:
        """Resource path of the series."""
        return f"/studies/{self.study}/series/{self.series}"


@dataclass(frozen=True, slots=True)
class Archived:
    """What every measured server holds. cts: a CT series. movie: one object of `frames` short frames."""

    cts: Series
    movie: Series
    frames: int


def new_uid() -> str:
    """A fresh UID (PS3.5 B.2)."""
    return f"2.25.{uuid4().int}"


def make_series(*, instances: int, rows: int, columns: int) -> Series:
    """Slices of random samples: nothing on the way can cheat by compressing them."""
    study, series = new_uid(), new_uid()
    generator = np.random.default_rng(1)
    found = []
    for number in range(1, instances + 1):
        uid = new_uid()
        pixels = generator.integers(0, 4096, (rows, columns), dtype="<u2").tobytes()
        found.append((uid, _slice(study, series, uid, number, rows, columns, pixels)))
    return Series(study, series, found)


def make_movie(*, frames: int) -> Series:
    """One encapsulated object; its frames are noise between JPEG markers, which nobody decodes here."""
    study, series, uid = new_uid(), new_uid(), new_uid()
    dataset = _dataset(study, series, uid, MULTIFRAME_BYTE)
    dataset.NumberOfFrames, dataset.InstanceNumber = frames, 1
    _add_pixel_description(dataset, rows=64, columns=64, bits=8)
    head = _part10(dataset, JPEG_BASELINE)
    return Series(study, series, [(uid, head + b"".join(_encapsulated(frames)))])


def _encapsulated(frames: int) -> Iterator[bytes]:
    """Pixel Data with a Basic Offset Table, one fragment a frame (PS3.5 A.4)."""
    noise = np.random.default_rng(2).bytes(FRAME_BYTES - 8)
    offsets = struct.pack(f"<{frames}I", *(number * (FRAME_BYTES + 8) for number in range(frames)))
    yield struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    yield struct.pack("<HHI", 0xFFFE, 0xE000, len(offsets)) + offsets
    for number in range(frames):
        yield struct.pack("<HHI", 0xFFFE, 0xE000, FRAME_BYTES) + b"\xff\xd8"
        yield struct.pack("<I", number) + noise + b"\xff\xd9"
    yield struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def _slice(study: str, series: str, uid: str, number: int, rows: int, columns: int, pixels: bytes) -> bytes:
    dataset = _dataset(study, series, uid, CT_IMAGE)
    dataset.InstanceNumber, dataset.SliceLocation = number, number * 1.25
    dataset.ImagePositionPatient = [-250.0, -250.0, number * 1.25]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.9765625, 0.9765625], 1.25
    dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
    dataset.WindowCenter, dataset.WindowWidth = [40, 400], [400, 1500]
    for element in range(0x10, 0x10 + 80):  # a header as long as scanners write it
        dataset.add_new((0x0009, 0x1000 + element), "LO", f"private value {element}")
    dataset.add_new((0x0009, 0x0010), "LO", "BENCH")
    _add_pixel_description(dataset, rows=rows, columns=columns, bits=12)
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OW"
    return _part10(dataset, ExplicitVRLittleEndian)


def _dataset(study: str, series: str, uid: str, sop_class: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20260102", "101500", "CT"
    dataset.PatientName, dataset.PatientID = "Bench^Mark", "BENCH"
    dataset.AccessionNumber, dataset.StudyID, dataset.SeriesNumber = "B1", "1", 1
    return dataset


def _add_pixel_description(dataset: Dataset, *, rows: int, columns: int, bits: int) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (bits + 7) // 8 * 8, bits, bits - 1
    dataset.PixelRepresentation = 0


def _part10(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
