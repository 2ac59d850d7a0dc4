"""WADO-URI through the whole application (I-01 to I-10, V-14)."""

from __future__ import annotations

import io
from urllib.parse import urlencode

import httpx
import pydicom
import pytest

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.builders import new_uid
from tests.web.conftest import Client
from tests.web.shown import (
    ENCAPSULATED_PDF,
    JPEG_BASELINE,
    broken_image,
    cine,
    document,
    gray_image,
    path_of,
    picture,
    report,
    video,
)

WADO = "http://127.0.0.1:8080/wado"
# What a viewer sends with every request of pixels, also here.
FRAMES_ACCEPT = "multipart/related; type=application/octet-stream; transfer-syntax=*"


def _stored(client: Client, data: bytes) -> dict[str, str]:
    """Stores it; the parameters that name it."""
    assert client.store(data).status_code == 200
    _, _, study, _, series, _, instance = path_of(data).split("/")
    return {"requestType": "WADO", "studyUID": study, "seriesUID": series, "objectUID": instance}


def _get(client: Client, named: dict[str, str], more: str = "", accept: str = "") -> httpx.Response:
    return client.get(f"{WADO}?{urlencode(named)}{'&' if more else ''}{more}", accept)


@pytest.fixture(scope="module")
def still(client: Client) -> dict[str, str]:
    return _stored(client, gray_image())


@pytest.fixture(scope="module")
def moving(client: Client) -> dict[str, str]:
    return _stored(client, cine())


@pytest.mark.parametrize("accept", ["", "*/*", "image/*", "text/html, */*;q=0.1"])
def test_without_a_content_type_it_is_a_jpeg(client: Client, still: dict[str, str], accept: str) -> None:
    response = _get(client, still, accept=accept)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
    assert response.headers["content-length"] == str(len(response.content))


def test_the_accept_header_may_ask_for_the_object(client: Client, still: dict[str, str]) -> None:
    response = _get(client, still, accept="application/dicom")
    assert response.headers["content-type"].startswith("application/dicom")


@pytest.mark.parametrize("more", ["", "&transferSyntax=*", f"&transferSyntax={EXPLICIT_LITTLE}"])
def test_the_object_comes_in_a_syntax_that_may_leave(client: Client, more: str) -> None:
    named = _stored(client, gray_image(transfer_syntax_uid=IMPLICIT_LITTLE))
    response = _get(client, named, f"contentType=application%2Fdicom{more}", FRAMES_ACCEPT)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/dicom")
    assert pydicom.dcmread(io.BytesIO(response.content)).file_meta.TransferSyntaxUID == EXPLICIT_LITTLE


def test_the_object_as_stored_and_in_a_syntax_that_it_cannot_have(client: Client) -> None:
    named = _stored(client, broken_image())
    response = _get(client, named, "contentType=application/dicom&transferSyntax=*")
    assert pydicom.dcmread(io.BytesIO(response.content)).file_meta.TransferSyntaxUID == JPEG_BASELINE
    refused = _get(client, named, "contentType=application/dicom&transferSyntax=1.2.840.10008.1.2.4.100")
    assert refused.status_code == 406


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("rows=16", (24, 16)),
        ("columns=12", (12, 8)),
        ("rows=100&columns=24", (24, 16)),
        ("region=0,0,0.5,0.5", (24, 16)),
        ("region=0.5%2C0%2C1%2C1&rows=8", (6, 8)),
        ("viewport=12,12", (12, 8)),
    ],
)
def test_rows_columns_and_region(
    client: Client, still: dict[str, str], query: str, size: tuple[int, int]
) -> None:
    response = _get(client, still, f"contentType=image/png&{query}", FRAMES_ACCEPT)
    assert response.headers["content-type"] == "image/png"
    assert picture(response.content).size == size


def test_window_quality_and_annotation(client: Client, still: dict[str, str]) -> None:
    dark = _get(client, still, "contentType=image/png&windowCenter=1000&windowWidth=10")
    assert picture(dark.content).convert("L").getextrema() == (0, 0)
    small, large = (len(_get(client, still, f"imageQuality={n}").content) for n in (1, 100))
    assert small < large
    assert "site" in _get(client, still, "imageAnnotation=site,patient").headers["warning"]


