"""The Store Instances Response Module (PS3.18 10.5.3, I.2)."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.errors import InvalidRequest
from dicomweb.protocol.store_report import StoreOutcome, store_report

BASE = "https://pacs.example.org/dicomweb"
STORED = StoreOutcome("1.2.3", "1.2.5", "1.2", "/studies/1.2/series/1.4/instances/1.2.5", None, None, "")
WARNED = dataclasses.replace(STORED, sop_instance_uid="1.2.6", warning_reason=0xB007, sentence="Odd.")
FAILED = StoreOutcome("1.2.3", "1.2.7", "", "", 0x0111, None, "Another is stored.")
UNREADABLE = StoreOutcome("", "", "", "", 0xC000, None, "The part is no DICOM.")


@pytest.mark.parametrize(
    ("outcomes", "status", "sequences"),
    [
        ([STORED], 200, {"00081199"}),
        ([STORED, STORED], 200, {"00081199"}),
        ([STORED, WARNED], 202, {"00081199"}),
        ([STORED, FAILED], 202, {"00081199", "00081198"}),
        ([STORED, UNREADABLE], 202, {"00081199", "0008119A"}),
        ([FAILED], 409, {"00081198"}),
        ([UNREADABLE, FAILED], 409, {"00081198", "0008119A"}),
    ],
)
def test_the_status_tells_whether_all_some_or_none_is_stored(
    outcomes: list[StoreOutcome], status: int, sequences: set[str]
) -> None:
    report = store_report(outcomes, BASE)
    assert report.status == status
    assert set(report.attributes) == sequences | {"00081190"}


def test_a_request_without_a_part_is_a_bad_request() -> None:
    with pytest.raises(InvalidRequest):
        store_report([], BASE)


def test_the_report_is_the_module_of_the_standard() -> None:
    assert store_report([WARNED, FAILED, UNREADABLE], BASE).attributes == {
        "00081190": {"vr": "UR", "Value": [f"{BASE}/studies/1.2"]},
        "00081199": {
            "vr": "SQ",
            "Value": [
                {
                    "00081150": {"vr": "UI", "Value": ["1.2.3"]},
                    "00081155": {"vr": "UI", "Value": ["1.2.6"]},
                    "00081190": {"vr": "UR", "Value": [BASE + WARNED.retrieve_path]},
                    "00081196": {"vr": "US", "Value": [45063]},
                }
            ],
        },
        "00081198": {
            "vr": "SQ",
            "Value": [
                {
                    "00081150": {"vr": "UI", "Value": ["1.2.3"]},
                    "00081155": {"vr": "UI", "Value": ["1.2.7"]},
                    "00081197": {"vr": "US", "Value": [273]},
                    "00741048": {
                        "vr": "SQ",
                        "Value": [{"00000902": {"vr": "LO", "Value": ["Another is stored."]}}],
                    },
                }
            ],
        },
        "0008119A": {
            "vr": "SQ",
            "Value": [
                {
                    "00081197": {"vr": "US", "Value": [49152]},
                    "00741048": {
                        "vr": "SQ",
                        "Value": [{"00000902": {"vr": "LO", "Value": ["The part is no DICOM."]}}],
                    },
                }
            ],
        },
    }


def test_the_study_is_named_when_there_is_one_only() -> None:
    elsewhere = dataclasses.replace(STORED, study_instance_uid="1.9")
    assert store_report([STORED, FAILED], BASE).retrieve_url == f"{BASE}/studies/1.2"
    assert store_report([STORED, FAILED], BASE, "1.2").retrieve_url == f"{BASE}/studies/1.2"
    for outcomes in ([STORED, elsewhere], [FAILED]):
        report = store_report(outcomes, BASE)
        assert report.retrieve_url == ""
        assert report.attributes["00081190"] == {"vr": "UR"}


def test_a_uid_that_is_none_is_not_repeated() -> None:
    report = store_report([dataclasses.replace(FAILED, sop_instance_uid="11|")], BASE)
    assert set(report.attributes) == {"00081190", "0008119A"}
    report = store_report([dataclasses.replace(FAILED, sop_class_uid="")], BASE)
    assert report.attributes["00081198"]["Value"][0]["00081150"] == {"vr": "UI"}


def test_warnings_are_the_different_sentences_and_few() -> None:
    warnings = store_report([STORED, WARNED, WARNED, FAILED], BASE).warnings
    assert warnings == (f'299 {BASE} "Odd."', f'299 {BASE} "Another is stored."')
    many = [dataclasses.replace(FAILED, sentence=f"Reason {number}.") for number in range(1000)]
    assert len(store_report(many, BASE).warnings) < 20


@given(sentence=st.text(max_size=300))
def test_a_sentence_of_any_length_goes_into_long_strings(sentence: str) -> None:
    report = store_report([dataclasses.replace(FAILED, sentence=sentence)], BASE)
    item = report.attributes["00081198"]["Value"][0]
    comments = [each["00000902"]["Value"][0] for each in item.get("00741048", {"Value": []})["Value"]]
    assert all(0 < len(comment) <= 64 and "\\" not in comment for comment in comments)
    assert "".join(" ".join(comments).split()) == "".join(
        sentence.replace("\\", " ").translate(CONTROLS).split()
    )


CONTROLS = dict.fromkeys((*range(32), 127), " ")


@given(
    outcomes=st.lists(st.sampled_from([STORED, WARNED, FAILED, UNREADABLE]), min_size=1, max_size=20),
)
def test_every_part_is_reported_once(outcomes: list[StoreOutcome]) -> None:
    attributes = store_report(outcomes, BASE).attributes
    items = [item for tag in attributes.keys() - {"00081190"} for item in attributes[tag]["Value"]]
    assert len(items) == len(outcomes)
