"""Mask subtraction by presentation states, over HTTP (PS3.3 C.7.6.10, C.11.13; R-15)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.builders import make_instance
from tests.web.conftest import Client, parts
from tests.web.shown import path_of, picture, presentation_state

_XA_IMAGE = "1.2.840.10008.5.1.4.1.1.12.1"
_PNG_PARTS = 'multipart/related; type="image/png"'
_LEVELS = (100, 90, 60, 120)
_SIDE = 4


def _angiogram(**attributes: Any) -> bytes:
    """Frames of 16 bits, each of one level but for its middle, where the level is twice that."""
    frames = np.repeat(np.array(_LEVELS, np.uint16), _SIDE * _SIDE).reshape(-1, _SIDE, _SIDE)
    frames[:, 1, 2] *= 2
    return make_instance(
        sop_class_uid=_XA_IMAGE,
        rows=_SIDE,
        columns=_SIDE,
        frames=len(_LEVELS),
        pixels=frames.tobytes(),
        attributes=attributes,
    )


def _subtraction(**attributes: Any) -> dict[str, Any]:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return {"MaskSubtractionSequence": [item], "RecommendedViewingMode": "SUB"}


def _shown(
    client: Client, subtraction: dict[str, Any], frames: Sequence[int] = (), **attributes: Any
) -> list[tuple[int, int]]:
    """Modality values of a corner and the middle of each picture, read back from the window of 255 levels."""
    image = _angiogram(**attributes)
    state = presentation_state([image], center=0, width=510, frames=frames, **subtraction)
    assert client.store(image, state).status_code == 200
    response = client.get(f"{path_of(state)}/rendered", _PNG_PARTS)
    assert response.status_code == 200, response.text
    pictures = [np.asarray(picture(body)).astype(int) * 2 - 255 for _, body in parts(response)]
    return [(int(levels[0, 0]), int(levels[1, 2])) for levels in pictures]


def _same(found: list[tuple[int, int]], expected: list[tuple[float, float]]) -> bool:
    """But for the one of two levels that a window of 510 has for each gray."""
    return np.shape(found) == np.shape(expected) and float(np.abs(np.subtract(found, expected)).max()) <= 1


@pytest.mark.parametrize(
    ("item", "corners"),
    [
        ({"MaskOperation": "AVG_SUB", "MaskFrameNumbers": [1]}, [0, -10, -40, 20]),
        ({"MaskOperation": "AVG_SUB", "MaskFrameNumbers": [1, 3]}, [20, 10, -20, 40]),
        (
            {"MaskOperation": "AVG_SUB", "MaskFrameNumbers": [1], "ContrastFrameAveraging": 2},
            [-5, -25, -10, 20],
        ),
        ({"MaskOperation": "TID"}, [100, -10, -30, 60]),
        ({"MaskOperation": "TID", "TIDOffset": 2}, [100, 90, -40, 30]),
        (
            {"MaskOperation": "AVG_SUB", "MaskFrameNumbers": [1], "ApplicableFrameRange": [3, 4]},
            [100, 90, -40, 20],
        ),
        ({"MaskOperation": "REV_TID", "ApplicableFrameRange": [3, 4]}, [100, 90, -30, 20]),
        ({"MaskOperation": "AVG_SUB", "MaskFrameNumbers": [99]}, list(_LEVELS)),
        ({"MaskOperation": "NONE"}, list(_LEVELS)),
    ],
)
def test_the_mask_is_subtracted(client: Client, item: dict[str, Any], corners: list[int]) -> None:
    assert _same(_shown(client, _subtraction(**item)), [(corner, 2 * corner) for corner in corners])


def test_only_the_frames_that_are_referred_to_are_shown(client: Client) -> None:
    item = _subtraction(MaskOperation="AVG_SUB", MaskFrameNumbers=[1])
    assert _same(_shown(client, item, frames=[4]), [(20, 40)])


def test_the_mask_is_moved_before(client: Client) -> None:
    item = _subtraction(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], MaskSubPixelShift=[1.0, 0.0])
    assert _same(_shown(client, item, frames=[1]), [(0, 100)])


def test_the_mask_may_stay_visible(client: Client) -> None:
    item = _subtraction(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], MaskVisibilityPercentage=40.0)
    assert _same(_shown(client, item, frames=[4]), [(60, 120)])


def test_pixels_in_proportion_to_the_beam_are_subtracted_by_logarithm(client: Client) -> None:
    item = _subtraction(MaskOperation="AVG_SUB", MaskFrameNumbers=[1])
    image = _angiogram(PixelIntensityRelationship="LIN")
    state = presentation_state([image], center=0, width=60_000, **item)
    assert client.store(image, state).status_code == 200
    body = parts(client.get(f"{path_of(state)}/rendered", _PNG_PARTS))[3][1]
    levels = np.asarray(picture(body)).astype(float)
    # Where all is brighter by one factor, the difference is one level.
    assert abs(levels[0, 0] - levels[1, 2]) <= 1
    assert levels[0, 0] > 130


def test_a_state_may_show_the_frames_themselves(client: Client) -> None:
    natural = _subtraction(MaskOperation="AVG_SUB", MaskFrameNumbers=[1]) | {"RecommendedViewingMode": "NAT"}
    assert _same(_shown(client, natural), [(level, 2 * level) for level in _LEVELS])
