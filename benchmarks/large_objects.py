"""Objects of many gigabytes or many frames, made while they are sent: nobody holds one."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from benchmarks.objects import JPEG_2000, JPEG_BASELINE, new_uid, part10

_MULTIFRAME_WORD = "1.2.840.10008.5.1.4.1.1.7.3"
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_TILE_SIDE = 240
# Of each frame; the rest is zeros, so that a file of it can have holes.
_MARKED = 4096
_ITEM = struct.Struct("<HHI")


@dataclass(frozen=True, slots=True)
class LargeObject:
    """One encapsulated instance. frame_bytes: of every frame. head: all before its first frame."""

    name: str
    syntax: str
    media_type: str
    frames: int
    frame_bytes: int
    head: bytes = field(repr=False)
    study: str
    series: str
    uid: str

    @property
    def path(self) -> str:
        """Resource path of the instance."""
        return f"/studies/{self.study}/series/{self.series}/instances/{self.uid}"

    @property
    def length(self) -> int:
        """Bytes of the Part 10 object."""
        return len(self.head) + self.frames * (_ITEM.size + self.frame_bytes) + _ITEM.size

    def frame(self, number: int) -> bytes:
        """A codestream that nobody decodes: a mark of its own, noise and zeros. number: from 1."""
        return self._mark(number) + bytes(self.frame_bytes - _MARKED)

    def _mark(self, number: int) -> bytes:
        return b"\xff\x4f" + struct.pack("<I", number) + _noise()[6:]

    def chunks(self) -> Iterator[bytes]:
        """The object, a frame at a time."""
        yield self.head
        item = _ITEM.pack(0xFFFE, 0xE000, self.frame_bytes)
        for number in range(1, self.frames + 1):
            yield item + self.frame(number)
        yield _ITEM.pack(0xFFFE, 0xE0DD, 0)

    def write(self, path: Path) -> None:
        """The object as a file, whose zeros are holes."""
        item = _ITEM.pack(0xFFFE, 0xE000, self.frame_bytes)
        with path.open("wb") as file:
            file.write(self.head)
            for number in range(1, self.frames + 1):
                file.write(item + self._mark(number))
                file.seek(self.frame_bytes - _MARKED, io.SEEK_CUR)
            file.write(_ITEM.pack(0xFFFE, 0xE0DD, 0))


def multiframe(frames: int) -> LargeObject:
    """Frames of 512 by 512 words that did not compress: 20,000 of them are 10 GB."""
    dataset = _dataset(_MULTIFRAME_WORD)
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames, 512, 512
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    return _made("multi-frame", dataset, JPEG_2000, "image/jp2", frames, 512 << 10)


def whole_slide(frames: int) -> LargeObject:
    """Tiles of 8 KB, all of one optical path: their places follow from their order (TILED_FULL)."""
    dataset = _dataset(_WHOLE_SLIDE)
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames, _TILE_SIDE, _TILE_SIDE
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "YBR_FULL_422"
    dataset.PlanarConfiguration, dataset.DimensionOrganizationType = 0, "TILED_FULL"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    columns = max(1, int(frames**0.5))
    dataset.TotalPixelMatrixColumns = columns * _TILE_SIDE
    dataset.TotalPixelMatrixRows = -(-frames // columns) * _TILE_SIDE
    return _made("whole slide", dataset, JPEG_BASELINE, "image/jpeg", frames, 8 << 10)


def _dataset(sop_class: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, new_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = new_uid(), new_uid()
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20260103", "111500", "OT"
    dataset.PatientName, dataset.PatientID = "Bench^Large", "BENCH-LARGE"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.PixelRepresentation = 0
    return dataset


def _made(
    name: str, dataset: Dataset, syntax: str, media_type: str, frames: int, frame_bytes: int
) -> LargeObject:
    offsets = np.arange(frames, dtype="<u8") * (_ITEM.size + frame_bytes)
    dataset.ExtendedOffsetTable = offsets.tobytes()
    dataset.ExtendedOffsetTableLengths = np.full(frames, frame_bytes, dtype="<u8").tobytes()
    pixel_data = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + _ITEM.pack(0xFFFE, 0xE000, 0)
    uids: Sequence[str] = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    head = part10(dataset, syntax) + pixel_data
    return LargeObject(name, syntax, media_type, frames, frame_bytes, head, *map(str, uids))


@lru_cache(maxsize=1)
def _noise() -> bytes:
    return np.random.default_rng(3).bytes(_MARKED)
