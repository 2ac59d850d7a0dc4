"""The Store Instances Response and its status (PS3.18 10.5.3, Annex I)."""

from __future__ import annotations

import re

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.multipart import BOUNDARY, write_related
from conformance.suite.objects import make
from conformance.suite.session import JSON, Attributes, Session, StoreAnswer, first, json_of

TOP = {"00080005", "00081190", "00081199", "00081198", "0008119A"}
STORED_ITEM = {"00081150", "00081155", "00081190", "00081196", "04000561"}
FAILED_ITEM = {"00081150", "00081155", "00081197", "00741048"}
CONTENT_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def _mixed(session: Session) -> StoreAnswer:
    """Two stored, two of another study."""
    return session.once("a mixed store answer", _store_mixed)


def _store_mixed(session: Session) -> StoreAnswer:
    study = session.new_uid()
    right = [make(session, study=study), make(session, study=study)]
    return session.store(*right, make(session), make(session), study=study)


@shows("S-41", "S-43")
def the_answer_lists_stored_and_failed_instances(session: Session) -> str:
    answer = _mixed(session)
    expect_equal(answer.status, 202, "status")
    expect_equal(len(answer.items("00081199")), 2, "items of ReferencedSOPSequence")
    expect_equal(len(answer.items("00081198")), 2, "items of FailedSOPSequence")
    alone = session.store(make(session))
    expect("00081198" not in alone.attributes, "an empty FailedSOPSequence")
    failed = session.store(make(session), study=session.new_uid())
    expect("00081199" not in failed.attributes, "an empty ReferencedSOPSequence")
    return "2 stored, 2 failed, sequences only where they have items"


@shows("S-41")
def retrieve_url_of_the_study(session: Session) -> str:
    instance = make(session)
    url = first(session.store(instance).attributes, "00081190", "")
    expect(str(url).endswith(f"/studies/{instance.study}"), f"RetrieveURL {url!r}")
    expect_equal(session.get(str(url)).status_code, 200, "GET of it")
    several = session.store(make(session), make(session)).attributes
    expect("00081190" in several, "RetrieveURL is left out when several studies were stored (type 2)")
    expect(first(several, "00081190") is None, "a RetrieveURL though several studies were stored")
    return "that of the study; empty for several studies"


@shows("S-42")
def items_hold_what_they_must(session: Session) -> str:
    answer = _mixed(session)
    expect(answer.items("00081199") and answer.items("00081198"), f"{answer.status} without the sequences")
    for item in answer.items("00081199"):
        url = first(item, "00081190", "")
        expect(first(item, "00081150") and first(item, "00081155"), "a stored item lacks its UIDs")
        expect_equal(session.get(str(url)).status_code, 200, "GET of an instance's RetrieveURL")
    for item in answer.items("00081198"):
        expect(first(item, "00081150") and first(item, "00081155"), "a failed item lacks its UIDs")
        expect_equal(item["00081197"].get("vr"), "US", "vr of FailureReason")
        expect(isinstance(first(item, "00081197"), int), "FailureReason is no number")
    return "UIDs, RetrieveURL, FailureReason as US"


@shows("S-44")
def nothing_outside_the_module(session: Session) -> str:
    answer = _mixed(session)
    expect(answer.attributes, "no Store Response")
    extra = set(answer.attributes) - TOP
    for item in answer.items("00081199"):
        extra |= set(item) - STORED_ITEM
    for item in answer.items("00081198"):
        extra |= set(item) - FAILED_ITEM
    expect(not extra, f"attributes beyond the module: {sorted(extra)}")
    return "none"


@shows("S-44")
def a_sentence_says_why(session: Session) -> str:
    sentences = [_sentence(item) for item in _mixed(session).items("00081198")]
    expect(sentences, "no failed instance is listed")
    expect(all(len(text) > 10 for text in sentences), f"ErrorComment: {sentences}")
    return sentences[0]


