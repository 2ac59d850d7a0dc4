"""Ranges and conditions (RFC 9110 13, 14; H-04 to H-06)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.errors import RangeNotSatisfiable
from dicomweb.protocol.ranges import (
    content_range,
    effective_range,
    http_date,
    is_not_modified,
    is_not_modified_since,
    parse_range,
    parse_ranges,
)

BODY = bytes(range(10))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", BODY[:1]),
        ("bytes=2-4", BODY[2:5]),
        ("bytes=5-", BODY[5:]),
        ("bytes=5-99999999999999", BODY[5:]),
        ("bytes=-3", BODY[7:]),
        ("bytes=-99", BODY),
        ("Bytes = 1 - 2 ", BODY[1:3]),
    ],
)
def test_a_range_is_the_bytes_it_names(header: str, expected: bytes) -> None:
    wanted = parse_range(header, len(BODY))
    assert wanted is not None
    assert BODY[wanted] == expected
    assert content_range(wanted, 10) == f"bytes {expected[0]}-{expected[-1]}/10"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes=",
        "bytes=-",
        "bytes=4-2",
        "items=0-1",
        "bytes=a-b",
        "0-1",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_a_header_that_is_not_understood_is_ignored(header: str) -> None:
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "length"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_range_outside_is_refused_with_the_length(header: str, length: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, length)
    assert caught.value.length == length


@given(
    header=st.one_of(st.text(max_size=30), st.from_regex(r"bytes=[0-9]{0,3}-[0-9]{0,3}", fullmatch=True)),
    length=st.integers(0, 1000),
)
def test_any_header_gives_a_stretch_that_exists(header: str, length: int) -> None:
    try:
        wanted = parse_range(header, length)
    except RangeNotSatisfiable:
        return
    assert wanted is None or 0 <= wanted.start < wanted.stop <= length


def test_if_range_of_another_version_gives_the_whole() -> None:
    assert effective_range("bytes=0-1", "", '"1"') == "bytes=0-1"
    assert effective_range("bytes=0-1", '"1"', '"1"') == "bytes=0-1"
    for other in ('"2"', 'W/"1"', "Sat, 21 Nov 2026 00:00:00 GMT"):
        assert effective_range("bytes=0-1", other, '"1"') == ""
    date = "Sat, 21 Nov 2026 00:00:00 GMT"
    assert effective_range("bytes=0-1", date, '"1"', date) == "bytes=0-1"
    assert effective_range("bytes=0-1", date, '"1"', "Sat, 21 Nov 2026 00:00:01 GMT") == ""


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"1"', True),
        ('"0", "1"', True),
        ('W/"1"', True),
        ('"0",W/"1"', True),
        ("*", True),
        ('"0, 1"', False),
        ("", False),
        ("1", False),
        ('"', False),
    ],
)
def test_a_copy_is_current_if_any_of_its_tags_is(header: str, expected: bool) -> None:
    assert is_not_modified(header, '"1"') is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-1,4-5", [BODY[:2], BODY[4:6]]),
        ("bytes=8-,0-0, -1", [BODY[8:], BODY[:1], BODY[9:]]),
        ("bytes=0-1,99-", [BODY[:2]]),  # what lies outside is left out
        ("bytes=0-9,0-9", []),  # more than the whole
        ("bytes=0-1,", []),
        ("bytes=0-1,4-3", []),
        ("bytes=0-1,x", []),
        ("bytes=" + ",".join(["0-0"] * 51), []),
    ],
)
def test_several_ranges_come_in_the_order_asked_for(header: str, expected: list[bytes]) -> None:
    assert [BODY[one] for one in parse_ranges(header, len(BODY))] == expected


def test_several_ranges_that_all_lie_outside_are_refused() -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_ranges("bytes=10-11,20-", 10)


def test_a_copy_of_that_second_or_later_is_the_current_one() -> None:
    moment = datetime(2024, 2, 29, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))
    assert http_date(moment) == "Thu, 29 Feb 2024 11:00:00 GMT"
    for since, expected in (
        ("Thu, 29 Feb 2024 11:00:00 GMT", True),
        ("Thu, 29 Feb 2024 11:00:01 GMT", True),
        ("Thu, 29 Feb 2024 10:59:59 GMT", False),
        ("Thursday, 29-Feb-24 11:00:00 GMT", True),
        ("", False),
        ("yesterday", False),
        ("Thu, 29 Feb 2024 11:00:00", False),
        ("Thu, 99 Feb 99999 11:00:00 GMT", False),
    ):
        assert is_not_modified_since(since, http_date(moment)) is expected, since
    assert not is_not_modified_since(http_date(moment), "")


@given(st.text(max_size=60))
def test_any_date_is_read_or_ignored(since: str) -> None:
    is_not_modified_since(since, "Thu, 29 Feb 2024 11:00:00 GMT")
