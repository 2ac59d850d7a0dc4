"""Presentation states whose images go, come back otherwise, or lie in another study (R-14, R-15, H-04)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomweb.errors import DecodeFailed
from tests.builders import make_instance, new_uid
from tests.web.conftest import Client, parts
from tests.web.shown import gray_image, path_of, presentation_state, reference

_BLENDING = "1.2.840.10008.5.1.4.1.1.11.4"
_PNG_PARTS = 'multipart/related; type="image/png"'
_STILL = ("*/*", "image/png", _PNG_PARTS, 'multipart/related; type="image/jpeg"')


def _stored(client: Client, *instances: bytes) -> str:
    """Stores them; the path of the last."""
    assert client.store(*instances).status_code == 200
    return path_of(instances[-1])


def _above(path: str) -> tuple[str, str]:
    """Study and series of an instance."""
    return path.partition("/series")[0], path.partition("/instances")[0]


@pytest.mark.parametrize("accept", _STILL)
def test_a_state_without_its_images_is_no_damage(client: Client, accept: str) -> None:
    image = gray_image()
    state = _stored(client, image, presentation_state([image], center=0))
    assert client.request("DELETE", path_of(image)).status_code == 204
    for target in (state, *_above(state)):
        response = client.get(f"{target}/rendered", accept)
        assert response.status_code == 406, target
        assert "images" in response.text


def test_a_state_without_its_images_is_left_out_beside_others(client: Client) -> None:
    study = new_uid()
    image, missing = gray_image(study_instance_uid=study), gray_image(study_instance_uid=study)
    path = _stored(client, image, presentation_state([missing], center=0))
    response = client.get(f"{_above(path)[0]}/rendered", _PNG_PARTS)
    assert (response.status_code, len(parts(response))) == (206, 1)
    assert response.headers["cache-control"] == "no-store"


def test_a_state_that_cannot_be_read_costs_the_study_only_itself(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = gray_image()
    path = _stored(client, image, presentation_state([image], center=0))

    async def unreadable(*_: object) -> None:
        raise DecodeFailed("The work on a frame or picture took too long.")

    monkeypatch.setattr("dicomweb.archive.rendered.stated", unreadable)
    response = client.get(f"{_above(path)[0]}/rendered", _PNG_PARTS)
    assert (response.status_code, len(parts(response))) == (206, 1)


def test_an_image_that_comes_back_otherwise_is_shown_anew(
    client: Client,
) -> None:
    uids: dict[str, Any] = {
        "study_instance_uid": new_uid(),
        "series_instance_uid": new_uid(),
        "sop_instance_uid": new_uid(),
    }
    image = gray_image(**uids)
    state = presentation_state([image], center=60, width=100)
    path = _stored(client, image, state)
    study, series = _above(path)
    urls = [f"{target}/{what}" for target in (path, series, study) for what in ("rendered", "thumbnail")]
    urls.append(_wado(image, state))
    before = [client.get(url, _accept(url)) for url in urls]
    assert client.request("DELETE", path_of(image)).status_code == 204
    _stored(client, gray_image(rows=40, columns=20, **uids))
    for url, old in zip(urls, before, strict=True):
        new = client.get(url, _accept(url), headers={"If-None-Match": old.headers["etag"]})
        assert (new.status_code, new.content == old.content) == (200, False), url


def _accept(url: str) -> str:
    return _PNG_PARTS if url.endswith("rendered") else "image/png"


def _wado(image: bytes, state: bytes) -> str:
    _, _, study, _, series, _, instance = path_of(image).split("/")
    *_, of_state, _, state_uid = path_of(state).split("/")
    return (
        f"http://127.0.0.1:8080/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}"
        f"&presentationSeriesUID={of_state}&presentationUID={state_uid}"
    )


def test_what_a_state_shows_has_no_date(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images come and go without it."""
    monkeypatch.setattr("dicomweb.web.conditions._YOUNG", timedelta(days=-1))
    image = gray_image()
    state = presentation_state([image], center=60, width=100)
    path = _stored(client, image, state)
    targets = [f"{target}/rendered" for target in (path, *_above(path))]
    for url in (*targets, f"{path}/thumbnail", f"{path.partition('/instances')[0]}/thumbnail"):
        assert "last-modified" not in client.get(url, _accept(url)).headers, url
    assert "last-modified" not in client.get(_wado(image, state)).headers
    assert "last-modified" in client.get(f"{path_of(image)}/rendered").headers


def test_a_study_goes_by_the_images_of_another_that_it_shows(client: Client) -> None:
    uids: dict[str, Any] = {
        "study_instance_uid": new_uid(),
        "series_instance_uid": new_uid(),
        "sop_instance_uid": new_uid(),
    }
    base, over = gray_image(study_instance_uid=new_uid()), gray_image(**uids)
    path = _stored(client, over, base, _blending_state(base, over))
    urls = [f"{target}/{what}" for target in (path, *_above(path)) for what in ("rendered", "thumbnail")]
    before = [client.get(url, _accept(url)) for url in urls]
    assert [response.status_code for response in before] == [200] * len(urls)
    assert client.request("DELETE", path_of(over)).status_code == 204
    _stored(client, gray_image(pixels=bytes(32 * 48), **uids))
    for url, old in zip(urls, before, strict=True):
        new = client.get(url, _accept(url), headers={"If-None-Match": old.headers["etag"]})
        assert (new.status_code, new.content == old.content) == (200, False), url


def _blending_state(base: bytes, over: bytes) -> bytes:
    """A state in a study of its own, of images of two others."""
    sets = []
    for position, image in (("SUPERIMPOSED", over), ("UNDERLYING", base)):
        one = Dataset()
        one.BlendingPosition, one.StudyInstanceUID = position, path_of(image).split("/")[2]
        one.ReferencedSeriesSequence = [reference(image)]
        sets.append(one)
    palette = {
        f"{colour}PaletteColorLookupTable{what}": value
        for colour in ("Red", "Green", "Blue")
        for what, value in (("Descriptor", [256, 0, 8]), ("Data", bytes(range(256))))
    }
    attributes = {"Modality": "PR", "BlendingSequence": sets, "RelativeOpacity": 0.5, **palette}
    return make_instance(sop_class_uid=_BLENDING, with_pixels=False, attributes=attributes)
