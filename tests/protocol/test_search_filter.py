"""Matching keys asked of DICOM JSON: wildcards in bounded time, items, opaque values."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.protocol.search_filter import compile_filter, wildcard
from dicomweb.protocol.search_key import ANY, ONE
from dicomweb.protocol.search_query import Level, parse_search

TEXT = st.text(alphabet="ab.\n山", max_size=12)
PATTERN = st.text(alphabet=f"ab.山{ANY}{ONE}", max_size=8)


@given(TEXT, PATTERN)
def test_wildcards_mean_what_a_regular_expression_means(text: str, pattern: str) -> None:
    parts = {ANY: ".*", ONE: "."}
    expression = "".join(parts.get(char) or re.escape(char) for char in pattern)
    assert wildcard(pattern)(text) == bool(re.fullmatch(expression, text, re.DOTALL))


def test_no_pattern_takes_long() -> None:
    hostile = (ANY + "a") * 30 + ANY + "b"
    started = time.process_time()
    assert not wildcard(hostile)("a" * 20_000)
    assert time.process_time() - started < 1


def matches(query: str, attributes: dict[str, Any]) -> bool:
    return compile_filter(parse_search(query.encode(), Level.INSTANCE).keys).matches(attributes)


def sequence(*items: dict[str, Any]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": list(items)}


def text(*values: str | None, vr: str = "LO") -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def test_keys_of_one_sequence_meet_in_one_item_at_every_depth() -> None:
    code = {"00080100": text("T-1"), "00080104": text("one")}
    other = {"00080100": text("T-2"), "00080104": text("two")}
    attributes = {"00400555": sequence({"0040A043": sequence(code)}, {"0040A043": sequence(other)})}
    inner = "AcquisitionContextSequence.ConceptNameCodeSequence"
    assert matches(f"{inner}.CodeValue=T-1&{inner}.CodeMeaning=one", attributes)
    assert not matches(f"{inner}.CodeValue=T-1&{inner}.CodeMeaning=two", attributes)


@pytest.mark.parametrize(
    "element", [{"vr": "SQ"}, {}, text("no items"), sequence(), {"vr": "SQ", "Value": [None]}]
)
def test_a_sequence_without_items_matches_nothing(element: dict[str, Any]) -> None:
    assert not matches(
        "AcquisitionContextSequence.ConceptNameCodeSequence.CodeValue=x", {"00400555": element}
    )


def test_any_value_of_several_may_match_and_empty_ones_are_none() -> None:
    attributes = {"00080008": text("ORIGINAL", None, "AXIAL", vr="CS")}
    assert matches("ImageType=AXIAL", attributes)
    assert not matches('ImageType=""&emptyvaluematching=true', attributes)
    assert matches('ImageType=""&emptyvaluematching=true', {"00080008": text(None, vr="CS")})
    assert matches("ImageType=AXIAL%5CORIGINAL&multiplevaluematching=true", attributes)
    assert not matches("ImageType=AXIAL%5CDERIVED&multiplevaluematching=true", attributes)


def test_a_value_outside_the_data_set_is_there_but_equals_nothing() -> None:
    attributes = {"0040A160": {"vr": "UT", "BulkDataURI": "/studies/1"}}
    assert not matches("TextValue=x", attributes)
    assert not matches('TextValue=""&emptyvaluematching=true', attributes)


def test_numbers_compare_in_whatever_form_they_are_stored() -> None:
    for stored in (120, 120.0, "120", " 1.2E2"):
        assert matches("KVP=120.0", {"00180060": {"vr": "DS", "Value": [stored]}})
    assert not matches("KVP=120", {"00180060": {"vr": "DS", "Value": ["high", None]}})


def test_a_private_attribute_is_found_in_its_creators_block() -> None:
    other = {"00290010": text("OTHER"), "00291008": text("IMAGE NUM 4")}
    ours = {"00290011": text("SIEMENS CSA HEADER"), "00291108": text("IMAGE NUM 4", vr="CS")}
    query = "00290010=SIEMENS+CSA+HEADER&00291008=IMAGE+NUM*"
    assert matches(query, {**other, **ours})
    assert not matches(query, other)
    assert matches('00290010=SIEMENS+CSA+HEADER&00291008=""&emptyvaluematching=true', other)


def test_what_can_match_says_which_texts_it_must_hold() -> None:
    query = parse_search(b'KVP=1&ImageType=""&emptyvaluematching=true&00400555.00080100=x', Level.INSTANCE)
    assert set(compile_filter(query.keys).needed) == {b'"00180060"', b'"00400555"'}
