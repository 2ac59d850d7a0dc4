"""The frame list of a URL (W-30)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.errors import InvalidRequest
from dicomweb.protocol.frame_list import parse_frame_list


@given(numbers=st.lists(st.integers(1, 10**18 - 1), min_size=1, max_size=20))
def test_a_list_comes_back_in_its_order(numbers: list[int]) -> None:
    assert parse_frame_list(",".join(map(str, numbers))) == tuple(numbers)


@pytest.mark.parametrize(("text", "numbers"), [("1", (1,)), ("3,1,3", (3, 1, 3)), ("01, 2", (1, 2))])
def test_order_repeats_and_leading_zeros_are_kept_or_taken(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_frame_list(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "1,-1",
        "0,1",
        "1,0",
        "a",
        "1.0",
        "1,,2",
        ",1",
        "1,",
        "+1",
        "1e3",
        "1-3",
        "²",
        "١",
        "9" * 5000,
    ],
)
def test_what_is_no_frame_number_is_a_bad_request(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_frame_list(text)


@given(text=st.text(max_size=30))
def test_any_text_is_a_list_or_a_bad_request(text: str) -> None:
    try:
        assert all(number > 0 for number in parse_frame_list(text))
    except InvalidRequest:
        pass