def _sentence(item: Attributes) -> str:
    inner = item.get("00741048", {}).get("Value") or [{}]
    return str(first(inner[0], "00000902", ""))


@shows("S-46")
def warning_headers_have_the_right_form(session: Session) -> str:
    warning: str = _mixed(session).headers.get("warning", "")
    expect(warning, "no Warning though instances failed")
    expect(re.match(r'(299|[ABC][0-9A-F]{3}) \S+ ?"?.+', warning), f"Warning: {warning or 'absent'}")
    return warning


@shows("S-46")
def new_resources_are_named(session: Session) -> str:
    instance = make(session)
    headers = session.store(instance).headers
    where = headers.get("content-location") or headers.get("location") or ""
    expect(f"/studies/{instance.study}" in where, f"Location {where or 'absent'}")
    return where


@shows("S-47", "Z-09", "S-13")
def the_answer_is_one_json_object(session: Session) -> str:
    instance = make(session)
    session.studies.add(instance.study)
    response = session.send(
        "POST",
        "/studies",
        accept=JSON,
        headers={"Content-Type": CONTENT_TYPE},
        content=write_related([({"Content-Type": "application/dicom"}, instance.data)]),
    )
    expect(response.headers.get("content-type", "").startswith(JSON), response.headers.get("content-type"))
    expect(isinstance(json_of(response), dict), "the answer is no object")
    return "object"


@shows("S-40", "S-11")
def bodies_that_cannot_be_read_are_400(session: Session) -> str:
    good = make(session)
    whole = write_related([({"Content-Type": "application/dicom"}, good.data)])
    cases = {
        "no boundary parameter": (whole, 'multipart/related; type="application/dicom"'),
        "another boundary": (whole, 'multipart/related; type="application/dicom"; boundary=other'),
        "empty body": (b"", CONTENT_TYPE),
    }
    for name, (body, content_type) in cases.items():
        expect_equal(session.store_body(body, content_type).status, 400, name)
    expect_equal(session.search("/instances", f"SOPInstanceUID={good.sop}"), [], "stored in spite of that")
    return ", ".join(cases)


@shows("V-15")
def a_truncated_multipart_is_never_a_success(session: Session) -> str:
    good = make(session)
    session.studies.add(good.study)
    whole = write_related([({"Content-Type": "application/dicom"}, good.data)])
    statuses = []
    for cut in (len(whole) - 10, len(whole) - len(BOUNDARY) - 8, len(whole) // 2):
        answer = session.store_body(whole[:cut], CONTENT_TYPE)
        expect(answer.status >= 400, f"status {answer.status} for a body cut at {cut} of {len(whole)}")
        statuses.append(str(answer.status))
    return "cut within and before the closing delimiter, in the part: " + ", ".join(statuses)


@shows("S-40")
def other_content_types_are_415(session: Session) -> str:
    for content_type in ("text/plain", "application/octet-stream", "multipart/form-data; boundary=XX"):
        expect_equal(session.store_body(b"--XX--", content_type).status, 415, content_type)
    response = session.send("POST", "/studies", content=b"abc")
    expect(response.status_code in (400, 415), f"no Content-Type: {response.status_code}")
    return "text/plain, octet-stream, form-data: 415"


@shows("S-29")
def another_patient_in_a_study_is_noticed(session: Session) -> str:
    first_one = make(session, PatientID="CONFORMANCE-1")
    session.stored(first_one)
    other = make(session, study=first_one.study, series=first_one.series, PatientID="CONFORMANCE-2")
    answer = session.store(other)
    warned = [first(item, "00081196") for item in answer.items("00081199")]
    expect(
        (answer.status == 202 and warned and warned[0]) or (answer.status == 409 and answer.failed),
        f"{answer.status}, warnings {warned}, failures {answer.failed}",
    )
    return f"{answer.status}, {f'warning 0x{warned[0]:04X}' if warned else 'refused'}"
