"""Search resources and what their results hold (PS3.18 10.6.1, 10.6.3)."""

from __future__ import annotations

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.library import library
from conformance.suite.dictionary import tag_of
from conformance.suite.objects import make
from conformance.suite.session import JSON, Attributes, Session, first

STUDY: tuple[str, ...] = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
)
STUDY += ("PatientBirthDate", "PatientSex", "StudyID", "StudyInstanceUID")
STUDY_TAGS = (*map(tag_of, STUDY), "00201206", "00201208")
SERIES_TAGS = (*map(tag_of, ("Modality", "SeriesNumber", "SeriesInstanceUID")), "00201209", "00081190")
INSTANCE_TAGS = (*map(tag_of, ("SOPClassUID", "InstanceNumber", "SOPInstanceUID")), "00081190")


def _lacking(results: list[Attributes], tags: tuple[str, ...]) -> str:
    missing = {tag for result in results for tag in tags if tag not in result}
    return ", ".join(sorted(missing))


def _hold(results: list[Attributes], tags: tuple[str, ...], path: str) -> None:
    expect(results, f"{path}: no results")
    expect(not _lacking(results, tags), f"{path}: lacks {_lacking(results, tags)}")


@shows("Q-01")
def hierarchical_search_resources(session: Session) -> str:
    made = library(session)
    alpha = made.alpha[0]
    counts = [
        len(session.search("/studies", f"StudyInstanceUID={alpha.study}")),
        len(session.search(f"{alpha.study_path}/series")),
        len(session.search(f"{alpha.series_path}/instances")),
    ]
    expect_equal(counts, [1, 2, 2], "studies, series, instances")
    return "1 study, 2 series, 2 instances"


@shows("Q-02")
def relational_search_resources(session: Session) -> str:
    made = library(session)
    alpha = made.alpha[0]
    counts = [
        len(session.search(f"{alpha.study_path}/instances")),
        len(session.search("/series", f"StudyInstanceUID={alpha.study}")),
        len(session.search("/instances", f"StudyInstanceUID={alpha.study}")),
    ]
    expect_equal(counts, [3, 2, 3], "study's instances, all series, all instances")
    return "study's instances 3, all series 2, all instances 3"


@shows("Q-54", "Q-52", "V-02")
def study_results_hold_the_required_attributes(session: Session) -> str:
    library(session)
    results = session.search("/studies", f"AccessionNumber={session.token}")
    expect_equal(len(results), 5, "studies found")
    _hold(results, STUDY_TAGS, "/studies")
    alpha = next(one for one in results if first(one, "00100020", "").endswith("A"))
    expect_equal(sorted(alpha["00080061"]["Value"]), ["CT", "PT"], "ModalitiesInStudy")
    return f"{len(STUDY_TAGS) + 1} attributes in each of 5 results"


@shows("Q-54", "Q-52", "V-03")
def series_results_hold_the_required_attributes(session: Session) -> str:
    alpha = library(session).alpha[0]
    _hold(session.search(f"{alpha.study_path}/series"), SERIES_TAGS, "study's series")
    everywhere = session.search("/series", f"AccessionNumber={session.token}")
    tags = (*SERIES_TAGS, *STUDY_TAGS)
    _hold(everywhere, tags, "/series")
    ours = next(one for one in everywhere if first(one, tag_of("SeriesInstanceUID")) == alpha.series)
    wanted = tuple(map(tag_of, ("SeriesDescription", "PerformedProcedureStepStartDate")))
    wanted += tuple(map(tag_of, ("PerformedProcedureStepStartTime", "RequestAttributesSequence")))
    _hold([ours], wanted, "/series, known attributes")
    return "series table, and the study table on /series"


@shows("Q-54", "Q-52")
def instance_results_hold_the_required_attributes(session: Session) -> str:
    alpha = library(session).alpha[0]
    _hold(session.search(f"{alpha.series_path}/instances"), INSTANCE_TAGS, "series' instances")
    own = tuple(tag for tag in SERIES_TAGS if tag != "00081190")
    _hold(session.search(f"{alpha.study_path}/instances"), (*INSTANCE_TAGS, *own), "study's instances")
    everywhere = session.search("/instances", f"AccessionNumber={session.token}")
    _hold(everywhere, (*INSTANCE_TAGS, *own, *STUDY_TAGS), "/instances")
    uids = tuple(map(tag_of, ("StudyInstanceUID", "SeriesInstanceUID")))
    _hold(session.search(f"{alpha.series_path}/instances"), uids, "keys of the levels above")
    return "instance table; series and study tables where the path does not fix them"


@shows("Q-54")
def image_instance_results_describe_the_image(session: Session) -> str:
    image = pictures.native(session)
    result = session.search(f"{image.series_path}/instances")[0]
    seen = [first(result, tag_of(name)) for name in ("Rows", "Columns", "BitsAllocated")]
    expect_equal(seen, [24, 20, 16], "Rows, Columns, BitsAllocated")
    return "Rows, Columns, BitsAllocated"


@shows("M-19")
def instance_results_tell_available_transfer_syntaxes(session: Session) -> str:
    image = pictures.compressed(session, "90")
    values = session.search(f"{image.series_path}/instances")[0].get("00083002", {}).get("Value", [])
    expect(image.transfer_syntax_uid in values, f"(0008,3002) is {values}")
    return f"(0008,3002) {', '.join(values)}"


@shows("Q-55")
def empty_required_attributes_are_present_without_value(session: Session) -> str:
    delta = library(session).delta
    result = session.search("/studies", f"StudyInstanceUID={delta.study}")[0]
    for name in ("StudyDate", "StudyTime", "PatientName", "PatientBirthDate", "PatientSex", "StudyID"):
        expect(tag_of(name) in result, f"{name} is left out")
        expect("Value" not in result[tag_of(name)], f"{name} has a Value")
        expect(result[tag_of(name)].get("vr"), f"{name} has no vr")
    return "only vr for empty or absent attributes"


