"""Instances made while they are sent: cheap, distinct, of any size, and known again by their digest.

builders.make_instance makes the head once; what differs is put in by length-preserving replacement, because
pydicom is slow here and its warnings filter is no matter for threads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from blake3 import blake3
from pydicom.dataset import Dataset

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.builders import MULTIFRAME_GRAYSCALE_WORD, make_dataset, write_instance

BOUNDARY = "e2e-boundary"
RELATED = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}
_STUDY, _SERIES, _INSTANCE = (f"2.25.{digit * 39}" for digit in "123")
_ROWS, _COLUMNS = 12345, 64


def uid_of(random: Random) -> str:
    """Always 44 characters, so that it fits where another stood."""
    return f"2.25.{random.randrange(10**38, 3 * 10**38)}"


@dataclass(frozen=True, slots=True)
class Instance:
    """data: Part 10. digest: of its data set."""

    study: str
    series: str
    uid: str
    data: bytes
    digest: bytes

    @property
    def path(self) -> str:
        return f"/studies/{self.study}/series/{self.series}/instances/{self.uid}"


def make(study: str, series: str, uid: str, *, pixel_bytes: int, number: int, random: Random) -> Instance:
    """One image of about so many bytes of random samples."""
    rows = max(1, min(65535, pixel_bytes // (2 * _COLUMNS)))
    head = _head().replace(_STUDY.encode(), study.encode()).replace(_SERIES.encode(), series.encode())
    head = head.replace(_INSTANCE.encode(), uid.encode()).replace(b"NUMBER", b"%06d" % number)
    head = head.replace(b"US\2\0" + struct.pack("<H", _ROWS), b"US\2\0" + struct.pack("<H", rows))
    pixels = random.randbytes(rows * _COLUMNS * 2)
    data = head + _pixel_header(len(pixels), explicit=True) + pixels
    return Instance(study, series, uid, data, blake3(dataset_of(data)).digest())


@cache
def _head() -> bytes:
    dataset = make_dataset(
        study_instance_uid=_STUDY,
        series_instance_uid=_SERIES,
        sop_instance_uid=_INSTANCE,
        attributes={"Rows": _ROWS, "Columns": _COLUMNS, "InstanceNumber": "100000"},
    )
    return _without_pixels(dataset, EXPLICIT_LITTLE).replace(b"IS\6\x00100000", b"IS\6\0NUMBER")


def _pixel_header(length: int, *, explicit: bool) -> bytes:
    """(7FE0,0010), OW."""
    if explicit:
        return struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, length)
    return struct.pack("<HHI", 0x7FE0, 0x0010, length)


def dataset_of(part10: bytes) -> bytes:
    """What follows the file meta information (PS3.10 7.1)."""
    (group_length,) = struct.unpack_from("<I", part10, 140)
    return part10[144 + group_length :]


def related(instances: Iterable[Instance]) -> bytes:
    """The body of a STOW request."""
    parts = (
        b"--%b\r\nContent-Type: application/dicom\r\n\r\n%b\r\n" % (BOUNDARY.encode(), one.data)
        for one in instances
    )
    return b"".join(parts) + b"--%b--\r\n" % BOUNDARY.encode()


@dataclass(frozen=True, slots=True)
class LargeInstance:
    """A native multi-frame object that is never held: frames are made when they are asked for."""

    study: str
    series: str
    uid: str
    head: bytes
    frames: int
    rows: int
    columns: int

    @property
    def path(self) -> str:
        return f"/studies/{self.study}/series/{self.series}/instances/{self.uid}"

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * 2

    @property
    def pixel_bytes(self) -> int:
        return self.frames * self.frame_bytes

    @property
    def length(self) -> int:
        return len(self.head) + self.pixel_bytes

    def frame(self, number: int) -> bytes:
        """Frame `number`, from 1: noise that all share, after the frame's own number."""
        return struct.pack("<Q", number) + _noise(self.frame_bytes)[8:]

    def pixels(self) -> Iterator[bytes]:
        return (self.frame(number) for number in range(1, self.frames + 1))

    def chunks(self) -> Iterator[bytes]:
        """The whole Part 10 object."""
        yield self.head
        yield from self.pixels()


@cache
def _noise(size: int) -> bytes:
    return Random(size).randbytes(size)


def make_large(mebibytes: int, *, implicit: bool, random: Random) -> LargeInstance:
    """Frames of 2048 x 2048 samples of 16 bits, 8 MiB each."""
    study, series, uid = (uid_of(random) for _ in range(3))
    rows = columns = 2048
    frames = max(1, mebibytes // 8)
    dataset = make_dataset(
        study_instance_uid=study,
        series_instance_uid=series,
        sop_instance_uid=uid,
        sop_class_uid=MULTIFRAME_GRAYSCALE_WORD,
        attributes={"Rows": rows, "Columns": columns, "NumberOfFrames": frames},
    )
    head = _without_pixels(dataset, IMPLICIT_LITTLE if implicit else EXPLICIT_LITTLE)
    head += _pixel_header(frames * rows * columns * 2, explicit=not implicit)
    return LargeInstance(study, series, uid, head, frames, rows, columns)


def _without_pixels(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    del dataset.PixelData
    return write_instance(dataset, transfer_syntax_uid)


def digest_of(chunks: Iterable[bytes]) -> bytes:
    hasher = blake3()
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.digest()


def grouped(instances: Sequence[Instance], random: Random, most: int) -> Iterator[list[Instance]]:
    """In random order, in groups of 1 to `most`."""
    left = random.sample(instances, len(instances))
    while left:
        count = random.randint(1, most)
        yield left[:count]
        left = left[count:]
