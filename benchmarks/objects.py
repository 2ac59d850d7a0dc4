"""Objects made in code: a CT series with headers of usual length, small ones, and two long multi-frames."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MULTIFRAME_BYTE = "1.2.840.10008.5.1.4.1.1.7.2"
MULTIFRAME_WORD = "1.2.840.10008.5.1.4.1.1.7.3"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"
FRAME_BYTES = 4096

Pixels = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Series:
    """A series as SOP Instance UIDs and Part 10 objects."""

    study: str
    series: str
    instances: Sequence[tuple[str, bytes]]

    @property
    def path(self) -> str:
        """Resource path of the series."""
        return f"/studies/{self.study}/series/{self.series}"

    def instance_path(self, index: int) -> str:
        """Resource path of an instance; indexes go round."""
        return f"{self.path}/instances/{self.instances[index % len(self.instances)][0]}"

    def again(self, count: int | None = None) -> Series:
        """The same objects with fresh UIDs, which are as long as those they replace; indexes go round."""
        study, series = new_uid(), new_uid()
        found = []
        for index in range(len(self.instances) if count is None else count):
            uid, data = self.instances[index % len(self.instances)]
            fresh = new_uid()
            for old, new in ((uid, fresh), (self.series, series), (self.study, study)):
                data = data.replace(old.encode(), new.encode())
            found.append((fresh, data))
        return Series(study, series, found)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is made. side: rows and columns of a CT slice."""

    slices: int
    side: int
    compressed: int
    stack_frames: int
    movie_frames: int


@dataclass(frozen=True, slots=True)
class Objects:
    """What every measured server holds.

    cts: native slices of a series, and pixels: what they show. small: as long headers, few pixels.
    jpeg_ls, jpeg_2000: the first of the slices, compressed. stack: one object with slices as native frames.
    movie: one object of many short frames.
    """

    pixels: Sequence[Pixels]
    cts: Series
    small: Series
    jpeg_ls: Series
    jpeg_2000: Series
    stack: Series
    movie: Series
    scale: Scale

    @property
    def all_series(self) -> tuple[Series, ...]:
        """Everything that is stored."""
        return (self.cts, self.small, self.jpeg_ls, self.jpeg_2000, self.stack, self.movie)

    def again(self) -> Objects:
        """The same with fresh UIDs: nothing of it is in any cache."""
        cts, small, jpeg_ls, jpeg_2000, stack, movie = (series.again() for series in self.all_series)
        return Objects(self.pixels, cts, small, jpeg_ls, jpeg_2000, stack, movie, self.scale)


def new_uid() -> str:
    """A fresh UID (PS3.5 B.2). All are equally long, so that one can take the place of another."""
    return f"2.25.{10**37 + uuid4().int % (9 * 10**37)}"


def make_objects(scale: Scale) -> Objects:
    """Everything that is measured."""
    pixels = [_ct_pixels(scale.side, number) for number in range(scale.slices)]
    few = pixels[: scale.compressed]
    compressed = [imagecodecs.jpegls_encode(one) for one in few]
    wavelets = [imagecodecs.jpeg2k_encode(one, level=0, codecformat="j2k", reversible=True) for one in few]
    return Objects(
        pixels=pixels,
        cts=_series(scale.side, [one.tobytes() for one in pixels]),
        small=_series(32, [_ct_pixels(32, number).tobytes() for number in range(scale.slices)]),
        jpeg_ls=_series(scale.side, [encapsulate([one]) for one in compressed], JPEG_LS),
        jpeg_2000=_series(scale.side, [encapsulate([one]) for one in wavelets], JPEG_2000),
        stack=_stack(scale, pixels),
        movie=make_movie(frames=scale.movie_frames),
        scale=scale,
    )


def make_series(*, instances: int, rows: int) -> Series:
    """Native slices of a CT."""
    return _series(rows, [_ct_pixels(rows, number).tobytes() for number in range(instances)])


