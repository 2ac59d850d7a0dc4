"""Media types of rendered resources by category (PS3.18 8.7.4, 10.4.1.1.3, Tables 8.7.4-1 and 10.4.4-1)."""

from __future__ import annotations

from xml.etree import ElementTree

import httpx

from conformance.suite import drawn
from conformance.suite.check import Failed, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.rendered_values import PNG, stored
from conformance.suite.image_files import (
    expect_file_of,
    gif_outline,
    jpeg_outline,
    read_picture,
    read_png,
)
from conformance.suite.objects import (
    ENCAPSULATED_PDF,
    PDF,
    Instance,
    compressed_image,
    make,
    native_image,
    rle_image,
)
from conformance.suite.part10 import attributes
from conformance.suite.samples import COLUMNS, ROWS
from conformance.suite.session import Session

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"


def video(session: Session) -> Instance:
    return session.once("a video", lambda run: stored(run, drawn.video(run)))


def greys(session: Session) -> Instance:
    """Three plain frames of grey 20, 120, 220."""
    return session.once(
        "three plain frames", lambda run: stored(run, drawn.plain_frames(run, [20, 120, 220]))
    )


def rendered(session: Session, path: str, accept: str | None, query: str = "") -> httpx.Response:
    response = session.get(path + "/rendered", query=query, accept=accept)
    expect_equal(response.status_code, 200, f"rendered, Accept {accept}")
    return response


@shows("W-05", "M-04", "M-12", "M-13", "M-14")
def one_frame_as_each_picture_type(session: Session) -> str:
    path = pictures.native(session).path
    for media_type in ("image/jpeg", "image/png", "image/gif", "image/jp2", "image/jph", "image/jxl"):
        response = rendered(session, path, media_type)
        expect_equal(response.headers.get("content-type"), media_type, "Content-Type")
        expect_file_of(media_type, response.content)
    outline = jpeg_outline(rendered(session, path, "image/jpeg").content)
    expect_equal((outline.frame, outline.precision, outline.components), (0xC0, 8, 1), "JPEG")
    expect_equal((outline.width, outline.height), (COLUMNS, ROWS), "size of the JPEG")
    expect_equal(gif_outline(rendered(session, path, "image/gif").content), (COLUMNS, ROWS, 1), "GIF")
    jp2 = read_picture(rendered(session, path, "image/jp2", "quality=100").content)
    png = read_png(rendered(session, path, PNG).content)
    expect_equal(jp2.samples, png.grey(), "pixels of JP2 at quality 100")
    return "jpeg (8-bit baseline), png, gif, jp2, jph, jxl"


@shows("M-04", "M-12", "W-05")
def jpeg_is_the_default_of_one_frame(session: Session) -> str:
    path = pictures.native(session).path
    for accept in ("*/*", "image/*", None, "image/*, */*;q=0.1"):
        response = rendered(session, path, accept)
        expect_equal(response.headers.get("content-type"), "image/jpeg", f"Accept {accept}")
    by_parameter = rendered(session, path, "image/*", "accept=image/png")
    expect_equal(by_parameter.headers.get("content-type"), PNG, "accept=image/png")
    better = rendered(session, path, "image/jpeg;q=0.5, image/png")
    expect_equal(better.headers.get("content-type"), PNG, "image/jpeg;q=0.5, image/png")
    return "*/*, image/*, none: image/jpeg; accept parameter and q-values count"


@shows("V-05", "V-17", "W-05")
def pictures_for_the_img_tag(session: Session) -> str:
    path = pictures.native(session).path
    for accept in ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", BROWSER):
        kind = rendered(session, path, accept).headers.get("content-type", "")
        expect(kind.startswith("image/"), f"{accept[:20]}: {kind}")
    kind = rendered(session, pictures.document(session).path, BROWSER).headers
    expect_equal(kind.get("content-type"), "application/pdf", "a PDF in a browser")
    expect("attachment" not in kind.get("content-disposition", ""), "the PDF is an attachment")
    return "a picture for img tags and address bars, a PDF inline"


@shows("G-34", "M-13")
def stored_forms_are_not_rendered_ones(session: Session) -> str:
    image = pictures.compressed(session, "70")
    lossless = session.parts(image.path + "/frames/1", 'multipart/related; type="image/jpeg"')[0]
    expect_equal(jpeg_outline(lossless.content).frame, 0xC3, "frames as image/jpeg (SOF3 is lossless)")
    shown = rendered(session, image.path + "/frames/1", "image/jpeg").content
    expect_equal(jpeg_outline(shown).frame, 0xC0, "rendered as image/jpeg (SOF0 is baseline)")
    accept = "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70"
    status = session.get(image.path + "/rendered", accept=accept).status_code
    expect(status in (400, 406), f"rendered with a transfer-syntax: {status}")
    return f"lossless among frames, baseline when rendered; transfer-syntax there {status}"


