"""Conditional requests, ranges and cross-origin details (RFC 9110 13 and 14, Fetch)."""

from __future__ import annotations

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.session import JSON, OCTETS, Session

ORIGIN = {"Origin": "http://localhost:3000"}


@shows("H-04")
def forms_of_if_none_match(session: Session) -> str:
    path = pictures.native(session).path + "/metadata"
    tag = session.get(path, accept=JSON).headers.get("etag", "")
    for value in (f'"a", {tag}, "b"', f"W/{tag}", "*", f'"x,y",{tag}'):
        response = session.get(path, accept=JSON, headers={"If-None-Match": value})
        expect_equal(response.status_code, 304, value)
        expect("etag" in response.headers, "304 without ETag")
    for value in ("nonsense", '"unfinished', ""):
        response = session.get(path, accept=JSON, headers={"If-None-Match": value})
        expect(response.status_code in (200, 400), f"{value!r}: {response.status_code}")
    return "list, weak, *, commas inside tags"


@shows("H-04")
def etags_differ_between_representations(session: Session) -> str:
    image = pictures.compressed(session, "90")
    tags = [
        session.get(image.path + "/frames/1", accept=accept).headers.get("etag")
        for accept in (OCTETS, 'multipart/related; type="image/jp2"', "image/jp2", "application/octet-stream")
    ]
    expect(None not in tags and len(set(tags)) == len(tags), f"{tags}")
    path = image.path + "/metadata"
    plain = session.get(path, accept=JSON, headers={"Accept-Encoding": "identity"}).headers
    packed = session.get(path, accept=JSON, headers={"Accept-Encoding": "gzip"}).headers
    encoded = "content-encoding" in packed
    expect(not encoded or plain.get("etag") != packed.get("etag"), "one strong ETag for gzip and identity")
    return "decoded and stored, multipart and single part, gzip and identity"


@shows("H-05")
def odd_ranges(session: Session) -> str:
    image = pictures.native_frames(session)
    uri = session.metadata(image.path)[0]["7FE00010"]["BulkDataURI"]
    whole = session.get(uri, accept="application/octet-stream").content
    for header in ("bytes=abc", "bytes=9-3", "items=0-1", "bytes=", "bytes=0-1,5-6"):
        response = session.get(uri, accept="application/octet-stream", headers={"Range": header})
        expect(response.status_code in (200, 206, 416), f"{header}: {response.status_code}")
        if response.status_code == 200:
            expect(response.content == whole, f"{header}: 200 with other bytes")
    beyond = session.get(uri, accept="application/octet-stream", headers={"Range": "bytes=10-99999999"})
    expect_equal((beyond.status_code, beyond.content), (206, whole[10:]), "an end beyond the last byte")
    tag = session.get(uri, accept="application/octet-stream").headers.get("etag", "")
    headers = {"Range": "bytes=0-9", "If-Range": tag}
    expect_equal(
        session.get(uri, accept="application/octet-stream", headers=headers).status_code, 206, "If-Range"
    )
    return "malformed ones ignored, an end beyond the last byte cut, If-Range"


@shows("H-09", "V-13")
def uploads_from_pages(session: Session) -> str:
    asked = {
        **ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = session.send("OPTIONS", "/studies", headers=asked)
    expect(preflight.status_code in (200, 204), f"preflight {preflight.status_code}")
    expect("POST" in preflight.headers.get("access-control-allow-methods", ""), "POST is not allowed")
    allowed = preflight.headers.get("access-control-allow-headers", "").lower()
    expect("content-type" in allowed and "authorization" in allowed, f"allowed headers {allowed!r}")
    answer = session.send("POST", "/studies", headers={**ORIGIN, "Content-Type": "text/plain"}, content=b"x")
    expect_equal(
        answer.headers.get("access-control-allow-origin"), ORIGIN["Origin"], f"on {answer.status_code}"
    )
    return "preflight of POST, CORS on a refused upload"


@shows("H-09")
def pages_may_read_the_headers_they_need(session: Session) -> str:
    response = session.get(pictures.native(session).path + "/frames/1", headers=ORIGIN)
    exposed: str = response.headers.get("access-control-expose-headers", "").lower()
    wanted = ("warning", "content-range", "etag", "location", "content-location", "retry-after")
    missing = [name for name in wanted if name not in exposed]
    expect(not missing, f"not exposed: {', '.join(missing)}")
    return exposed


@shows("H-07")
def head_of_a_search(session: Session) -> str:
    response = session.send("HEAD", "/studies", query="limit=1", accept=JSON)
    expect(response.status_code in (200, 204), f"status {response.status_code}")
    expect_equal(response.content, b"", "body")
    return str(response.status_code)


@shows("H-05", "W-61")
def unknown_bulkdata_is_404(session: Session) -> str:
    image = pictures.native(session)
    uri = session.metadata(image.path)[0]["7FE00010"]["BulkDataURI"]
    for wrong in (uri[:-1] + "1", uri + "/0/00100010", uri.replace(image.sop, session.root + ".404")):
        status = session.get(wrong).status_code
        expect(status in (404, 400), f"{wrong[-20:]}: {status}")
    return "404"
