"""Last-Modified, several ranges at once, ranges of multipart answers (RFC 9110 13 and 14)."""

from __future__ import annotations

import time

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.session import OCTETS, Session


@shows("H-04")
def dates_of_what_is_stored(session: Session) -> str:
    image = pictures.native(session)
    for tail in ("", "/metadata", "/frames/1"):
        path = image.path + tail
        date = session.get(path).headers.get("last-modified")
        if date is None:
            time.sleep(3)  # a date so young could also be that of the next change
            date = session.get(path).headers.get("last-modified", "")
        for since, status in ((date, 304), ("Sat, 01 Jan 2000 00:00:00 GMT", 200), ("nonsense", 200)):
            response = session.get(path, headers={"If-Modified-Since": since})
            expect_equal(response.status_code, status, f"{tail or 'instance'} since {since}")
    return "Last-Modified and If-Modified-Since"


@shows("H-05")
def several_ranges_at_once(session: Session) -> str:
    image = pictures.native_frames(session)
    uri = session.metadata(image.path)[0]["7FE00010"]["BulkDataURI"]
    whole = session.get(uri, accept="application/octet-stream").content
    headers = {"Range": f"bytes=0-9,{len(whole) - 5}-"}
    response = session.get(uri, accept="application/octet-stream", headers=headers)
    expect_equal(response.status_code, 206, "several ranges")
    expect(
        response.headers.get("content-type", "").startswith("multipart/byteranges"), "no multipart/byteranges"
    )
    expect(whole[:10] in response.content and whole[-5:] in response.content, "a range is missing")
    return "multipart/byteranges"


@shows("H-06")
def ranges_of_a_multipart_answer(session: Session) -> str:
    path = pictures.native_frames(session).path + "/frames/1,2"
    whole = session.get(path, accept=OCTETS)
    headers = {"Range": "bytes=100-", "If-Range": whole.headers.get("etag", "")}
    rest = session.get(path, accept=OCTETS, headers=headers)
    expect_equal(rest.status_code, 206, "a range of a multipart answer")
    expect(rest.content == whole.content[100:], "other bytes than in the whole answer")
    return "offsets count the whole body"
