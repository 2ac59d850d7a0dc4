"""The character set of text answers (G-45 to G-47, G-50)."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.protocol.charset_choice import choose_charset


def choose(
    accept: Sequence[str] = (), parameters: Sequence[str] = (), accept_charset: Sequence[str] = ()
) -> str:
    return choose_charset("text/html", accept=accept, parameters=parameters, accept_charset=accept_charset)


def test_the_default_is_utf_8() -> None:
    assert choose() == choose(["*/*"], [""], ["*"]) == "UTF-8"


def test_the_media_type_goes_before_the_parameter_and_that_before_the_header() -> None:
    accept, parameters, header = ["text/html; charset=GBK"], ["ISO-8859-1"], ["iso-8859-2"]
    assert choose(accept, parameters, header) == "GBK"
    assert choose(["text/html"], parameters, header) == "ISO-8859-1"
    assert choose([], [], header) == "ISO-8859-2"


def test_a_charset_of_another_media_type_does_not_count() -> None:
    assert choose(["text/plain; charset=GBK, text/html"]) == "UTF-8"


@pytest.mark.parametrize(
    "accept",
    [
        'multipart/related; type="text/html"; charset=gb18030',
        'multipart/related; type="text/html; charset=gb18030"',
        "image/png, text/html;q=0.5;charset=GB18030",
    ],
)
def test_the_charset_may_stand_anywhere_beside_its_type(accept: str) -> None:
    assert choose([accept]) == "GB18030"


def test_what_is_not_supported_is_passed_over() -> None:
    assert choose(["text/html; charset=utf-7"], ["klingon"], ["ebcdic, iso-8859-5;q=0.1"]) == "ISO-8859-5"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("iso-8859-1, utf-8", "UTF-8"),
        ("iso-8859-1, utf-8;q=0.9", "ISO-8859-1"),
        ("utf-8;q=0, iso-8859-1;q=0.1", "ISO-8859-1"),
        ("*;q=0.1, GBK;q=0.05", "UTF-8"),
        ("iso-8859-1;q=nonsense", "ISO-8859-1"),
    ],
)
def test_accept_charset_goes_by_quality(header: str, expected: str) -> None:
    assert choose(accept_charset=[header]) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ISO_IR 100", "ISO-8859-1"),
        ("ISO 2022 IR 87", "ISO-2022-JP"),
        ("iso_ir_192", "UTF-8"),
        ("ISO-IR 166", "TIS-620"),
        ("utf8", "UTF-8"),
        ("latin1", "ISO-8859-1"),
        ("iso-8859-15", "ISO-8859-15"),
    ],
)
def test_dicom_terms_and_other_spellings_are_understood(name: str, expected: str) -> None:
    assert choose(parameters=[name]) == expected


@given(
    accept=st.lists(st.text(max_size=40)),
    parameters=st.lists(st.text(max_size=40)),
    header=st.lists(st.text(max_size=40)),
)
def test_any_request_gets_a_set_that_can_be_written(
    accept: list[str], parameters: list[str], header: list[str]
) -> None:
    codecs.lookup(choose(accept, parameters, header))
