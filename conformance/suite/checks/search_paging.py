"""includefield, limit, offset, order, Warning 299 (PS3.18 8.3.4.3, 8.3.4.4, 10.6.1)."""

from __future__ import annotations

import re

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks.library import library
from conformance.suite.dictionary import tag_of
from conformance.suite.objects import Instance, make
from conformance.suite.session import JSON, Attributes, Session, first

SOP = tag_of("SOPInstanceUID")


def _alpha_with(session: Session, query: str, path: str = "/studies") -> Attributes:
    alpha = library(session).alpha[0]
    results = session.search(path, f"StudyInstanceUID={alpha.study}&{query}")
    expect(results, f"no result for {query}")
    return results[0]


@shows("Q-40", "V-02", "V-11")
def includefield_adds_attributes(session: Session) -> str:
    description, issuer = tag_of("StudyDescription"), tag_of("IssuerOfPatientID")
    for query in (
        "includefield=StudyDescription&includefield=IssuerOfPatientID",
        "includefield=00081030,00100021",
        "includefield=StudyDescription,00100021",
        "includefield=00081030%2C00100021",
    ):
        result = _alpha_with(session, query)
        expect(description in result and issuer in result, f"{query}: not both are there")
        expect_equal(first(result, description), "100% Chest_A", query)
    return "repeated, comma list, encoded comma, tag and keyword"


@shows("G-07", "Q-40")
def includefield_takes_paths_into_sequences(session: Session) -> str:
    alpha = library(session).alpha[0]
    for path in ("RequestAttributesSequence.00400009", "00400275.ScheduledProcedureStepID"):
        found = session.search(f"{alpha.study_path}/series", f"Modality=CT&includefield={path}")
        items = found[0].get("00400275", {}).get("Value", [])
        expect(items and "00400009" in items[0], f"{path}: no such item attribute")
        keyed = session.search(f"{alpha.study_path}/series", f"{path}=S1")
        expect_equal(len(keyed), 1, f"series by {path}")
    return "mixed paths of tags and keywords"


@shows("G-07", "G-05")
def malformed_attribute_paths_are_400(session: Session) -> str:
    for query in ("PatientName.PatientID=x", "RequestAttributesSequence=x"):
        expect_equal(session.get("/series", query=query).status_code, 400, query)
    return "a path through a non-sequence, a sequence as a key with a value: 400"


@shows("Q-41")
def includefield_all_returns_more(session: Session) -> str:
    plain, everything = _alpha_with(session, ""), _alpha_with(session, "includefield=all")
    expect(set(plain) <= set(everything), f"lost {sorted(set(plain) - set(everything))}")
    expect(tag_of("StudyDescription") in everything, "StudyDescription is not there")
    alpha = library(session).alpha[0]
    instance = session.search(
        f"{alpha.series_path}/instances", f"SOPInstanceUID={alpha.sop}&includefield=all"
    )
    expect(len(instance[0]) > len(INSTANCE_MINIMUM), f"only {len(instance[0])} attributes of an instance")
    return f"{len(plain)} attributes become {len(everything)}"


INSTANCE_MINIMUM = ("00080016", "00080018", "00200013", "00081190")


@shows("Q-42")
def includefield_of_a_lower_level_is_not_returned(session: Session) -> str:
    result = _alpha_with(session, "includefield=SOPInstanceUID&includefield=InstanceNumber")
    expect(
        SOP not in result and tag_of("InstanceNumber") not in result, "instance attributes in a study result"
    )
    result = _alpha_with(session, "includefield=StudyDescription", "/instances")
    expect(tag_of("StudyDescription") in result, "an upper-level attribute is not returned for instances")
    return "lower levels left out, upper levels returned"


