"""Blending presentation states as targets of rendered resources (PS3.4 N.2.4, N.2.6; R-15)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from tests.builders import make_instance, new_uid
from tests.web.conftest import Client, parts
from tests.web.shown import path_of, picture, reference

_BLENDING = "1.2.840.10008.5.1.4.1.1.11.4"
_ADVANCED = "1.2.840.10008.5.1.4.1.1.11.8"
_PNG_PARTS = 'multipart/related; type="image/png"'
_AXIAL, _CORONAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]
_STUDY, _FRAME_OF_REFERENCE = new_uid(), new_uid()
_HOT = {
    f"{colour}PaletteColorLookupTable{what}": value
    for colour, entries in (("Red", range(256)), ("Green", range(255, -1, -1)), ("Blue", [9] * 256))
    for what, value in (("Descriptor", [256, 0, 8]), ("Data", bytes(entries)))
}

Pixels = NDArray[np.uint8]


def _item(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


_WINDOW = _item(WindowCenter=127.5, WindowWidth=255, VOILUTFunction="LINEAR_EXACT")


def _image(
    pixels: Pixels,
    *,
    series: str = "",
    position: Sequence[float] | None = (0, 0, 0),
    spacing: float = 1,
    orientation: Sequence[int] = _AXIAL,
    frame_of_reference: str = _FRAME_OF_REFERENCE,
) -> bytes:
    place: dict[str, Any] = {}
    if position is not None:
        place = {
            "ImagePositionPatient": list(position),
            "ImageOrientationPatient": list(orientation),
            "PixelSpacing": [spacing, spacing],
            "FrameOfReferenceUID": frame_of_reference,
        }
    return make_instance(
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        bits_allocated=8,
        pixels=pixels.tobytes(),
        study_instance_uid=_STUDY,
        series_instance_uid=series,
        attributes=place,
    )


def _flat(level: int, side: int = 4) -> Pixels:
    return np.full((side, side), level, np.uint8)


def _set(position: str, images: Sequence[bytes]) -> Dataset:
    """An item of Blending Sequence."""
    return _item(
        BlendingPosition=position,
        StudyInstanceUID=_STUDY,
        ReferencedSeriesSequence=[reference(image) for image in images],
        SoftcopyVOILUTSequence=[_WINDOW],
    )


def _state(sop_class_uid: str, **attributes: Any) -> bytes:
    return make_instance(
        sop_class_uid=sop_class_uid,
        study_instance_uid=_STUDY,
        with_pixels=False,
        attributes={"Modality": "PR", **attributes},
    )


def _blending(under: Sequence[bytes], over: Sequence[bytes], opacity: float, **attributes: Any) -> bytes:
    sets = [_set("SUPERIMPOSED", over), _set("UNDERLYING", under)]
    return _state(_BLENDING, BlendingSequence=sets, RelativeOpacity=opacity, **_HOT, **attributes)


def _shown(client: Client, state: bytes, *images: bytes, query: str = "") -> list[Pixels]:
    """RGB of each picture of the state."""
    assert client.store(*images, state).status_code == 200
    response = client.get(f"{path_of(state)}/rendered{query}", _PNG_PARTS)
    assert response.status_code == 200, response.text
    return [np.asarray(picture(body).convert("RGB")) for _, body in parts(response)]


def _mixed(under: Any, over: Any, opacity: float) -> NDArray[Any]:
    """Gray under the palette's colours of gray (N.2.4.3)."""
    under, over = (np.asarray(levels, np.float64) for levels in (under, over))
    colours = np.stack([over, 255 - over, np.full(over.shape, 9)], axis=-1)
    mixed: NDArray[Any] = np.rint(opacity * colours + (1 - opacity) * under[..., None])
    return mixed


@pytest.mark.parametrize("opacity", [0.0, 0.25, 1.0])
def test_the_superimposed_set_is_coloured_and_laid_over(client: Client, opacity: float) -> None:
    random = np.random.default_rng(4)
    under, over = (random.integers(0, 256, (6, 5), dtype=np.uint8) for _ in range(2))
    images = [_image(under), _image(over)]
    (shown,) = _shown(client, _blending(images[:1], images[1:], opacity), *images)
    assert np.abs(shown - _mixed(under, over, opacity)).max() <= (0 if opacity in (0, 1) else 1)


