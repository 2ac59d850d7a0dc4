from __future__ import annotations

import json
import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from dicomweb.documents.contours import structure_set_of
from dicomweb.documents.jobs import contours_job
from dicomweb.documents.needs import bulk_needs
from dicomweb.errors import DecodeFailed
from tests.documents.objects import item, of, scanned, sequence

Attributes = dict[str, Any]
SQUARE = [0, 0, 0, 100, 0, 0, 100, 100, 0, 0, 100, 0]


def region(number: int, *contours: Attributes, colour: tuple[int, ...] = (255, 0, 0)) -> Attributes:
    colours = {"3006002A": of("IS", *colour)} if colour else {}
    return {"30060084": of("IS", number), "30060040": sequence(*contours), **colours}


def contour(*numbers: Any, kind: str = "CLOSED_PLANAR") -> Attributes:
    return {"30060042": of("CS", kind), "30060050": of("DS", *numbers)}


def structure_set(*regions: Attributes, names: dict[int, str] | None = None) -> Attributes:
    named = [
        {"30060022": of("IS", number), "30060026": of("LO", name)} for number, name in (names or {}).items()
    ]
    return {"30060020": sequence(*named), "30060039": sequence(*regions)}


def drawn(attributes: Attributes, **request: Any) -> bytes:
    parameters = {"request": {"media_type": "image/svg+xml", **request}}
    return contours_job(parameters, [json.dumps(attributes).encode()])


def test_a_region_keeps_name_colour_and_points() -> None:
    attributes = structure_set(region(7, contour(*SQUARE), colour=(250, 160, 0)), names={7: "Heart"})
    (heart,) = structure_set_of(item(attributes)).regions
    assert (heart.name, heart.colour) == ("Heart", "#faa000")
    points, closed = heart.contours[0]
    assert closed
    assert points.ravel().tolist() == SQUARE


def test_three_views_show_the_directions_of_the_patient() -> None:
    svg = drawn(structure_set(region(1, contour(*SQUARE)), names={1: "Box"})).decode()
    texts = re.findall(r">([^<>]+)</text>", svg)
    assert {"Axial", "Coronal", "Sagittal", "R", "L", "A", "P", "H", "F", "Box  (1 contour)"} <= set(texts)


def test_the_patients_left_is_right_and_the_front_is_up() -> None:
    """In the axial view the point to the left and front is drawn to the right and top."""
    line = contour(0, 0, 0, 50, -50, 0, kind="OPEN_PLANAR")
    svg = drawn(structure_set(region(1, line)), thumbnail=True).decode()
    first, last = (
        np.array(point.split(), dtype=float) for point in re.findall(r'd="M([^L]*)L([^"]*)"', svg)[0]
    )
    assert last[0] > first[0]
    assert last[1] < first[1]


def test_a_thumbnail_holds_no_names() -> None:
    svg = drawn(structure_set(region(1, contour(*SQUARE)), names={1: "Doe"}), thumbnail=True).decode()
    assert "<text" not in svg


def test_names_are_escaped() -> None:
    svg = drawn(structure_set(region(1, contour(*SQUARE)), names={1: "<script>&"})).decode()
    assert "<script" not in svg


@pytest.mark.parametrize("colour", [(), (1, 2), (300, -5, 128), (0, 0, 0)])
def test_any_colour_is_seen_on_the_dark_ground(colour: tuple[int, ...]) -> None:
    (found,) = structure_set_of(item(structure_set(region(1, contour(*SQUARE), colour=colour)))).regions
    assert re.fullmatch("#[0-9a-f]{6}", found.colour)
    assert max(int(found.colour[n : n + 2], 16) for n in (1, 3, 5)) >= 70


@pytest.mark.parametrize(
    "numbers", [[1, 2, 3], [5, 5, 5, 5, 5, 5], [1, 2, 3, 4], ["1e300", 0, 0, 1, 1, 1], ["x", 0, 0, 1, 1, 1]]
)
def test_odd_points_are_survived(numbers: list[Any]) -> None:
    assert drawn(structure_set(region(1, contour(*numbers, kind="POINT")))).startswith(b"<?xml")


@pytest.mark.parametrize("attributes", [{}, structure_set(), structure_set(region(1, contour()))])
def test_a_structure_set_without_contours_is_refused(attributes: Attributes) -> None:
    with pytest.raises(DecodeFailed):
        drawn(attributes)


def test_points_too_many_for_the_metadata_come_as_bulk_value() -> None:
    attributes = structure_set(region(1, {"30060050": {"vr": "DS", "BulkDataURI": "x"}}))
    (need,) = bulk_needs("contours", attributes)
    assert need.path == "30060039/0/30060040/0/30060050"
    (found,) = structure_set_of(item(attributes, {need.path: b"1\\2\\3\\4.5\\-5e0\\6\\7 "})).regions
    assert found.contours[0][0].tolist() == [[1, 2, 3], [4.5, -5, 6]]


def test_very_many_points_make_no_huge_drawing() -> None:
    angle = np.linspace(0, 6.28, 5_000)
    ring = np.column_stack([np.cos(angle) * 100, np.sin(angle) * 100, angle * 0]).round(3).ravel().tolist()
    svg = drawn(structure_set(*(region(n, contour(*ring)) for n in range(40))))
    assert len(svg) < 6_000_000


def test_a_real_structure_set_becomes_a_picture() -> None:
    path = get_testdata_file("rtstruct.dcm")
    assert isinstance(path, str)
    with open(path, "rb") as file:
        metadata, _ = scanned(file.read())
    request = {"media_type": "image/png", "viewport": {"width": 300, "height": 300}}
    picture = Image.open(BytesIO(contours_job({"request": request}, [metadata])))
    assert max(picture.size) == 300
    assert (np.asarray(picture.convert("L")) > 120).sum() > 200


def test_contours_beyond_the_bound_are_left_out_with_a_word() -> None:
    triangles = [contour(0, 0, z, 1, 1, z, 1, 0, z) for z in range(30_001)]
    svg = drawn(structure_set(region(1, *triangles)))
    assert b"Further contours are not shown." in svg
    assert len(svg) < 6_000_000
