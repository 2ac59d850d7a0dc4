"""The link to the next page of results."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.errors import InvalidRequest
from dicomweb.protocol.next_page import StudyPlace, next_page_header
from dicomweb.protocol.search_query import Level, parse_search


@pytest.mark.parametrize(
    ("query", "link"),
    [
        (b"", "?offset=20"),
        (b"PatientName=M%C3%BCller%2A&limit=10&offset=10", "?PatientName=M%C3%BCller%2A&limit=10&offset=20"),
        (b"offset=1&&o%66fset=2&StudyDate=2024-", "?StudyDate=2024-&offset=20"),
        (b'PatientID="><x> \xff', "?PatientID=%22%3E%3Cx%3E%20%FF&offset=20"),
    ],
)
def test_the_offset_is_another_and_the_rest_stays(query: bytes, link: str) -> None:
    assert next_page_header(query, 20) == {"Link": f'<{link}>; rel="next"'}


@given(query=st.text("PatientID=limtofse&%2A<>\"' ;,1", max_size=60).map(str.encode))
def test_the_link_asks_the_same_with_another_offset(query: bytes) -> None:
    try:
        asked = parse_search(query, Level.STUDY)
    except InvalidRequest:
        return
    header = next_page_header(query, 7)["Link"]
    found = re.fullmatch(r'<\?([!#-;=?-~]*)>; rel="next"', header)
    assert found is not None
    following = parse_search(found[1].encode(), Level.STUDY)
    assert following.offset == 7
    assert (following.keys, following.limit) == (asked.keys, asked.limit)


@given(
    started=st.none() | st.integers(0, 10**18 - 1),
    uid=st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9}){0,5}", fullmatch=True),
)
def test_a_link_says_where_the_page_ends(started: int | None, uid: str) -> None:
    place = StudyPlace(started, uid)
    header = next_page_header(b"PatientID=x&offset=50&cursor=1,2.3&limit=10", place)["Link"]
    assert header == f'<?PatientID=x&limit=10&cursor={place}>; rel="next"'
    following = parse_search(header[2:].partition(">")[0].encode(), Level.STUDY)
    assert (following.after, following.offset, following.limit) == (place, 0, 10)


@pytest.mark.parametrize(
    "text",
    ["", "1", ",", "1,", "-1,1.2", "1,x", "1,1..2", "1,1.2,3", f"{10**18},1.2", "1,1.2\n", f"1,{'1' * 65}"],
)
def test_a_place_that_no_link_holds_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        StudyPlace.parse(text)


def test_only_studies_are_paged_by_place() -> None:
    with pytest.raises(InvalidRequest):
        parse_search(b"cursor=1,1.2", Level.SERIES)
    with pytest.raises(InvalidRequest):
        parse_search(b"cursor=1,1.2&cursor=1,1.3", Level.STUDY)
