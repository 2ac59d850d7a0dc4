"""Encapsulated pixel data that is written here is read back frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.encapsulation import read_fragments
from dicomweb.dicom.fragments import fragments, long_fragments, offset_tables
from dicomweb.dicom.frame_index import frame_entries, unpack
from dicomweb.dicom.window import Window

_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
FRAMES = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8)


def read_back(value: bytes, frames: int) -> list[bytes]:
    found = read_fragments(Window([value]), little=True, longest_table=1 << 20, charge=lambda _: None)
    entries = frame_entries(found, frames=frames)
    return [value[one.offset : one.offset + one.span] for one in unpack(entries)]


@given(frames=FRAMES, offset_table=st.booleans())
def test_frames_lie_where_the_table_says(frames: list[bytes], offset_table: bool) -> None:
    def chunks(index: int) -> Iterator[bytes]:
        yield frames[index][:3]
        yield frames[index][3:]

    value = b"".join(fragments([len(one) for one in frames], chunks, offset_table=offset_table)) + _END
    assert read_back(value, len(frames)) == [one + b"\0" * (len(one) % 2) for one in frames]


@given(pieces=FRAMES)
def test_a_video_is_one_fragment(pieces: list[bytes]) -> None:
    video = b"".join(pieces)
    value = b"".join(long_fragments(len(video), iter(pieces))) + _END
    assert read_back(value, 1) == [video + b"\0" * (len(video) % 2)]


@pytest.mark.parametrize(("lengths", "basic"), [([7, 8, 9], True), ([1 << 32, 8], False)])
def test_offsets_beyond_32_bits_go_into_an_extended_table(lengths: list[int], basic: bool) -> None:
    attributes, offset_table = offset_tables({}, lengths)
    assert offset_table is basic
    assert ("7FE00001" in attributes) is not basic


def test_a_senders_tables_are_made_anew() -> None:
    stale = {"7FE00001": {"vr": "OV"}, "7FE00002": {"vr": "OV"}, "7FE00003": {"vr": "UV", "Value": [5]}}
    attributes, basic = offset_tables(stale, [7, 9])
    assert not basic
    assert attributes["7FE00003"]["Value"] == [16]
    assert attributes["7FE00001"]["InlineBinary"]
