"""WADO-RS thumbnails through the whole application (R-20, R-21, M-05, W-06)."""

from __future__ import annotations

import pytest

from tests.builders import new_uid
from tests.web.conftest import BASE, Client, parts
from tests.web.shown import (
    ENCAPSULATED_PDF,
    GRAY_RAMP,
    broken_image,
    cine,
    document,
    gray_image,
    path_of,
    picture,
    raw_data,
    report,
)

_BURNED_IN = {**GRAY_RAMP, "BurnedInAnnotation": "YES"}


def _stored(client: Client, *instances: bytes) -> str:
    assert client.store(*instances).status_code == 200
    return path_of(instances[0])


def _level(data: bytes) -> int:
    """Of the pixel in the middle of a gray picture."""
    image = picture(data).convert("L")
    level = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(level, int)
    return level


def _flat(level: int, **options: object) -> bytes:
    """An image of one level."""
    return gray_image(rows=8, columns=8, pixels=bytes([level]) * 64, **options)


def test_a_thumbnail_is_a_small_jpeg_at_every_level(client: Client) -> None:
    path = _stored(client, gray_image(rows=512, columns=384))
    for target in (path, f"{path}/frames/1", path.partition("/instances")[0], path.partition("/series")[0]):
        response = client.get(f"{target}/thumbnail")
        assert response.status_code == 200
        assert response.headers["content-type"] == "image/jpeg"
        assert picture(response.content).size == (96, 128)
        assert response.headers["content-location"] == f"{BASE}{path}/thumbnail"


@pytest.mark.parametrize(
    "accept", ["image/png", "image/*", 'multipart/related; type="image/png"', "image/avif,image/*;q=0.5"]
)
def test_other_types_and_packagings(client: Client, accept: str) -> None:
    path = _stored(client, gray_image())
    response = client.get(f"{path}/thumbnail", accept)
    body = parts(response)[0][1] if accept.startswith("multipart") else response.content
    assert picture(body).format in ("PNG", "JPEG")


def test_a_viewport_gives_the_size(client: Client) -> None:
    path = _stored(client, gray_image())
    assert picture(client.get(f"{path}/thumbnail?viewport=24,24").content).size == (24, 16)
    for bad in ("24", "24,24,1,1", "0,0", "99999999,99999999", ""):
        assert client.get(f"{path}/thumbnail?viewport={bad}").status_code == 400
    assert client.get(f"{path}/thumbnail", "text/html").status_code == 406


def test_the_middle_frame_stands_for_an_instance_and_a_frame_for_itself(client: Client) -> None:
    path = _stored(client, cine((0, 120, 240)))
    assert abs(_level(client.get(f"{path}/thumbnail").content) - 120) < 5
    assert abs(_level(client.get(f"{path}/frames/3/thumbnail").content) - 240) < 5


def test_the_middle_instance_stands_for_a_series(client: Client) -> None:
    uids = {"study_instance_uid": new_uid(), "series_instance_uid": new_uid()}
    images = [
        _flat(level, attributes={**GRAY_RAMP, "InstanceNumber": number}, **uids)
        for number, level in ((3, 240), (1, 0), (2, 120))
    ]
    path = _stored(client, *images)
    for target in (path.partition("/instances")[0], path.partition("/series")[0]):
        assert abs(_level(client.get(f"{target}/thumbnail").content) - 120) < 5


def test_a_picture_goes_before_what_is_none_and_what_names_the_patient(client: Client) -> None:
    uids = {"study_instance_uid": new_uid(), "series_instance_uid": new_uid()}
    path = _stored(
        client,
        _flat(255, attributes=_BURNED_IN, **uids),
        report(**uids),
        broken_image(
            **{**uids, "series_instance_uid": new_uid(), "attributes": {"BurnedInAnnotation": "YES"}}
        ),
        _flat(120, **uids),
        raw_data(**uids),
    )
    assert abs(_level(client.get(f"{path.partition('/series')[0]}/thumbnail").content) - 120) < 5


def test_burned_in_text_is_not_shown(client: Client) -> None:
    shown, hidden = (
        client.get(f"{_stored(client, _flat(255, attributes=attributes))}/thumbnail").content
        for attributes in (GRAY_RAMP, _BURNED_IN)
    )
    assert _level(shown) == 255
    assert hidden != shown
    assert picture(hidden).getextrema() != picture(shown).getextrema(), "an icon"


@pytest.mark.parametrize("make", [report, raw_data, broken_image])
def test_what_has_no_picture_has_an_icon(client: Client, make: object) -> None:
    one, other = (
        _stored(client, make(attributes={"PatientName": name}) if make is raw_data else make())  # type: ignore[operator]
        for name in ("Doe^Jane", "Other^Person")
    )
    first, second = (client.get(f"{path}/thumbnail") for path in (one, other))
    assert first.headers["content-type"] == "image/jpeg"
    assert max(picture(first.content).size) == 128
    assert first.content == second.content, "nothing of the patient is in it"


def test_a_page_that_names_the_patient_is_no_thumbnail(client: Client) -> None:
    path = _stored(client, document(b"%PDF-1.4 none", "application/pdf", ENCAPSULATED_PDF))
    assert picture(client.get(f"{path}/thumbnail?viewport=64,64").content).size == (64, 64)


def test_a_thumbnail_is_revalidated(client: Client) -> None:
    path = _stored(client, gray_image())
    etag = client.get(f"{path}/thumbnail").headers["etag"]
    assert client.get(f"{path}/thumbnail", headers={"If-None-Match": etag}).status_code == 304
    series = path.partition("/instances")[0]
    before = client.get(f"{series}/thumbnail").headers["etag"]
    assert client.request("DELETE", path).status_code == 204
    assert client.get(f"{series}/thumbnail", headers={"If-None-Match": before}).status_code == 410


def test_the_label_of_a_slide_is_not_shown(client: Client) -> None:
    shown, hidden = (
        client.get(
            f"{_stored(client, _flat(255, attributes={**GRAY_RAMP, 'ImageType': kind}))}/thumbnail"
        ).content
        for kind in (["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"], ["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    )
    assert picture(shown).getextrema() == (255, 255)
    assert picture(hidden).getextrema() != (255, 255)
