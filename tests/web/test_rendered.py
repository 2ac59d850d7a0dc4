"""WADO-RS rendered resources through the whole application (R-01 to R-14, M-04, M-12, M-14, Z-07)."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from pydicom.dataset import Dataset

from dicomweb.archive import making, subjects
from dicomweb.errors import InvalidRequest
from dicomweb.pixels.rendering.encode import PROFILED_MEDIA_TYPES
from dicomweb.protocol.rendered_forms import DRAWINGS, STILLS
from dicomweb.protocol.rendered_query import RenderedQuery, refuse_profile
from tests.builders import make_instance, new_uid
from tests.web.conftest import BASE, Client, parts
from tests.web.shown import (
    ENCAPSULATED_CDA,
    ENCAPSULATED_PDF,
    broken_image,
    cine,
    document,
    gray_image,
    path_of,
    picture,
    raw_data,
    report,
    video,
)

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
HEVC = "1.2.840.10008.1.2.4.107"
JPEG_PARTS = 'multipart/related; type="image/jpeg"'


def _stored(client: Client, *instances: bytes) -> str:
    """Stores them; the path of the first."""
    response = client.store(*instances)
    assert response.status_code in (200, 202), response.text
    return path_of(instances[0])


@pytest.fixture(scope="module")
def still(client: Client) -> str:
    return _stored(client, gray_image())


@pytest.fixture(scope="module")
def moving(client: Client) -> str:
    return _stored(client, cine())


# --- stills ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept", ["", "*/*", "image/*", "image/jpeg", BROWSER, "image/webp, image/jpeg;q=0.1"]
)
def test_the_default_of_an_image_is_baseline_jpeg(client: Client, still: str, accept: str) -> None:
    response = client.get(f"{still}/rendered", accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers["content-location"] == f"{BASE}{still}/rendered"
    assert b"\xff\xc0" in response.content, "a baseline frame header (M-14)"
    assert picture(response.content).size == (48, 32)


@pytest.mark.parametrize(
    ("media_type", "beginning"),
    [
        ("image/png", b"\x89PNG"),
        ("image/gif", b"GIF8"),
        ("image/jp2", b"\0\0\0\x0cjP  "),
        ("image/jph", b"\0\0\0\x0cjP  "),
        ("image/jxl", b""),
    ],
)
@pytest.mark.parametrize("how", ["header", "parameter"])
def test_every_still_type_can_be_had(
    client: Client, still: str, media_type: str, beginning: bytes, how: str
) -> None:
    query = f"?accept={media_type}" if how == "parameter" else ""
    response = client.get(f"{still}/rendered{query}", "" if query else media_type)
    assert response.status_code == 200
    assert response.headers["content-type"] == media_type
    assert response.content.startswith(beginning)


def test_a_still_may_be_asked_for_as_multipart(client: Client, still: str) -> None:
    ((headers, body),) = parts(client.get(f"{still}/rendered", JPEG_PARTS))
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-location"] == f"{BASE}{still}/rendered"
    assert picture(body).size == (48, 32)


def test_frame_one_of_a_still_is_the_still(client: Client, still: str) -> None:
    response = client.get(f"{still}/frames/1/rendered", "image/png")
    assert response.content == client.get(f"{still}/rendered", "image/png").content


def test_the_window_decides_what_is_dark(client: Client, still: str) -> None:
    dark, bright = (
        picture(client.get(f"{still}/rendered?window={window}", "image/png").content).convert("L")
        for window in ("1000,10,linear", "-1000%2C10%2Clinear")
    )
    assert (dark.getextrema(), bright.getextrema()) == ((0, 0), (255, 255))


@pytest.mark.parametrize(
    ("viewport", "size"),
    [("24,24", (24, 16)), ("96,96", (96, 64)), ("12,100,0,0,24,32", (12, 16)), ("10,10,40,,,", (2, 10))],
)
def test_a_viewport_keeps_the_aspect_ratio(
    client: Client, still: str, viewport: str, size: tuple[int, int]
) -> None:
    response = client.get(f"{still}/rendered?viewport={viewport}", "image/png")
    assert picture(response.content).size == size


def test_a_negative_side_of_the_source_mirrors(client: Client, still: str) -> None:
    plain = picture(client.get(f"{still}/rendered", "image/png").content)
    mirrored = picture(client.get(f"{still}/rendered?viewport=48,32,,,-48,-32", "image/png").content)
    assert mirrored.tobytes() == plain.transpose(Image.Transpose.ROTATE_180).tobytes()


def test_quality_makes_a_jpeg_smaller(client: Client, still: str) -> None:
    small, large = (len(client.get(f"{still}/rendered?quality={n}", "image/jpeg").content) for n in (1, 100))
    assert small < large


def test_an_icc_profile_is_embedded_when_asked_for(client: Client, still: str) -> None:
    response = client.get(f"{still}/rendered?iccprofile=srgb", "image/png")
    assert response.status_code == 200
    assert picture(response.content).info.get("icc_profile")


def test_types_without_profiles_are_those_that_none_is_embedded_in() -> None:
    for media_type in {*STILLS, *DRAWINGS}:
        try:
            refuse_profile(RenderedQuery(icc_profile="srgb"), [media_type])
        except InvalidRequest:
            assert media_type not in PROFILED_MEDIA_TYPES
        else:
            assert media_type in PROFILED_MEDIA_TYPES


@pytest.mark.parametrize("media_type", ["image/gif", "image/jxl"])
def test_a_type_without_profiles_has_no_colour_space(client: Client, still: str, media_type: str) -> None:
    assert client.get(f"{still}/rendered?iccprofile=no", media_type).status_code == 200
    assert client.get(f"{still}/rendered?iccprofile=srgb", media_type).status_code == 400


def test_a_parameter_that_names_nothing_rendered_leaves_it_to_the_header(client: Client, still: str) -> None:
    for resource in ("rendered", "thumbnail"):
        response = client.get(f"{still}/{resource}?accept=image/tiff", "*/*")
        assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")


def test_annotation_is_drawn_and_what_is_not_supported_is_named(client: Client, still: str) -> None:
    plain = client.get(f"{still}/rendered", "image/png")
    annotated = client.get(f"{still}/rendered?annotation=patient,site,technique", "image/png")
    assert annotated.content != plain.content
    assert annotated.headers["warning"] == (
        f'299 {BASE} "The following annotation values are not supported: site"'
    )
    assert "warning" not in plain.headers


@pytest.mark.parametrize(
    "query",
    [
        "viewport=99999999,99999999",
        "viewport=16384,16384",
        "viewport=0,0",
        "viewport=",
        "viewport=10,10,48,0",
        "viewport=10,10,0,1e9",
        "window=1,2",
        "window=a,b,c",
        "window=1,0,linear",
        "quality=0",
        "quality=101",
        "quality=50&quality=50",
        "annotation=",
        "annotation=%00",
        "iccprofile=other",
        "accept=*/*",
        "accept=image",
        "accept=image/jpeg;transfer-syntax=1.2.840.10008.1.2.4.50",
        "charset=%zz",
    ],
)
def test_a_bad_parameter_is_refused_with_a_reason(client: Client, still: str, query: str) -> None:
    response = client.get(f"{still}/rendered?{query}")
    assert response.status_code == 400
    assert response.json()["detail"]


@pytest.mark.parametrize(
    "accept",
    [
        "image/tiff",
        "application/dicom",
        "text/html",
        "image/jpeg;q=0",
        "image/jpeg; transfer-syntax=1.2",
        "video/mp4",
    ],
)
def test_what_cannot_be_given_is_refused_with_what_can(client: Client, still: str, accept: str) -> None:
    response = client.get(f"{still}/rendered", accept)
    assert response.status_code == 406
    assert "image/jpeg" in response.text


def test_a_picture_is_revalidated_and_read_in_ranges(client: Client, still: str) -> None:
    whole = client.get(f"{still}/rendered", "image/png")
    fresh = client.get(f"{still}/rendered", "image/png", headers={"If-None-Match": whole.headers["etag"]})
    assert (fresh.status_code, fresh.content) == (304, b"")
    stretch = client.get(f"{still}/rendered", "image/png", headers={"Range": "bytes=8-15"})
    assert (stretch.status_code, stretch.content) == (206, whole.content[8:16])
    other = client.get(f"{still}/rendered?viewport=8,8", "image/png")
    assert other.headers["etag"] != whole.headers["etag"]
    head = client.request("HEAD", f"{still}/rendered", headers={"Accept": "image/png"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


def test_equal_requests_give_equal_bytes(client: Client, still: str) -> None:
    first, second = (client.get(f"{still}/rendered?viewport=20,20").content for _ in range(2))
    assert first == second


# --- frames ----------------------------------------------------------------------------------------


def test_frames_come_one_a_part_in_the_order_asked_for(client: Client, moving: str) -> None:
    found = parts(client.get(f"{moving}/frames/3,1/rendered", 'multipart/related; type="image/png"'))
    assert [headers["content-location"] for headers, _ in found] == [
        f"{BASE}{moving}/frames/3/rendered",
        f"{BASE}{moving}/frames/1/rendered",
    ]
    assert [picture(body).convert("L").getpixel((0, 0)) for _, body in found] == [200, 0]


def test_one_frame_is_a_still(client: Client, moving: str) -> None:
    response = client.get(f"{moving}/frames/2/rendered", "image/png")
    assert picture(response.content).convert("L").getpixel((0, 0)) == 100


def test_a_moving_image_is_one_part_a_frame_or_an_animation(client: Client, moving: str) -> None:
    assert len(parts(client.get(f"{moving}/rendered", JPEG_PARTS))) == 3
    animation = client.get(f"{moving}/rendered", "image/gif")
    assert animation.headers["content-type"] == "image/gif"
    assert picture(animation.content).n_frames == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("accept", ["", BROWSER, "image/*", "image/webp,image/png;q=0.5,*/*;q=0.1"])
def test_a_browser_sees_one_frame_of_a_moving_image_and_a_warning(
    client: Client, moving: str, accept: str
) -> None:
    response = client.get(f"{moving}/rendered", accept)
    assert response.status_code == 200
    assert picture(response.content).convert("L").getpixel((0, 0)) == 100, "the middle frame"
    assert "this is frame 2" in response.headers["warning"]


def test_a_viewer_asks_for_the_picture_of_a_moving_image_by_parameter(client: Client, moving: str) -> None:
    assert client.get(f"{moving}/rendered?accept=image%2Fjpeg", "*/*").headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("accept", ["image/jpeg", "image/png"])
def test_a_moving_image_is_no_still(client: Client, moving: str, accept: str) -> None:
    response = client.get(f"{moving}/rendered", accept)
    assert response.status_code == 406
    assert {JPEG_PARTS, "image/gif"} <= set(response.json()["available"])


def test_the_frame_that_the_object_names_stands_for_it(client: Client) -> None:
    attributes = {"RepresentativeFrameNumber": 3, "WindowCenter": "100", "WindowWidth": "200"}
    path = _stored(client, cine(attributes=attributes))
    assert "this is frame 3" in client.get(f"{path}/rendered").headers["warning"]


@pytest.mark.parametrize(
    ("frames", "status"), [("0", 400), ("a", 400), ("1,,2", 400), ("4", 404), ("1,9", 404), ("9" * 18, 404)]
)
def test_frames_that_are_not_there(client: Client, moving: str, frames: str, status: int) -> None:
    for resource in ("rendered", "thumbnail"):
        assert client.get(f"{moving}/frames/{frames}/{resource}", JPEG_PARTS).status_code == status


# --- studies and series ----------------------------------------------------------------------------


def test_a_series_is_one_part_an_instance(client: Client) -> None:
    uids: dict[str, Any] = {"study_instance_uid": new_uid(), "series_instance_uid": new_uid()}
    path = _stored(client, gray_image(**uids), gray_image(**uids), cine(**uids))
    for target in (path.partition("/instances")[0], path.partition("/series")[0]):
        response = client.get(f"{target}/rendered", "*/*")
        assert response.status_code == 200
        assert len(parts(response)) == 2 + 3
        assert client.get(f"{target}/rendered", "image/jpeg").status_code == 406
        again = client.get(f"{target}/rendered", headers={"If-None-Match": response.headers["etag"]})
        assert again.status_code == 304


def test_a_study_gives_each_instance_in_its_own_kind(client: Client) -> None:
    study = new_uid()
    path = _stored(client, gray_image(study_instance_uid=study), report(study_instance_uid=study))
    found = parts(client.get(f"{path.partition('/series')[0]}/rendered"))
    assert sorted(headers["content-type"] for headers, _ in found) == [
        "image/jpeg",
        "text/html; charset=UTF-8",
    ]


@pytest.mark.parametrize("left_out", [report, raw_data, broken_image])
def test_what_cannot_be_rendered_is_left_out_and_said(client: Client, left_out: object) -> None:
    study = new_uid()
    other = left_out(study_instance_uid=study)  # type: ignore[operator]
    path = _stored(client, gray_image(study_instance_uid=study), other)
    response = client.get(f"{path.partition('/series')[0]}/rendered", JPEG_PARTS)
    assert response.status_code == 206
    assert len(parts(response)) == 1
    assert "left out" in response.headers["warning"]
    assert response.headers["cache-control"] == "no-store"


def test_a_client_may_take_the_series_of_one_instance_for_one_picture(client: Client, moving: str) -> None:
    response = client.get(f"{moving.partition('/instances')[0]}/rendered", "image/jpeg")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
    assert "frame 2" in response.headers["warning"]
    assert client.get(f"{moving.partition('/series')[0]}/rendered", "image/jpeg").status_code == 406


# --- what has no picture ---------------------------------------------------------------------------


@pytest.mark.parametrize("make", [raw_data, broken_image])
def test_what_cannot_be_rendered_has_a_reason(client: Client, make: object) -> None:
    path = _stored(client, make())  # type: ignore[operator]
    response = client.get(f"{path}/rendered")
    assert response.status_code == 406
    assert response.json()["detail"]
    assert client.get(f"{path}/metadata").status_code == 200


def test_an_image_header_over_too_few_pixels_is_no_picture(client: Client) -> None:
    path = _stored(client, make_instance(rows=46341, columns=46341, bits_allocated=8, pixels=b"\0" * 64))
    assert client.get(f"{path}/rendered").status_code == 406
    assert client.get(f"{path}/thumbnail").status_code == 200


def test_what_is_not_there_or_was_deleted(client: Client) -> None:
    path = _stored(client, gray_image())
    for resource in ("rendered", "thumbnail"):
        assert client.get(f"{path}9/{resource}").status_code == 404
        assert client.get(f"/studies/1.2.x/{resource}").status_code == 400
    assert client.request("DELETE", path).status_code == 204
    for resource in ("rendered", "thumbnail"):
        for target in (path, path.partition("/instances")[0], path.partition("/series")[0]):
            assert client.get(f"{target}/{resource}").status_code == 410


# --- reports, documents, video ---------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["", BROWSER, "text/html"])
def test_a_report_is_a_page_that_runs_nothing(client: Client, accept: str) -> None:
    path = _stored(client, report())
    response = client.get(f"{path}/rendered", accept)
    assert response.headers["content-type"] == "text/html; charset=UTF-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    text = response.content.decode("utf-8")
    assert "größer" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_report_as_text_and_as_xml(client: Client) -> None:
    path = _stored(client, report())
    plain = client.get(f"{path}/rendered", "text/plain")
    assert plain.headers["content-type"] == "text/plain; charset=UTF-8"
    assert "größer" in plain.content.decode()
    xml = client.get(f"{path}/rendered?accept=text/xml")
    assert xml.headers["content-type"] == "text/xml; charset=UTF-8"
    assert b"NativeDicomModel" in xml.content
    assert client.get(f"{path}/rendered", "image/jpeg").status_code == 406


def test_a_report_in_the_charset_that_is_asked_for(client: Client) -> None:
    path = _stored(client, report())
    response = client.get(f"{path}/rendered?charset=ISO-8859-1", "text/plain")
    assert response.headers["content-type"] == "text/plain; charset=ISO-8859-1"
    assert "größer" in response.content.decode("latin-1")


@pytest.mark.parametrize("accept", ["", BROWSER, "application/pdf"])
def test_a_pdf_comes_as_it_is_without_its_padding(client: Client, accept: str) -> None:
    content = b"%PDF-1.4\n" + b"x" * 4000
    path = _stored(client, document(content, "application/pdf", ENCAPSULATED_PDF))
    response = client.get(f"{path}/rendered", accept)
    assert response.headers["content-type"] == "application/pdf"
    assert response.content == content
    stretch = client.get(f"{path}/rendered", accept, headers={"Range": "bytes=-3"})
    assert (stretch.status_code, stretch.content) == (206, b"xxx")


def test_a_cda_document_comes_as_xml_that_runs_nothing(client: Client) -> None:
    content = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
    path = _stored(client, document(content, "text/xml", ENCAPSULATED_CDA))
    response = client.get(f"{path}/rendered", BROWSER)
    assert response.headers["content-type"] == "text/xml"
    assert response.content == content
    assert response.headers["content-security-policy"]


@pytest.mark.parametrize("fragments", [[b"ab" * 500], [b"a" * 10, b"b" * 20, b"c" * 30]])
def test_a_video_comes_as_stored_and_can_be_sought(client: Client, fragments: list[bytes]) -> None:
    path = _stored(client, video(fragments))
    content = b"".join(fragments)
    response = client.get(f"{path}/rendered", "video/webm,video/mp4,*/*;q=0.5")
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["accept-ranges"] == "bytes"
    assert response.content == content
    for start, stop in ((0, 1), (5, 25), (9, len(content))):
        stretch = client.get(f"{path}/rendered", headers={"Range": f"bytes={start}-{stop - 1}"})
        assert (stretch.status_code, stretch.content) == (206, content[start:stop])


@pytest.mark.parametrize(
    ("content", "accept", "media_type"),
    [
        (b"\0\0\0\x18ftypisom" + bytes(88), "video/mp4", "video/mp4"),
        (b"\0\0\0\x18ftypisom" + bytes(88), "*/*", "video/H265"),
        (b"\0\0\0\1\x40\1" + bytes(94), "video/H265", "video/H265"),
        (b"\0\0\0\1\x40\1" + bytes(94), "video/mp4", ""),
    ],
)
def test_a_video_is_what_its_container_is_too(
    client: Client, content: bytes, accept: str, media_type: str
) -> None:
    path = _stored(client, video([content], HEVC))
    response = client.get(f"{path}/rendered", accept)
    assert response.status_code == (200 if media_type else 406)
    if media_type:
        assert (response.headers["content-type"], response.content) == (media_type, content)


def test_pictures_open_in_a_second_decoder(client: Client, still: str) -> None:
    for media_type in ("image/jpeg", "image/png", "image/gif", "image/jp2"):
        response = client.get(f"{still}/rendered", media_type)
        with Image.open(io.BytesIO(response.content)) as image:
            assert image.size == (48, 32)


def test_long_metadata_is_read_in_a_worker(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of frames show whose functional groups were taken."""
    monkeypatch.setattr(subjects, "_LONG_METADATA", 0)
    groups = []
    for center in (1000, -1000, 1000):
        window, group = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = center, 2
        group.FrameVOILUTSequence = [window]
        groups.append(group)
    path = _stored(client, cine(attributes={"PerFrameFunctionalGroupsSequence": groups}))
    found = parts(client.get(f"{path}/rendered", 'multipart/related; type="image/png"'))
    assert [picture(body).convert("L").getpixel((0, 0)) for _, body in found] == [0, 255, 0]
    assert "this is frame 2" in client.get(f"{path}/rendered").headers["warning"]