def test_frames_of_a_moving_image(client: Client, moving: dict[str, str], still: dict[str, str]) -> None:
    third = _get(client, moving, "contentType=image/png&frameNumber=3")
    assert picture(third.content).convert("L").getpixel((0, 0)) == 200
    assert _get(client, moving, "frameNumber=4").status_code == 400
    assert _get(client, still, "frameNumber=1").status_code == 400, "an object that has no frame numbers"
    animation = _get(client, moving, "contentType=image/gif")
    assert picture(animation.content).n_frames == 3  # type: ignore[attr-defined]
    one = _get(client, moving, "contentType=image/jpeg")
    assert "this is frame 2" in one.headers["warning"]


@pytest.mark.parametrize(
    "more",
    [
        "requestType=WADO",
        "contentType=*/*",
        "contentType=application/dicom,image/jpeg",
        "contentType=application/dicom&windowCenter=1&windowWidth=2",
        "contentType=image/jpeg;transfer-syntax=1.2",
        "transferSyntax=x",
        "anonymize=yes",
        "anonymize=no",
        "rows=99999999&columns=99999999",
        "region=0,0,2,2",
        "windowWidth=5",
        "imageQuality=1000",
        "presentationUID=1.2.3",
        "presentationUID=1.2.3&presentationSeriesUID=1.2.4",
    ],
)
def test_a_bad_request_is_refused_and_gives_nothing_of_the_object(
    client: Client, still: dict[str, str], more: str
) -> None:
    response = _get(client, still, more)
    assert response.status_code == 400
    assert response.json()["detail"]


@pytest.mark.parametrize("name", ["requestType", "studyUID", "seriesUID", "objectUID"])
def test_every_name_is_needed(client: Client, still: dict[str, str], name: str) -> None:
    assert _get(client, {key: value for key, value in still.items() if key != name}).status_code == 400
    assert _get(client, {**still, name: ""}).status_code == 400


def test_what_is_not_there_was_deleted_or_lies_elsewhere(client: Client, still: dict[str, str]) -> None:
    for name in ("studyUID", "seriesUID", "objectUID"):
        for content_type in ("image/jpeg", "application/dicom"):
            response = _get(client, {**still, name: new_uid()}, f"contentType={content_type}")
            assert response.status_code == 404
    data = gray_image()
    named = _stored(client, data)
    assert client.request("DELETE", path_of(data)).status_code == 204
    assert _get(client, named).status_code == 410


def test_types_that_cannot_be_given(client: Client, still: dict[str, str]) -> None:
    for query, accept in (("contentType=image/tiff", ""), ("contentType=text/html", ""), ("", FRAMES_ACCEPT)):
        assert _get(client, still, query, accept).status_code == 406
    assert _get(client, _stored(client, broken_image())).status_code == 406


def test_reports_documents_and_video(client: Client) -> None:
    page = _get(client, _stored(client, report()))
    assert page.headers["content-type"] == "text/html; charset=UTF-8"
    content = b"%PDF-1.4\n" + b"x" * 2001
    pdf = _get(client, _stored(client, document(content, "application/pdf", ENCAPSULATED_PDF)))
    assert (pdf.headers["content-type"], pdf.content) == ("application/pdf", content)
    named = _stored(client, video([b"0123456789"]))
    stretch = client.get(f"{WADO}?{urlencode(named)}", headers={"Range": "bytes=2-4"})
    assert (stretch.status_code, stretch.content) == (206, b"234")


def test_the_answer_is_revalidated(client: Client, still: dict[str, str]) -> None:
    for more in ("", "contentType=application/dicom"):
        etag = _get(client, still, more).headers["etag"]
        url = f"{WADO}?{urlencode(still)}&{more}"
        assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert client.request("POST", f"{WADO}?{urlencode(still)}").status_code == 405
