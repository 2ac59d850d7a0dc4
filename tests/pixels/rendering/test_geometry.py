"""Regions, sizes and proportions of pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dicomweb.dicom.picture import LARGEST_PICTURE, LONGEST_SIDE, Viewport, Window
from dicomweb.errors import InvalidRequest
from dicomweb.pixels.rendering.geometry import picture_size, pixel_aspect, region_of
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.pixels.rendering.values import Values
from tests.pixels.rendering.drawing import drawn

_SIDES = st.integers(1, 1 << 20)
_RAMP: dict[str, Any] = {
    "rows": 16,
    "columns": 16,
    "bits_allocated": 8,
    "pixels": bytes(range(256)),
}


@given(
    rows=_SIDES,
    columns=_SIDES,
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    aspect=st.floats(0.04, 30),
)
def test_a_picture_fits_its_viewport_and_fills_one_side(
    rows: int, columns: int, width: int, height: int, aspect: float
) -> None:
    viewport = Viewport(width, height)
    columns_shown, rows_shown = picture_size(region_of(viewport, rows, columns), aspect, viewport)
    assert 1 <= columns_shown <= width
    assert 1 <= rows_shown <= height
    assert columns_shown == width or rows_shown == height


@given(rows=_SIDES, columns=_SIDES, aspect=st.floats(0.04, 30))
def test_no_picture_is_larger_than_the_limits(rows: int, columns: int, aspect: float) -> None:
    width, height = picture_size(region_of(None, rows, columns), aspect, None)
    assert max(width, height) <= LONGEST_SIDE
    assert (width - 1) * (height - 1) <= LARGEST_PICTURE


@given(
    x=st.floats(-1e6, 1e6),
    y=st.floats(-1e6, 1e6),
    width=st.none() | st.floats(0.001, 1e6),
    height=st.none() | st.floats(0.001, 1e6),
)
def test_a_region_lies_in_the_image_or_is_refused(
    x: float, y: float, width: float | None, height: float | None
) -> None:
    try:
        region = region_of(Viewport(10, 10, x, y, width, height), 200, 300)
    except InvalidRequest:
        assume(False)
    assert 0 <= region.left < region.right <= 300
    assert 0 <= region.top < region.bottom <= 200


def test_no_viewport_gives_the_stored_size() -> None:
    assert np.array_equal(drawn(**_RAMP), np.arange(256).reshape(16, 16))


def test_a_source_region_is_cut_out() -> None:
    shown = drawn(**_RAMP, request={"viewport": Viewport(4, 2, 3, 5, 4, 2)})
    assert np.array_equal(shown, np.arange(256).reshape(16, 16)[5:7, 3:7])


def test_a_region_in_fractions_is_cut_out() -> None:
    shown = drawn(**_RAMP, request={"viewport": Viewport(8, 8, 0.5, 0, 0.5, 0.5, normalized=True)})
    assert np.array_equal(shown, np.arange(256).reshape(16, 16)[:8, 8:])


@pytest.mark.parametrize(("horizontal", "vertical"), [(True, False), (False, True), (True, True)])
def test_pictures_are_flipped(horizontal: bool, vertical: bool) -> None:
    viewport = Viewport(16, 16, flip_horizontal=horizontal, flip_vertical=vertical)
    expected = np.arange(256).reshape(16, 16)[:: -1 if vertical else 1, :: -1 if horizontal else 1]
    assert np.array_equal(drawn(**_RAMP, request={"viewport": viewport}), expected)


def test_one_side_of_the_viewport_is_enough() -> None:
    assert drawn(**_RAMP, request={"viewport": Viewport(None, 8)}).shape == (8, 8)


def test_thumbnails_are_small_by_default() -> None:
    options = {"rows": 300, "columns": 600, "bits_allocated": 8}
    assert drawn(**options, request={"thumbnail": True}).shape == (64, 128)


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({"PixelAspectRatio": [2, 1]}, (32, 16)),
        ({"PixelAspectRatio": [1, 2]}, (16, 32)),
        ({"PixelSpacing": [0.5, 0.25]}, (32, 16)),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (32, 16)),
        ({"PixelSpacing": [1, 1.001]}, (16, 16)),
        ({"PixelSpacing": [0, 1]}, (16, 16)),
        ({"PixelAspectRatio": [5000, 1]}, (16, 16)),
    ],
)
def test_pixels_that_are_not_square_are_made_so(attributes: dict[str, Any], shape: tuple[int, int]) -> None:
    assert drawn(**_RAMP, attributes=attributes).shape == shape


def test_ultrasound_regions_tell_the_aspect_only_where_all_agree() -> None:
    def region(x: float, y: float, units: int = 3) -> dict[str, Any]:
        return {
            "00186024": {"vr": "US", "Value": [units]},
            "00186026": {"vr": "US", "Value": [units]},
            "0018602C": {"vr": "FD", "Value": [x]},
            "0018602E": {"vr": "FD", "Value": [y]},
        }

    def aspect(*regions: dict[str, Any]) -> float:
        return pixel_aspect(Values({"00186011": {"vr": "SQ", "Value": list(regions)}}, {}))

    assert aspect(region(0.1, 0.2)) == 2
    assert aspect(region(0.1, 0.2), region(0.1, 0.2)) == 2
    assert aspect(region(0.1, 0.2), region(0.1, 0.1)) == 1
    assert aspect(region(0.1, 0.2, units=4)) == 1


def test_a_request_survives_json() -> None:
    request = RenderRequest("image/png", 50, Viewport(3, 4, 0.5), Window(1, 2), "srgb", ("a", "b"), True)
    assert RenderRequest.from_parameters(request.to_parameters()) == request
