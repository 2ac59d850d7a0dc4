"""Which studies, series and instances match (PS3.18 8.3.4, 10.6.1; PS3.4 C.2.2.2)."""

from __future__ import annotations

import unicodedata
from typing import Literal
from urllib.parse import quote

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks.library import POSITRON, letters, library
from conformance.suite.dictionary import tag_of
from conformance.suite.objects import make
from conformance.suite.part10 import Element
from conformance.suite.session import Session, first

# Keys of Table 10.6.1-5 with a value that, within the library, only study A has (and there, where the key
# belongs to a series or instance, only some).
STUDY_KEYS = {
    "StudyDate": "20060705",
    "StudyTime": "223000",
    "ModalitiesInStudy": "PT",
    "ReferringPhysicianName": "House%5EGregory",
    "PatientName": "M%C3%BCller%5EAnna%20Maria",
    "StudyID": "ID-A",
}
SERIES_KEYS = {
    "Modality": "PT",
    "SeriesNumber": "2",
    "PerformedProcedureStepStartDate": "20060705",
    "PerformedProcedureStepStartTime": "2240",
    "RequestAttributesSequence.ScheduledProcedureStepID": "S2",
    "RequestAttributesSequence.RequestedProcedureID": "R1",
}
OPTIONAL_STUDY_KEYS = {
    "StudyDescription": "100%25%20Chest_A",
    "PatientBirthDate": "19700203",
    "PatientSex": "F",
    "IssuerOfPatientID": "ISSUER-A",
    "OtherPatientIDs": "OLD-1",
    "SOPClassesInStudy": POSITRON,
}
OPTIONAL_SERIES_KEYS = {
    "SeriesDescription": "Axial%20thin",
    "BodyPartExamined": "CHEST",
    "Manufacturer": "ACME",
    "ManufacturerModelName": "Mark%202",
    "StationName": "ROOM1",
}


def _misses(session: Session, path: str, keys: dict[str, str]) -> list[str]:
    missed = []
    for key, value in keys.items():
        response = session.get(
            path, query=f"AccessionNumber={session.token}&includefield=PatientID&{key}={value}"
        )
        found = "" if response.status_code != 200 else letters(session, f"{key}={value}", path)
        if found != "A":
            missed.append(f"{key} ({response.status_code}, {found or 'none'})")
    return missed


@shows("Q-10", "Q-32")
def required_keys_match_on_studies(session: Session) -> str:
    made = library(session)
    keys = STUDY_KEYS | {"PatientID": f"{session.token}-A", "StudyInstanceUID": made.alpha[0].study}
    missed = _misses(session, "/studies", keys)
    expect(not missed, f"/studies does not match by {', '.join(missed)}")
    return f"{len(keys) + 1} keys"


@shows("Q-10", "Q-32")
def required_keys_match_on_series(session: Session) -> str:
    made = library(session)
    keys = STUDY_KEYS | SERIES_KEYS | {"SeriesInstanceUID": made.alpha[0].series}
    missed = _misses(session, "/series", keys)
    expect(not missed, f"/series does not match by {', '.join(missed)}")
    return f"{len(keys)} keys"


@shows("Q-10", "Q-32")
def required_keys_match_on_instances(session: Session) -> str:
    made = library(session)
    keys = STUDY_KEYS | SERIES_KEYS
    keys |= {"SOPClassUID": POSITRON, "SOPInstanceUID": made.alpha[1].sop, "InstanceNumber": "2"}
    missed = _misses(session, "/instances", keys)
    expect(not missed, f"/instances does not match by {', '.join(missed)}")
    return f"{len(keys)} keys"


@shows("Q-10")
def series_and_instance_keys_match_below_a_study(session: Session) -> str:
    alpha = library(session).alpha
    for key, value in SERIES_KEYS.items():
        found = session.search(f"{alpha[0].study_path}/series", f"{key}={value}")
        expect_equal(len(found), 1, f"series of the study by {key}")
        wanted = 1 if key in ("Modality", "SeriesNumber") else 2
        found = session.search(f"{alpha[0].study_path}/instances", f"{key}={value}")
        expect_equal(len(found), wanted, f"instances of the study by {key}")
    found = session.search(f"{alpha[0].series_path}/instances", "InstanceNumber=2")
    expect_equal([first(one, tag_of("SOPInstanceUID")) for one in found], [alpha[1].sop], "InstanceNumber=2")
    return "series keys on the study's series and instances, instance keys below"


