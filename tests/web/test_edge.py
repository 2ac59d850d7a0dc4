"""What holds for every request: Host, Origin, methods, paths, Status Reports, the public base."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import make_instance, new_uid
from tests.web.conftest import Client

ORIGIN = "http://localhost:3000"


def test_a_loopback_origin_may_read_every_answer_errors_and_304_too(client: Client) -> None:
    data = make_instance()
    client.store(data)
    etag = client.get("/studies").headers.get("etag", "")
    for path, headers in (
        ("/studies", {}),
        ("/studies/nonsense", {}),
        (f"/studies/{new_uid()}", {}),
        ("/nowhere", {}),
        ("/studies", {"If-None-Match": etag}),
    ):
        response = client.get(path, headers={"Origin": ORIGIN, **headers})
        assert response.headers["access-control-allow-origin"] == ORIGIN, path
        assert "ETag" in response.headers["access-control-expose-headers"]


def test_a_preflight_is_answered_and_a_foreign_origin_is_not_let_in(client: Client) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "accept"}
    allowed = client.request("OPTIONS", "/studies", headers={"Origin": ORIGIN, **asked})
    assert allowed.status_code == 204
    assert "GET" in allowed.headers["access-control-allow-methods"]
    assert "accept" in allowed.headers["access-control-allow-headers"].lower()
    assert int(allowed.headers["access-control-max-age"]) > 0
    foreign = client.request("OPTIONS", "/studies", headers={"Origin": "https://evil.example", **asked})
    assert "access-control-allow-origin" not in foreign.headers
    study = new_uid()
    simple = client.request(
        "POST",
        "/studies",
        content=make_instance(study_instance_uid=study),
        headers={"Origin": "https://evil.example", "Content-Type": "application/dicom"},
    )
    assert simple.status_code == 403
    assert client.get(f"/studies?StudyInstanceUID={study}").status_code == 204


@pytest.mark.parametrize("origin", ["http://[", "http://]", "http://[127.0.0.1]:80", "null", "://", "\x7f"])
def test_an_origin_that_is_none_is_not_allowed_and_no_fault(client: Client, origin: str) -> None:
    response = client.get("/studies", headers={"Origin": origin})
    assert response.status_code in (200, 204)
    assert "access-control-allow-origin" not in response.headers
    refused = client.request("POST", "/studies", content=b"", headers={"Origin": origin})
    assert refused.status_code == 403
    assert refused.json()["request_id"] == refused.headers["x-request-id"]


def test_two_host_headers_are_one_too_many(client: Client) -> None:
    headers = [("Host", "127.0.0.1"), ("Host", "evil.example")]
    assert client.request("GET", "/studies", headers=headers).status_code == 400


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "10.0.0.1", "127.0.0.1.evil.example"])
def test_an_unknown_host_is_refused(client: Client, host: str) -> None:
    assert client.get("/studies", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"])
def test_loopback_hosts_are_known(client: Client, host: str) -> None:
    assert client.get("/studies", headers={"Host": host}).status_code in (200, 204)


def test_the_headers_of_every_answer_are_completed_once(client: Client) -> None:
    client.store(make_instance())
    for path, vary in (("/studies", "Accept, Accept-Encoding, Origin"), ("/nowhere", "Origin")):
        headers = client.get(path).headers
        assert headers.get_list("vary") == [vary]
        assert headers.get_list("x-content-type-options") == ["nosniff"]
        assert headers.get_list("cross-origin-resource-policy") == ["same-site"]
        assert len(headers.get_list("x-request-id")) == 1
        assert "content-security-policy" not in headers


def test_another_method_is_405_with_a_full_allow(client: Client) -> None:
    response = client.request("PATCH", "/studies")
    assert response.status_code == 405
    assert {"GET", "HEAD", "POST", "PUT"} <= set(response.headers["allow"].split(", "))
    assert response.json()["status"] == 405


@pytest.mark.parametrize("method", ["PROPFIND", "TRACE", "X-OWN"])
def test_a_method_that_nobody_knows_is_405_too(client: Client, method: str) -> None:
    response = client.request(method, "/studies")
    assert (response.status_code, response.json()["status"]) == (405, 405)
    assert response.headers["allow"] == client.request("PATCH", "/studies").headers["allow"]
    assert client.request(method, "/nothing").status_code == 404


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
def test_an_encoded_slash_separates_nothing(client: Client, slash: str) -> None:
    study, series = new_uid(), new_uid()
    client.store(make_instance(study_instance_uid=study, series_instance_uid=series))
    assert client.get(f"/studies/{study}/series/{series}/metadata").status_code == 200
    assert client.get(f"/studies/{study}{slash}series/{series}/metadata").status_code == 400


def test_a_malformed_uid_is_called_by_its_name(client: Client) -> None:
    for path, name in (("", "Study"), ("/series/x", "Series"), ("/series/1.2/instances/x", "SOP")):
        study = "1.2" if path else "x"
        detail = client.get(f"/studies/{study}{path}/metadata").json()["detail"]
        assert f"The {name} Instance UID in the URL" in detail


def test_slashes_do_not_matter(client: Client) -> None:
    for path in ("/studies/", "//studies", "/studies//"):
        assert client.get(path).status_code in (200, 204), path


def test_a_too_long_uri_is_414(make_client: Any) -> None:
    client = make_client(uri_bytes=8192)
    assert client.get("/studies?PatientName=" + "a" * 9000).status_code == 414


def test_errors_come_as_json_html_or_text(client: Client) -> None:
    path = f"/studies/{new_uid()}"
    report = client.get(path)
    assert report.headers["content-type"] == "application/problem+json"
    assert report.json()["request_id"] == report.headers["x-request-id"]
    assert client.get(path, "text/html,*/*;q=0.8").text.startswith("<!doctype html>")
    assert "detail: " in client.get(path, "text/plain, application/dicom;q=0.1").text


def test_urls_come_from_the_public_base(make_client: Any) -> None:
    client = make_client(public_url="https://pacs.example.org/archive")
    study = new_uid()
    report = client.store(make_instance(study_instance_uid=study)).json()
    base = "https://pacs.example.org/archive/dicomweb"
    assert report["00081190"]["Value"] == [f"{base}/studies/{study}"]
    (metadata,) = client.get(f"/studies/{study}/metadata").json()
    assert metadata["7FE00010"]["BulkDataURI"].startswith(f"{base}/studies/{study}/series/")
    (found,) = client.get(f"/studies?StudyInstanceUID={study}").json()
    assert found["00081190"]["Value"] == [f"{base}/studies/{study}"]


def test_forwarded_headers_count_only_where_they_are_trusted(make_client: Any) -> None:
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "pacs.example.org",
        "X-Forwarded-Prefix": "/x",
    }
    study = new_uid()
    trusting, other = make_client(trust_forwarded=True), make_client()
    trusting.store(make_instance(study_instance_uid=study))
    query = f"/studies?StudyInstanceUID={study}"
    assert trusting.get(query, headers=forwarded).json()[0]["00081190"]["Value"] == [
        f"https://pacs.example.org/x/dicomweb/studies/{study}"
    ]
    assert other.get(query, headers=forwarded).json()[0]["00081190"]["Value"] == [
        f"http://127.0.0.1:8080/dicomweb/studies/{study}"
    ]


def test_health_tells_live_and_ready(client: Client) -> None:
    assert client.get("http://127.0.0.1:8080/health/live").json() == {"status": "live"}
    ready = client.get("http://127.0.0.1:8080/health/ready")
    assert (ready.status_code, ready.json()["checks"]) == (200, {"catalog": "up", "blobs": "up"})
