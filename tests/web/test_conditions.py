"""Dates and entity tags: what a client holds is not sent again (H-04 to H-06)."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pydicom
import pytest

from dicomweb.catalog.pool import connection
from dicomweb.web.conditions import cache_headers
from tests.builders import make_instance, new_uid
from tests.web.conftest import Client

LATER = "Fri, 01 Jan 2100 00:00:00 GMT"
EARLIER = "Sat, 01 Jan 2000 00:00:00 GMT"


def _stored_an_hour_ago(client: Client) -> str:
    """Path of an instance. Dates are given once they are old enough to tell the next change apart."""
    data = make_instance(frames=2)
    client.store(data)

    async def age() -> None:
        async with connection(client.archive.pool) as db:
            for table, column in (
                ("study", "updated_at"),
                ("series", "updated_at"),
                ("instance", "stored_at"),
            ):
                await db.execute(f"UPDATE {table} SET {column} = {column} - interval '1 hour'")

    client._run(age())
    dataset = pydicom.dcmread(io.BytesIO(data))
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


RESOURCES = [
    "",
    "/metadata",
    "/frames/1",
    "/bulkdata/7FE00010",
    "/bulkdata",
    "/pixeldata",
    "/rendered",
    "/thumbnail",
]


@pytest.mark.parametrize("suffix", RESOURCES)
def test_every_retrieve_has_a_date_and_keeps_to_it(client: Client, suffix: str) -> None:
    path = _stored_an_hour_ago(client) + suffix
    first = client.get(path)
    date = first.headers["last-modified"]
    age = datetime.now(UTC) - parsedate_to_datetime(date)
    assert timedelta(minutes=59) < age < timedelta(minutes=75)
    for since, status in ((date, 304), (LATER, 304), (EARLIER, 200), ("nonsense", 200), ("", 200)):
        response = client.get(path, headers={"If-Modified-Since": since})
        assert response.status_code == status, since
        assert (response.content == b"") == (status == 304)
        assert response.headers["etag"] == first.headers["etag"]
    # The tag has the word where both are given (RFC 9110 13.2.2).
    both = {"If-Modified-Since": date, "If-None-Match": '"another"'}
    assert client.get(path, headers=both).status_code == 200
    both = {"If-Modified-Since": EARLIER, "If-None-Match": first.headers["etag"]}
    assert client.get(path, headers=both).status_code == 304


@pytest.mark.parametrize(
    ("suffix", "accept"),
    [
        ("/frames/1", "application/octet-stream"),
        ("/bulkdata/7FE00010", "application/octet-stream"),
        ("/frames/1/rendered", "image/png"),
        ("/rendered", "image/gif"),
        ("/thumbnail", "image/jpeg"),
        ("/rendered", "multipart/related; type=image/png"),
    ],
)
def test_a_304_says_where_as_the_200_does(client: Client, suffix: str, accept: str) -> None:
    path = _stored_an_hour_ago(client) + suffix
    first = client.get(path, accept)
    kept = client.get(path, accept, headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, kept.status_code) == (200, 304)
    for name in ("content-location", "etag", "vary", "cache-control", "last-modified"):
        assert kept.headers.get(name) == first.headers.get(name), name
    assert ("content-location" in first.headers) == ("multipart" not in accept)


@pytest.mark.parametrize("suffix", RESOURCES)
def test_if_match_wants_the_current_representation(client: Client, suffix: str) -> None:
    path = _stored_an_hour_ago(client) + suffix
    tag = client.get(path).headers["etag"]
    for wanted, status in (
        (tag, 200),
        (f'W/"a","b", {tag}', 200),
        ("*", 200),
        ('"nope"', 412),
        (f"W/{tag}", 412),
        ("", 412),
    ):
        response = client.get(path, headers={"If-Match": wanted})
        assert response.status_code == status, wanted
    both = {"If-Match": '"nope"', "If-None-Match": tag}
    assert client.get(path, headers=both).status_code == 412


def test_a_study_is_as_young_as_its_last_change(client: Client) -> None:
    path = _stored_an_hour_ago(client)
    study = path.split("/")[2]
    url = f"/studies/{study}/metadata"
    date = client.get(url).headers["last-modified"]
    client.store(make_instance(study_instance_uid=study))
    changed = client.get(url, headers={"If-Modified-Since": date})
    assert changed.status_code == 200
    assert "last-modified" not in changed.headers, "too young: the next change could have the same date"
    assert client.get(path + "/metadata", headers={"If-Modified-Since": date}).status_code == 304


def test_a_date_is_given_once_no_other_change_can_have_it() -> None:
    now = datetime.now(UTC)
    assert "Last-Modified" not in cache_headers("1", modified=now)
    assert "Last-Modified" not in cache_headers("1")
    assert "Last-Modified" in cache_headers("1", modified=now - timedelta(seconds=3))


def test_if_range_takes_the_tag_or_the_date(client: Client) -> None:
    path = _stored_an_hour_ago(client) + "/bulkdata/7FE00010"
    whole = client.get(path, "application/octet-stream")
    assert whole.headers["accept-ranges"] == "bytes"
    for condition, status in (
        (whole.headers["etag"], 206),
        (whole.headers["last-modified"], 206),
        ('"another"', 200),
        (EARLIER, 200),
        ("W/" + whole.headers["etag"], 200),
    ):
        headers = {"Range": "bytes=2-5", "If-Range": condition}
        response = client.get(path, "application/octet-stream", headers=headers)
        assert response.status_code == status, condition
        assert response.content == (whole.content[2:6] if status == 206 else whole.content)


@pytest.mark.parametrize("suffix", ["", "/frames/1,2", "/frames/1", "/pixeldata"])
def test_ranges_of_a_multipart_answer_count_the_whole_body(client: Client, suffix: str) -> None:
    path = _stored_an_hour_ago(client) + suffix
    whole = client.get(path)
    size = len(whole.content)
    assert whole.headers["content-type"].startswith("multipart/related")
    first = client.get(path, headers={"Range": "bytes=0-99"})
    rest = client.get(path, headers={"Range": "bytes=100-", "If-Range": whole.headers["etag"]})
    assert (first.status_code, rest.status_code) == (206, 206)
    assert first.content + rest.content == whole.content
    assert rest.headers["content-range"] == f"bytes 100-{size - 1}/{size}"
    both = client.get(path, headers={"Range": "bytes=0-9, 20-29"})
    assert both.headers["content-type"].startswith("multipart/byteranges")
    assert both.content.count(b"Content-Range: bytes ") == 2
    assert client.get(path, headers={"Range": f"bytes={size}-"}).status_code == 416


@pytest.mark.parametrize(
    "header",
    ["bytes", "bytes=", "bytes=x-y", "items=0-5", "bytes=5-2", "bytes=0-5,x", "bytes=" + "0-," * 5000],
)
def test_a_range_that_is_not_understood_gives_the_whole(client: Client, header: str) -> None:
    path = _stored_an_hour_ago(client) + "/bulkdata/7FE00010"
    response = client.get(path, "application/octet-stream", headers={"Range": header})
    assert response.status_code == 200
    assert "content-range" not in response.headers


def test_what_is_not_there_has_no_copy(client: Client) -> None:
    headers = {"If-None-Match": "*", "If-Modified-Since": LATER}
    assert client.get(f"/studies/{new_uid()}", headers=headers).status_code == 404