@shows("Q-11")
def optional_keys_match(session: Session) -> str:
    missed = _misses(session, "/studies", OPTIONAL_STUDY_KEYS)
    missed += _misses(session, "/series", OPTIONAL_STUDY_KEYS | OPTIONAL_SERIES_KEYS)
    missed += _misses(session, "/instances", {"ContentDate": "20060705", "InstitutionName": "St.%20Mary"})
    expect(not missed, f"no match by {', '.join(missed)}")
    return f"{len(OPTIONAL_STUDY_KEYS | OPTIONAL_SERIES_KEYS) + 2} keys"


@shows("Q-12")
def any_attribute_matches_undeclared(session: Session) -> str:
    made = library(session)
    deep = f"ReferencedImageSequence.ReferencedSOPInstanceUID={session.root}.99.1"
    for path in ("/studies", "/series", "/instances"):
        expect_equal(letters(session, "EchoTime=17.5", path), "A", f"{path}?EchoTime=17.5")
        expect_equal(letters(session, deep, path), "A", f"{path} by a nested UID")
    found = session.search("/instances", f"StudyInstanceUID={made.alpha[0].study}&EchoTime=17.5")
    expect_equal(len(found), 1, "instances by EchoTime")
    return "EchoTime and a nested UID on studies, series, instances"


@shows("Q-13", "Q-53")
def private_attributes_match_with_their_creator(session: Session) -> str:
    maker = f"CONFORMANCE {session.token}"
    extra = {
        0x00290010: Element("LO", "ANOTHER MAKER"),
        0x00290011: Element("LO", maker),
        0x00291001: Element("LO", "other"),
        0x00291101: Element("LO", "wanted"),
    }
    instance = make(session, extra=extra)
    session.stored(instance)
    key = f"00290010={quote(maker)}&00291001="
    found = session.search("/instances", f"SOPInstanceUID={instance.sop}&{key}wanted")
    expect_equal(len(found), 1, "instances found by the private value, in another block than the key's")
    others = session.search("/instances", f"SOPInstanceUID={instance.sop}&{key}other")
    expect_equal(others, [], "instances found by the value of another maker")
    values = [one.get("Value") for tag, one in found[0].items() if tag.startswith("0029")]
    expect([maker] in values and ["wanted"] in values, f"creator and value returned: {values}")
    return "the block is found by its creator; creator and value are returned"


@shows("Q-04")
def keys_above_the_path_never_give_wrong_results(session: Session) -> str:
    alpha = library(session).alpha[0]
    path = f"{alpha.study_path}/series"
    response = session.get(path, query="StudyInstanceUID=1.2.3&Modality=CT", accept="application/dicom+json")
    expect(response.status_code in (200, 204, 400), f"status {response.status_code}")
    if response.status_code == 200:
        studies = {first(one, tag_of("StudyInstanceUID"), alpha.study) for one in response.json()}
        expect_equal(studies, {alpha.study}, "studies of the series found")
    return f"{response.status_code}"


@shows("Q-20")
def single_values_match_exactly(session: Session) -> str:
    expect_equal(letters(session, "StudyID=ID-A"), "A", "StudyID=ID-A")
    expect_equal(letters(session, "StudyID=id-a"), "", "StudyID=id-a")
    expect_equal(letters(session, "StudyID=ID"), "", "StudyID=ID, a prefix")
    expect_equal(letters(session, "PatientName=Doe%5EJohn"), "B", "PatientName=Doe^John")
    expect_equal(
        letters(session, "PatientName=Doe"), letters(session, "PatientName=DOE"), "doe by either case"
    )
    folded = letters(session, "PatientName=doe%5Ejohn") == "B"
    return f"codes case-sensitive, names case-{'blind' if folded else 'sensitive'}"


@shows("Q-21")
def uid_lists_match_any_of_them(session: Session) -> str:
    made = library(session)
    pair = [made.beta.study, made.epsilon.study]
    expect_equal(letters(session, f"StudyInstanceUID={','.join(pair)}"), "BE", "comma list")
    expect_equal(letters(session, f"StudyInstanceUID={'%5C'.join(pair)}"), "BE", "backslash list")
    return "comma and backslash lists"


@shows("Q-22")
def universal_matching_finds_empty_values_too(session: Session) -> str:
    for query in ("PatientName=", "PatientName=*", "StudyDate=", "StudyID=*"):
        expect_equal(letters(session, query), "ABCDE", query)
    return "empty key and * find all, also studies without the value"


@shows("Q-23")
def wildcards_match(session: Session) -> str:
    cases = {
        "PatientName=D*": "B",
        "PatientName=D?e*": "B",
        "PatientName=D?oe*": "",
        "PatientName=M%3Fller*": "A",
        "PatientName=M*": "A",
        "StudyID=ID-?": "ABCE",
        "StudyID=*D-B": "B",
        "StudyDescription=*Chest*": "AB",
        "ReferringPhysicianName=*%5EJohn": "B",
        "ModalitiesInStudy=P*": "A",
    }
    for query, wanted in cases.items():
        expect_equal(letters(session, query), wanted, query)
    return f"{len(cases)} patterns"


