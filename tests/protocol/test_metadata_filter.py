"""Metadata cut down by includefield and excludefield (W-26)."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.errors import InvalidRequest
from dicomweb.protocol.metadata_filter import parse_metadata_filter

MEASURES = {
    "00280030": {"vr": "DS", "Value": [0.5, 0.5]},
    "00180050": {"vr": "DS", "Value": [2]},
}
ATTRIBUTES: dict[str, Any] = {
    "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
    "00080016": {"vr": "UI", "Value": ["1.2"]},
    "00080018": {"vr": "UI", "Value": ["1.3"]},
    "00080020": {"vr": "DA"},
    "00090010": {"vr": "LO", "Value": ["ACME"]},
    "00091001": {"vr": "LO", "Value": ["private"]},
    "00091002": {"vr": "LO", "Value": ["more"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": 'Dö"e'}]},
    "0020000D": {"vr": "UI", "Value": ["1.4"]},
    "0020000E": {"vr": "UI", "Value": ["1.5"]},
    "52009229": {
        "vr": "SQ",
        "Value": [{"00289110": {"vr": "SQ", "Value": [MEASURES]}, "00289132": {"vr": "SQ"}}],
    },
    "7FE00010": {"vr": "OW", "BulkDataURI": "http://h/7FE00010"},
}
IDENTITY = ["00080005", "00080016", "00080018", "0020000D", "0020000E"]


def cut(query: str, attributes: dict[str, Any] = ATTRIBUTES) -> dict[str, Any]:
    text = parse_metadata_filter(query.encode()).apply(orjson.dumps(attributes))
    found: dict[str, Any] = json.loads(text)
    assert list(found) == sorted(found)
    return found


def tags(query: str) -> list[str]:
    return sorted(cut(query).keys() - set(IDENTITY))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("includefield=PatientName", ["00100010"]),
        ("includefield=StudyDate,00100010", ["00080020", "00100010"]),
        ("includefield=StudyDate&includefield=PatientName", ["00080020", "00100010"]),
        ("includefield=StudyDate%2CPatientName", ["00080020", "00100010"]),
        ("includefield=00091001", ["00090010", "00091001"]),
        ("includefield=RetrieveURL", []),
        ("includefield=NoSuchThing", []),
        ("includefield=PatientName,StudyDate&excludefield=StudyDate", ["00100010"]),
        ("excludefield=52009229,7fe00010,00091001,00091002,00090010", ["00080020", "00100010"]),
    ],
)
def test_named_attributes_stay(query: str, expected: list[str]) -> None:
    assert tags(query) == expected


def test_the_uids_stay_unless_they_are_excluded() -> None:
    assert list(cut("includefield=StudyDate")) == sorted([*IDENTITY, "00080020"])
    assert "0020000D" not in cut("includefield=StudyDate&excludefield=StudyInstanceUID")


@pytest.mark.parametrize("query", ["", "includefield=all", "includefield=", "accept=a/b", "excludefield=all"])
def test_without_names_nothing_changes(query: str) -> None:
    assert parse_metadata_filter(query.encode()).changes_nothing
    assert cut(query) == ATTRIBUTES


def test_a_path_keeps_only_its_part_of_every_item() -> None:
    found = cut("includefield=SharedFunctionalGroupsSequence.PixelMeasuresSequence.SliceThickness")
    kept = {"00289110": {"vr": "SQ", "Value": [{"00180050": {"vr": "DS", "Value": [2]}}]}}
    assert found["52009229"] == {"vr": "SQ", "Value": [kept]}


def test_a_whole_sequence_takes_in_the_paths_into_it() -> None:
    path = "SharedFunctionalGroupsSequence.PixelMeasuresSequence"
    for query in (f"includefield={path},52009229", f"includefield=52009229,{path}"):
        assert cut(query)["52009229"] == ATTRIBUTES["52009229"]


def test_a_path_may_be_excluded() -> None:
    found = cut("excludefield=52009229.00289110.00280030")
    measures = found["52009229"]["Value"][0]["00289110"]["Value"][0]
    assert measures == {"00180050": {"vr": "DS", "Value": [2]}}
    assert found.keys() == ATTRIBUTES.keys()


@pytest.mark.parametrize("field", ["includefield", "excludefield"])
def test_a_path_into_a_sequence_without_items_leaves_it(field: str) -> None:
    empty = {"52009229": {"vr": "SQ"}}
    assert cut(f"{field}=52009229.00289110", empty) == empty


def test_digits_stay_as_they_are() -> None:
    inner = b'{"vr":"DS","Value":[0.4882810000000000001,-0,1E2,123456789012345678901234]}'
    text = b'{"00180050":%b,"52009229":{"vr":"SQ","Value":[{"00180050":%b}]}}' % (inner, inner)
    query = b"includefield=SliceThickness,52009229.SliceThickness"
    assert parse_metadata_filter(query).apply(text) == text


def test_unknown_names_are_warned_of() -> None:
    found = parse_metadata_filter(b"includefield=PatientName,Nonsense&excludefield=all,%22x%22")
    assert found.warnings == (
        "The includefield Nonsense is not supported and was ignored.",
        "The excludefield is not supported and was ignored.",
        "The excludefield all is not supported and was ignored.",
    )


@pytest.mark.parametrize("query", [b"includefield=%zz", b"includefield=%ff", b"excludefield=%"])
def test_a_broken_escape_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_metadata_filter(query)


@given(query=st.binary(max_size=60) | st.text("includefield=,.&%052", max_size=60).map(str.encode))
def test_any_query_is_refused_or_leaves_valid_json(query: bytes) -> None:
    try:
        wanted = parse_metadata_filter(query)
    except InvalidRequest:
        return
    assert json.loads(wanted.apply(orjson.dumps(ATTRIBUTES))).keys() <= ATTRIBUTES.keys()


def test_filters_that_do_the_same_have_one_key() -> None:
    one = parse_metadata_filter(b"includefield=PatientName,StudyDate")
    other = parse_metadata_filter(b"includefield=00080020&includefield=00100010")
    assert one.key == other.key
    assert one.key != parse_metadata_filter(b"includefield=PatientName").key