def test_many_parts_are_streamed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_HELD_BYTES", 1)
    path = _stored(client, cine(tuple(range(0, 250, 25))))
    response = client.get(f"{path}/rendered", 'multipart/related; type="image/png"')
    assert "content-length" not in response.headers
    levels = [picture(body).convert("L").getpixel((0, 0)) for _, body in parts(response)]
    assert levels == list(range(0, 250, 25))


@pytest.mark.parametrize("fragments", [[b"0123456789"], [b"01", b"2345", b"6789"]])
def test_the_bulkdata_of_a_video_can_be_sought_too(client: Client, fragments: list[bytes]) -> None:
    path = _stored(client, video(fragments))
    (metadata,) = client.get(f"{path}/metadata", "application/dicom+json").json()
    response = client.get(metadata["7FE00010"]["BulkDataURI"], "video/mp4", headers={"Range": "bytes=1-6"})
    assert (response.status_code, response.content) == (206, b"123456")
    assert response.headers["content-range"] == "bytes 1-6/10"


def test_pictures_are_made_where_nothing_is_kept(make_client: Any) -> None:
    client: Client = make_client(cache_bytes=0)
    path = _stored(client, gray_image())
    first, second = (client.get(f"{path}/rendered", "image/png") for _ in range(2))
    assert first.status_code == 200
    assert first.content == second.content


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("image/png,*/*;q=0.8", "image/png"),
        ("image/*, */*;q=0.1", "image/jpeg"),
        ("image/jpeg, application/pdf;q=0.1", "image/jpeg"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/jpeg"),
        ("application/pdf, image/png;q=0.9", "application/pdf"),
        ("*/*", "application/pdf"),
        ('multipart/related; type="image/png"', "multipart/related"),
    ],
)
def test_a_pdf_is_the_picture_of_its_page_where_that_is_preferred(
    client: Client, accept: str, media_type: str
) -> None:
    page = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(page, "PDF")
    path = _stored(client, document(page.getvalue(), "application/pdf", ENCAPSULATED_PDF))
    response = client.get(f"{path}/rendered", accept)
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == media_type


