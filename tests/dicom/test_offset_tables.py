"""Offset tables that are written: what our own index and pydicom read in them."""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.fragments import ITEM_HEADER, fragment, tables_of
from dicomweb.errors import InvalidDicom

sizes = st.lists(st.integers(0, 300), max_size=30)


@given(frames=st.lists(st.binary(max_size=20), max_size=10))
def test_every_offset_leads_to_its_fragment(frames: list[bytes]) -> None:
    value = b"".join(map(fragment, frames))
    tables = tables_of(map(len, frames))
    offsets = [offset for (offset,) in struct.iter_unpack("<I", tables.basic)]
    assert (tables.offsets, tables.lengths) == (b"", b"")
    assert len(offsets) == len(frames)
    for offset, frame in zip(offsets, frames, strict=True):
        group, element, length = ITEM_HEADER.unpack_from(value, offset)
        assert (group, element, length) == (0xFFFE, 0xE000, len(frame) + len(frame) % 2)
        assert value[offset + 8 : offset + 8 + len(frame)] == frame


def test_offsets_beyond_32_bits_go_into_the_extended_table() -> None:
    """C.7.6.3.1.8: then the basic one is empty, and lengths leave the padding out."""
    lengths = [2**31 - 8, 2**31 - 8, 7, 10]
    tables = tables_of(lengths)
    assert tables.basic == b""
    offsets = struct.unpack("<4Q", tables.offsets)
    assert offsets == (0, 2**31, 2**32, 2**32 + 16)
    assert struct.unpack("<4Q", tables.lengths) == tuple(lengths)
    assert tables_of(lengths[:2]).basic == struct.pack("<2I", 0, 2**31)


@given(lengths=sizes)
def test_offsets_are_sums_of_what_lies_before(lengths: list[int]) -> None:
    offsets = [offset for (offset,) in struct.iter_unpack("<I", tables_of(lengths).basic)]
    spans = [8 + length + length % 2 for length in lengths]
    assert [b - a for a, b in pairwise([*offsets, sum(spans)])] == spans if spans else not offsets
    assert offsets == list(accumulate(spans, initial=0))[:-1]


class Long(bytes):
    """A frame of 4 GiB, to the one who asks for its length."""

    def __len__(self) -> int:
        return 0xFFFFFFFF


def test_a_frame_beyond_a_fragment_is_refused() -> None:
    with pytest.raises(InvalidDicom):
        fragment(Long())
