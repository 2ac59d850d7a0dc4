"""Choosing what to send (PS3.18 8.7)."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import httpx

from conformance.suite.check import Failed, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.library import library
from conformance.suite.multipart import parse_media_type, read_related
from conformance.suite.part10 import EXPLICIT
from conformance.suite.reader import read_file
from conformance.suite.samples import SAMPLES, picture
from conformance.suite.session import DICOM, JSON, OCTETS, Session, json_of

J2K = SAMPLES["90"].transfer_syntax_uid


@shows("G-20", "G-21", "G-23")
def accept_is_read_leniently(session: Session) -> str:
    path = pictures.native(session).path
    forms = (
        "multipart/related; type=application/dicom",
        'Multipart/Related;TYPE="Application/DICOM"',
        'multipart/related; charset=utf-8; boundary="a,b"; type="application/dicom"',
        'multipart/related ; type="application/dicom" ; q=0.3',
        "nonsense, multipart/related; type=application/dicom",
        "text/html, ,, multipart/related; type=application/dicom;",
        'multipart/related; type="video/weird", multipart/related; type="application/dicom"',
        "multipart/related",
    )
    for accept in forms:
        response = session.get(path, accept=accept)
        expect_equal(response.status_code, 200, accept)
        read_related(response.headers["content-type"], response.content)
    return f"{len(forms)} spellings"


@shows("G-20")
def repeated_accept_lines_are_joined(session: Session) -> str:
    path = pictures.native(session).path
    response = session.client.get(
        session.base_url + path,
        headers=[("Accept", "image/gif"), ("Accept", "multipart/related; type=application/dicom")],
    )
    expect_equal(response.status_code, 200, "status")
    return "200"


@shows("G-22")
def q_values_choose(session: Session) -> str:
    image = pictures.compressed(session, "90")
    jp2, octets = 'multipart/related; type="image/jp2"', 'multipart/related; type="application/octet-stream"'
    cases = {
        f"{jp2}; q=0.2, {octets}; q=0.9": "application/octet-stream",
        f"{jp2}; q=0.9, {octets}; q=0.2": "image/jp2",
        f"{octets}; q=0, {jp2}; q=0.001": "image/jp2",
    }
    for accept, wanted in cases.items():
        part = session.parts(image.path + "/frames/1", accept)[0]
        expect_equal(part.content_type[0], wanted, accept)
    refused = session.get(image.path + "/metadata", accept="application/dicom+json;q=0, */*;q=0.0")
    expect_equal(refused.status_code, 406, "everything excluded by q=0")
    return "highest q wins, q=0 excludes"


@shows("G-24", "M-06")
def wildcards_give_the_default(session: Session) -> str:
    image = pictures.native(session)
    cases = {
        image.path: "multipart/related",
        image.path + "/metadata": "application/dicom+json",
        image.path + "/frames/1": "multipart/related",
        "/studies?limit=1": "application/dicom+json",
    }
    for path, wanted in cases.items():
        for accept in ("*/*", "text/html,application/xhtml+xml,*/*;q=0.8"):
            response = session.get(path, accept=accept)
            expect_equal(response.status_code, 200, f"{accept} on {path}")
            seen, parameters = parse_media_type(response.headers["content-type"])
            expect(seen == wanted or (seen, wanted) == ("application/dicom", "multipart/related"),
                   f"{path}: {seen}")  # fmt: skip
            expect(path != image.path or parameters.get("type", SINGLE) == SINGLE, f"{path}: {parameters}")
    jp2 = session.parts(pictures.compressed(session, "90").path + "/frames/1", IMAGES)[0]
    expect_equal(jp2.content_type[0], "image/jp2", f"{IMAGES} on frames")
    for accept in ("application/*", "multipart/*", "*/*;q=0.1"):
        expect_equal(session.get(image.path, accept=accept).status_code, 200, accept)
    return "instances as application/dicom, metadata and search as JSON, frames as octet-stream"


SINGLE = "application/dicom"
IMAGES = 'multipart/related; type="image/*"'


@shows("G-25", "Z-01")
def no_accept_header_is_any(session: Session) -> str:
    image = pictures.native(session)
    for path in (image.path, image.path + "/metadata", image.path + "/frames/1", "/studies"):
        query = "limit=1" if path == "/studies" else ""
        expect_equal(session.get(path, query=query, accept=None).status_code, 200, path[-12:])
    return "200"


@shows("G-26", "V-11", "G-09")
def the_accept_parameter_goes_first(session: Session) -> str:
    image = pictures.compressed(session, "90")
    spelled = {
        f"accept={quote(f'multipart/related; type=application/dicom; transfer-syntax={J2K}', safe='')}": J2K,
        "accept=multipart%2Frelated%3Btype%3D%22application%2Fdicom%22": EXPLICIT,
    }
    for query, wanted in spelled.items():
        parts = session.parts(image.path, "*/*", query=query)
        expect_equal(read_file(parts[0].content).transfer_syntax_uid, wanted, query)
    for query in ("accept=application/dicom+json", "accept=application%2Fdicom%2Bjson"):
        response = session.get(image.path + "/metadata", query=query, accept="text/html, */*")
        expect(response.headers.get("content-type", "").startswith(JSON), query)
    single = session.get(image.path + "/frames/1", query="accept=image/jp2", accept="*/*")
    expect_equal(
        single.headers.get("content-type", "").split(";")[0], "image/jp2", "accept=image/jp2 on frames"
    )
    return "encoded or not, with + unencoded, before the header"


@shows("G-27", "Z-11")
def an_unsupported_accept_parameter(session: Session) -> str:
    path = pictures.native(session).path
    response = session.get(path + "/metadata", query="accept=video/mp4", accept="*/*")
    expect(response.status_code in (200, 406), f"status {response.status_code}")
    strict = session.get(path + "/metadata", query="accept=video/mp4", accept="video/mp4").status_code
    expect_equal(strict, 406, "unsupported parameter and header")
    return f"{response.status_code} with a wildcard header, 406 without"


@shows("G-27")
def dicom_and_rendered_types_do_not_mix(session: Session) -> str:
    path = pictures.native(session).path
    response = session.get(path, accept=f"{DICOM}, text/html")
    expect_equal(response.status_code, 200, "an unknown type beside application/dicom")
    return "types that the resource does not serve are no mixture"


@shows("M-09", "M-06", "V-01")
def metadata_and_search_as_json(session: Session) -> str:
    path = pictures.native(session).path + "/metadata"
    ohif = (
        "application/dicom+json, multipart/related; type=application/octet-stream; transfer-syntax=*, "
        "application/json;q=0.1"
    )
    browser = "application/json, text/plain, */*"
    for accept in ("application/json", "application/dicom+json; charset=utf-8", ohif, browser):
        for resource, query in ((path, ""), ("/studies", "limit=1")):
            response = session.get(resource, query=query, accept=accept)
            expect_equal(response.status_code, 200, f"{accept} on {resource[-9:]}")
            expect(isinstance(json_of(response), list), "no array")
    return "application/json, dicom+json, and the lists that viewers send"


@shows("M-06", "W-61")
def other_search_types_are_406(session: Session) -> str:
    for accept in ("image/png", "text/csv", DICOM):
        expect_equal(session.get("/studies", query="limit=1", accept=accept).status_code, 406, accept)
    return "406"


@shows("G-29")
def a_transfer_syntax_that_is_no_uid(session: Session) -> str:
    path = pictures.native(session).path
    accept = f"{DICOM}; transfer-syntax=nonsense"
    status = session.get(path, accept=accept).status_code
    expect(status in (400, 406), f"status {status}")
    rescued = session.get(path, accept=f"{accept}, {DICOM}").status_code
    expect_equal(rescued, 200, "beside a sound entry")
    return f"{status} alone, skipped beside a sound entry"


@shows("G-36", "M-03")
def single_part_types_need_a_single_item(session: Session) -> str:
    image = pictures.native(session)
    for path in (image.study_path, image.series_path):
        status = session.get(path, accept="application/octet-stream").status_code
        expect_equal(status, 406, "octet-stream of a study or series")
    response = session.get(image.study_path, accept=f"application/dicom, {DICOM};q=0.1")
    expect_equal(response.status_code, 200, "with a multipart alternative")
    expect(response.headers["content-type"].startswith("multipart/related"), "not multipart")
    return "dropped for several items, the multipart alternative is used"


@shows("G-37", "H-11", "Z-11")
def a_406_lists_what_there_is(session: Session) -> str:
    image = pictures.compressed(session, "90")
    cases = {
        image.path: "application/dicom",
        image.path + "/metadata": "application/dicom+json",
        image.path + "/frames/1": "application/octet-stream",
    }
    for path, wanted in cases.items():
        response = session.get(path, accept="application/x-nothing")
        expect_equal(response.status_code, 406, path[-9:])
        expect(wanted in response.text, f"{wanted} is not named in the 406")
    return "media types named in the body"


@shows("G-60", "G-61", "G-62")
def multipart_answers_are_well_formed(session: Session) -> str:
    image = pictures.native_frames(session)
    study = library(session).alpha[0].study_path
    seen = 0
    for path, accept in ((image.path, DICOM), (image.path + "/frames/1,2,3", OCTETS), (study, DICOM)):
        response = session.get(path, accept=accept)
        expect_equal(response.status_code, 200, path)
        _, parameters = parse_media_type(response.headers["content-type"])
        wanted = "application/dicom" if accept == DICOM else "application/octet-stream"
        root_type = parameters.get("type", "").partition(";")[0]
        expect_equal(root_type, wanted, "type parameter")
        parts = read_related(response.headers["content-type"], response.content)
        missing = [part for part in parts if "content-length" not in part.headers]
        expect(not missing or "transfer-encoding" in response.headers, "parts without Content-Length")
        seen += len(parts)
    return f"{seen} parts, each with Content-Type and Content-Length, type and boundary in the header"


@shows("M-13", "Z-05")
def image_jpeg_on_frames_is_lossless_or_as_stored(session: Session) -> str:
    lossy, native = pictures.compressed(session, "50"), pictures.native(session)
    accept = 'multipart/related; type="image/jpeg"'
    part = session.parts(lossy.path + "/frames/1", accept)[0]
    expect(part.content.rstrip(b"\0") == SAMPLES["50"].frames[0].rstrip(b"\0"), "the stored JPEG is not sent")
    response = session.get(native.path + "/frames/1", accept=accept)
    if response.status_code == 406:
        return "stored JPEG untouched; native pixels 406 (no encoder)"
    part = read_related(response.headers["content-type"], response.content)[0]
    named = part.content_type[1].get("transfer-syntax")
    expect_equal(named, "1.2.840.10008.1.2.4.70", "syntax of image/jpeg made from native pixels")
    return "stored JPEG untouched, native pixels become 1.2.4.70"


@shows("V-12")
def the_host_header_may_lack_the_port(session: Session) -> str:
    image = pictures.native(session)
    host = urlsplit(session.base_url).hostname or ""
    response = session.get(image.path + "/metadata", accept=JSON, headers={"Host": host})
    expect_equal(response.status_code, 200, "status")
    uri = json_of(response)[0]["7FE00010"]["BulkDataURI"]
    try:
        parts = session.parts(uri, OCTETS)
    except httpx.HTTPError as error:
        raise Failed(f"BulkDataURI begins with {uri.partition('/studies')[0]}") from error
    expect(parts[0].content == picture("gray16", 0), "BulkDataURI does not give the pixels")
    return "BulkDataURI still reaches the server"