def test_frames_come_at_the_underlying_positions(client: Client) -> None:
    under, over = new_uid(), new_uid()
    below = [_image(_flat(level), series=under, position=(0, 0, level)) for level in (20, 0, 10)]
    above = [
        _image(_flat(level), series=over, position=(0, 0, depth)) for level, depth in ((200, 20), (100, 0))
    ]
    pictures = _shown(client, _blending(below, above, 0.5), *below, *above)
    expected = [_mixed(_flat(depth), _flat(100 + 5 * depth), 0.5) for depth in (0, 10, 20)]
    assert np.array_equal(pictures, expected)


def test_the_superimposed_is_resampled_to_the_underlying_grid(client: Client) -> None:
    # Pixels of 2 mm; their centres lie at 0.5, 2.5 ... mm of the underlying grid, values are 20 a mm.
    coarse = np.tile(np.arange(0, 160, 40, dtype=np.uint8), (4, 1))
    images = [_image(_flat(0, 8)), _image(coarse, position=(0.5, 0.5, 0), spacing=2)]
    (shown,) = _shown(client, _blending(images[:1], images[1:], 1.0), *images)
    across = np.clip((np.arange(8) - 0.5) * 20, 0, 120)
    assert np.array_equal(shown, _mixed(_flat(0, 8), np.tile(across, (8, 1)), 1.0))


def test_beside_the_superimposed_the_underlying_is_seen_as_it_is(client: Client) -> None:
    images = [_image(_flat(80, 8)), _image(_flat(200, 4), position=(2, 3, 0))]
    (shown,) = _shown(client, _blending(images[:1], images[1:], 0.5), *images)
    expected = np.full((8, 8, 3), 80.0)
    expected[3:7, 2:6] = _mixed(_flat(80), _flat(200), 0.5)
    assert np.array_equal(shown, expected)


def test_planes_may_cross(client: Client) -> None:
    stack = new_uid()
    # Coronal slices of the superimposed set, one for each row of the transverse one; each of one level.
    slices = [
        _image(_flat(row * 10, 6), series=stack, position=(0, row, 3), orientation=_CORONAL)
        for row in range(6)
    ]
    under = _image(_flat(0, 6))
    (shown,) = _shown(client, _blending([under], slices, 1.0), under, *slices)
    levels = np.repeat(np.arange(6)[:, None] * 10, 6, axis=1)
    assert np.array_equal(shown, _mixed(_flat(0, 6), levels, 1.0))


def test_images_that_say_not_where_they_lie_are_taken_one_by_one(client: Client) -> None:
    below = [_image(_flat(level), position=None) for level in (10, 20)]
    above = [_image(_flat(level), position=None) for level in (100, 200)]
    pictures = _shown(client, _blending(below, above, 0.5), *below, *above)
    expected = [_mixed(_flat(10), _flat(100), 0.5), _mixed(_flat(20), _flat(200), 0.5)]
    assert np.array_equal(pictures, expected)


@pytest.mark.parametrize(
    "other", [{"frame_of_reference": "1.2.3"}, {"position": None}, {"frame_of_reference": ""}]
)
def test_images_that_cannot_be_related_are_refused(client: Client, other: dict[str, Any]) -> None:
    images = [_image(_flat(0)), _image(_flat(9), **other)]
    state = _blending(images[:1], images[1:], 0.5)
    assert client.store(*images, state).status_code == 200
    response = client.get(f"{path_of(state)}/rendered", "image/png")
    assert response.status_code == 406
    assert "how they lie" in response.text


def test_the_finished_picture_is_turned_and_annotated(client: Client) -> None:
    under = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    images = [_image(under), _image(np.zeros_like(under))]
    state = _blending(images[:1], images[1:], 0.0, ImageRotation=90, ImageHorizontalFlip="N")
    (shown,) = _shown(client, state, *images)
    assert np.array_equal(shown[..., 0], np.rot90(under, -1))


