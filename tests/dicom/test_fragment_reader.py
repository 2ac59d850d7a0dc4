"""Fragments without their item headers: whatever their bytes look like, however they arrive (M-15)."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.encapsulation import FragmentReader
from dicomweb.dicom.frame_index import EncapsulatedFrame
from dicomweb.errors import DecodeFailed, InvalidDicom
from dicomweb.pixels.frame_bytes import join_fragments

_ITEM = b"\xfe\xff\x00\xe0"
_DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"


def items(fragments: list[bytes]) -> bytes:
    return b"".join(struct.pack("<4sI", _ITEM, len(fragment)) + fragment for fragment in fragments)


def frame_of(data: bytes, fragments: int) -> EncapsulatedFrame:
    """The frame whose items these are: its offset is of the first one's value."""
    return EncapsulatedFrame(8, len(data) - 8, fragments)


# Bytes that look like items are the rule here, not the exception.
FRAGMENTS = st.lists(
    st.lists(st.sampled_from([_ITEM, b"\0\0\0\0", b"\2\0\0\0", b"ab"]), max_size=6).map(b"".join), min_size=1
)


@given(fragments=FRAGMENTS, step=st.integers(1, 50), skipped=st.integers(0, 1))
def test_only_the_headers_are_taken_out(fragments: list[bytes], step: int, skipped: int) -> None:
    data = items(fragments) + _DELIMITER + b"what follows"
    reader = FragmentReader(skipped=skipped)
    found = b"".join(reader.feed(data[start : start + step]) for start in range(0, len(data), step))
    assert found == b"".join(fragments[skipped:])


def test_what_is_no_item_is_refused() -> None:
    with pytest.raises(InvalidDicom):
        FragmentReader().feed(items([b"ab"]) + b"not an item")


@given(fragments=FRAGMENTS)
def test_a_frame_is_joined(fragments: list[bytes]) -> None:
    data = items(fragments)
    assert join_fragments(data, frame_of(data, len(fragments))) == b"".join(fragments)


def test_bytes_that_are_all_headers_cost_no_more_than_others() -> None:
    """A frame of 16 MiB that seems to hold a million items is one fragment of them, and one behind it."""
    data = items([items([b""]) * (1 << 21), b"ab"])
    begun = time.process_time()
    joined = join_fragments(data, frame_of(data, 2))
    assert time.process_time() - begun < 0.5
    assert len(joined) == 8 * (1 << 21) + 2


@pytest.mark.parametrize("fragments", [[b"ab"], [b"ab", b"cd", b"ef"]])
def test_other_fragments_than_the_index_says_are_refused(fragments: list[bytes]) -> None:
    data = items(fragments)
    with pytest.raises(DecodeFailed):
        join_fragments(data, frame_of(data, 2))


def test_items_that_do_not_end_with_the_frame_are_refused() -> None:
    data = items([b"ab", b"cd"]) + b"x"
    with pytest.raises(DecodeFailed):
        join_fragments(data, frame_of(data, 2))
