"""Presentation states whose images go, come back otherwise, or lie in another study (R-14, R-15, H-04)."""

from __future__ import annotations

import pytest

from dicomweb.errors import DecodeFailed
from tests.builders import new_uid
from tests.web.conftest import Client, parts
from tests.web.shown import gray_image, path_of, presentation_state

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
