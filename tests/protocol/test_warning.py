"""The Warning header (H-10)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dicomweb.protocol.warning import warning_header


def test_the_sentence_is_a_quoted_string() -> None:
    assert warning_header("https://a/b", 'Not "x\\y".') == '299 https://a/b "Not \\"x\\\\y\\"."'


@given(sentence=st.text())
def test_no_sentence_breaks_out_of_its_header(sentence: str) -> None:
    value = warning_header("https://a/b", sentence)
    assert value.isascii()
    assert value.isprintable()
    inner = value.removeprefix('299 https://a/b "').removesuffix('"').replace("\\\\", "").replace('\\"', "")
    assert '"' not in inner
    assert "\\" not in inner
