"""The bulkdata parts of a request, found by the URIs in its metadata."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from dicomweb.archive.uploaded_parts import UploadedPart, UploadedParts
from dicomweb.errors import InvalidDicom, TooLarge

BASE = "https://pacs.example.org/dicomweb/studies"


def parts_at(locations: Iterable[str]) -> UploadedParts:
    """One byte each, in the order in which they are given."""
    parts = UploadedParts(BASE)
    for place, location in enumerate(locations):
        parts.add(location, UploadedPart("image/jls", "", place, 1))
    return parts


def places(parts: UploadedParts, uri: str) -> list[int]:
    return [part.offset for part in parts.find(uri).parts]


@pytest.mark.parametrize(
    ("locations", "uri", "expected"),
    [
        (["a", "b"], "b", [1]),
        (["a", "a", "a/1"], "a", [0, 1]),
        (["a/10", "a/9", "a/1"], "a", [2, 1, 0]),
        (["a/10", "a/9", "a/1"], "a/", [2, 1, 0]),
        (["a/frames/2", "a/frames/1"], "a", [1, 0]),
        (["a/frames/2", "a/frames/1"], "a/frames", [1, 0]),
        (["a/frames/1", "a/frames/1", "a/2"], "a", [0, 1, 2]),
        (["1/2"], "1", [0]),
    ],
)
def test_frames_are_one_value_in_the_order_of_their_numbers(
    locations: list[str], uri: str, expected: list[int]
) -> None:
    parts = parts_at(locations)
    assert places(parts, uri) == expected
    assert parts.find(uri).length == len(expected)
    assert parts.unused() == len(locations) - len(expected)


@pytest.mark.parametrize("location", ["a", "a/b", "a/frames/x", "a/1/2", "a/1234567890", "a/١", "ab/1"])
def test_what_is_no_frame_of_a_value_is_not_found_below_it(location: str) -> None:
    parts = parts_at([location])
    with pytest.raises(InvalidDicom, match="names no part"):
        parts.find("a" if location != "a" else "b")
    assert parts.unused() == 1


def test_parts_of_one_value_are_of_one_media_type() -> None:
    parts = parts_at(["a"])
    parts.add("a", UploadedPart("image/jpeg", "", 1, 1))
    for _ in range(2):
        with pytest.raises(InvalidDicom, match="different media types"):
            parts.find("a")
    assert parts.unused() == 0


def test_the_time_to_find_a_part_does_not_grow_with_their_number() -> None:
    count = 10_000
    parts = parts_at(f"a/b{number}/{number}" for number in range(count))
    begin = time.process_time()
    for number in range(count):
        with pytest.raises(InvalidDicom):
            parts.find(f"a/{number}")
        assert places(parts, f"a/b{number}") == [number]
    assert time.process_time() - begin < 10  # one look at every part each time would take minutes
    assert parts.unused() == 0


def test_frames_that_are_asked_for_again_are_not_put_in_order_again() -> None:
    parts = parts_at(f"a/{number}" for number in range(10_000))
    assert parts.find("a") is parts.find("a/")


def test_memory_for_their_locations_is_bounded() -> None:
    with pytest.raises(TooLarge):
        parts_at(f"{'x' * 2000}{number}/1" for number in range(20_000))