@shows("R-12", "W-05", "Z-07")
def several_items_come_as_multipart(session: Session) -> str:
    image = greys(session)
    for path, count in ((image.path, 3), (image.series_path, 3), (image.path + "/frames/3,1", 2)):
        for media_type in ("image/jpeg", PNG):
            parts = session.parts(path + "/rendered", f'multipart/related; type="{media_type}"')
            expect_equal(len(parts), count, f"parts of {media_type}")
            expect_equal({part.content_type[0] for part in parts}, {media_type}, "their Content-Type")
    parts = session.parts(image.path + "/frames/3,1/rendered", f'multipart/related; type="{PNG}"')
    expect_equal([read_png(part.content).at(3, 3)[0] for part in parts], [220, 20], "greys of frames 3 and 1")
    second = native_image(session)
    session.stored(second, native_image(session, study=second.study, series=second.series))
    for path in (image.path, second.series_path):
        status = session.get(path + "/rendered", accept="image/jpeg").status_code
        expect_equal(status, 406, "several pictures as one image/jpeg")
    return "a part each for frames of an instance, a series, a list; one JPEG of several 406"


@shows("R-12", "M-12")
def frames_as_an_animation(session: Session) -> str:
    response = rendered(session, greys(session).path, "image/gif")
    expect_equal(gif_outline(response.content), (16, 16, 3), "width, height, pictures")
    return "a GIF of three pictures"


@shows("Z-07", "R-12")
def browsers_get_one_picture_of_several_frames(session: Session) -> str:
    response = rendered(session, greys(session).path, "image/avif,image/webp,*/*;q=0.8")
    kind = response.headers.get("content-type", "")
    expect(kind.startswith("image/"), f"Content-Type {kind}")
    expect(response.headers.get("warning", "").startswith("299 "), "no Warning that frames are left out")
    return f"{kind} with a Warning"


@shows("R-03", "W-05", "W-12")
def pictures_of_every_stored_encoding(session: Session) -> str:
    keys = ("50", "51", "57", "70", "80", "81", "90", "91", "110", "111", "112", "201", "202", "203")
    images = {key: compressed_image(session, key) for key in keys} | {"RLE": rle_image(session)}
    images["native"] = native_image(session)
    wrong = []
    for key, image in images.items():
        try:
            response = rendered(session, stored(session, image).path, PNG)
            picture = read_png(response.content)
            expect_equal((picture.width, picture.height), (COLUMNS, ROWS), "size")
            expect(len(set(picture.grey())) > 20, "it is nearly of one colour")
        except Failed as failed:
            wrong.append(f"{key}: {failed}")
    expect(not wrong, "; ".join(wrong))
    return ", ".join(images)


@shows("W-42", "V-09", "H-05", "R-13", "M-12")
def video_as_stored_with_ranges(session: Session) -> str:
    path = video(session).path
    for accept in ("video/mp4", "*/*", "video/*"):
        response = rendered(session, path, accept)
        expect_equal(response.headers.get("content-type"), "video/mp4", "Content-Type")
        expect(response.content == drawn.VIDEO, f"{len(response.content)} bytes of {len(drawn.VIDEO)}")
        expect_equal(response.headers.get("accept-ranges"), "bytes", "Accept-Ranges")
    part = session.get(path + "/rendered", accept="video/mp4", headers={"Range": "bytes=100-299"})
    expect_equal((part.status_code, part.content), (206, drawn.VIDEO[100:300]), "Range")
    whole = len(drawn.VIDEO)
    expect_equal(part.headers.get("content-range"), f"bytes 100-299/{whole}", "Content-Range")
    last = session.get(path + "/rendered", accept="video/mp4", headers={"Range": "bytes=-10"})
    expect_equal((last.status_code, last.content), (206, drawn.VIDEO[-10:]), "the last ten bytes")
    beyond = session.get(path + "/rendered", accept="video/mp4", headers={"Range": f"bytes={whole}-"})
    expect_equal(
        (beyond.status_code, beyond.headers.get("content-range")), (416, f"bytes */{whole}"), "beyond"
    )
    return "video/mp4, byte for byte; 206, 416"


