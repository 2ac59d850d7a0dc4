"""The order in which a presentation state shows its images (PS3.18 10.4.1.1.3; R-15)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.builders import MULTIFRAME_GRAYSCALE_WORD, make_instance, new_uid
from tests.web.conftest import Client, parts
from tests.web.shown import GRAY_RAMP, path_of, picture, presentation_state

_PNG_PARTS = 'multipart/related; type="image/png"'
_AXIAL = [1, 0, 0, 0, 1, 0]
_CORONAL = [1, 0, 0, 0, 0, -1]


def _flat(level: int, study: str, series: str, **attributes: Any) -> bytes:
    """An image of one level."""
    return make_instance(
        rows=4,
        columns=4,
        bits_allocated=8,
        pixels=bytes([level]) * 16,
        study_instance_uid=study,
        series_instance_uid=series,
        attributes={**GRAY_RAMP, "PixelSpacing": [1, 1], **attributes},
    )


def _levels(client: Client, images: Sequence[bytes]) -> list[int]:
    """What of the images comes first and last. The state inverts nothing: its window is the whole range."""
    state = presentation_state(images, center=127.5, width=255)
    assert client.store(*images, state).status_code == 200
    response = client.get(f"{path_of(state)}/rendered", _PNG_PARTS)
    assert response.status_code == 200
    return [_level(body) for _, body in parts(response)]


def _level(data: bytes) -> int:
    level = picture(data).convert("L").getpixel((0, 0))
    assert isinstance(level, int)
    return level


@pytest.mark.parametrize(
    ("orientation", "positions"),
    [
        (_AXIAL, [[0, 0, 30], [0, 0, 10], [0, 0, 20]]),
        (_CORONAL, [[0, 30, 0], [0, 10, 0], [0, 20, 0]]),
        (None, [[0, 0, 3.5], [0, 0, -7], [0, 0, 2]]),
    ],
)
def test_slices_come_by_position(
    client: Client, orientation: list[int] | None, positions: list[list[float]]
) -> None:
    study, series = new_uid(), new_uid()
    more = {"ImageOrientationPatient": orientation} if orientation else {}
    images = [
        _flat(level, study, series, ImagePositionPatient=position, **more)
        for level, position in zip((3, 1, 2), positions, strict=True)
    ]
    assert _levels(client, images) == [1, 2, 3]


def test_other_images_stay_as_the_state_refers_to_them(client: Client) -> None:
    study, series = new_uid(), new_uid()
    crossed = [
        _flat(3, study, series, ImagePositionPatient=[0, 0, 9], ImageOrientationPatient=_AXIAL),
        _flat(1, study, series, ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=_CORONAL),
        _flat(2, study, series),
    ]
    assert _levels(client, crossed) == [3, 1, 2]


def test_series_come_as_the_state_refers_to_them(client: Client) -> None:
    study, one, other = new_uid(), new_uid(), new_uid()
    images = [
        _flat(level, study, series, ImagePositionPatient=[0, 0, depth], ImageOrientationPatient=_AXIAL)
        for level, series, depth in ((8, one, 50), (2, other, 1), (7, one, 40), (1, other, 0))
    ]
    assert _levels(client, images) == [7, 8, 1, 2]


def _content(index: Sequence[int]) -> Dataset:
    group, content = Dataset(), Dataset()
    content.DimensionIndexValues = list(index)
    group.FrameContentSequence = [content]
    return group


def test_frames_come_by_their_dimension_index_values(client: Client) -> None:
    organization = Dataset()
    organization.DimensionOrganizationUID = new_uid()
    frames = make_instance(
        sop_class_uid=MULTIFRAME_GRAYSCALE_WORD,
        rows=2,
        columns=2,
        frames=4,
        bits_allocated=8,
        pixels=bytes(level for level in (4, 3, 2, 1) for _ in range(4)),
        attributes={
            "DimensionOrganizationSequence": [organization],
            "PerFrameFunctionalGroupsSequence": [
                _content(index) for index in ((2, 2), (2, 1), (1, 2), (1, 1))
            ],
        },
    )
    assert _levels(client, [frames]) == [1, 2, 3, 4]
