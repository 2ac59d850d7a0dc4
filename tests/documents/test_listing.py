from __future__ import annotations

import json
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from dicomweb.dicom.dictionary import tag_of
from dicomweb.documents import outline
from dicomweb.documents.jobs import report_job
from dicomweb.documents.listing import attribute_name
from tests.documents.objects import lines, of, scanned, sequence


def text(attributes: dict[str, Any] | bytes) -> list[str]:
    metadata = attributes if isinstance(attributes, bytes) else json.dumps(attributes).encode()
    return list(lines(report_job({"media_type": "text/plain"}, [metadata])))


def test_any_object_is_listed_by_the_names_of_its_attributes() -> None:
    shown = text(
        {
            "00080060": of("CS", "OT"),
            "00089092": sequence({"00080100": of("SH", "x")}),
            "00091001": of("LO", "private"),
            "00420011": {"vr": "OB", "BulkDataURI": "00420011"},
        }
    )
    assert "Modality: OT (0008,0060)" in shown
    assert "Referenced Image Evidence Sequence: 1 item (0008,9092)" in shown
    assert "Code Value: x (0008,0100)" in shown
    assert "Private attribute: private (0009,1001)" in shown
    assert "Encapsulated Document: value kept apart from the metadata (0042,0011)" in shown


@pytest.mark.parametrize(
    ("tag", "name"),
    [("00080018", "SOP Instance UID"), ("0020000D", "Study Instance UID"), ("30060026", "ROI Name")],
)
def test_keywords_are_split_into_words(tag: str, name: str) -> None:
    assert attribute_name(tag) == name


def test_a_huge_object_is_cut_off_with_a_word() -> None:
    items = [{"00080100": of("SH", "x")}] * 1_000
    wide = {f"0040A{n:03X}": {"vr": "SQ", "Value": items} for n in range(100)}
    shown = text(wide)
    assert len(shown) < 20_000
    assert any("Further attributes are not shown" in line for line in shown)


def test_a_plan_is_shown_in_sections() -> None:
    path = get_testdata_file("rtplan.dcm")
    assert isinstance(path, str)
    with open(path, "rb") as file:
        shown = text(scanned(file.read())[0])
    for expected in (
        "RT Plan",
        "Label: Plan1",
        "Dose reference 2 PTV",
        "Beam 1 Field 1",
        "Radiation: PHOTON",
    ):
        assert expected in shown


def test_the_tables_name_attributes_that_exist() -> None:
    for fields, sections in outline._OUTLINES.values():
        for section in sections:
            assert all(map(tag_of, [section.sequence, *section.named]))
        for field in [*fields, *(field for section in sections for field in section.fields)]:
            assert all(map(tag_of, [field.keyword, *field.within]))
