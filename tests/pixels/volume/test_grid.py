"""What forms a volume, and why the rest does not (R-34, PS3.3 C.11.23.1)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.errors import InvalidRequest
from dicomweb.pixels.volume.grid import Slice, grid_of, read_slice
from dicomweb.pixels.volume.vectors import length, minus, plus, scaled
from tests.pixels.volume.phantom import AXIAL, CORONAL, OBLIQUE, SAGITTAL, scan

MANY = 1 << 24


@given(
    directions=st.sampled_from([AXIAL, SAGITTAL, CORONAL, OBLIQUE]),
    gaps=st.lists(st.floats(0.5, 7), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_every_slice_lies_where_its_position_says(directions: object, gaps: list[float], seed: int) -> None:
    slices, _ = scan(directions, spacing=(20.0, 30.0), gaps=tuple(gaps))  # type: ignore[arg-type]
    shuffled = random.Random(seed).sample(slices, len(slices))
    grid = grid_of(shuffled, 5, 3, most_voxels=MANY)
    for place, index in zip(grid.places, grid.order, strict=True):
        lies = plus(grid.origin, grid.slice_vector, place)
        # Slices that are nearly even are taken as even: by less than a twentieth of a gap.
        assert length(minus(lies, shuffled[index].position)) <= 0.06 * max(gaps)
    assert grid.slices >= len(slices)


def test_uneven_slices_are_interpolated_within_bounds() -> None:
    slices, _ = scan(gaps=(0.01, 20.0))
    grid = grid_of(slices, 43, 43, most_voxels=MANY)
    assert not grid.is_even
    assert len(slices) < grid.slices <= 4 * len(slices) + 2
    small = grid_of(slices, 43, 43, most_voxels=43 * 43 * len(slices))
    assert small.slices <= len(slices) + 1


def test_fewer_pixels_lie_where_they_were() -> None:
    slices, _ = scan()
    grid = grid_of(slices, 43, 43, most_voxels=MANY)
    thinned = grid.thinned(4)
    assert (thinned.rows, thinned.columns) == (11, 11)
    assert plus(thinned.origin, thinned.row_vector, 10) == plus(grid.origin, grid.row_vector, 40)


def _refused(slices: list[Slice], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        grid_of(slices, 43, 43, most_voxels=MANY)


def test_what_is_no_volume_is_refused_with_the_reason() -> None:
    slices, _ = scan()
    first, *others = slices
    _refused(slices[:1], "One frame")
    _refused([*slices, slices[3]], "same position")
    _refused([one for one in slices for _ in range(2)], "same position")
    _refused([replace(first, frame_of_reference="1.2.4"), *others], "Frame of Reference")
    _refused([replace(first, row_direction=(0.0, 1.0, 0.0)), *others], "Orientation")
    _refused([replace(first, spacing=(2.0, 3.0)), *others], "Spacing")
    aside = replace(slices[5], position=plus(slices[5].position, (40.0, 0.0, 0.0)))
    _refused([*slices[:5], aside, *slices[6:]], "in line")


def test_slices_turned_by_digits_are_one_volume() -> None:
    slices, _ = scan()
    turned = [replace(one, row_direction=(1.0, 1e-4 * index / 40, 0.0)) for index, one in enumerate(slices)]
    assert grid_of(turned, 43, 43, most_voxels=MANY).is_even


WHOLE = {
    "position": [1.0, 2.0, 3.0],
    "orientation": [2.0, 0.0, 0.0, 0.0, 3.0, 0.0],
    "spacing": [0.5, 0.7],
    "frame_of_reference": "1.2",
}


def test_directions_are_made_unit_vectors() -> None:
    found = read_slice(WHOLE)
    assert (found.row_direction, found.column_direction) == ((1, 0, 0), (0, 1, 0))
    assert found.spacing == (0.5, 0.7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position", None),
        ("orientation", None),
        ("spacing", None),
        ("spacing", [0.0, 1.0]),
        ("spacing", [-1.0, 1.0]),
        ("orientation", [0.0] * 6),
        ("orientation", [1.0, 0.0, 0.0, 0.7, 0.7, 0.0]),
    ],
)
def test_a_slice_without_a_place_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match="form no volume"):
        read_slice({**WHOLE, name: value})


def test_scaling_is_by_length() -> None:
    assert length(scaled((3.0, 4.0, 0.0), 2)) == 10
