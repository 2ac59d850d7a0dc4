"""The query of WADO-URI (I-01 to I-10)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.picture import Viewport, Window
from dicomweb.dicom.target import Target
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.wado_uri_query import WadoUriQuery, parse_wado_uri

_TARGET = "requestType=WADO&studyUID=1.2.3&seriesUID=1.2.4&objectUID=1.2.5"


def _parse(query: str) -> WadoUriQuery:
    return parse_wado_uri(f"{_TARGET}&{query}".encode())


def test_the_target_stands_in_the_query() -> None:
    assert parse_wado_uri(_TARGET.encode()) == WadoUriQuery(Target("1.2.3", "1.2.4", "1.2.5"))


@pytest.mark.parametrize("name", ["requestType", "studyUID", "seriesUID", "objectUID"])
@pytest.mark.parametrize("value", [None, "", "wado", "1.2.a", "1" * 65])
def test_a_target_that_is_not_whole_is_refused(name: str, value: str | None) -> None:
    pairs = dict(pair.split("=") for pair in _TARGET.split("&"))
    pairs.pop(name)
    query = "&".join(f"{key}={text}" for key, text in pairs.items())
    with pytest.raises(InvalidRequest):
        parse_wado_uri((query if value is None else f"{query}&{name}={value}").encode())


def test_the_object_is_asked_for_as_viewers_do() -> None:
    asked = _parse("contentType=application%2Fdicom&transferSyntax=*")
    assert asked.wants_dicom
    assert asked.transfer_syntax == "*"


@pytest.mark.parametrize(
    ("query", "viewport"),
    [
        ("rows=10", Viewport(None, 10)),
        ("columns=20", Viewport(20, None)),
        ("rows=10&columns=20", Viewport(20, 10)),
        ("region=0,0.5,1,1", Viewport(None, None, 0, 0.5, 1, 0.5, normalized=True)),
        ("region=0%2C0%2C.5%2C.5&rows=8", Viewport(None, 8, 0, 0, 0.5, 0.5, normalized=True)),
        ("viewport=64,32", Viewport(64, 32)),
    ],
)
def test_rows_columns_and_region_make_a_viewport(query: str, viewport: Viewport) -> None:
    assert _parse(query).picture.viewport == viewport


def test_the_other_parameters_of_a_picture() -> None:
    asked = _parse(
        "windowCenter=-10&windowWidth=20.5&imageQuality=50&frameNumber=3&imageAnnotation=patient,site"
        "&contentType=image/png,image/jpeg;q=0.5"
    )
    assert asked.picture.window == Window(-10, 20.5)
    assert (asked.picture.quality, asked.frame_number) == (50, 3)
    assert (asked.picture.annotation, asked.picture.unsupported) == (("patient",), ("site",))
    assert asked.content_types == ("image/png", "image/jpeg")


@pytest.mark.parametrize(
    "query",
    [
        "requestType=WADO",
        "studyUID=1.2.3",
        "contentType=",
        "contentType=jpeg",
        "contentType=*/*",
        "contentType=image/*",
        "contentType=application/dicom,image/jpeg",
        "contentType=application/dicom;transfer-syntax=1.2",
        "contentType=text/html;charset=utf-8",
        "transferSyntax=",
        "transferSyntax=1.2,1.3",
        "transferSyntax=abc",
        "anonymize=no",
        "anonymize=",
        "anonymize=yes&anonymize=yes",
        "frameNumber=0",
        "frameNumber=-1",
        "frameNumber=1,2",
        "frameNumber=",
        "rows=0",
        "rows=-5",
        "columns=99999999",
        "rows=16384&columns=16384",
        "rows=1.5",
        "region=0,0,1",
        "region=0,0,1,1.1",
        "region=-0.1,0,1,1",
        "region=0.5,0,0.5,1",
        "region=1,1,0,0",
        "region=a,b,c,d",
        "region=",
        "viewport=1,1&rows=5",
        "windowCenter=1",
        "windowWidth=1",
        "windowCenter=1&windowWidth=0",
        "windowCenter=1&windowWidth=nan",
        "windowCenter=1&windowWidth=2&contentType=application/dicom",
        "imageQuality=0",
        "imageQuality=101",
        "annotation=",
        "annotation=patient&imageAnnotation=patient",
        "presentationUID=1.2",
        "presentationSeriesUID=1.2",
        "presentationUID=x&presentationSeriesUID=1.2",
        "presentationUID=1.3&presentationSeriesUID=1.2&windowCenter=1&windowWidth=2",
        "presentationUID=1.3&presentationSeriesUID=1.2&frameNumber=1",
    ],
)
def test_a_bad_value_or_combination_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest):
        _parse(query)


def test_a_presentation_state_comes_with_its_series() -> None:
    asked = _parse("presentationUID=1.3&presentationSeriesUID=1.2&imageQuality=50")
    assert asked.presentation == ("1.2", "1.3")


_NAMES = ["contentType", "frameNumber", "rows", "region", "windowWidth", "transferSyntax", "annotation"]


@given(st.sampled_from(_NAMES), st.text(alphabet=st.characters(codec="ascii"), max_size=30))
def test_any_value_is_understood_or_refused(name: str, text: str) -> None:
    with suppress(InvalidRequest):
        _parse(f"{name}={text}")
