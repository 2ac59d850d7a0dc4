"""Thumbnails: one small picture for anything, without names (PS3.18 10.4.1.1.4)."""

from __future__ import annotations

from conformance.suite import drawn
from conformance.suite.check import Skipped, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.rendered_types import video
from conformance.suite.checks.rendered_values import PNG, stored
from conformance.suite.image_files import jpeg_outline, read_picture, read_png
from conformance.suite.objects import Instance, make, native_image
from conformance.suite.part10 import attributes
from conformance.suite.session import Session


def _kinds(session: Session) -> dict[str, Instance]:
    return {
        "image": pictures.native(session),
        "several frames": pictures.native_frames(session),
        "JPEG 2000": pictures.compressed(session, "90"),
        "PDF": pictures.document(session),
        "report": pictures.text_report(session),
        "ECG": session.once("an ECG", lambda run: stored(run, drawn.ecg(run))),
        "video": video(session),
        "raw data": session.once("raw data", lambda run: stored(run, drawn.raw_data(run))),
    }


@shows("R-20", "W-06", "M-05")
def a_jpeg_for_every_kind_of_object(session: Session) -> str:
    kinds = _kinds(session)
    for what, instance in kinds.items():
        for path in (instance.path, instance.series_path, instance.study_path):
            response = session.get(path + "/thumbnail", accept="image/jpeg")
            expect_equal(response.status_code, 200, f"thumbnail of {what}")
            expect_equal(response.headers.get("content-type"), "image/jpeg", what)
            outline = jpeg_outline(response.content)
            expect(max(outline.width, outline.height) <= 512, f"{what}: {outline.width} by {outline.height}")
            expect_equal(outline.frame, 0xC0, f"{what}: frame marker of a baseline JPEG")
    return ", ".join(kinds) + ": one JPEG at each level"


@shows("M-05", "R-20", "V-05")
def jpeg_is_the_default_thumbnail(session: Session) -> str:
    path = pictures.native(session).path
    for accept in ("*/*", None, "image/*", "image/avif,image/webp,*/*;q=0.8"):
        response = session.get(path + "/thumbnail", accept=accept)
        expect_equal(response.status_code, 200, f"Accept {accept}")
        expect_equal(response.headers.get("content-type"), "image/jpeg", f"Accept {accept}")
    response = session.get(path + "/thumbnail", accept=PNG)
    expect_equal(response.headers.get("content-type"), PNG, "Accept image/png")
    read_png(response.content)
    status = session.get(path + "/thumbnail", accept="text/html").status_code
    expect_equal(status, 406, "Accept text/html")
    return "image/jpeg unless asked otherwise; text/html 406"


@shows("W-06", "R-20")
def thumbnails_of_chosen_frames(session: Session) -> str:
    frames = session.once(
        "two plain frames", lambda run: stored(run, drawn.plain_frames(run, [30, 210], rows=40, columns=40))
    )
    for number, grey in ((1, 30), (2, 210)):
        response = session.get(f"{frames.path}/frames/{number}/thumbnail", accept="image/jpeg")
        seen = read_picture(response.content).at(20, 20)[0]
        expect(abs(seen - grey) <= 4, f"frame {number} shows {seen}, not {grey}")
    return "each frame its own"


@shows("R-20")
def thumbnails_fit_the_viewport(session: Session) -> str:
    path = pictures.native(session).path
    for what, instance in _kinds(session).items():
        for width, height in ((64, 64), (100, 20)):
            response = session.get(
                instance.path + "/thumbnail", query=f"viewport={width},{height}", accept="image/jpeg"
            )
            expect_equal(response.status_code, 200, f"{what}, viewport={width},{height}")
            outline = jpeg_outline(response.content)
            expect(
                outline.width <= width and outline.height <= height,
                f"{what}: {outline.width} by {outline.height} in {width} by {height}",
            )
    status = session.get(path + "/thumbnail", query="viewport=99999999,99999999").status_code
    expect_equal(status, 400, "viewport=99999999,99999999")
    return "64,64 and 100,20 for every kind"


@shows("R-20")
def thumbnails_show_no_names(session: Session) -> str:
    """Pictures of two objects that differ only in what identifies the patient are the same."""
    for what, extra in {
        "report": attributes(Modality="SR", ValueType="CONTAINER"),
        "raw data": attributes(Modality="OT"),
        "PDF": attributes(Modality="DOC"),
    }.items():
        sop_class = {
            "report": "1.2.840.10008.5.1.4.1.1.88.11",
            "raw data": drawn.RAW_DATA,
            "PDF": "1.2.840.10008.5.1.4.1.1.104.1",
        }[what]
        seen = []
        for name, patient in (("Aaa^Bbb", "ID-1"), ("Wwwwww^Mmmmmm", "ID-22222")):
            instance = make(
                session, sop_class=sop_class, extra=extra | attributes(PatientName=name, PatientID=patient)
            )
            session.stored(instance)
            seen.append(session.get(instance.path + "/thumbnail", accept="image/jpeg").content)
        expect(seen[0] == seen[1], f"thumbnails of two {what} differ with the patient")
    status = session.get(
        pictures.native(session).path + "/thumbnail", query="annotation=patient", accept="image/jpeg"
    )
    plain = session.get(pictures.native(session).path + "/thumbnail", accept="image/jpeg")
    expect(status.status_code == 400 or status.content == plain.content, "annotation is drawn on a thumbnail")
    return "the same picture whoever the patient is"


@shows("R-21")
def images_with_burned_in_text_are_passed_over(session: Session) -> str:
    clean = drawn.image(
        session,
        40,
        40,
        bytes([200]) * 1600,
        allocated=8,
        BurnedInAnnotation="NO",
        WindowCenter="128",
        WindowWidth="256",
        InstanceNumber="3",
    )
    burned = [
        drawn.image(
            session,
            40,
            40,
            bytes([20]) * 1600,
            allocated=8,
            BurnedInAnnotation="YES",
            WindowCenter="128",
            WindowWidth="256",
            InstanceNumber=str(number),
            StudyInstanceUID=clean.study,
            SeriesInstanceUID=clean.series,
        )
        for number in (1, 2, 4)
    ]
    session.stored(clean, *burned)
    for path in (clean.series_path, clean.study_path):
        seen = read_picture(session.get(path + "/thumbnail", accept="image/jpeg").content).at(20, 20)[0]
        expect(abs(seen - 200) <= 4, f"a grey of {seen}: an image with burned-in text stands for its series")
    return "the one clean image of four stands for the series"


@shows("R-20", "H-04")
def thumbnails_follow_what_is_stored(session: Session) -> str:
    first = native_image(session)
    session.stored(first)
    path = first.study_path + "/thumbnail"
    expect_equal(session.get(path).status_code, 200, "status")
    if session.send("DELETE", first.study_path).status_code not in (200, 204):
        raise Skipped("DELETE is not offered")
    expect(session.get(path).status_code in (404, 410), "a thumbnail of a deleted study")
    return "none once the study is deleted"
