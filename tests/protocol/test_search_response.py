"""What a search returns of a row, and its warnings."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from dicomweb.protocol.search_query import Level, parse_search
from dicomweb.protocol.search_response import ResultWriter, home_level, remaining_warning, select
from dicomweb.protocol.search_rows import InstanceRow, Row, SeriesRow, StudyRow

BASE = "https://pacs.example/archive/dicomweb"


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


STUDY = StudyRow(
    study_instance_uid="1.1",
    modalities=("CT",),
    sop_classes=("1.2.3",),
    number_of_series=1,
    number_of_instances=2,
    attributes=orjson.dumps(
        {"00100010": element("PN", {"Alphabetic": "Doe"}), "00101010": element("AS", "030Y")}
    ),
)
SERIES = SeriesRow(STUDY, "1.1.1", 2, orjson.dumps({"00080060": element("CS", "CT")}))
INSTANCE = InstanceRow(
    SERIES, "1.1.1.1", "1.2.840.10008.1.2.1", orjson.dumps({"00080018": element("UI", "1.1.1.1")})
)


def result(row: Row, query: str, **path: str) -> dict[str, Any]:
    level = {StudyRow: Level.STUDY, SeriesRow: Level.SERIES, InstanceRow: Level.INSTANCE}[type(row)]
    selection = select(parse_search(query.encode(), level, **path))
    found: dict[str, Any] = orjson.loads(ResultWriter(selection, BASE).write(row))
    return found


def test_retrieve_urls_are_made_from_the_public_base() -> None:
    urls = [result(row, "")["00081190"]["Value"][0] for row in (STUDY, SERIES, INSTANCE)]
    assert urls == [
        f"{BASE}/studies/1.1",
        f"{BASE}/studies/1.1/series/1.1.1",
        f"{BASE}/studies/1.1/series/1.1.1/instances/1.1.1.1",
    ]


def test_tags_ascend_and_unasked_attributes_stay_away() -> None:
    found = result(STUDY, "")
    assert list(found) == sorted(found)
    assert "00101010" not in found
    assert "00101010" in result(STUDY, "includefield=PatientAge")
    assert "00101010" in result(STUDY, "PatientAge=")
    assert "00101010" in result(STUDY, "includefield=all")


def test_required_attributes_that_are_not_stored_are_empty() -> None:
    assert result(STUDY, "")["00100020"] == {"vr": "LO"}
    assert result(SERIES, "")["00200011"] == {"vr": "IS"}


def test_a_required_attribute_is_there_whatever_vr_it_was_stored_with() -> None:
    row = StudyRow("1", (), (), 1, 1, b'{"00200010":{"vr":"OB","InlineBinary":"AAAA"}}')
    assert result(row, "includefield=all")["00200010"] == {"vr": "SH"}


def test_non_ascii_text_says_its_character_set() -> None:
    row = StudyRow("1", (), (), 1, 1, '{"00100010":{"vr":"PN","Value":[{"Alphabetic":"Ü"}]}}'.encode())
    found = result(row, "")
    assert next(iter(found)) == "00080005"
    assert found["00080005"] == element("CS", "ISO_IR 192")
    assert "00080005" not in result(STUDY, "")


def test_bulkdata_of_an_included_attribute_is_reached_through_the_base() -> None:
    bulk = {"00420011": {"vr": "OB", "BulkDataURI": "/studies/1/bulkdata/00420011"}}
    row = InstanceRow(SERIES, "1.1.1.1", "1.2", b"", orjson.dumps(bulk))
    found = result(row, "includefield=EncapsulatedDocument")
    assert found["00420011"]["BulkDataURI"] == f"{BASE}/studies/1/bulkdata/00420011"


def test_what_the_instance_says_of_its_study_does_not_win_over_the_catalog() -> None:
    metadata = orjson.dumps(
        {"00100010": element("PN", {"Alphabetic": "Old"}), "00180060": element("DS", 120)}
    )
    row = InstanceRow(SERIES, "1.1.1.1", "1.2", b"", metadata)
    found = result(row, "includefield=all")
    assert found["00100010"] == element("PN", {"Alphabetic": "Doe"})
    assert found["00180060"] == element("DS", 120)


def test_a_private_attribute_comes_with_its_creator() -> None:
    metadata = orjson.dumps({"00090010": element("LO", "ACME"), "00091001": element("LO", "x")})
    row = InstanceRow(SERIES, "1.1.1.1", "1.2", b"", metadata)
    assert {"00090010", "00091001"} <= set(result(row, "includefield=00091001"))


@pytest.mark.parametrize(
    ("tag", "level"),
    [(0x00100010, Level.STUDY), (0x00201208, Level.STUDY), (0x00080062, Level.STUDY),
     (0x00080060, Level.SERIES),
     (0x00201209, Level.SERIES), (0x00200013, Level.INSTANCE), (0x00180060, Level.INSTANCE)],
)  # fmt: skip
def test_attributes_have_their_level(tag: int, level: Level) -> None:
    assert home_level(tag) == level


def test_what_remains_is_told_as_far_as_it_is_known() -> None:
    exact, more = remaining_warning(7, is_exact=True), remaining_warning(1000, is_exact=False)
    assert exact == "There are 7 additional results that can be requested"
    assert more == "There are at least 1000 additional results that can be requested"
