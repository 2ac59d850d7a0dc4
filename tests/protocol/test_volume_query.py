"""Parameters of rendered volumes: read, or refused with the reason (R-31 to R-33)."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.errors import InvalidRequest
from dicomweb.protocol.volume_query import NAMES, Reformat, VolumeQuery, parse_volume

FINITE = st.floats(-9e5, 9e5)


def _mpr(query: str) -> VolumeQuery:
    return parse_volume(query.encode(), Reformat.MPR)


def test_nothing_is_asked_for_by_an_empty_query() -> None:
    assert _mpr("") == VolumeQuery()


@pytest.mark.parametrize("method", ["volume_rendered", "maximum_ip", "minimum_ip", "average_ip"])
def test_methods_have_the_names_of_the_attribute(method: str) -> None:
    assert _mpr(f"renderingmethod={method}").method == method.upper()


@given(st.tuples(FINITE, FINITE, FINITE), st.tuples(FINITE, FINITE, FINITE))
def test_points_are_read_as_written(position: tuple[float, ...], lookat: tuple[float, ...]) -> None:
    text = [",".join(f"{number:.6f}" for number in point) for point in (position, lookat)]
    asked = _mpr(f"viewpointposition={text[0]}&viewpointlookat={quote(text[1])}&viewpointup=0,0,1")
    assert asked.position == pytest.approx(position, abs=1e-5)
    assert asked.lookat == pytest.approx(lookat, abs=1e-5)
    assert asked.up == (0, 0, 1)


@pytest.mark.parametrize(
    ("query", "count", "first", "last"),
    [
        ("swivelrange=180", 36, -87.5, 87.5),
        ("swivelrange=360&animationstepsize=90", 4, -135, 135),
        ("swivelrange=10&animationstepsize=90", 1, 0, 0),
        ("swivelrange=360&animationstepsize=3", 120, -178.5, 178.5),
    ],
)
def test_a_swivel_has_range_by_step_pictures(query: str, count: int, first: float, last: float) -> None:
    swivel = _mpr(query).swivel
    assert swivel is not None
    assert (len(swivel.angles), swivel.angles[0], swivel.angles[-1]) == (count, first, last)


@pytest.mark.parametrize(
    ("query", "references"),
    [
        ("volumeinputreference=1.2.3", [("1.2.3", None)]),
        ("volumeinputreference=1.2.3,4,5", [("1.2.3", 4), ("1.2.3", 5)]),
        ("volumeinputreference=1.2.3%2C4&volumeinputreference=1.2.4", [("1.2.3", 4), ("1.2.4", None)]),
        ("volumeinputreference=1.2.3,1.2.4,1.2.3", [("1.2.3", None), ("1.2.4", None)]),
        ("volumeinputreference=2,3", [("", 2), ("", 3)]),
    ],
)
def test_references_are_uids_and_frames(query: str, references: list[tuple[str, int | None]]) -> None:
    assert list(_mpr(query).references) == references


def test_other_names_are_matching_keys_or_ignored_with_a_warning() -> None:
    asked = _mpr("ImageType=ORIGINAL&nonsense=1&orientation=a")
    assert [key.path for key in asked.keys] == [(0x00080008,)]
    assert len(asked.warnings) == 1
    assert "nonsense" in asked.warnings[0]


def test_what_a_presentation_state_says_itself_is_noted() -> None:
    stated = _mpr("renderingmethod=maximum_ip&mprslab=3&orientation=a&volumeinputreference=1.2").stated
    assert stated == ("renderingmethod", "mprslab", "volumeinputreference")
    assert _mpr("orientation=a").stated == ()


HOSTILE = [
    "renderingmethod=",
    "renderingmethod=MAXIMUM_IP",
    "renderingmethod=maximum_ip,average_ip",
    "renderingmethod=maximum_ip&renderingmethod=maximum_ip",
    "orientation=",
    "orientation=A",
    "orientation=x",
    "orientation=a,p",
    "orientation=a&viewpointposition=1,2,3",
    "orientation=a&viewpointlookat=1,2,3",
    "orientation=a&viewpointup=0,0,1",
    "viewpointposition=",
    "viewpointposition=1,2",
    "viewpointposition=1,2,3,4",
    "viewpointposition=1,2,nan",
    "viewpointposition=1,2,inf",
    "viewpointposition=1,2,1e9",
    "viewpointposition=1,2,%00",
    "viewpointposition=" + "9" * 5000 + ",1,1",
    "viewpointup=0,0,0",
    "viewpointup=a,b,c",
    "viewpointlookat=1;2;3",
    "mprslab=",
    "mprslab=0",
    "mprslab=-1",
    "mprslab=nan",
    "mprslab=1e99",
    "mprslab=5mm",
    "swivelrange=0",
    "swivelrange=-90",
    "swivelrange=361",
    "swivelrange=90&animationstepsize=0",
    "swivelrange=360&animationstepsize=0.1",
    "swivelrange=360&animationrate=0",
    "swivelrange=360&animationrate=1000",
    "animationrate=10",
    "animationstepsize=10",
    "volumetriccurvepoint=1,2,3",
    "renderedvolumetricmetadata=no",
    "renderedvolumetricmetadata=",
    "volumeinputreference=",
    "volumeinputreference=a",
    "volumeinputreference=1.2,0",
    "volumeinputreference=1.2,-1",
    "volumeinputreference=1.2,99999999999",
    "volumeinputreference=1.2.3&ImageType=ORIGINAL",
    "volumeinputreference=" + ",".join(f"1.2.{number}" for number in range(6000)),
    "StudyDate=x",
    "viewport=0,0",
    "viewport=99999999,99999999",
    "window=1",
    "quality=0",
    "iccprofile=maybe",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_what_cannot_be_done_is_refused_in_words(query: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        _mpr(query)
    assert len(refusal.value.message) > 20


def test_a_slab_belongs_to_mpr() -> None:
    assert _mpr("mprslab=2.5").slab == 2.5
    with pytest.raises(InvalidRequest, match="renderedmpr"):
        parse_volume(b"mprslab=2.5", Reformat.RENDERING_3D)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(NAMES)), st.text(max_size=30) | FINITE.map(str)), max_size=5),
    st.sampled_from(Reformat),
)
def test_any_values_are_read_or_refused(pairs: list[tuple[str, str]], reformat: Reformat) -> None:
    query = "&".join(f"{name}={quote(value)}" for name, value in pairs)
    try:
        asked = parse_volume(query.encode(), reformat)
    except InvalidRequest:
        return
    assert asked.swivel is None or 1 <= len(asked.swivel.angles) <= 121


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(query: bytes) -> None:
    try:
        parse_volume(query, Reformat.MPR)
    except InvalidRequest:
        pass
