"""What of the metadata goes to a worker: what the frame needs, and no more."""

from __future__ import annotations

from typing import Any

import orjson
from pydicom.dataset import Dataset

from dicomweb.pixels.rendering.display import bulk_paths, display_of
from tests.pixels.rendering.drawing import drawn, made


def _item(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def _window(center: float, width: float) -> Dataset:
    return _item(FrameVOILUTSequence=[_item(WindowCenter=center, WindowWidth=width)])


def _rescale(slope: float) -> Dataset:
    return _item(
        PixelValueTransformationSequence=[_item(RescaleSlope=slope, RescaleIntercept=0, RescaleType="US")]
    )


def test_the_functional_groups_of_the_frame_stand_beside_the_image() -> None:
    shared, first, second = _rescale(2), _window(1, 2), _window(3, 4)
    second.update(_rescale(5))
    image = made(
        frames=2,
        attributes={
            "WindowCenter": 100,
            "SharedFunctionalGroupsSequence": [shared],
            "PerFrameFunctionalGroupsSequence": [first, second],
        },
    )
    one, other = (display_of(image.attributes, index)["attributes"] for index in (0, 1))
    assert (one["00281050"]["Value"], one["00281053"]["Value"]) == ([1], [2])
    assert (other["00281050"]["Value"], other["00281053"]["Value"]) == ([3], [5])


def test_frames_beyond_the_functional_groups_take_the_shared_ones() -> None:
    image = made(frames=2, attributes={"SharedFunctionalGroupsSequence": [_window(7, 8)]})
    assert display_of(image.attributes, 1)["attributes"]["00281050"]["Value"] == [7]


def test_each_frame_is_windowed_by_its_own_group() -> None:
    pixels = bytes(range(64)) * 2
    groups = {"PerFrameFunctionalGroupsSequence": [_window(10, 2), _window(50, 2)]}
    options: dict[str, Any] = {"rows": 8, "columns": 8, "frames": 2, "bits_allocated": 8, "pixels": pixels}
    dark, bright = (drawn(**options, index=index, attributes=groups) for index in (0, 1))
    assert int((dark == 255).sum()) == 54
    assert int((bright == 255).sum()) == 14


def test_a_display_is_small_and_names_nobody() -> None:
    groups = [_window(1, 2) for _ in range(500)]
    image = made(rows=1, columns=1, frames=500, attributes={"PerFrameFunctionalGroupsSequence": groups})
    text = orjson.dumps(display_of(image.attributes, 250))
    assert len(text) < 1000
    assert b"Builder" not in text
    assert b"ID1" not in text


def test_bulk_values_are_named_by_their_path() -> None:
    table = bytes(2 * 2000)
    item = _item(LUTDescriptor=[2000, 0, 16])
    item.add_new(0x00283006, "OW", table)
    image = made(attributes={"VOILUTSequence": [item]})
    display = display_of(image.attributes, 0)
    assert bulk_paths(display) == ("00283010/0/00283006",)
    assert image.bulk("00283010/0/00283006") == table


def test_the_profile_of_a_slide_is_its_optical_paths() -> None:
    paths = [_item(OpticalPathIdentifier=str(n), ICCProfile=bytes([n]) * 8) for n in (1, 2)]
    identification = _item(OpticalPathIdentifier="2")
    groups = [_item(OpticalPathIdentificationSequence=[identification])]
    image = made(attributes={"OpticalPathSequence": paths, "PerFrameFunctionalGroupsSequence": groups})
    attributes = display_of(image.attributes, 0)["attributes"]
    assert attributes["00282000"]["InlineBinary"] == "AgICAgICAgI="
    assert "00282000" not in display_of(image.attributes, 0, with_profile=False)["attributes"]


def test_only_the_segment_of_the_frame_is_kept() -> None:
    segments = [_item(SegmentNumber=n, SegmentLabel="x" * 60) for n in range(1, 200)]
    groups = [_item(SegmentIdentificationSequence=[_item(ReferencedSegmentNumber=17)])]
    attributes = {"SegmentSequence": segments, "PerFrameFunctionalGroupsSequence": groups}
    kept = display_of(made(attributes=attributes).attributes, 0)["attributes"]["00620002"]["Value"]
    assert [segment["00620004"]["Value"] for segment in kept] == [[17]]


def test_an_empty_object_has_a_display() -> None:
    assert display_of({}, 5) == {"frame_index": 5, "attributes": {}}
