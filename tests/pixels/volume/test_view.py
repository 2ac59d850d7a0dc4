"""Pictures of a volume show what lies where in the patient, whichever way it was scanned (R-30 to R-34)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from PIL import Image

from dicomweb.dicom.picture import Viewport
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.pixels.volume.camera import Camera, oriented, raster_of, viewpoint
from dicomweb.pixels.volume.grid import Grid
from dicomweb.pixels.volume.vectors import dot, minus
from dicomweb.pixels.volume.view import view_job, window_job
from tests.pixels.volume.phantom import (
    AXIAL,
    CORONAL,
    LANDMARKS,
    OBLIQUE,
    RADIUS,
    SAGITTAL,
    center_of,
    scan,
    volume_of,
)

WINDOW = {"center": 510.0, "width": 1020.0, "function": "LINEAR_EXACT"}
PNG = RenderRequest("image/png")
SCANS: dict[str, dict[str, Any]] = {
    "axial": {"directions": AXIAL},
    "axial, other way up": {"directions": ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0))},
    "sagittal": {"directions": SAGITTAL},
    "coronal": {"directions": CORONAL},
    "oblique": {"directions": OBLIQUE},
    "thick slices": {"gaps": (5.0,)},
    "long pixels": {"directions": SAGITTAL, "spacing": (1.0, 3.0), "gaps": (2.5,)},
    "uneven slices": {"gaps": (2.0, 2.0, 4.0)},
    "tilted gantry": {"tilt": (0.0, 0.25, 0.0), "gaps": (3.0,)},
    "tilted and uneven": {"tilt": (0.0, -0.2, 0.0), "gaps": (2.0, 3.0)},
}


def _view(
    volume: dict[str, Any],
    grid: Grid,
    camera: Camera,
    *,
    slab: float | None = None,
    method: str = "MAXIMUM_IP",
    window: dict[str, Any] | None = WINDOW,
    inverted: bool = False,
    request: RenderRequest = PNG,
) -> tuple[NDArray[np.uint8], float]:
    """The picture, and millimetres of a pixel."""
    raster = raster_of(camera, grid, slab=slab, most_samples=1 << 20)
    parameters = {
        "volume": volume,
        "raster": raster.to_parameters(),
        "method": method,
        "window": window,
        "inverted": inverted,
        "request": request.to_parameters(),
    }
    data = view_job(orjson.loads(orjson.dumps(parameters)), [])
    return np.asarray(Image.open(BytesIO(data))), float(np.linalg.norm(raster.column_vector))


def _level(value: float) -> float:
    return value / 1020 * 255


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("side", "aprlhf")
def test_every_landmark_is_where_the_camera_sees_it(tmp_path: Path, name: str, side: str) -> None:
    for value, place in LANDMARKS.items():
        grid, volume = volume_of(tmp_path, *scan(**SCANS[name], balls=[value]))
        camera = oriented(side, grid)
        picture, pixel = _view(volume, grid, camera)
        aside = minus(place, camera.lookat)
        expected = dot(aside, camera.right), -dot(aside, camera.up)
        assert np.allclose(np.array(center_of(picture)) * pixel, expected, atol=1.5)


@pytest.mark.parametrize(
    ("side", "left", "front", "head"),
    [
        # Where on the picture: right, down. None: towards the viewer or away.
        ("a", (1, 0), None, (0, -1)),
        ("p", (-1, 0), None, (0, -1)),
        ("r", None, (1, 0), (0, -1)),
        ("l", None, (-1, 0), (0, -1)),
        ("f", (1, 0), (0, -1), None),
        ("h", (-1, 0), (0, -1), None),
    ],
)
def test_sides_are_as_radiologists_know_them(
    tmp_path: Path, side: str, left: Any, front: Any, head: Any
) -> None:
    for value, expected in zip(LANDMARKS, (left, front, head), strict=True):
        grid, volume = volume_of(tmp_path, *scan(SAGITTAL, balls=[value]))
        picture, pixel = _view(volume, grid, oriented(side, grid))
        if expected is not None:
            right, down = (round(place * pixel / 10) for place in center_of(picture))
            assert (np.sign(right), np.sign(down)) == expected


@pytest.mark.parametrize("name", ["thick slices", "long pixels", "tilted gantry", "uneven slices"])
def test_a_ball_is_round(tmp_path: Path, name: str) -> None:
    grid, volume = volume_of(tmp_path, *scan(**SCANS[name], balls=[1000]))
    picture, pixel = _view(volume, grid, oriented("f", grid))
    rows, columns = np.nonzero(picture > _level(500))
    for places in (rows, columns):
        assert abs((np.ptp(places) + 1) * pixel - 2 * RADIUS) <= 4.0


def test_a_plane_shows_what_it_cuts_and_nothing_else(tmp_path: Path) -> None:
    grid, volume = volume_of(tmp_path, *scan())
    for value, place in LANDMARKS.items():
        camera = viewpoint(grid, None, place, None, "f")
        picture, _ = _view(volume, grid, camera, slab=0)
        assert picture[picture.shape[0] // 2, picture.shape[1] // 2] == pytest.approx(_level(value), abs=2)
    above = viewpoint(grid, None, (0.0, 0.0, 38.0), None, "f")
    assert _view(volume, grid, above, slab=0)[0].max() == 0


def test_a_slab_gathers_what_lies_in_it(tmp_path: Path) -> None:
    grid, volume = volume_of(tmp_path, *scan())
    camera = viewpoint(grid, None, (0.0, 0.0, 20.0), None, "f")
    thin, _ = _view(volume, grid, camera, slab=0)
    thick, _ = _view(volume, grid, camera, slab=20.0)
    least, _ = _view(volume, grid, camera, slab=20.0, method="MINIMUM_IP")
    mean, _ = _view(volume, grid, camera, slab=20.0, method="AVERAGE_IP")
    assert thin.max() == 0
    assert thick.max() == pytest.approx(_level(400), abs=2)
    assert least.max() == 0
    assert 0 < mean.max() < thick.max()


def test_nothing_outside_of_the_volume_counts(tmp_path: Path) -> None:
    slices, pixels = scan()
    grid, volume = volume_of(tmp_path, slices, pixels + 500)
    camera = viewpoint(grid, (60.0, -80.0, 50.0), None, None, "a")
    for method in ("MINIMUM_IP", "AVERAGE_IP", "MAXIMUM_IP"):
        picture, _ = _view(volume, grid, camera, method=method)
        assert picture[0, 0] == 0, "the corner misses the volume"
        assert picture[picture.shape[0] // 2, picture.shape[1] // 2] >= _level(499)


def test_inverted_values_are_dark(tmp_path: Path) -> None:
    grid, volume = volume_of(tmp_path, *scan())
    plain, _ = _view(volume, grid, oriented("a", grid))
    inverted, _ = _view(volume, grid, oriented("a", grid), inverted=True)
    assert np.abs(plain.astype(int) + inverted - 255).max() <= 1


@pytest.mark.parametrize("window", [None, WINDOW])
def test_volume_rendering_is_in_colour_and_lit(tmp_path: Path, window: dict[str, Any] | None) -> None:
    slices, pixels = scan()
    grid, volume = volume_of(tmp_path, slices, pixels if window else pixels * 2 - 1000)
    camera = oriented("a", grid)
    picture, pixel = _view(volume, grid, camera, method="VOLUME_RENDERED", window=window)
    assert picture.ndim == 3
    seen = picture.max(axis=2)
    assert seen[0, 0] == 0
    right = int((picture.shape[1] - 1) / 2 + LANDMARKS[1000][0] / pixel)
    row = picture.shape[0] // 2
    assert seen[row, right] > 150, "the ball on the left of the patient"
    edge = right + int((RADIUS - 1) / pixel)
    assert seen[row, edge] < seen[row, right], "its side is darker than its front"


def test_what_is_in_front_hides_what_is_behind(tmp_path: Path) -> None:
    slices, pixels = scan()
    pixels[:] = -1000
    middle = len(pixels) // 2
    rows = pixels.shape[1]
    pixels[middle - 4 : middle + 4, rows // 4 : rows // 4 + 6, 10:20] = 1500
    pixels[middle - 4 : middle + 4, -rows // 4 : -rows // 4 + 6, 10:20] = 200
    grid, volume = volume_of(tmp_path, slices, pixels)
    pictures = [
        _view(volume, grid, oriented(side, grid), method="VOLUME_RENDERED", window=None)[0] for side in "ap"
    ]
    front, back = (picture.reshape(-1, 3)[picture.max(axis=2).argmax()].astype(int) for picture in pictures)
    assert front[2] > back[2], "bone is whiter than what is softer"


def test_the_viewport_crops_scales_and_mirrors(tmp_path: Path) -> None:
    grid, volume = volume_of(tmp_path, *scan())
    camera = oriented("a", grid)
    plain, _ = _view(volume, grid, camera)
    small, _ = _view(volume, grid, camera, request=RenderRequest("image/png", viewport=Viewport(40, 99)))
    assert small.shape == (40, 40)
    flip = Viewport(plain.shape[1], plain.shape[0], flip_horizontal=True)
    mirrored, _ = _view(volume, grid, camera, request=RenderRequest("image/png", viewport=flip))
    assert (mirrored == plain[:, ::-1]).all()
    outside = RenderRequest("image/png", viewport=Viewport(10, 10, x=5000.0))
    with pytest.raises(DecodeFailed):
        _view(volume, grid, camera, request=outside)


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/gif", "image/jp2", "image/jxl"])
def test_every_still_type_can_be_made(tmp_path: Path, media_type: str) -> None:
    grid, volume = volume_of(tmp_path, *scan(spacing=(6.0, 6.0), gaps=(6.0,)))
    request = RenderRequest(media_type, icc_profile="srgb", annotation=("CT",))
    raster = raster_of(oriented("a", grid), grid, slab=None, most_samples=1 << 20)
    parameters = {
        "volume": volume,
        "raster": raster.to_parameters(),
        "method": "MAXIMUM_IP",
        "window": WINDOW,
        "inverted": False,
        "request": request.to_parameters(),
    }
    assert len(view_job(parameters, [])) > 50


def test_the_default_window_is_that_of_a_slice_else_of_the_volume(tmp_path: Path) -> None:
    _, volume = volume_of(tmp_path, *scan())
    stored = {"00281050": {"vr": "DS", "Value": [40]}, "00281051": {"vr": "DS", "Value": [400]}}
    own = {"display": {"attributes": stored}, "volume": None}
    assert orjson.loads(window_job(own, [])) == {"center": 40.0, "width": 400.0, "function": "LINEAR"}
    nothing: dict[str, Any] = {"display": {"attributes": {}}, "volume": None}
    assert window_job(nothing, []) == b"null"
    found = orjson.loads(window_job({"display": None, "volume": volume}, []))
    assert found["center"] - found["width"] / 2 == 0
    assert 400 <= found["center"] + found["width"] / 2 <= 1000


def test_a_volume_that_went_is_not_drawn(tmp_path: Path) -> None:
    grid, volume = volume_of(tmp_path, *scan())
    Path(volume["path"]).unlink()
    with pytest.raises(DecodeFailed):
        _view(volume, grid, oriented("a", grid))