@shows("V-10", "Z-14")
def modalities_in_study_without_value_is_left_out(session: Session) -> str:
    delta = library(session).delta
    result = session.search("/studies", f"StudyInstanceUID={delta.study}")[0]
    expect("00080061" not in result, f"ModalitiesInStudy is {result.get('00080061')}")
    return "left out"


@shows("Q-56", "G-02")
def retrieve_urls_are_absolute_and_answer(session: Session) -> str:
    alpha = library(session).alpha[0]
    seen = 0
    for path in ("/studies", f"{alpha.study_path}/series", f"{alpha.series_path}/instances"):
        query = f"StudyInstanceUID={alpha.study}" if path == "/studies" else ""
        result = session.search(path, query)[0]
        expect("00081190" in result, f"{path}: no RetrieveURL")
        expect_equal(result["00081190"]["vr"], "UR", f"{path}: vr of RetrieveURL")
        url = str(first(result, "00081190"))
        expect(url.startswith(("http://", "https://")), f"RetrieveURL is not absolute: {url}")
        expect_equal(session.get(url).status_code, 200, f"GET {url}")
        seen += 1
    return f"{seen} URLs, all answer 200"


@shows("Q-57")
def instance_availability_is_a_defined_term(session: Session) -> str:
    alpha = library(session).alpha[0]
    query = f"StudyInstanceUID={alpha.study}&includefield=InstanceAvailability"
    seen = {first(one, "00080056", "absent") for one in session.search("/studies", query)}
    seen |= {first(one, "00080056", "absent") for one in session.search(f"{alpha.series_path}/instances")}
    expect(seen <= {"ONLINE", "NEARLINE", "OFFLINE", "UNAVAILABLE", "absent"}, f"{seen}")
    return ", ".join(sorted(seen))


@shows("Q-58")
def related_counts_are_integers(session: Session) -> str:
    alpha = library(session).alpha[0]
    study = session.search("/studies", f"StudyInstanceUID={alpha.study}")[0]
    expect_equal(_count(study, "00201206"), 2, "NumberOfStudyRelatedSeries")
    expect_equal(_count(study, "00201208"), 3, "NumberOfStudyRelatedInstances")
    series = session.search(f"{alpha.study_path}/series", f"SeriesInstanceUID={alpha.series}")[0]
    expect_equal(_count(series, "00201209"), 2, "NumberOfSeriesRelatedInstances")
    return "2 series, 3 instances; 2 in the series"


def _count(result: Attributes, tag: str) -> int:
    expect_equal(result.get(tag, {}).get("vr"), "IS", f"vr of {tag}")
    return int(first(result, tag, -1))


@shows("Q-59", "G-45")
def results_with_other_scripts_say_utf_8(session: Session) -> str:
    made = library(session)
    for instance, name in ((made.alpha[0], "Müller^Anna Maria"), (made.gamma, "Yamada^Tarou")):
        result = session.search("/studies", f"StudyInstanceUID={instance.study}")[0]
        expect_equal(result["00100010"]["Value"][0].get("Alphabetic"), name, "PatientName")
        expect_equal(first(result, "00080005"), "ISO_IR 192", "SpecificCharacterSet")
    return "ISO_IR 192, names in UTF-8"


@shows("Q-50", "H-01")
def no_match_is_204_without_body(session: Session) -> str:
    response = session.get("/studies", query=f"StudyInstanceUID={session.root}.404", accept=JSON)
    expect_equal(response.status_code, 204, "status")
    expect_equal(response.content, b"", "body")
    expect("content-type" not in response.headers, "204 with a Content-Type")
    return "204, no body, no Content-Type"


@shows("Q-51", "Z-06")
def search_below_an_unknown_study_is_204(session: Session) -> str:
    response = session.get(f"/studies/{session.root}.404/series", accept=JSON)
    expect_equal(response.status_code, 204, "status")
    return "204"


@shows("Q-53")
def matched_attributes_are_returned(session: Session) -> str:
    alpha = library(session).alpha[0]
    query = f"StudyInstanceUID={alpha.study}&StudyDescription=100%25*&IssuerOfPatientID=ISSUER-A"
    result = session.search("/studies", query)
    expect(result, "no match on StudyDescription and IssuerOfPatientID")
    expect_equal(first(result[0], tag_of("StudyDescription")), "100% Chest_A", "StudyDescription")
    expect_equal(first(result[0], tag_of("IssuerOfPatientID")), "ISSUER-A", "IssuerOfPatientID")
    return "StudyDescription and IssuerOfPatientID returned because matched"


@shows("Q-60")
def one_value_wins_where_instances_disagree(session: Session) -> str:
    one = make(session, StudyDescription="first version")
    two = make(session, study=one.study, series=one.series, StudyDescription="second version")
    session.stored(one)
    session.stored(two)
    results = session.search("/studies", f"StudyInstanceUID={one.study}&includefield=StudyDescription")
    value = first(results[0], tag_of("StudyDescription"))
    key = str(value).replace(" ", "%20")
    found = session.search("/studies", f"StudyInstanceUID={one.study}&StudyDescription={key}")
    expect_equal(len(found), 1, f"studies found by the value shown, {value!r}")
    return f"shows and is found by {value!r}"


@shows("Q-61")
def a_stored_instance_is_found_at_once(session: Session) -> str:
    for _ in range(5):
        instance = make(session)
        session.stored(instance)
        expect_equal(
            len(session.search("/instances", f"SOPInstanceUID={instance.sop}")), 1, "found after storing"
        )
    return "5 of 5 found right after the answer"
