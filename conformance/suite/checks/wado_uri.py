"""WADO-URI: one object named by a query (PS3.18 section 9)."""

from __future__ import annotations

from urllib.parse import urlencode

import httpx

from conformance.suite import drawn
from conformance.suite.check import Skipped, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.rendered_types import greys, video
from conformance.suite.checks.rendered_values import PNG, expect_greys, stored
from conformance.suite.drawn import RAMP
from conformance.suite.image_files import jpeg_outline, read_picture, read_png
from conformance.suite.objects import PDF, Instance
from conformance.suite.part10 import EXPLICIT
from conformance.suite.reader import read_file
from conformance.suite.samples import COLUMNS, ROWS, SAMPLES, picture
from conformance.suite.session import Session

_J2K = "1.2.840.10008.1.2.4.90"


def _send(
    session: Session, instance: Instance, *, accept: str | None = "*/*", **parameters: str
) -> httpx.Response:
    """One request. A parameter of None value is left out; study, series, object default to the instance's."""
    query = {
        "requestType": "WADO",
        "studyUID": instance.study,
        "seriesUID": instance.series,
        "objectUID": instance.sop,
    } | parameters
    pairs = urlencode({name: value for name, value in query.items() if value is not None})
    return session.get(session.wado_uri, query=pairs, accept=accept)


def _get(session: Session, instance: Instance, **parameters: str) -> httpx.Response:
    response = _send(session, instance, **parameters)
    expect_equal(response.status_code, 200, f"{parameters}")
    return response


def _there(session: Session) -> Instance:
    """An image; skips the check where nothing answers at the URL."""
    image = pictures.native(session)
    if _send(session, image, contentType="application/dicom").status_code in (404, 405):
        raise Skipped(f"no WADO-URI at {session.wado_uri}")
    return image


def _ramp(session: Session) -> Instance:
    return session.once("a ramp", lambda run: stored(run, drawn.ramp(run)))


@shows("I-01", bad_input=True)
def the_mandatory_parameters_are_mandatory(session: Session) -> str:
    image = _there(session)
    for name in ("requestType", "studyUID", "seriesUID", "objectUID"):
        response = _send(session, image, **{name: None})  # type: ignore[arg-type]
        expect_equal(response.status_code, 400, f"without {name}")
        response = _send(session, image, **{name: ""})
        expect_equal(response.status_code, 400, f"empty {name}")
    for name, value in (
        ("requestType", "WADORS"),
        ("requestType", "wado"),
        ("objectUID", "1.2.x"),
        ("studyUID", "1" * 65),
    ):
        expect_equal(_send(session, image, **{name: value}).status_code, 400, f"{name}={value[:8]}")
    return "missing, empty, malformed: 400"


@shows("I-02", "I-08")
def wado_uri_gives_the_object(session: Session) -> str:
    _there(session)
    for image in (
        pictures.native(session),
        pictures.compressed(session, "90"),
        pictures.text_report(session),
    ):
        response = _get(session, image, contentType="application/dicom")
        expect(
            response.headers["content-type"].startswith("application/dicom"), response.headers["content-type"]
        )
        file = read_file(response.content)
        expect_equal(file.transfer_syntax_uid, EXPLICIT, "transfer syntax by default")
        expect_equal(file.elements()[0x00080018].text, image.sop, "SOP Instance UID")
    image = pictures.compressed(session, "90")
    as_stored = _get(session, image, contentType="application/dicom", transferSyntax=_J2K)
    file = read_file(as_stored.content)
    expect_equal(file.transfer_syntax_uid, _J2K, "transferSyntax")
    fragments = file.elements()[0x7FE00010].fragments or ()
    expect(fragments[-1].rstrip(b"\0") == SAMPLES["90"].frames[0].rstrip(b"\0"), "another codestream")
    by_header = _send(session, image, accept="application/dicom")
    expect(by_header.headers["content-type"].startswith("application/dicom"), "Accept: application/dicom")
    return "Part 10, Explicit VR unless asked for otherwise"