def make_movie(*, frames: int) -> Series:
    """One encapsulated object; its frames are noise between JPEG markers, which nobody decodes here."""
    study, series, uid = new_uid(), new_uid(), new_uid()
    dataset = _dataset(study, series, uid, MULTIFRAME_BYTE)
    dataset.NumberOfFrames, dataset.InstanceNumber = frames, 1
    _add_pixel_description(dataset, side=64, bits=8)
    head = part10(dataset, JPEG_BASELINE)
    return Series(study, series, [(uid, head + b"".join(_encapsulated(frames)))])


def movie_frame(number: int) -> bytes:
    """A frame of the movie, counted from 1."""
    return b"\xff\xd8" + struct.pack("<I", number - 1) + _noise() + b"\xff\xd9"


def _noise() -> bytes:
    return np.random.default_rng(2).bytes(FRAME_BYTES - 8)


def _encapsulated(frames: int) -> Iterator[bytes]:
    """Pixel Data with a Basic Offset Table, one fragment a frame (PS3.5 A.4)."""
    noise = _noise()
    offsets = struct.pack(f"<{frames}I", *(number * (FRAME_BYTES + 8) for number in range(frames)))
    yield struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    yield struct.pack("<HHI", 0xFFFE, 0xE000, len(offsets)) + offsets
    for number in range(frames):
        yield struct.pack("<HHI", 0xFFFE, 0xE000, FRAME_BYTES) + b"\xff\xd8"
        yield struct.pack("<I", number) + noise + b"\xff\xd9"
    yield struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def _ct_pixels(side: int, number: int) -> Pixels:
    """A slice of a body: air, soft tissue and bone with the noise of a scanner, 12 bits."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(x, 1.3 * y)
    image = np.where(radius < 0.9, 1040 + 25 * np.sin(9 * x + number / 7) * np.cos(7 * y), 24)
    image[np.hypot(x, y - 0.45) < 0.12] = 1900
    noise = np.random.default_rng(number).normal(0, np.where(radius < 0.9, 9, 3))
    return np.clip(image + noise, 0, 4095).astype("<u2")


def _series(side: int, values: Sequence[bytes], syntax: str = ExplicitVRLittleEndian) -> Series:
    study, series = new_uid(), new_uid()
    found = []
    for number, pixel_data in enumerate(values, 1):
        uid = new_uid()
        found.append((uid, _slice(study, series, uid, number, side, pixel_data, syntax)))
    return Series(study, series, found)


def _slice(
    study: str, series: str, uid: str, number: int, side: int, pixel_data: bytes, syntax: str
) -> bytes:
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
    _add_pixel_description(dataset, side=side, bits=12)
    dataset.PixelData = pixel_data
    dataset["PixelData"].VR = "OW" if syntax == ExplicitVRLittleEndian else "OB"
    dataset["PixelData"].is_undefined_length = syntax != ExplicitVRLittleEndian
    return part10(dataset, syntax)


def _stack(scale: Scale, pixels: Sequence[Pixels]) -> Series:
    """One object whose native frames are the slices, again and again."""
    study, series, uid = new_uid(), new_uid(), new_uid()
    dataset = _dataset(study, series, uid, MULTIFRAME_WORD)
    dataset.NumberOfFrames, dataset.InstanceNumber = scale.stack_frames, 1
    dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    _add_pixel_description(dataset, side=scale.side, bits=12)
    dataset.PixelData = b"".join(
        pixels[number % len(pixels)].tobytes() for number in range(scale.stack_frames)
    )
    dataset["PixelData"].VR = "OW"
    return Series(study, series, [(uid, part10(dataset, ExplicitVRLittleEndian))])


def _dataset(study: str, series: str, uid: str, sop_class: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20260102", "101500", "CT"
    dataset.PatientName, dataset.PatientID = "Bench^Mark", "BENCH"
    dataset.AccessionNumber, dataset.StudyID, dataset.SeriesNumber = "B1", "1", 1
    return dataset


def _add_pixel_description(dataset: Dataset, *, side: int, bits: int) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = side
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (bits + 7) // 8 * 8, bits, bits - 1
    dataset.PixelRepresentation = 0


def part10(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    """The data set as a Part 10 object."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