@shows("Q-43")
def includefield_of_a_sequence_returns_its_items(session: Session) -> str:
    alpha = library(session).alpha[0]
    found = session.search(
        f"{alpha.series_path}/instances", "InstanceNumber=1&includefield=ReferencedImageSequence"
    )
    items = found[0].get(tag_of("ReferencedImageSequence"), {}).get("Value", [])
    expect_equal(len(items), 1, "items")
    expect_equal(sorted(items[0]), ["00081150", "00081155"], "attributes of the item")
    return "whole items"


@shows("G-04", "G-06")
def unknown_parameters_are_ignored(session: Session) -> str:
    library(session)
    query = f"AccessionNumber={session.token}&nosuchparameter=1&LIMIT=1"
    expect_equal(len(session.search("/studies", query)), 5, "studies")
    return "unknown names ignored, names case-sensitive"


@shows("G-04", "V-02")
def unknown_includefields_do_no_harm(session: Session) -> str:
    response = session.get("/studies", query="limit=1&includefield=NoSuchKeyword", accept=JSON)
    expect(response.status_code in (200, 204), f"status {response.status_code}")
    return f"{response.status_code}, Warning {response.headers.get('warning', 'absent')}"


@shows("Q-44", "G-05")
def malformed_limits_and_offsets_are_400(session: Session) -> str:
    for query in ("limit=-1", "limit=x", "offset=-1", "offset=1.5", "limit=", "fuzzymatching=maybe"):
        expect_equal(session.get("/studies", query=query).status_code, 400, query)
    return "negative, fractional, empty, no number: 400"


def _series_of_twelve(session: Session) -> list[Instance]:
    study, series = session.new_uid(), session.new_uid()
    made = [make(session, study=study, series=series, InstanceNumber=str(n)) for n in (5, 5, *range(10))]
    session.stored(*made)
    return made


def _twelve(session: Session) -> list[Instance]:
    return session.once("a series of twelve instances", _series_of_twelve)


@shows("Q-45")
def limit_and_offset_cut_the_results(session: Session) -> str:
    path = f"{_twelve(session)[0].series_path}/instances"
    for query, wanted in {
        "limit=5": 5,
        "limit=5&offset=10": 2,
        "offset=3": 9,
        "offset=12": 0,
        "limit=0": 0,
        "offset=99": 0,
    }.items():
        expect_equal(len(session.search(path, query)), wanted, f"results for {query}")
    expect_equal(session.get(path, query="limit=0").status_code, 204, "status for limit=0")
    return "min(matches - offset, limit), 204 when none"


@shows("Q-46", "H-10", "Z-03")
def remaining_results_are_told_in_a_warning(session: Session) -> str:
    path = f"{_twelve(session)[0].series_path}/instances"
    response = session.get(path, query="limit=5", accept=JSON)
    warning = str(response.headers.get("warning", ""))
    expect(re.match(r"299 \S+", warning), f"Warning: {warning or 'absent'}")
    expect("There are 7 additional results that can be requested" in warning, f"Warning: {warning}")
    expect(re.fullmatch(r'299 \S+ ".*"', warning), f"the text is not quoted: {warning}")
    whole = session.get(path, query="limit=12", accept=JSON)
    expect("additional results" not in whole.headers.get("warning", ""), "a Warning though nothing remains")
    return warning


@shows("Q-47", "W-64")
def pages_neither_overlap_nor_skip(session: Session) -> str:
    instances = _twelve(session)
    path = f"{instances[0].series_path}/instances"
    paged = [
        first(result, SOP)
        for offset in range(0, 12, 5)
        for result in session.search(path, f"limit=5&offset={offset}")
    ]
    expect_equal(sorted(paged), sorted(one.sop for one in instances), "UIDs over all pages")
    again = [first(result, SOP) for result in session.search(path)]
    expect_equal(paged, again, "order over pages and at once")
    return "three pages make the whole, in the same order"


@shows("Q-48")
def a_deep_offset_is_answered_soon(session: Session) -> str:
    response = session.get("/instances", query="offset=5000000&limit=10", seconds=20)
    expect(response.status_code in (200, 204, 400, 413), f"status {response.status_code}")
    return f"{response.status_code} for offset=5000000"