@shows("R-13")
def waveforms_are_drawn(session: Session) -> str:
    path = session.once("an ECG", lambda run: stored(run, drawn.ecg(run))).path
    picture = read_png(rendered(session, path, PNG).content)
    expect(picture.width > 200 and picture.height > 100, f"{picture.width} by {picture.height} pixels")
    expect(len({picture.at(x, picture.height // 2) for x in range(picture.width)}) > 1, "nothing is drawn")
    svg = rendered(session, path, "image/svg+xml")
    expect(ElementTree.fromstring(svg.content).tag.endswith("svg"), "no svg element")
    expect_file_of("image/jpeg", rendered(session, path, "image/jpeg").content)
    return f"PNG of {picture.width} by {picture.height}, SVG, JPEG"


@shows("R-14", "G-37", "H-11")
def what_cannot_be_rendered_says_why(session: Session) -> str:
    raw = session.once("raw data", lambda run: stored(run, drawn.raw_data(run)))
    broken = drawn.image(session, 64, 64, b"\0\1" * 50)
    seen = []
    for what, instance in (("raw data", raw), ("too few pixels", stored(session, broken))):
        response = session.send("GET", instance.path + "/rendered", accept="image/jpeg")
        expect(response.status_code in (404, 406), f"{what}: {response.status_code}")
        expect(len(response.content) > 20, f"{what}: no explanation")
        expect_equal(len(session.metadata(instance.path)), 1, f"{what}: metadata")
        seen.append(f"{what} {response.status_code}")
    for wrong in ("video/mp4", "application/dicom", "audio/basic", "text/html"):
        response = session.send("GET", pictures.native(session).path + "/rendered", accept=wrong)
        expect_equal(response.status_code, 406, f"a CT image as {wrong}")
        expect("image/jpeg" in response.text, f"{wrong}: the 406 does not name image/jpeg")
    return ", ".join(seen) + "; 406 lists what there is"


@shows("G-27")
def stored_and_rendered_types_do_not_mix(session: Session) -> str:
    path = pictures.native(session).path
    accept = 'multipart/related; type="application/dicom", image/jpeg, image/png'
    for resource in ("/rendered", ""):
        status = session.get(path + resource, accept=accept).status_code
        expect(status in (200, 400), f"{resource or 'instance'}: {status}")
    both = "application/dicom, image/jpeg, text/html, */*;q=0.1"
    kind = rendered(session, path, "text/html, image/jpeg, application/xhtml+xml").headers["content-type"]
    expect_equal(kind, "image/jpeg", "types of other categories beside image/jpeg")
    status = session.get(path + "/rendered", accept=both).status_code
    expect(status in (200, 400), f"{both}: {status}")
    return "200 or 400, never a server error"


@shows("W-05", "W-09", "R-14", "W-61")
def rendered_targets_that_are_not_there(session: Session) -> str:
    image = greys(session)
    other = pictures.native(session)
    cases = {
        f"/studies/{session.root}.404/rendered": 404,
        f"{image.study_path}/series/{other.series}/rendered": 404,
        f"{image.path}/frames/4/rendered": 404,
        f"{image.path}/frames/0/rendered": 400,
        f"{image.path}/frames/x/rendered": 400,
        f"{image.path}/frames/1,9/rendered": 404,
        "/studies/abc/rendered": 400,
        f"{image.path}/frames/4/thumbnail": 404,
        f"/studies/{session.root}.404/thumbnail": 404,
    }
    for path, status in cases.items():
        expect_equal(session.get(path, accept="*/*").status_code, status, path[-40:])
    return "404 for what is not there, 400 for what cannot be"


@shows("H-04", "H-07", "H-05")
def renderings_are_conditional(session: Session) -> str:
    path = pictures.settled(session).path + "/frames/1"
    for resource in ("/rendered", "/thumbnail"):
        first = session.get(path + resource, accept="image/jpeg")
        tag, when = first.headers.get("etag", ""), first.headers.get("last-modified", "")
        expect(
            tag.startswith('"') and when,
            f"{resource}: ETag {tag or 'absent'}, Last-Modified {when or 'absent'}",
        )
        for headers in ({"If-None-Match": tag}, {"If-Modified-Since": when}):
            again = session.get(path + resource, accept="image/jpeg", headers=headers)
            expect_equal(
                (again.status_code, again.content), (304, b""), f"{resource} with {next(iter(headers))}"
            )
        head = session.send("HEAD", path + resource, accept="image/jpeg")
        expect_equal((head.status_code, head.content), (200, b""), f"HEAD of {resource}")
        expect_equal(head.headers.get("etag"), tag, f"ETag of HEAD {resource}")
        part = session.get(path + resource, accept="image/jpeg", headers={"Range": "bytes=0-9"})
        expect_equal((part.status_code, part.content), (206, first.content[:10]), f"Range of {resource}")
    other = session.get(path + "/rendered", query="quality=20", accept="image/jpeg").headers.get("etag")
    expect(
        other != session.get(path + "/rendered", accept="image/jpeg").headers.get("etag"), "one ETag for two"
    )
    return "ETag, Last-Modified, HEAD, Range on rendered and thumbnail"


@shows("W-05")
def rendered_of_a_study_with_a_document(session: Session) -> str:
    image = native_image(session)
    document = make(
        session,
        study=image.study,
        sop_class=ENCAPSULATED_PDF,
        extra=attributes(
            Modality="DOC",
            EncapsulatedDocument=PDF,
            MIMETypeOfEncapsulatedDocument="application/pdf",
            EncapsulatedDocumentLength=len(PDF),
        ),
    )
    session.stored(image, document)
    accept = 'multipart/related; type="image/jpeg", multipart/related; type="application/pdf"'
    parts = session.parts(image.study_path + "/rendered", accept)
    kinds = sorted(part.content_type[0] for part in parts)
    expect_equal(kinds, ["application/pdf", "image/jpeg"], "Content-Type of the parts")
    response = session.get(image.study_path + "/rendered", accept='multipart/related; type="image/jpeg"')
    expect_equal(response.status_code, 206, "with the document left out")
    return "each part in its own type; 206 where one type leaves some out"
