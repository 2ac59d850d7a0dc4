"""Bulkdata and pixel data of everything below a resource; dates and ranges (PS3.18 10.4.1.1.5, RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from conformance.suite import drawn
from conformance.suite.check import Skipped, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.library import library
from conformance.suite.checks.rendered_values import stored
from conformance.suite.multipart import read_related
from conformance.suite.objects import Instance, native_image
from conformance.suite.samples import SAMPLES, picture
from conformance.suite.session import DICOM, JSON, OCTETS, STORED, Attributes, Session


def _uris(data_set: Attributes) -> Iterator[str]:
    for element in data_set.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        for item in element.get("Value", []) if element.get("vr") == "SQ" else []:
            yield from _uris(item or {})


@shows("W-07", "W-40", "G-63")
def all_bulkdata_below_a_resource(session: Session) -> str:
    image, document = pictures.native(session), pictures.document(session)
    wave = session.once("an ECG", lambda run: stored(run, drawn.ecg(run)))
    count = 0
    for path in (wave.path, document.path, image.path, image.series_path, image.study_path):
        wanted = [uri for data_set in session.metadata(path) for uri in _uris(data_set)]
        parts = session.parts(path + "/bulkdata", OCTETS)
        where = [part.headers.get("content-location", "") for part in parts]
        expect_equal(sorted(where), sorted(wanted), "Content-Location of the parts and BulkDataURIs")
        for uri, part in zip(where, parts, strict=True):
            expect(session.parts(uri, OCTETS)[0].content == part.content, f"{uri[-20:]}: other bytes")
            count += 1
    return f"{count} values, each as by its BulkDataURI"


@shows("W-07", "W-40", "M-16")
def pixel_data_below_a_resource(session: Session) -> str:
    frames = pictures.native_frames(session)
    (part,) = session.parts(frames.path + "/pixeldata", OCTETS)
    expect(part.content == b"".join(picture("gray16", n) for n in range(4)), "native frames in one part")
    compressed = pictures.compressed_frames(session)
    parts = session.parts(compressed.path + "/pixeldata", 'multipart/related; type="image/jp2"')
    expect_equal(len(parts), 4, "parts of four JPEG 2000 frames")
    wanted = [SAMPLES["90"].frames[n % 2].rstrip(b"\0") for n in range(4)]
    expect_equal([one.content.rstrip(b"\0") for one in parts], wanted, "codestreams")
    (decoded,) = session.parts(compressed.path + "/pixeldata", OCTETS)
    expect(decoded.content == b"".join(picture("gray16", n % 2) for n in range(4)), "decoded frames")
    for level in (frames.series_path, frames.study_path):
        expect_equal(len(session.parts(level + "/pixeldata", OCTETS)), 1, "parts")
    status = session.get(pictures.text_report(session).path + "/pixeldata", accept=OCTETS).status_code
    expect(status in (404, 406), f"pixeldata of a report: {status}")
    return f"uncompressed one part, compressed one a frame; a report {status}"


# --- conditions and ranges ---------------------------------------------------------------------------


def _resources(session: Session) -> dict[str, tuple[str, str]]:
    image = pictures.settled(session)
    uri = session.metadata(image.path)[0]["7FE00010"]["BulkDataURI"]
    return {
        "instance": (image.path, DICOM),
        "series": (image.series_path, STORED),
        "metadata": (image.path + "/metadata", JSON),
        "frame": (image.path + "/frames/1", OCTETS),
        "bulkdata": (uri, "application/octet-stream"),
        "rendered": (image.path + "/frames/1/rendered", "image/jpeg"),
        "thumbnail": (image.path + "/thumbnail", "image/jpeg"),
    }


@shows("H-04")
def last_modified_decides_too(session: Session) -> str:
    resources = _resources(session)
    for what, (path, accept) in resources.items():
        status = session.get(path, accept=accept, headers={"If-Modified-Since": "nonsense"}).status_code
        expect_equal(status, 200, f"{what}: If-Modified-Since: nonsense")
        response = session.get(path, accept=accept)
        when = response.headers.get("last-modified", "")
        expect(when, f"{what}: no Last-Modified")
        parsedate_to_datetime(when)
        headers = {"If-Modified-Since": when}
        again = session.get(path, accept=accept, headers=headers)
        expect_equal((again.status_code, again.content), (304, b""), f"{what}: If-Modified-Since")
        old = session.get(path, accept=accept, headers={"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"})
        expect_equal(old.status_code, 200, f"{what}: If-Modified-Since an old date")
        both = {**headers, "If-None-Match": '"other"'}
        status = session.get(path, accept=accept, headers=both).status_code
        expect_equal(status, 200, f"{what}: If-None-Match goes before If-Modified-Since")
    return ", ".join(resources)


@shows("H-04", "H-05")
def if_range_protects_from_mixtures(session: Session) -> str:
    image = pictures.settled(session)
    uri = session.metadata(image.path)[0]["7FE00010"]["BulkDataURI"]
    whole = session.get(uri, accept="application/octet-stream")
    cases = {
        whole.headers["etag"]: 206,
        '"another"': 200,
        "W/" + whole.headers["etag"]: 200,
        whole.headers["last-modified"]: (200, 206),
        "Sat, 01 Jan 2000 00:00:00 GMT": 200,
    }
    for condition, wanted in cases.items():
        headers = {"Range": "bytes=4-7", "If-Range": condition}
        response = session.get(uri, accept="application/octet-stream", headers=headers)
        allowed = wanted if isinstance(wanted, tuple) else (wanted,)
        expect(response.status_code in allowed, f"If-Range: {condition}: {response.status_code}")
        body = whole.content[4:8] if response.status_code == 206 else whole.content
        expect(response.content == body, f"If-Range: {condition}: other bytes")
    return "206 for the same ETag, the whole for any other"


@shows("H-05", "V-08")
def single_part_frames_have_ranges(session: Session) -> str:
    image = pictures.compressed(session, "201")
    path, accept = image.path + "/frames/1", "image/jphc"
    whole = session.get(path, accept=accept)
    expect_equal(whole.headers.get("accept-ranges"), "bytes", "Accept-Ranges")
    part = session.get(path, accept=accept, headers={"Range": "bytes=0-99"})
    expect_equal((part.status_code, part.content), (206, whole.content[:100]), "bytes=0-99")
    expect_equal(part.headers.get("content-range"), f"bytes 0-99/{len(whole.content)}", "Content-Range")
    beyond = session.get(path, accept=accept, headers={"Range": "bytes=9999999-"})
    length = len(whole.content)
    expect_equal(
        (beyond.status_code, beyond.headers.get("content-range")), (416, f"bytes */{length}"), "beyond"
    )
    return "the first 100 bytes of an HTJ2K frame"


@shows("V-08")
def encoded_frames_have_ranges(session: Session) -> str:
    """As viewers ask that show the beginning of a frame, which nobody stored as HTJ2K, and then the rest."""
    image = pictures.native_frames(session)
    path, syntax = image.path + "/frames/2", "transfer-syntax=1.2.840.10008.1.2.4.202"
    for accept in (f"image/jphc; {syntax}", f'multipart/related; type="image/jphc"; {syntax}'):
        whole = session.get(path, accept=accept)
        if whole.status_code == 406:
            raise Skipped("frames are not encoded as HTJ2K RPCL")
        size = len(whole.content)
        first = session.get(path, accept=accept, headers={"Range": "bytes=0-99"})
        expect_equal((first.status_code, first.content), (206, whole.content[:100]), f"{accept}: bytes=0-99")
        expect_equal(first.headers.get("content-range"), f"bytes 0-99/{size}", f"{accept}: Content-Range")
        rest = session.get(
            path, accept=accept, headers={"Range": "bytes=100-", "If-Range": first.headers.get("etag", "")}
        )
        expect(first.content + rest.content == whole.content, f"{accept}: two ranges are not the whole")
    return "the first 100 bytes of a frame encoded as HTJ2K RPCL, and the rest; single part and multipart"


@shows("H-05")
def several_ranges_at_once(session: Session) -> str:
    image = pictures.native_frames(session)
    uri = session.metadata(image.path)[0]["7FE00010"]["BulkDataURI"]
    whole = session.get(uri, accept="application/octet-stream").content
    response = session.get(uri, accept="application/octet-stream", headers={"Range": "bytes=0-3,10-13"})
    if response.status_code == 200:
        expect(response.content == whole, "200 with other bytes")
        return "the whole"
    expect_equal(response.status_code, 206, "status")
    kind = response.headers["content-type"]
    expect(kind.startswith("multipart/byteranges"), f"Content-Type {kind}")
    boundary = kind.partition("boundary=")[2].strip('"')
    pieces = response.content.split(b"--" + boundary.encode())[1:-1]
    bodies = [piece.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in pieces]
    expect_equal(bodies, [whole[0:4], whole[10:14]], "ranges")
    ranges = [re.search(rb"(?i)content-range: bytes (\S+)", piece) for piece in pieces]
    expect(all(ranges), "a part without Content-Range")
    return "multipart/byteranges"


@shows("H-06")
def ranges_of_multipart_answers(session: Session) -> str:
    image = pictures.native_frames(session)
    for path, accept in ((image.path, DICOM), (image.path + "/frames/1,2", OCTETS)):
        whole = session.get(path, accept=accept)
        kind = whole.headers["content-type"]
        again = session.get(path, accept=accept)
        expect_equal(again.headers["content-type"], kind, "boundary of a second answer")
        expect(again.content == whole.content, "two answers differ")
        middle = len(whole.content) // 2
        pieces = []
        for piece in (f"bytes=0-{middle - 1}", f"bytes={middle}-"):
            response = session.get(path, accept=accept, headers={"Range": piece})
            expect_equal(response.status_code, 206, piece)
            pieces.append(response.content)
        read_related(kind, b"".join(pieces))
    return "two halves make the whole, the boundary stays"


@shows("H-03")
def codings_of_metadata_and_search(session: Session) -> str:
    image = pictures.native(session)
    seen = []
    for path, accept in ((image.path + "/metadata", JSON), ("/studies", JSON)):
        plain = session.get(path, accept=accept, headers={"Accept-Encoding": "identity"})
        expect("content-encoding" not in plain.headers, "identity is encoded")
        coded = session.get(path, accept=accept, headers={"Accept-Encoding": "gzip"})
        expect_equal(coded.headers.get("content-encoding"), "gzip", f"{path[-9:]} with gzip")
        expect("accept-encoding" in coded.headers.get("vary", "").lower(), "Vary without Accept-Encoding")
        refused = session.get(path, accept=accept, headers={"Accept-Encoding": "gzip;q=0"})
        expect("content-encoding" not in refused.headers, "gzip;q=0 is answered in gzip")
        raw = session.client.build_request(
            "GET",
            session.base_url + path,
            headers={"Accept": accept, "Accept-Encoding": "zstd"},
        )
        answer = session.client.send(raw, stream=True)
        coding = answer.headers.get("content-encoding", "identity")
        if coding == "zstd":
            start = b"".join(answer.iter_raw())[:4]
            expect_equal(start, b"\x28\xb5\x2f\xfd", "first bytes of zstd")
        answer.close()
        seen.append(coding)
    frame = session.get(image.path + "/frames/1", accept="image/jls", headers={"Accept-Encoding": "gzip"})
    expect("content-encoding" not in frame.headers, "a compressed frame is packed again")
    return f"gzip; zstd asked for gives {' and '.join(seen)}; compressed frames are left alone"


@shows("H-12")
def busy_and_created_answers_have_their_headers(session: Session) -> str:
    made: Instance = native_image(session)
    headers = session.store(made).headers
    expect("location" in headers or "content-location" in headers, "neither Location nor Content-Location")
    library(session)
    response = session.send("DELETE", pictures.native(session).path + "/metadata")
    expect_equal(response.status_code, 405, "DELETE of metadata")
    expect("GET" in response.headers.get("allow", ""), "Allow lacks GET")
    return response.headers["allow"]
