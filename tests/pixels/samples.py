"""Compressed frames of the shared data beside what an independent decoder made of them (pixels.csv)."""

from __future__ import annotations

import csv
import hashlib
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.pixels.codecs import DECODABLE


@dataclass(frozen=True, slots=True)
class Sample:
    """One compressed frame. sha256: of the frame as 1-byte or wider words, 1-bit pixels unpacked."""

    path: str
    transfer_syntax_uid: str
    layout: PixelLayout
    codestream: bytes
    sha256: str
    lossy: bool
    out_photometric: str
    out_planar: int

    def matches(self, frame: bytes) -> bool:
        """Whether frame, as decode_frame gives it, is what the independent decoder gave."""
        if self.layout.bits_allocated == 1:
            frame = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little").tobytes()
        return hashlib.sha256(frame).hexdigest() == self.sha256


def layout_of(dataset: Dataset, *, encapsulated: bool = True) -> PixelLayout:
    """The layout of a pydicom data set; offsets, which decoding does not read, are zero."""
    return PixelLayout(
        tag="7FE00010",
        vr="OB" if encapsulated else "OW",
        element_offset=0,
        element_end=0,
        value_offset=0,
        value_length=0,
        encapsulated=encapsulated,
        frames=int(dataset.get("NumberOfFrames") or 1),
        rows=dataset.Rows,
        columns=dataset.Columns,
        samples_per_pixel=dataset.SamplesPerPixel,
        bits_allocated=dataset.BitsAllocated,
        bits_stored=dataset.BitsStored,
        high_bit=dataset.HighBit,
        pixel_representation=dataset.PixelRepresentation,
        photometric_interpretation=dataset.PhotometricInterpretation,
        planar_configuration=dataset.get("PlanarConfiguration") or 0,
    )


def make_layout(
    rows: int,
    columns: int,
    *,
    samples: int = 1,
    bits: int = 8,
    stored: int = 0,
    signed: bool = False,
    photometric: str = "",
    planar: int = 0,
    encapsulated: bool = True,
    frames: int = 1,
) -> PixelLayout:
    """A layout made in code."""
    return PixelLayout(
        tag="7FE00010",
        vr="OB" if encapsulated or bits <= 8 else "OW",
        element_offset=0,
        element_end=0,
        value_offset=0,
        value_length=0,
        encapsulated=encapsulated,
        frames=frames,
        rows=rows,
        columns=columns,
        samples_per_pixel=samples,
        bits_allocated=bits,
        bits_stored=stored or bits,
        high_bit=(stored or bits) - 1,
        pixel_representation=int(signed),
        photometric_interpretation=photometric or ("RGB" if samples == 3 else "MONOCHROME2"),
        planar_configuration=planar,
    )


def read(path: Path) -> Dataset:
    """A file of the data, however odd."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(path, force=True)


def codestreams(dataset: Dataset) -> Sequence[bytes]:
    """The frames of an encapsulated data set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frames = int(dataset.get("NumberOfFrames") or 1)
        return list(generate_frames(dataset.PixelData, number_of_frames=frames))


@cache
def compressed_samples(data_dir: Path) -> tuple[Sample, ...]:
    """Every row of pixels.csv that an independent decoder read and this archive says it decodes."""
    return tuple(_compressed_samples(data_dir))


def _compressed_samples(data_dir: Path) -> Iterator[Sample]:
    rows = defaultdict(list)
    with (data_dir / "pixels.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            rows[row["path"]].append(row)
    for path, wanted in rows.items():
        dataset = read(data_dir / path)
        uid = str(dataset.file_meta.get("TransferSyntaxUID", ""))
        if uid not in DECODABLE or not wanted[0]["sha256"]:
            continue
        layout = layout_of(dataset)
        for codestream, row in zip(codestreams(dataset), wanted, strict=True):
            yield Sample(
                path,
                uid,
                layout,
                codestream,
                row["sha256"],
                row["lossy"] == "yes",
                row["out_photometric"],
                int(row["out_planar"] or 0),
            )