@shows("I-02", bad_input=True)
def wado_uri_transfer_syntaxes(session: Session) -> str:
    image = _there(session)
    for value, status in (("abc", 400), ("1.2.840.10008.1.2.4.100", 406), ("1.2.3", 406), ("", 400)):
        response = _send(session, image, contentType="application/dicom", transferSyntax=value)
        expect_equal(response.status_code, status, f"transferSyntax={value}")
    made = _get(session, image, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.80")
    expect_equal(read_file(made.content).transfer_syntax_uid, "1.2.840.10008.1.2.4.80", "encoded")
    return "malformed 400, not to be had 406, encoded on request"


@shows("I-03", "V-14")
def wado_uri_gives_a_jpeg_by_default(session: Session) -> str:
    image = _there(session)
    frames_accept = "multipart/related; type=application/octet-stream; transfer-syntax=*"
    for accept in ("*/*", None, "image/*"):
        response = _send(session, image, accept=accept)
        expect_equal(response.status_code, 200, f"Accept {accept}")
        expect_equal(response.headers["content-type"], "image/jpeg", f"Accept {accept}")
        outline = jpeg_outline(response.content)
        expect_equal((outline.width, outline.height, outline.frame), (COLUMNS, ROWS, 0xC0), "JPEG")
    response = _send(session, image, accept=frames_accept, contentType="image/jpeg")
    expect_equal(response.headers.get("content-type"), "image/jpeg", "contentType beside another Accept")
    response = _send(session, image, accept=frames_accept, contentType="application/dicom")
    expect(response.headers["content-type"].startswith("application/dicom"), "contentType goes first")
    return "image/jpeg; contentType goes before Accept"


@shows("I-04", bad_input=True)
def wado_uri_content_types(session: Session) -> str:
    image = _there(session)
    listed = _get(session, image, contentType="image/unknown,image/png;q=0.9,image/jpeg;q=0.1")
    expect_equal(listed.headers["content-type"], PNG, "a list with q-values")
    bad = {
        "application/dicom;transfer-syntax=1.2.840.10008.1.2.1": 400,
        "image/jpeg;charset=utf-8": 400,
        "application/dicom,image/jpeg": 400,
        "image/*": 400,
        "nonsense": 400,
        "": 400,
        "video/mp4": 406,
        "text/html": 406,
    }
    for value, status in bad.items():
        expect_equal(_send(session, image, contentType=value).status_code, status, f"contentType={value}")
    return "lists; parameters, mixtures, wildcards 400; what cannot be had 406"


@shows("I-05")
def wado_uri_windows_and_frames(session: Session) -> str:
    _there(session)
    seen = _get(session, _ramp(session), contentType=PNG, windowCenter="300", windowWidth="200")
    expect_greys(read_png(seen.content), [drawn.linear(value, 300, 200) for value in RAMP], "window")
    frames = greys(session)
    for number, grey in ((1, 20), (3, 220)):
        response = _get(session, frames, contentType=PNG, frameNumber=str(number))
        expect_equal(read_png(response.content).at(3, 3)[0], grey, f"frame {number}")
    return "every pixel of a window, chosen frames"


@shows("I-05")
def wado_uri_sizes_and_regions(session: Session) -> str:
    _there(session)
    image = session.once("four quarters", lambda run: stored(run, drawn.quarters(run)))
    sizes = {
        (("rows", "20"),): (30, 20),
        (("columns", "30"),): (30, 20),
        (("rows", "100"), ("columns", "30")): (30, 20),
        (("rows", "80"), ("columns", "400")): (120, 80),
    }
    for parameters, size in sizes.items():
        seen = read_png(_get(session, image, contentType=PNG, **dict(parameters)).content)
        expect_equal((seen.width, seen.height), size, f"{parameters}")
    corner = read_png(_get(session, image, contentType=PNG, region="0.5,0.5,1,1").content)
    expect_equal(corner.at(corner.width // 2, corner.height // 2)[0], 240, "grey of the lower right quarter")
    small = read_png(_get(session, image, contentType=PNG, region="0,0,0.5,1", rows="20").content)
    expect_equal((small.width, small.height), (15, 20), "region with rows")
    left = len(_get(session, image, contentType="image/jpeg", imageQuality="1").content)
    right = len(_get(session, image, contentType="image/jpeg", imageQuality="100").content)
    expect(left < right, f"imageQuality 1 and 100: {left} and {right} bytes")
    plain = _get(session, image, contentType=PNG, rows="400").content
    written = _get(session, image, contentType=PNG, rows="400", annotation="patient").content
    expect(plain != written, "annotation changes nothing")
    return "rows, columns, region, imageQuality, annotation"


_BAD = (
    {"frameNumber": "1"},  # not an image of several frames
    {"frameNumber": "0"},
    {"frameNumber": "x"},
    {"rows": "0"},
    {"rows": "-5"},
    {"columns": "abc"},
    {"rows": "99999999", "columns": "99999999"},
    {"region": "0,0,1"},
    {"region": "0.5,0,0.5,1"},
    {"region": "0,0,2,1"},
    {"region": "-0.1,0,1,1"},
    {"region": "a,b,c,d"},
    {"windowCenter": "40"},
    {"windowWidth": "40"},
    {"windowCenter": "40", "windowWidth": "0"},
    {"windowCenter": "x", "windowWidth": "400"},
    {"imageQuality": "0"},
    {"imageQuality": "101"},
    {"imageQuality": "high"},
    {"annotation": ""},
    {"contentType": "application/dicom", "windowCenter": "40", "windowWidth": "400"},
    {"presentationUID": "1.2.3"},
    {"presentationSeriesUID": "1.2.3"},
    {"anonymize": "no"},
    {"anonymize": ""},
)


@shows("I-05", "I-06", "I-07", "G-05", bad_input=True)
def bad_wado_uri_parameters_are_400(session: Session) -> str:
    image = _there(session)
    wrong = []
    for parameters in _BAD:
        status = _send(session, image, **parameters).status_code
        if status != 400:
            wrong.append(f"{parameters}: {status}")
    expect(not wrong, "; ".join(wrong))
    return f"{len(_BAD)} malformed, senseless and lonely parameters: 400"


@shows("I-06")
def wado_uri_applies_a_presentation_state(session: Session) -> str:
    _there(session)
    shown = _ramp(session)
    state = stored(session, drawn.gsps(session, shown, center=700, width=100))
    names = {"presentationSeriesUID": state.series, "presentationUID": state.sop}
    response = _get(session, shown, contentType=PNG, **names)
    wanted = [drawn.linear(value, 700, 100) for value in RAMP]
    expect_greys(read_png(response.content), wanted, "window of the state")
    unknown = names | {"presentationUID": session.new_uid()}
    expect_equal(_send(session, shown, contentType=PNG, **unknown).status_code, 400, "an unknown state")
    both = _send(session, shown, contentType=PNG, windowCenter="1", windowWidth="9", **names)
    expect_equal(both.status_code, 400, "a window beside it")
    return "the state's window; unknown or beside a window 400"


@shows("I-07")
def anonymize_never_gives_the_identified_object(session: Session) -> str:
    image = _there(session)
    response = session.send(
        "GET",
        session.wado_uri,
        query=urlencode(
            {
                "requestType": "WADO",
                "studyUID": image.study,
                "seriesUID": image.series,
                "objectUID": image.sop,
                "contentType": "application/dicom",
                "anonymize": "yes",
            }
        ),
    )
    if response.status_code == 200:
        expect(b"Conformance^Suite" not in response.content, "the name of the patient is still there")
        expect(image.sop.encode() not in response.content, "the SOP Instance UID is still the same")
        return "de-identified"
    expect(response.status_code in (400, 403, 406, 501), f"status {response.status_code}")
    expect(b"Conformance^Suite" not in response.content, "the refusal names the patient")
    return f"refused with {response.status_code}"


@shows("I-08", "I-09")
def wado_uri_targets_that_are_not_there(session: Session) -> str:
    image = _there(session)
    other = pictures.document(session)
    for name, value in (
        ("objectUID", session.new_uid()),
        ("seriesUID", other.series),
        ("studyUID", other.study),
    ):
        expect_equal(_send(session, image, **{name: value}).status_code, 404, f"another {name}")
    gone = stored(session, drawn.ramp(session))
    if session.send("DELETE", gone.path).status_code in (200, 204):
        expect(_send(session, gone).status_code in (404, 410), "a deleted object")
    response = _get(session, image)
    expect("content-length" in response.headers or "transfer-encoding" in response.headers, "no length")
    return "unknown, of another series, of another study: 404"


@shows("I-10", "R-13")
def wado_uri_gives_documents_and_video(session: Session) -> str:
    _there(session)
    html = _get(session, pictures.text_report(session))
    expect(html.headers["content-type"].startswith("text/html"), f"a report: {html.headers['content-type']}")
    pdf = _get(session, pictures.document(session))
    expect_equal((pdf.headers["content-type"], pdf.content), ("application/pdf", PDF), "a PDF")
    instance = video(session)
    whole = _get(session, instance, contentType="video/mp4")
    expect(whole.content == drawn.VIDEO, "the video is another")
    query = f"requestType=WADO&studyUID={instance.study}&seriesUID={instance.series}&objectUID={instance.sop}"
    part = session.get(session.wado_uri, query=query, accept="video/*", headers={"Range": "bytes=8-15"})
    expect_equal((part.status_code, part.content), (206, drawn.VIDEO[8:16]), "Range of the video")
    return "report as text/html, PDF, video with Range"


@shows("I-03", "I-05", "H-04")
def wado_uri_is_conditional(session: Session) -> str:
    image = _there(session)
    response = _get(session, image)
    read_picture(response.content)
    tag = response.headers.get("etag", "")
    query = f"requestType=WADO&studyUID={image.study}&seriesUID={image.series}&objectUID={image.sop}"
    again = session.get(session.wado_uri, query=query, headers={"If-None-Match": tag})
    expect_equal((again.status_code, again.content), (304, b""), "If-None-Match")
    raw = read_file(_get(session, image, contentType="application/dicom").content)
    expect(raw.elements()[0x7FE00010].value == picture("gray16", 0), "other pixels")
    return "304 by ETag"