def test_without_its_superimposed_images_a_picture_is_said_to_be_partial(client: Client) -> None:
    images = [_image(_flat(50)), _image(_flat(60))]
    state = _blending(images[:1], images[1:], 0.5)
    assert client.store(images[0], state).status_code == 200
    response = client.get(f"{path_of(state)}/rendered", "image/png")
    assert response.status_code == 206
    assert picture(response.content).convert("RGB").getpixel((0, 0)) == (50, 50, 50)


def test_the_thumbnail_is_blended_too(client: Client) -> None:
    images = [_image(_flat(50)), _image(_flat(60))]
    state = _blending(images[:1], images[1:], 1.0)
    assert client.store(*images, state).status_code == 200
    response = client.get(f"{path_of(state)}/thumbnail", "image/png")
    assert picture(response.content).convert("RGB").getpixel((0, 0)) == (60, 195, 9)


# --- Advanced Blending -------------------------------------------------------------------------------------


def _input(number: int, image: bytes, **attributes: Any) -> Dataset:
    dataset = dcmread(DicomBytesIO(image), stop_before_pixels=True)
    return _item(
        BlendingInputNumber=number,
        StudyInstanceUID=_STUDY,
        SeriesInstanceUID=dataset.SeriesInstanceUID,
        SoftcopyVOILUTSequence=[_WINDOW],
        **attributes,
    )


def _step(mode: str, *numbers: int, **attributes: Any) -> Dataset:
    inputs = [_item(BlendingInputNumber=number) for number in numbers]
    return _item(BlendingMode=mode, BlendingDisplayInputSequence=inputs, **attributes)


def test_inputs_are_blended_in_steps(client: Client) -> None:
    images = [_image(_flat(level)) for level in (30, 90, 200)]
    state = _state(
        _ADVANCED,
        AdvancedBlendingSequence=[
            _input(1, images[0], GeometryForDisplay="YES"),
            _input(2, images[1]),
            _input(3, images[2], **_HOT),
        ],
        BlendingDisplaySequence=[
            _step("FOREGROUND", 3, 7, RelativeOpacity=0.2),
            _step("EQUAL", 1, 2, BlendingInputNumber=7),
        ],
    )
    (shown,) = _shown(client, state, *images)
    assert np.array_equal(shown, _mixed(_flat(60), _flat(200), 0.2))


def test_what_is_below_a_threshold_is_not_there(client: Client) -> None:
    over = np.tile(np.array([0, 99, 100, 250], np.uint8), (4, 1))
    images = [_image(_flat(30)), _image(over)]
    threshold = _item(ThresholdType="GREATER_OR_EQUAL", ThresholdValueSequence=[_item(ThresholdValue=100.0)])
    state = _state(
        _ADVANCED,
        AdvancedBlendingSequence=[
            _input(1, images[0], GeometryForDisplay="YES"),
            _input(2, images[1], ThresholdSequence=[threshold], **_HOT),
        ],
        BlendingDisplaySequence=[_step("FOREGROUND", 2, 1, RelativeOpacity=0.5)],
    )
    (shown,) = _shown(client, state, *images)
    expected = _mixed(_flat(30), over, 0.5)
    expected[:, :2] = 30
    assert np.array_equal(shown, expected)


@pytest.mark.parametrize(
    "steps", [[], [_step("EQUAL", 1, 5)], [_step("EQUAL", 4, BlendingInputNumber=4)], [_step("EQUAL")]]
)
def test_states_that_make_no_sense_are_refused(client: Client, steps: list[Dataset]) -> None:
    image = _image(_flat(30))
    state = _state(
        _ADVANCED,
        AdvancedBlendingSequence=[_input(1, image, GeometryForDisplay="YES")],
        BlendingDisplaySequence=steps,
    )
    assert client.store(image, state).status_code == 200
    assert client.get(f"{path_of(state)}/rendered", "image/png").status_code == 406
