"""What presentation states that blend or subtract say, and how frames lie: read from whatever is in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.pixels.rendering.blending import (
    ADVANCED_BLENDING_STATE,
    BLENDING_STATE,
    Blended,
    Step,
    blend_of,
    display_of_input,
)
from dicomweb.pixels.rendering.frame_places import FramePlace, frames_through, order_of, place_of, reach_of
from dicomweb.pixels.rendering.masks import subtraction_of
from dicomweb.pixels.rendering.presentation import STATE_PATH, ReferencedImage
from dicomweb.pixels.volume.grid import Slice

_TAGS = (
    *("00700402", "00700405", "00700403", "0020000D", "0020000E", "00081115", "00081140", "00081155"),
    *("00081160", "00701B01", "00701B02", "00701B08", "00701B04", "00701B03", "00701B06", "00701B11"),
    *("00701B12", "00701B13", "00701B14", "00286100", "00286101", "00286102", "00286110", "00286112"),
    *("00286114", "00286120", "00289478", "00281090", "00289501", "00289506", "00283110", "00281050"),
)
_SCALARS = (
    st.none()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["UNDERLYING", "SUPERIMPOSED", "FOREGROUND", "EQUAL", "YES", "SUB", "AVG_SUB", "TID"])
)


def _elements(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    element = st.fixed_dictionaries({"vr": st.just("SQ"), "Value": st.lists(values, max_size=3)})
    return st.dictionaries(st.sampled_from(_TAGS), element | st.just({"vr": "SQ"}), max_size=6)


_HOSTILE = _elements(st.recursive(_SCALARS, lambda inner: _elements(inner), max_leaves=20))


@given(state=_HOSTILE, sop_class=st.sampled_from([BLENDING_STATE, ADVANCED_BLENDING_STATE]))
def test_whatever_a_state_says_it_is_read(state: dict[str, Any], sop_class: str) -> None:
    state |= {"00080016": {"vr": "UI", "Value": [sop_class]}}
    blend = blend_of(state)
    if blend is not None:
        numbers = {one.number for one in blend.inputs}
        assert blend.base in numbers
        assert all(step.opacity is None or 0 <= step.opacity <= 1 for step in blend.steps)
        for one in blend.inputs:
            display_of_input({"frame_index": 0, "attributes": {}}, state, one, "1.2", base=one.number == 0)
    found = subtraction_of(state, {}, "1.2", 3, 5)
    assert found is None or all(1 <= number <= 5 for number in (*found.contrast, *found.mask))


def _set(position: str, series: str) -> dict[str, Any]:
    image = {"00081155": {"vr": "UI", "Value": ["9"]}, "00081160": {"vr": "IS", "Value": [2, 1]}}
    return {
        "00700405": {"vr": "CS", "Value": [position]},
        "0020000D": {"vr": "UI", "Value": ["1"]},
        "00081115": {
            "vr": "SQ",
            "Value": [
                {
                    "0020000E": {"vr": "UI", "Value": [series]},
                    "00081140": {"vr": "SQ", "Value": [image]},
                }
            ],
        },
    }


def test_a_softcopy_state_is_two_inputs_and_one_step() -> None:
    state = {
        "00080016": {"vr": "UI", "Value": [BLENDING_STATE]},
        "00700402": {"vr": "SQ", "Value": [_set("SUPERIMPOSED", "7"), _set("UNDERLYING", "6")]},
        "00700403": {"vr": "FL", "Value": [0.25]},
    }
    blend = blend_of(state)
    assert blend is not None
    assert blend.base == 0
    assert blend.steps == (Step((1, 0), 0.25),)
    assert {one.number: one.references for one in blend.inputs} == {
        0: (ReferencedImage("6", "9", (2, 1)),),
        1: (ReferencedImage("7", "9", (2, 1)),),
    }


def test_a_set_without_images_is_the_whole_series() -> None:
    one = _set("UNDERLYING", "6")
    del one["00081115"]["Value"][0]["00081140"]
    state = {"00700402": {"vr": "SQ", "Value": [one]}}
    blend = blend_of(state)
    assert blend is not None
    assert blend.inputs[0].references == (ReferencedImage("6", "", ()),)


def test_bulk_values_of_an_input_are_the_states() -> None:
    uri = "/studies/1/series/2/instances/3/bulkdata/00281201"
    state = {
        "00080016": {"vr": "UI", "Value": [BLENDING_STATE]},
        "00281201": {"vr": "OW", "BulkDataURI": uri},
    }
    superimposed = Blended(1, "", (), {})
    shown = display_of_input({"frame_index": 0, "attributes": {}}, state, superimposed, "1.2", base=False)
    assert shown["attributes"]["00281201"]["BulkDataURI"] == f"{STATE_PATH}00281201"


# --- where frames lie --------------------------------------------------------------------------------------

_PLANE = Slice((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0), "1.2.3")


def _stack(*depths: float) -> list[Slice]:
    return [replace(_PLANE, position=(0.0, 0.0, depth)) for depth in depths]


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(5.0, [1, 0]), (10.0, [0]), (12.0, [0, 2]), (20.0, [2]), (-3.0, [1]), (99.0, [2]), (0.0, [1])],
)
def test_a_plane_is_filled_from_the_frames_around_it(depth: float, expected: list[int]) -> None:
    (plane,) = _stack(depth)
    assert frames_through(plane, 4, 4, _stack(10, 0, 20)) == expected


def test_a_plane_across_is_filled_from_all_that_it_meets() -> None:
    across = replace(_PLANE, position=(0.0, 0.0, 22.0), column_direction=(0.0, 0.0, -1.0))
    assert frames_through(across, 10, 4, _stack(0, 10, 20, 30, 40)) == [1, 2, 3]


@pytest.mark.parametrize("uid", ["", "1.2.4"])
def test_planes_of_other_frames_of_reference_are_not_related(uid: str) -> None:
    assert frames_through(replace(_PLANE, frame_of_reference=uid), 4, 4, _stack(0, 1)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"row_direction": (0.0, 0.0, 1.0)},
        {"row_direction": (-1.0, 0.0, 0.0)},
        {"row_direction": (0.0, 1.0, 0.0), "column_direction": (1.0, 0.0, 0.0)},
        {"spacing": (1.0, 2.0)},
    ],
)
def test_frames_of_other_grids_make_no_stack(change: dict[str, Any]) -> None:
    assert frames_through(_PLANE, 4, 4, [_PLANE, replace(_PLANE, **change)]) is None


def test_the_outermost_frames_stand_for_half_a_gap() -> None:
    assert reach_of(_stack(0, 4, 8, 20)) == 2
    assert reach_of(_stack(7)) == 0.5


@given(
    found=st.fixed_dictionaries(
        {
            "position": st.none() | st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3),
            "orientation": st.none() | st.lists(st.floats(-1, 1), min_size=6, max_size=6),
            "spacing": st.none() | st.lists(st.floats(-1, 1e6), min_size=2, max_size=2),
            "frame_of_reference": st.sampled_from(["", "1.2"]),
        }
    ),
    attributes=_HOSTILE,
)
def test_places_are_read_from_whatever_there_is(found: dict[str, Any], attributes: dict[str, Any]) -> None:
    place = FramePlace.of(place_of(attributes, 0, found))
    assert sorted(order_of([place, place])) == [0, 1]
