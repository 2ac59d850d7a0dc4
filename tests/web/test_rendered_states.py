"""Presentation states as targets of rendered resources and in WADO-URI (R-05, R-07, R-15, I-06)."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.builders import new_uid
from tests.web.conftest import BASE, Client, parts
from tests.web.shown import GRAY_RAMP, cine, gray_image, path_of, picture, presentation_state, report

PNG_PARTS = 'multipart/related; type="image/png"'
WADO = "http://127.0.0.1:8080/wado"


def _stored(client: Client, *instances: bytes) -> str:
    """Stores them; the path of the last."""
    assert client.store(*instances).status_code == 200
    return path_of(instances[-1])


def _extrema(data: bytes) -> object:
    return picture(data).convert("L").getextrema()


def test_a_state_shows_its_image_its_own_way(client: Client) -> None:
    image = gray_image()
    dark = _stored(client, image, presentation_state([image], center=1000))
    bright = _stored(client, presentation_state([image], center=-1000))
    assert _extrema(client.get(f"{dark}/rendered", "image/png").content) == (0, 0)
    response = client.get(f"{bright}/rendered", "image/png")
    assert _extrema(response.content) == (255, 255)
    assert response.headers["content-location"] == f"{BASE}{bright}/rendered"
    assert _extrema(client.get(f"{path_of(image)}/rendered", "image/png").content) != (255, 255)


@pytest.mark.parametrize(("frames", "count"), [((), 3), ((3, 1), 2)])
def test_every_frame_it_refers_to_is_a_part(client: Client, frames: tuple[int, ...], count: int) -> None:
    image = cine()
    path = _stored(client, image, presentation_state([image], center=50, frames=frames))
    found = parts(client.get(f"{path}/rendered", PNG_PARTS))
    assert len(found) == count
    if frames:
        assert [_extrema(body) for _, body in found] == [(255, 255), (0, 0)]
    assert client.get(f"{path}/rendered", "image/png").status_code == 406
    one = client.get(f"{path}/rendered", "text/html,*/*;q=0.8")
    assert f"refers to {count} frames" in one.headers["warning"]


def test_images_that_are_not_there_are_said_to_be_missing(client: Client) -> None:
    study = new_uid()
    image, missing = gray_image(study_instance_uid=study), gray_image(study_instance_uid=study)
    path = _stored(client, image, presentation_state([image, missing], center=0))
    response = client.get(f"{path}/rendered", PNG_PARTS)
    assert (response.status_code, len(parts(response))) == (206, 1)
    alone = _stored(client, presentation_state([missing], center=0))
    assert client.get(f"{alone}/rendered").status_code == 406


def test_references_by_what_is_no_uid_find_nothing(client: Client) -> None:
    image = gray_image()
    uid = path_of(image).rpartition("/")[2].encode()
    state = presentation_state([image], center=0).replace(uid, uid[:8] + b"\0" + uid[9:])
    path = _stored(client, image, state)
    assert client.get(f"{path}/rendered").status_code == 406
    assert client.get(f"{path}/thumbnail").headers["content-type"] == "image/jpeg"


def test_a_state_has_its_own_window_and_area(client: Client) -> None:
    image = gray_image()
    path = _stored(client, image, presentation_state([image], center=0))
    for query in ("window=1,2,linear", "viewport=8,8,1,1"):
        assert client.get(f"{path}/rendered?{query}").status_code == 400
    assert picture(client.get(f"{path}/rendered?viewport=24,24").content).size == (24, 16)


def test_a_study_shows_images_and_states(client: Client) -> None:
    image = gray_image()
    path = _stored(client, image, presentation_state([image], center=0))
    response = client.get(f"{path.partition('/series')[0]}/rendered?window=1,2,linear", PNG_PARTS)
    assert (response.status_code, len(parts(response))) == (200, 2)


def test_wado_uri_names_a_state_for_an_image(client: Client) -> None:
    image, other = gray_image(), gray_image()
    state = presentation_state([image], center=1000)
    assert client.store(image, state, other, report()).status_code == 200
    named = _named(image)
    more = _presentation(state)
    shown = client.get(f"{WADO}?{named}&{more}&contentType=image/png")
    assert (shown.status_code, _extrema(shown.content)) == (200, (0, 0))
    for bad in (
        f"{named}&{more}&windowCenter=1&windowWidth=2",
        f"{named}&{_presentation(image)}",
        f"{named}&presentationSeriesUID=1.2&presentationUID=1.3",
        f"{_named(other)}&{more}",
    ):
        assert client.get(f"{WADO}?{bad}").status_code == 400


def _named(data: bytes) -> str:
    _, _, study, _, series, _, instance = path_of(data).split("/")
    return f"requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}"


def _presentation(data: bytes) -> str:
    *_, series, _, instance = path_of(data).split("/")
    return f"presentationSeriesUID={series}&presentationUID={instance}"


def _annotated_state(image: bytes) -> bytes:
    """A state with a white square over all of its image."""
    square, annotation, layer = Dataset(), Dataset(), Dataset()
    square.GraphicAnnotationUnits, square.GraphicDimensions, square.GraphicFilled = "DISPLAY", 2, "Y"
    square.NumberOfGraphicPoints, square.GraphicType = 5, "POLYLINE"
    square.GraphicData = [0, 0, 1, 0, 1, 1, 0, 1, 0, 0]
    annotation.GraphicLayer, annotation.GraphicObjectSequence = "TOP", [square]
    layer.GraphicLayer, layer.GraphicLayerOrder = "TOP", 1
    layer.GraphicLayerRecommendedDisplayGrayscaleValue = 0xFFFF
    sequences: dict[str, Any] = {"GraphicAnnotationSequence": [annotation], "GraphicLayerSequence": [layer]}
    return presentation_state([image], center=1000, **sequences)


def test_its_thumbnail_is_its_first_image_without_graphics(client: Client) -> None:
    image = gray_image()
    path = _stored(client, image, _annotated_state(image))
    assert _extrema(client.get(f"{path}/rendered", "image/png").content) == (255, 255)
    for target in (path, path.partition("/instances")[0]):
        response = client.get(f"{target}/thumbnail", "image/png")
        assert _extrema(response.content) == (0, 0)
        assert picture(response.content).size == (128, 85)
        assert response.headers["content-location"] == f"{BASE}{path}/thumbnail"


def test_without_a_picture_that_names_nobody_its_thumbnail_is_an_icon(client: Client) -> None:
    burned_in = gray_image(attributes={**GRAY_RAMP, "BurnedInAnnotation": "YES"})
    missing = gray_image()
    for state in (
        presentation_state([burned_in], center=1000),
        presentation_state([missing], center=1000),
    ):
        path = _stored(client, burned_in, state)
        response = client.get(f"{path}/thumbnail", "image/png")
        assert response.status_code == 200
        assert picture(response.content).size == (128, 128)


def test_wado_uri_shows_a_region_of_what_a_state_shows(client: Client) -> None:
    image = gray_image()
    state = presentation_state([image], center=100, width=200)
    assert client.store(image, state).status_code == 200
    query = f"{WADO}?{_named(image)}&{_presentation(state)}&contentType=image/png"
    whole = picture(client.get(query).content)
    part = picture(client.get(f"{query}&region=0.5,0,1,0.5").content)
    assert (whole.size, part.size) == ((48, 32), (24, 16))
    assert part.tobytes() == whole.crop((24, 0, 48, 16)).tobytes()
