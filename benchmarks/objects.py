"""A CT series made in code: 512 KB slices with a header of usual length."""

from __future__ import annotations

import io
from dataclasses import dataclass
from uuid import uuid4

import numpy
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True, slots=True)
class Series:
    """A series as Part 10 objects, and the paths of its resources below the base."""

    study: str
    series: str
    instances: list[tuple[str, bytes]]

    @property
    def path(self) -> str:
        """Resource path of the series."""
        return f"/studies/{self.study}/series/{self.series}"


def new_uid() -> str:
    """A fresh UID (PS3.5 B.2)."""
    return f"2.25.{uuid4().int}"


def make_series(*, instances: int, rows: int, columns: int) -> Series:
    """Slices of random samples: nothing on the way can cheat by compressing them."""
    study, series = new_uid(), new_uid()
    generator = numpy.random.default_rng(1)
    found = []
    for number in range(1, instances + 1):
        uid = new_uid()
        pixels = generator.integers(0, 4096, (rows, columns), dtype="<u2").tobytes()
        found.append((uid, _instance(study, series, uid, number, rows, columns, pixels)))
    return Series(study, series, found)


def _instance(
    study: str, series: str, uid: str, number: int, rows: int, columns: int, pixels: bytes
) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT_IMAGE, uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20260102", "101500", "CT"
    dataset.PatientName, dataset.PatientID = "Bench^Mark", "BENCH"
    dataset.AccessionNumber, dataset.StudyID, dataset.SeriesNumber = "B1", "1", 1
    dataset.InstanceNumber, dataset.SliceLocation = number, number * 1.25
    dataset.ImagePositionPatient = [-250.0, -250.0, number * 1.25]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.9765625, 0.9765625], 1.25
    dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
    dataset.WindowCenter, dataset.WindowWidth = [40, 400], [400, 1500]
    for element in range(0x10, 0x10 + 80):  # a header as long as scanners write it
        dataset.add_new((0x0009, 0x1000 + element), "LO", f"private value {element}")
    dataset.add_new((0x0009, 0x0010), "LO", "BENCH")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
