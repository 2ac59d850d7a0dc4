"""Overlay planes and shutters, beside pydicom's reading of overlays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from dicomweb.pixels.rendering.display import bulk_paths, display_of
from tests.pixels.rendering.drawing import drawable, drawn, levels, made

_SIDE = 16
_BLACK: dict[str, Any] = {
    "rows": _SIDE,
    "columns": _SIDE,
    "bits_allocated": 8,
    "pixels": bytes(_SIDE * _SIDE),
}


def _overlay(mask: np.ndarray[Any, Any], **more: Any) -> Dataset:
    """Overlay plane 6002 of these bits."""
    dataset = Dataset()
    rows, columns = mask.shape[-2:]
    dataset.add_new(0x60020010, "US", rows)
    dataset.add_new(0x60020011, "US", columns)
    dataset.add_new(0x60020040, "CS", "G")
    dataset.add_new(0x60020050, "SS", [1, 1])
    bits = np.packbits(mask.reshape(-1), bitorder="little").tobytes()
    dataset.add_new(0x60023000, "OW", bits + b"\0" * (len(bits) % 2))
    for tag, (vr, value) in more.items():
        dataset.add_new(int(tag[1:], 16), vr, value)
    return dataset


def _with(dataset: Dataset, *, index: int = 0, request: dict[str, Any] | None = None, **options: Any) -> Any:
    """The picture of a black object that holds the elements of a data set."""
    from tests.builders import make_dataset, write_instance

    whole = make_dataset(**{**_BLACK, **options})
    whole.update(dataset)
    image = drawable(write_instance(whole, "1.2.840.10008.1.2.1"))
    return levels(image.draw(index, media_type="image/png", **(request or {})))


_CHECKS = np.indices((_SIDE, _SIDE)).sum(axis=0) % 3 == 0


def test_an_overlay_plane_is_drawn_white() -> None:
    assert np.array_equal(_with(_overlay(_CHECKS)) == 255, _CHECKS)


def test_thumbnails_show_no_overlay() -> None:
    assert not _with(_overlay(_CHECKS), request={"thumbnail": True}).any()


@pytest.mark.parametrize("origin", [(1, 1), (4, 7), (-2, 0), (15, 15), (200, 1), (-300, -300)])
def test_an_overlay_lies_at_its_origin(origin: tuple[int, int]) -> None:
    expected = np.zeros((_SIDE, _SIDE), bool)
    for row, column in np.argwhere(_CHECKS):
        place = row + origin[0] - 1, column + origin[1] - 1
        if 0 <= place[0] < _SIDE and 0 <= place[1] < _SIDE:
            expected[place] = True
    assert np.array_equal(_with(_overlay(_CHECKS, t60020050=("SS", list(origin)))) == 255, expected)


def test_overlays_of_several_frames_follow_the_frames() -> None:
    masks = np.random.default_rng(1).random((2, 5, 7)) > 0.5
    plane = _overlay(masks, t60020015=("IS", 2), t60020051=("US", 2))
    options: dict[str, Any] = {"frames": 3, "rows": 5, "columns": 7, "pixels": bytes(3 * 5 * 7)}
    assert not _with(plane, **options).any()
    for index in (1, 2):
        assert np.array_equal(_with(plane, index=index, **options) == 255, masks[index - 1])


def test_overlay_bits_in_pixel_words_are_drawn() -> None:
    words = (_CHECKS.astype("<u2") << 15) | 100
    plane = Dataset()
    plane.add_new(0x60000100, "US", 16)
    plane.add_new(0x60000102, "US", 15)
    plane.add_new(0x60000050, "SS", [1, 1])
    shown = _with(
        plane,
        bits_allocated=16,
        bits_stored=12,
        pixels=words.tobytes(),
        attributes={"WindowCenter": 4000, "WindowWidth": 10},
    )
    assert np.array_equal(shown == 255, _CHECKS)


@pytest.mark.parametrize("length", [0, 1, 30])
def test_overlays_that_are_cut_short_are_left_out(length: int) -> None:
    plane = _overlay(_CHECKS)
    plane[0x60023000].value = plane[0x60023000].value[:length]
    assert not _with(plane).any()


def test_the_overlay_of_a_real_file_is_that_of_pydicom() -> None:
    path = get_testdata_file("examples_overlay.dcm", download=False)
    assert isinstance(path, str)
    with open(path, "rb") as file:
        image = drawable(file.read())
    shown = levels(image.draw(media_type="image/png"))
    mask = dcmread(path).overlay_array(0x6000).astype(bool)
    assert (shown[mask] == 255).all()
    assert bulk_paths(display_of(image.attributes, 0)) == ("60003000",)


# --- shutters ----------------------------------------------------------------------------------------------

_WHITE = {**_BLACK, "pixels": b"\xff" * (_SIDE * _SIDE)}
_ROW, _COLUMN = np.ogrid[1 : _SIDE + 1, 1 : _SIDE + 1]


@pytest.mark.parametrize(
    ("attributes", "visible"),
    [
        (
            {
                "ShutterShape": "RECTANGULAR",
                "ShutterLeftVerticalEdge": 3,
                "ShutterRightVerticalEdge": 9,
                "ShutterUpperHorizontalEdge": 2,
                "ShutterLowerHorizontalEdge": 12,
            },
            (_ROW >= 2) & (_ROW <= 12) & (_COLUMN >= 3) & (_COLUMN <= 9),
        ),
        (
            {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [8, 6], "RadiusOfCircularShutter": 5},
            (_ROW - 8) ** 2 + (_COLUMN - 6) ** 2 <= 25,
        ),
        (
            {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [2, 2, 2, 14, 14, 14, 14, 2]},
            (_ROW >= 2) & (_ROW <= 14) & (_COLUMN >= 2) & (_COLUMN <= 14),
        ),
    ],
)
def test_shutters_hide_what_is_outside(attributes: dict[str, Any], visible: np.ndarray[Any, Any]) -> None:
    assert np.array_equal(drawn(**_WHITE, attributes=attributes) == 255, visible)


def test_several_shutters_hide_together() -> None:
    attributes = {
        "ShutterShape": ["CIRCULAR", "RECTANGULAR"],
        "CenterOfCircularShutter": [8, 8],
        "RadiusOfCircularShutter": 6,
        "ShutterLeftVerticalEdge": 8,
        "ShutterRightVerticalEdge": 16,
        "ShutterUpperHorizontalEdge": 1,
        "ShutterLowerHorizontalEdge": 16,
        "ShutterPresentationValue": 0x8080,
    }
    shown = drawn(**_WHITE, attributes=attributes)
    visible = ((_ROW - 8) ** 2 + (_COLUMN - 8) ** 2 <= 36) & (_COLUMN >= 8)
    assert np.array_equal(shown == 255, visible)
    assert (shown[~visible] == 128).all()


@pytest.mark.parametrize(
    "attributes",
    [
        {"ShutterShape": "CIRCULAR"},
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [8, 6], "RadiusOfCircularShutter": -5},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [2, 2, 2]},
        {"ShutterShape": "RECTANGULAR", "ShutterLeftVerticalEdge": 3},
        {"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6001},
        {"ShutterShape": "OVAL"},
    ],
)
def test_shutters_that_make_no_sense_hide_nothing(attributes: dict[str, Any]) -> None:
    assert (drawn(**_WHITE, attributes=attributes) == 255).all()


def test_a_bitmap_shutter_hides_what_its_overlay_sets() -> None:
    plane = _overlay(_CHECKS)
    plane.ShutterShape = "BITMAP"
    plane.ShutterOverlayGroup = 0x6002
    shown = _with(plane, pixels=_WHITE["pixels"])
    assert np.array_equal(shown == 0, _CHECKS)


def test_made_objects_have_no_overlay() -> None:
    assert bulk_paths(display_of(made(**_BLACK).attributes, 0)) == ()
