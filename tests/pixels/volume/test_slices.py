"""Where frames lie, read from the metadata of every kind of image (PS3.3 C.7.6.2, C.7.6.16)."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
import zstandard

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.rendering.values import Values
from dicomweb.pixels.volume.grid import MOST_SLICES
from dicomweb.pixels.volume.samples import modality_values
from dicomweb.pixels.volume.slices import slices_job, slices_of


def _element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


PLAIN = {
    "00200032": _element("DS", -10, -20, 30),
    "00200037": _element("DS", 1, 0, 0, 0, 1, 0),
    "00280030": _element("DS", 0.5, 0.7),
    "00200052": _element("UI", "1.2.3"),
}


def test_a_single_frame_says_it_itself() -> None:
    (found,) = slices_of(PLAIN)
    assert found["position"] == [-10, -20, 30]
    assert found["orientation"] == [1, 0, 0, 0, 1, 0]
    assert found["spacing"] == [0.5, 0.7]
    assert found["frame_of_reference"] == "1.2.3"


def test_frames_of_an_enhanced_image_have_groups_of_their_own() -> None:
    def frame(z: float) -> dict[str, Any]:
        plane = {"00200032": _element("DS", 0, 0, z)}
        return {"00209113": _element("SQ", plane)}

    shared = {
        "00209116": _element("SQ", {"00200037": PLAIN["00200037"]}),
        "00289110": _element("SQ", {"00280030": PLAIN["00280030"]}),
        "00289145": _element("SQ", {"00281053": _element("DS", 2), "00281052": _element("DS", -1024)}),
    }
    attributes = {
        "00280008": _element("IS", 2),
        "52009229": _element("SQ", shared),
        "52009230": _element("SQ", frame(5), frame(7)),
    }
    found = slices_of(attributes)
    assert [one["position"][2] for one in found] == [5, 7]
    assert found[1]["spacing"] == [0.5, 0.7]
    assert found[1]["orientation"] == [1, 0, 0, 0, 1, 0]
    assert found[1]["display"]["attributes"]["00281053"]["Value"] == [2]


def test_a_dose_grid_has_offsets_for_its_frames() -> None:
    offsets = {"00280008": _element("IS", 3), "3004000C": _element("DS", 0, 2.5, 5)}
    assert [one["position"][2] for one in slices_of(PLAIN | offsets)] == [30, 32.5, 35]
    absolute = {"00280008": _element("IS", 2), "3004000C": _element("DS", 30, 33)}
    assert [one["position"][2] for one in slices_of(PLAIN | absolute)] == [30, 33]


def test_a_nuclear_medicine_image_has_one_detector_and_a_spacing() -> None:
    attributes = {
        "00080016": _element("UI", "1.2.840.10008.5.1.4.1.1.20"),
        "00280008": _element("IS", 2),
        "00180088": _element("DS", 4),
        "00540022": _element("SQ", {tag: PLAIN[tag] for tag in ("00200032", "00200037")}),
        "00280030": PLAIN["00280030"],
    }
    assert [one["position"][2] for one in slices_of(attributes)] == [30, 34]


@pytest.mark.parametrize("value", [{}, _element("DS"), _element("DS", 1, 2), _element("DS", None, "x", 1)])
def test_what_is_not_said_is_null(value: dict[str, Any]) -> None:
    (found,) = slices_of({"00200032": value, "00200037": value, "00280030": value})
    assert found["position"] is None
    assert found["orientation"] is None


def test_the_job_reads_compressed_metadata() -> None:
    packed = zstandard.compress(orjson.dumps(PLAIN))
    assert [len(one) for one in orjson.loads(slices_job({}, [packed, packed]))] == [1, 1]
    with pytest.raises(DecodeFailed):
        slices_job({}, [b"no metadata"])
    with pytest.raises(DecodeFailed):
        slices_of({"00280008": _element("IS", MOST_SLICES + 1)})


def _layout(**options: Any) -> PixelLayout:
    return PixelLayout(
        **{
            "tag": "7FE00010",
            "vr": "OW",
            "element_offset": 0,
            "element_end": 0,
            "value_offset": 0,
            "value_length": 0,
            "encapsulated": False,
            "frames": 1,
            "rows": 1,
            "columns": 4,
            "samples_per_pixel": 1,
            "bits_allocated": 16,
            "bits_stored": 16,
            "high_bit": 15,
            "pixel_representation": 1,
            "photometric_interpretation": "MONOCHROME2",
            "planar_configuration": 0,
            **options,
        }
    )


def test_values_are_in_modality_units_and_padding_is_the_least() -> None:
    words = np.array([[-2000, 0, 100, 1000]], "<i2").view("<u2")
    values = Values(
        {
            "00281053": _element("DS", 2),
            "00281052": _element("DS", -10),
            "00280120": _element("SS", -2000),
        },
        {},
    )
    assert modality_values(words, _layout(), values).tolist() == [[-10, -10, 190, 1990]]
    unsigned = Values({"00280120": _element("US", 63536)}, {})
    assert modality_values(words, _layout(), unsigned).tolist() == [[0, 0, 100, 1000]]


def test_what_is_no_number_is_the_least() -> None:
    words = np.array([[np.nan, 1.5, np.inf, 2.5]], "<f4")
    layout = _layout(tag="7FE00008", bits_allocated=32)
    assert modality_values(words, layout, Values({}, {})).tolist() == [[1.5, 1.5, 1.5, 2.5]]