@shows("Q-23")
def wildcards_mean_nothing_in_uids(session: Session) -> str:
    beta = library(session).beta
    response = session.get("/studies", query=f"StudyInstanceUID={beta.study[:-3]}*")
    expect(response.status_code in (204, 400), f"status {response.status_code}")
    return f"{response.status_code}"


@shows("Q-24")
def ranges_are_inclusive(session: Session) -> str:
    cases = {
        "StudyDate=20060705-20060706": "AB",
        "StudyDate=20060707-": "CE",
        "StudyDate=-20060705": "A",
        "StudyTime=0930-1000": "BE",
        "StudyTime=1800-": "A",
        "StudyDate=20060706-20060706": "B",
    }
    for query, wanted in cases.items():
        expect_equal(letters(session, query), wanted, query)
    return f"{len(cases)} ranges"


@shows("Q-24", "Q-25")
def ranges_of_date_times(session: Session) -> str:
    instance = make(session, AcquisitionDateTime="20060705101500.5")
    session.stored(instance)
    cases = {"20060705": 1, "2006070510-": 1, "-20060705": 1, "2006070511-": 0, "20060705101500.5": 1}
    for value, wanted in cases.items():
        found = session.search("/instances", f"SOPInstanceUID={instance.sop}&AcquisitionDateTime={value}")
        expect_equal(len(found), wanted, f"instances found by {value}")
    return f"{len(cases)} keys"


@shows("Q-24", "G-05")
def senseless_ranges_are_400(session: Session) -> str:
    for query in ("StudyDate=20060707-20060705", "StudyDate=-", "StudyDate=2006-07-05x", "StudyTime=99"):
        expect_equal(session.get("/studies", query=query).status_code, 400, query)
    return "reversed range, lone hyphen, no date, no time: 400"


@shows("Q-25")
def dates_and_times_compare_by_meaning(session: Session) -> str:
    cases = {
        "StudyTime=2230": "A",
        "StudyTime=223000.000": "A",
        "StudyTime=093000": "B",
        "StudyTime=09-10": "BE",
        "StudyTime=17-17": "C",
        "StudyTime=175959.5": "C",
        "StudyDate=2006.07.05": "A",
        "StudyTime=22%3A30%3A00": "A",
    }
    for query, wanted in cases.items():
        expect_equal(letters(session, query), wanted, query)
    return f"{len(cases)} spellings"


@shows("Q-26")
def date_and_time_ranges_combine(session: Session) -> str:
    query = "StudyDate=20060705-20060707&StudyTime=1000-1800"
    expect_equal(letters(session, query), "ABC", query)
    query = "StudyDate=20060706-20060708&StudyTime=1000-1800"
    expect_equal(letters(session, query), "CE", query)
    return "from the first day's time to the last day's"


@shows("Q-28")
def sequence_keys_hold_in_one_item(session: Session) -> str:
    alpha = library(session).alpha[0]
    path, key = f"{alpha.study_path}/series", "RequestAttributesSequence"
    same = session.search(path, f"{key}.ScheduledProcedureStepID=S1&{key}.RequestedProcedureID=R1")
    expect_equal(len(same), 1, "series with S1 and R1 in one item")
    across = session.search(path, f"{key}.ScheduledProcedureStepID=S1&{key}.RequestedProcedureID=R2")
    expect_equal(len(across), 0, "series with S1 and R2 in different items")
    items = same[0].get(tag_of(key), {}).get("Value", [])
    ids = [first(item, tag_of("ScheduledProcedureStepID")) for item in items]
    expect("S1" in ids, f"the answer holds items {ids}")
    return f"one item must hold all; items returned: {ids}"


@shows("Q-29")
def modalities_in_study_match_any_series(session: Session) -> str:
    expect_equal(letters(session, "ModalitiesInStudy=PT"), "A", "PT")
    expect_equal(letters(session, "ModalitiesInStudy=CT"), "ACE", "CT")
    result = session.search("/studies", f"AccessionNumber={session.token}&ModalitiesInStudy=PT")[0]
    expect_equal(sorted(result["00080061"]["Value"]), ["CT", "PT"], "ModalitiesInStudy returned")
    return "any series matches, all modalities are returned"


@shows("Q-30")
def any_value_of_a_multivalued_attribute_matches(session: Session) -> str:
    expect_equal(letters(session, "OtherPatientIDs=OLD-2"), "A", "OtherPatientIDs=OLD-2")
    return "second value found"


