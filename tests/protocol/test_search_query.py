"""The query string of a search: grammar, matching keys, includefield, paging (G-04 to G-10, Q-*)."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.matching import day_moment
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.search_key import (
    ANY,
    ONE,
    AllOf,
    AnyOf,
    Empty,
    NameHasWord,
    NameLike,
    NumberIs,
    Test,
    TextIs,
    TextLike,
    Universal,
    Within,
    parse_test,
)
from dicomweb.protocol.search_key import MatchingOptions as Options
from dicomweb.protocol.search_query import MAX_KEYS, Level, SearchQuery, parse_search


def parse(query: str) -> SearchQuery:
    return parse_search(query.encode(), Level.STUDY)


def only_test(query: str) -> Test:
    (key,) = parse(query).keys
    return key.test


def test_ohifs_study_list_is_understood() -> None:
    query = parse(
        "limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060%2C00080090%2C00100030"
    )
    assert query.limit == 101
    assert query.offset == 0
    assert query.included == ((0x00081030,), (0x00080060,), (0x00080090,), (0x00100030,))
    assert not query.keys
    assert not query.warnings


def test_a_key_is_a_keyword_or_a_tag_in_either_case() -> None:
    assert parse("StudyInstanceUID=1.2") == parse("0020000D=1.2") == parse("0020000d=1.2")


def test_paths_mix_keywords_and_tags() -> None:
    by_tag = parse("00400275.00400009=A")
    assert by_tag == parse("RequestAttributesSequence.00400009=A")
    assert by_tag.keys[0].path == (0x00400275, 0x00400009)


@pytest.mark.parametrize(
    "name", ["studyinstanceuid", "Nonsense", "00080005", "0020000", "A.B", "00020010", ""]
)
def test_names_that_are_no_key_are_ignored_with_a_warning(name: str) -> None:
    query = parse(f"{name}=x&PatientID=1")
    assert [key.path for key in query.keys] == [(0x00100020,)]
    assert query.warnings


def test_a_private_attribute_needs_its_creator() -> None:
    assert parse("00291008=x").warnings
    query = parse("00290010=SIEMENS+CSA+HEADER&00291008=x")
    assert not query.warnings
    (key,) = query.keys
    assert (key.path, key.creator, key.vr) == ((0x00291008,), "SIEMENS CSA HEADER", "CS")
    assert parse("00290010=alone").warnings


def test_accept_and_charset_are_no_unknown_parameters() -> None:
    assert not parse("accept=application/dicom+json&charset=utf-8").warnings


@given(st.text())
def test_a_warning_never_carries_what_a_header_cannot(name: str) -> None:
    try:
        query = parse(quote(name) + "=1&includefield=" + quote(name))
    except InvalidRequest:  # the name of a sequence or of something binary
        return
    for warning in query.warnings:
        assert warning.isascii()
        assert warning.isprintable()


@given(st.binary(max_size=60))
def test_any_query_string_is_parsed_or_refused(query: bytes) -> None:
    try:
        parse_search(query, Level.INSTANCE)
    except InvalidRequest:
        pass


@given(
    st.sampled_from(["PatientName", "PatientID", "StudyDate", "StudyTime", "AcquisitionDateTime",
                     "PatientAge", "SeriesNumber", "StudyInstanceUID", "FrameIncrementPointer", "Rows"]),
    st.text(max_size=20),
    st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_any_value_is_parsed_or_refused_without_repeating_it(
    name: str, value: str, fuzzy: bool, several: bool
) -> None:
    switches = f"&fuzzymatching={str(fuzzy).lower()}&multiplevaluematching={str(several).lower()}"
    try:
        parse(f"{name}={quote(value)}{switches}&emptyvaluematching=true")
    except InvalidRequest as error:
        refusal = error.message
    else:
        refusal = ""
    assert len(value) < 4 or value not in refusal


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1", "limit=", "limit=1.5", "limit=ten", "limit=%2B5", "offset=-1", "limit=1&limit=2",
        "offset=0x10", "fuzzymatching=yes", "fuzzymatching=TRUE", "emptyvaluematching=1",
        "StudyDate=20240231", "StudyDate=-", "StudyDate=2024-01-01", "StudyDate=20240102-20240101",
        "StudyDate=202401", "StudyDate=2024*", "StudyTime=25", "StudyTime=1000-0900", "StudyTime=10?0",
        "StudyInstanceUID=abc", "StudyInstanceUID=1.2.*", "StudyInstanceUID=1..2",
        f"StudyInstanceUID=1.{'2' * 64}",
        "SeriesNumber=a", "SeriesNumber=1*", "InstanceNumber=nan", "AcquisitionDateTime=2024-2023",
        "PatientID=1&PatientID=2", "PatientID=1&00100020=1", "StudyDate=20240101&StudyDate=20240102",
        "PatientID=%zz", "PatientID=%ff", "PatientID=100%", "PatientName.PatientID=1", "PixelData=1",
        "RequestAttributesSequence=1", "PatientID=" + "*a" * 40,
        "PatientName=" + "?" * 2000,
        "PatientName=%00", "PatientName=%20%00", "PatientID=A,%00", "PatientID=A%00B", "PatientID=%0AA",
        "PatientName=DOE%1BJ", "PatientName=A%5C%00", "StudyDate=%09", "PatientID=%C2%85", "PatientID=%7F",
    ],
)  # fmt: skip
def test_a_known_parameter_with_a_bad_value_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse(query)
    assert raised.value.message.endswith(".")


def test_limit_and_offset_may_be_larger_than_any_integer() -> None:
    query = parse("limit=" + "9" * 5000 + "&offset=007")
    assert query.limit is not None
    assert query.limit < 2**63
    assert query.offset == 7


# --- universal, exact, wildcards -------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "*", "**", "%20", ","])
@pytest.mark.parametrize(
    "name", ["PatientName", "PatientID", "StudyDate", "StudyInstanceUID", "SeriesNumber"]
)
def test_empty_and_asterisk_are_universal_and_only_included(name: str, value: str) -> None:
    query = parse(f"{name}={value}")
    assert not query.keys
    assert len(query.included) == 1


def test_padding_of_sloppy_clients_is_trimmed() -> None:
    assert only_test("StudyInstanceUID=1.2.3%00") == TextIs(("1.2.3",))
    assert only_test("PatientID=ABC%20") == TextIs(("ABC",))
    assert only_test("PatientID=ABC%0D%0A%00") == TextIs(("ABC",))


def test_wildcards_are_patterns_and_everything_else_is_literal() -> None:
    assert only_test("PatientID=a*b%3F%25_%5B") == TextLike(f"a{ANY}b{ONE}%_[")
    assert only_test("PatientID=100%25_.") == TextIs(("100%_.",))


def test_text_keeps_its_case_and_its_encoded_comma() -> None:
    assert only_test("StudyDescription=CT%2C+Head%2BNeck") == TextIs(("CT, Head+Neck",))
    assert only_test("StudyDescription=CT,MR") == TextIs(("CT", "MR"))


def test_encoded_comma_splits_where_a_value_cannot_hold_one() -> None:
    assert only_test("ModalitiesInStudy=CT%2CMR") == TextIs(("CT", "MR"))
    assert only_test("SeriesNumber=1%2C2") == AnyOf((NumberIs(1.0), NumberIs(2.0)))


# --- UIDs ------------------------------------------------------------------------------------------


def test_uid_lists_by_comma_backslash_and_repetition() -> None:
    expected = TextIs(("1.2", "1.3", "1.4"))
    assert only_test("StudyInstanceUID=1.2,1.3,1.4") == expected
    assert only_test("StudyInstanceUID=1.2%5C1.3%2C1.4") == expected
    assert only_test("StudyInstanceUID=1.2,1.3&StudyInstanceUID=1.4&0020000D=1.2") == expected


def test_five_thousand_uids_are_one_comparison() -> None:
    uids = tuple(f"1.2.826.0.1.3680043.{number}" for number in range(5000))
    assert only_test("StudyInstanceUID=" + ",".join(uids)) == TextIs(uids)


def test_more_keys_than_any_client_asks_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse("&".join(f"{tag:08X}=1" for tag in range(0x00189000, 0x00189000 + 2 * MAX_KEYS) if tag & 0xFF))


# --- dates and times -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("StudyTime=18-10", False),
        ("StudyDate=20240101&StudyTime=18-10", False),
        ("StudyDate=20240101-20240101&StudyTime=18-10", False),
        ("StudyDate=20240101-20240102&StudyTime=18-10,20-21", False),
        ("SeriesTime=18-10&StudyDate=20240101-20240102", False),
        ("StudyDate=20240101-20240102&StudyTime=18-10", True),
        ("StudyTime=18-10&StudyDate=20240101-", True),
        ("PerformedProcedureStepStartTime=18-10&PerformedProcedureStepStartDate=-20240101", True),
    ],
)
def test_a_time_may_be_earlier_on_a_later_day(query: str, *, allowed: bool) -> None:
    """Q-24, and Q-26: the two ranges are one interval."""
    if allowed:
        parse(query)
    else:
        with pytest.raises(InvalidRequest):
            parse(query)


def test_dates_single_open_and_closed() -> None:
    assert only_test("StudyDate=20240101") == Within(20240101, 20240101)
    assert only_test("StudyDate=2024.01.01") == Within(20240101, 20240101)
    assert only_test("StudyDate=20240101-20240201") == Within(20240101, 20240201, is_range=True)
    assert only_test("StudyDate=20240101-") == Within(20240101, None, is_range=True)
    assert only_test("StudyDate=-20240101") == Within(None, 20240101, is_range=True)


def test_the_precision_of_a_time_key_rules() -> None:
    hour = 3_600_000_000
    assert only_test("StudyTime=10-11") == Within(10 * hour, 12 * hour - 1, is_range=True)
    assert only_test("StudyTime=-10") == Within(None, 11 * hour - 1, is_range=True)


def test_a_moment_keeps_its_plus_and_its_offset_is_no_range() -> None:
    noon = day_moment(20240101)[0] + 12 * 3_600_000_000
    assert only_test("AcquisitionDateTime=20240101120000.0+0200") == only_test(
        "AcquisitionDateTime=20240101120000.0%2B0200"
    )
    with_offset = only_test("AcquisitionDateTime=20240101120000.000000-0500")
    assert with_offset == Within(noon + 5 * 3_600_000_000, noon + 5 * 3_600_000_000)
    years = only_test("AcquisitionDateTime=2024-2025")
    assert years == Within(day_moment(20240101)[0], day_moment(20251231)[1], is_range=True)
    both = only_test("AcquisitionDateTime=20240101-0500-20240102-0500")
    assert isinstance(both, Within)
    assert both.is_range


# --- names -----------------------------------------------------------------------------------------


def test_a_name_key_is_folded_and_its_wildcards_stay() -> None:
    assert only_test("PatientName=M%C3%BCller^J*") == NameLike((f"muller^j{ANY}",))
    assert only_test("PatientName=DOE+JOHN^^") == NameLike(("doe john",))


def test_a_trailing_empty_component_may_be_missing() -> None:
    assert only_test("PatientName=Doe^*") == NameLike((f"doe^{ANY}", "doe"))


def test_every_group_of_a_key_must_match() -> None:
    assert only_test("PatientName=Doe%3D%E5%B1%B1%E7%94%B0") == AllOf(
        (NameLike(("doe",)), NameLike(("山田",)))
    )


def test_fuzzy_matching_asks_for_words_beside_the_literal_name() -> None:
    fuzzy = only_test("PatientName=Doe+John&fuzzymatching=true")
    words = AllOf((NameHasWord("doe"), NameHasWord("john")))
    assert fuzzy == AnyOf((NameLike(("doe john",)), words))
    assert only_test("PatientID=Doe&fuzzymatching=true") == TextIs(("Doe",))


# --- switches --------------------------------------------------------------------------------------


def test_two_quotes_mean_empty_only_when_asked() -> None:
    assert only_test('PatientID=""&emptyvaluematching=true') == Empty()
    assert only_test("StudyDate=%22%22&emptyvaluematching=true") == Empty()
    assert only_test("PatientID=%22%22") == TextIs(('""',))
    with pytest.raises(InvalidRequest):
        parse('StudyDate=""')


def test_several_values_are_alternatives_or_all_demanded() -> None:
    options = Options(multiple_value=True)
    both = AllOf((TextIs(("CT",)), TextIs(("PT",))))
    assert parse_test("x", b"CT%5CPT", "CS", options) == both
    assert parse_test("x", b"CT,PT", "CS", options) == both
    assert parse_test("x", b"CT%5CPT", "CS", Options()) == TextIs(("CT", "PT"))
    assert parse_test("x", b"C*%5CPT", "CS", options) == AllOf((TextIs(("C*",)), TextIs(("PT",))))
    assert parse_test("x", b"1.2%5C1.3", "UI", options) == TextIs(("1.2", "1.3"))
    assert parse_test("x", b"CT,*", "CS", Options()) == Universal()


# --- includefield ----------------------------------------------------------------------------------


def test_includefield_repeats_lists_and_takes_paths() -> None:
    query = parse("includefield=StudyDescription,00080060&includefield=OtherPatientIDsSequence.PatientID")
    assert query.included == ((0x00081030,), (0x00080060,), (0x00101002, 0x00100020))
    assert not query.all_fields


def test_includefield_all_is_tolerated_beside_others() -> None:
    query = parse("includefield=all,StudyDescription")
    assert query.all_fields
    assert query.included == ((0x00081030,),)


def test_an_unknown_includefield_is_a_warning() -> None:
    query = parse("includefield=Nonsense,PatientName.PatientID,StudyDescription")
    assert query.included == ((0x00081030,),)
    assert len(query.warnings) == 2


def test_matching_keys_are_returned_too() -> None:
    assert parse("PatientID=1&StudyDate=").included == ((0x00100020,), (0x00080020,))
