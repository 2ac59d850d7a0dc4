"""Accept-Encoding, and other lists of names with weights (H-03)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.protocol.weighted import choose_coding, weights

OFFERED = ("zstd", "gzip")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "identity"),
        ("gzip, deflate, br", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("GZIP; Q=0.8", "gzip"),
        ("*", "zstd"),
        ("*;q=0.1, zstd;q=0", "gzip"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("gzip;q=0", "identity"),
        ("br", "identity"),
        ("gzip;q=nonsense", "gzip"),
        ("gzip;q=inf;q=nan", "gzip"),
        (",,;q=1,", "identity"),
    ],
)
def test_the_best_coding_of_those_offered_is_chosen(header: str, expected: str) -> None:
    assert choose_coding([header], OFFERED) == expected


def test_header_lines_are_one_list() -> None:
    assert choose_coding(["br", "gzip"], OFFERED) == "gzip"
    assert weights(["a;q=0.2", "A, b;q=.5"]) == {"a": 0.2, "b": 0.5}


@given(headers=st.lists(st.text(max_size=40)))
def test_any_header_gets_a_coding(headers: list[str]) -> None:
    assert choose_coding(headers, OFFERED) in (*OFFERED, "identity")
    assert all(0 <= weight <= 1 for weight in weights(headers).values())
