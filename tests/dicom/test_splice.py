"""Splicing: what it changes it changes as the walker does, and what is odd it leaves to the walker."""

from __future__ import annotations

import io
import struct

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomweb.dicom.explicit import explicit_elements
from dicomweb.dicom.splice import spliced

CHANGES: dict[str, bytes | None] = {
    "00280004": b"YBR_RCT",
    "00282110": b"01",
    "00100010": None,
    "7FE00001": None,
}


def encoded(dataset: Dataset, *, undefined: bool = False) -> bytes:
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = undefined
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True)
    return file.getvalue()


def read(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data), force=True)


def walked(data: bytes, changes: dict[str, bytes | None]) -> Dataset:
    made = b"".join(explicit_elements([data], implicit=False, little=True, changes=changes))
    return read(made)


def a_dataset(rows: int, name: str, items: int, description: str) -> Dataset:
    dataset = Dataset()
    dataset.PatientName = name
    dataset.StudyDescription = description
    dataset.Rows = rows
    dataset.PhotometricInterpretation = "RGB"
    inner = Dataset()
    inner.CodeValue = "1"
    inner.PurposeOfReferenceCodeSequence = Sequence([Dataset()])
    dataset.ReferencedStudySequence = Sequence([inner] * items)
    dataset.add_new(0x00090010, "LO", "OWNER")
    dataset.add_new(0x00091001, "OB", bytes(rows % 7 * 2))
    return dataset


@given(
    rows=st.integers(0, 65535),
    name=st.sampled_from(["", "A^B", "A^BC"]),
    items=st.integers(0, 3),
    description=st.text("abc ", max_size=20),
    undefined=st.booleans(),
    changes=st.sets(st.sampled_from(sorted(CHANGES))),
)
def test_it_gives_what_the_walker_gives(
    rows: int, name: str, items: int, description: str, undefined: bool, changes: set[str]
) -> None:
    data = encoded(a_dataset(rows, name, items, description), undefined=undefined)
    wanted = {tag: CHANGES[tag] for tag in changes}
    made = spliced(data, wanted)
    assert made is not None
    assert read(made) == walked(data, wanted)


def test_what_does_not_change_is_the_same_bytes() -> None:
    data = encoded(a_dataset(512, "A^B", 2, "x"), undefined=True)
    assert spliced(data, {}) == data


def test_group_lengths_are_left_out() -> None:
    data = encoded(a_dataset(512, "A^B", 1, "x"))
    stale = struct.pack("<HH2sHI", 8, 0, b"UL", 4, 99)
    assert spliced(stale + data, {}) == data


SHORT = struct.Struct("<HH2sH")
NAME = SHORT.pack(0x10, 0x10, b"PN", 2) + b"A "


@pytest.mark.parametrize(
    "odd",
    [
        NAME + NAME,  # not in order
        SHORT.pack(0x10, 0x10, b"PN", 3) + b"A  ",  # odd length
        SHORT.pack(0x10, 0x10, b"PN", 200) + b"A ",  # cut off
        NAME[:6],
        SHORT.pack(0x10, 0x10, b"??", 2) + b"A ",  # no VR
        struct.pack("<HHI", 0x10, 0x10, 2) + b"A ",  # implicit
        SHORT.pack(0x08, 0x1110, b"SQ", 0) + b"\xff\xff\xff\xff",  # a sequence without its end
        SHORT.pack(0x08, 0x1110, b"SQ", 0) + b"\xff\xff\xff\xff" + NAME,
        SHORT.pack(0x08, 0x1110, b"UN", 0) + b"\xff\xff\xff\xff" + NAME,
        SHORT.pack(0x02, 0x10, b"UI", 2) + b"1\0",  # below the data set
    ],
)
def test_what_is_odd_is_left_to_the_walker(odd: bytes) -> None:
    assert spliced(odd, {}) is None


def test_a_vr_that_depends_is_left_to_the_walker() -> None:
    assert spliced(NAME, {"00280106": b"\0\0"}) is None


def test_sequences_nested_too_deep_are_left_to_the_walker() -> None:
    begin = (
        SHORT.pack(0x08, 0x1110, b"SQ", 0)
        + b"\xff\xff\xff\xff"
        + struct.pack("<HHI", 0xFFFE, 0xE000, 2**32 - 1)
    )
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    assert spliced(begin * 3 + end * 3, {}) == begin * 3 + end * 3
    assert spliced(begin * 5000 + end * 5000, {}) is None