@pytest.mark.parametrize("media_type", ["application/pdf", "text/html", "video/mp4", "image/webp"])
def test_an_accept_parameter_that_the_target_does_not_support_leaves_it_to_the_header(
    client: Client, still: str, media_type: str
) -> None:
    several = _stored(client, cine())
    shown = client.get(f"{several}/rendered?accept={media_type}", "*/*")
    assert (shown.headers["content-type"], "this is frame 2" in shown.headers["warning"]) == (
        "image/jpeg",
        True,
    )
    response = client.get(f"{still}/rendered?accept={media_type}", "*/*")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
    assert client.get(f"{still}/rendered?accept={media_type}", "text/html").status_code == 406


# --- bugs ------------------------------------------------------------------------------------------


def test_a_bug_of_ours_is_a_500_and_costs_no_other_picture(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails in a worker without being a refusal is not the client's fault: it is no 406."""
    study = new_uid()
    sound, faulty = (make_instance(study_instance_uid=study, rows=rows, columns=8) for rows in (8, 9))
    _stored(client, sound, faulty)
    run = client.archive.workers.run

    async def spoilt(job: str, parameters: Any, *arguments: Any, **more: Any) -> bytes:
        of_faulty = job == "render" and parameters["layout"].rows == 9
        return await run(job, {} if of_faulty else parameters, *arguments, **more)

    monkeypatch.setattr(client.archive.workers, "run", spoilt)
    response = client.get(f"{path_of(faulty)}/rendered", "image/png")
    assert response.status_code == 500
    assert "KeyError" not in response.text
    both = client.get(f"/studies/{study}/rendered", 'multipart/related; type="image/png"')
    assert (both.status_code, len(parts(both))) == (206, 1)