@shows("Q-31")
def number_strings_compare_as_numbers(session: Session) -> str:
    for query in ("SeriesNumber=02", "SeriesNumber=2", "SeriesNumber=%2B2"):
        expect_equal(letters(session, query, "/series"), "A", query)
    expect_equal(letters(session, "KVP=120", "/instances"), "A", "KVP=120 for 120.0")
    return "02 = 2, 120 = 120.0"


@shows("Q-33")
def repeated_keys(session: Session) -> str:
    made = library(session)
    pair = f"StudyInstanceUID={made.beta.study}&StudyInstanceUID={made.epsilon.study}"
    expect_equal(letters(session, pair), "BE", "repeated UID key")
    response = session.get("/studies", query="PatientID=1&PatientID=2")
    expect_equal(response.status_code, 400, "repeated PatientID")
    return "UID keys join, others 400"


@shows("Q-34")
def fuzzy_matching_or_its_warning(session: Session) -> str:
    library(session)
    query = f"AccessionNumber={session.token}&fuzzymatching=true&PatientName=anna%20muller"
    response = session.get("/studies", query=query)
    expect(response.status_code in (200, 204), f"status {response.status_code}")
    warning = response.headers.get("warning", "")
    if "fuzzymatching" in warning:
        expect("The fuzzymatching parameter is not supported" in warning, f"Warning: {warning}")
        return "not supported, Warning 299 says so"
    query = "fuzzymatching=true&PatientName="
    expect_equal(letters(session, query + "anna%20muller"), "A", "anna muller")
    expect_equal(letters(session, query + "doe%20joh"), "B", "doe joh")
    return "order-blind prefix matching of name parts"


@shows("Q-35")
def empty_value_matching_or_its_warning(session: Session) -> str:
    library(session)
    query = "emptyvaluematching=true&PatientSex=%22%22"
    response = session.get("/studies", query=f"AccessionNumber={session.token}&{query}")
    warning = response.headers.get("warning", "")
    if "emptyvaluematching" in warning:
        expect("Empty Value Matching has not been performed" in warning, f"Warning: {warning}")
        return "not supported, Warning 299 says so"
    expect_equal(letters(session, query), "D", query)
    return "finds the study without PatientSex"


@shows("Q-36")
def multiple_value_matching_or_its_warning(session: Session) -> str:
    library(session)
    query = "multiplevaluematching=true&ModalitiesInStudy=PT%5CCT"
    response = session.get("/studies", query=f"AccessionNumber={session.token}&{query}")
    warning = response.headers.get("warning", "")
    if "multiplevaluematching" in warning:
        return "not supported, Warning 299 says so"
    expect_equal(letters(session, query), "A", query)
    return "only the study that has both"


@shows("Z-13")
def lists_on_other_keys_mean_any_or_all(session: Session) -> str:
    expect_equal(letters(session, "ModalitiesInStudy=PT,MR"), "AB", "comma list without the parameter")
    query = "multiplevaluematching=true&ModalitiesInStudy=CT,PT"
    expect_equal(letters(session, query), "A", query)
    return "comma: any by default, all with multiplevaluematching=true"


@shows("Q-37")
def names_match_in_every_component_group(session: Session) -> str:
    for name in ("山田^太郎", "やまだ*", "Yamada^Tarou", "山*"):
        query = f"PatientName={quote(name)}"
        expect_equal(letters(session, query), "C", query)
    return "alphabetic, ideographic and phonetic group"


@shows("Q-38")
def stored_charsets_are_searched_in_utf_8(session: Session) -> str:
    name = "Müller^Anna Maria"
    forms: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
    for form in forms:
        query = f"PatientName={quote(unicodedata.normalize(form, name))}"
        expect_equal(letters(session, query), "A", f"{form} key for a Latin-1 name")
    expect_equal(letters(session, f"StudyDescription={quote('頭部')}"), "C", "StudyDescription")
    return "Latin-1 name by composed and decomposed UTF-8 keys"


@shows("Q-39")
def metacharacters_are_literal(session: Session) -> str:
    expect_equal(letters(session, "StudyDescription=100%25%20Chest_A"), "A", "100% Chest_A")
    expect_equal(letters(session, "StudyDescription=100%25*"), "A", "100%*")
    expect_equal(letters(session, "StudyDescription=10.%25*"), "", "10.%*")
    for key in ("%27", "%22%3B--", "%5B%5D", "%28", "%5C%5C", "%24%5E"):
        response = session.get("/studies", query=f"StudyDescription={key}")
        expect(response.status_code in (200, 204, 400), f"StudyDescription={key}: {response.status_code}")
    return "%, _, ., quotes and brackets stand for themselves"
