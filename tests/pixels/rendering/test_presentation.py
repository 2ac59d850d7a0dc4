"""Images drawn as presentation states want them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomweb.dicom.picture import Viewport
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.rendering.display import bulk_paths, display_of
from dicomweb.pixels.rendering.presentation import (
    COLOUR_STATE,
    PSEUDO_COLOUR_STATE,
    STATE_PATH,
    ReferencedImage,
    display_with_presentation_state,
    referenced_images,
)
from tests.pixels.rendering.drawing import levels, made

_GRAYSCALE_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
_UID = "1.2.3.4"
_RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
_FLAT = np.full((16, 16), 40, np.uint8)


def _item(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def _reference(uid: str = _UID, frames: list[int] | None = None) -> Dataset:
    image = _item(ReferencedSOPClassUID="1.2", ReferencedSOPInstanceUID=uid)
    if frames:
        image.ReferencedFrameNumber = frames
    return image


def _state(sop_class: str = _GRAYSCALE_STATE, **attributes: Any) -> dict[str, Any]:
    """DICOM JSON of a state."""
    state: dict[str, Any] = _item(SOPClassUID=sop_class, **attributes).to_json_dict()
    return state


def _drawn(
    state: dict[str, Any],
    pixels: np.ndarray[Any, Any] = _RAMP,
    *,
    viewport: Viewport | None = None,
    **options: Any,
) -> np.ndarray[Any, Any]:
    image = made(
        **{
            "sop_instance_uid": _UID,
            "rows": pixels.shape[0],
            "columns": pixels.shape[1],
            "bits_allocated": 8,
            "samples_per_pixel": 3 if pixels.ndim == 3 else 1,
            "pixels": pixels.tobytes(),
            **options,
        }
    )
    display = display_with_presentation_state(display_of(image.attributes, 0), state, _UID)
    return levels(image.draw(display=display, media_type="image/png", viewport=viewport))


def test_references_are_listed_in_order_and_once() -> None:
    one = _item(SeriesInstanceUID="1.1", ReferencedImageSequence=[_reference("9"), _reference("8", [2, 3])])
    other = _item(SeriesInstanceUID="1.2", ReferencedImageSequence=[_reference("7"), _reference("7")])
    assert referenced_images(_state(ReferencedSeriesSequence=[one, other])) == (
        ReferencedImage("1.1", "9", ()),
        ReferencedImage("1.1", "8", (2, 3)),
        ReferencedImage("1.2", "7", ()),
    )


def test_the_grayscale_transformation_is_the_states() -> None:
    window = _item(WindowCenter=100, WindowWidth=50, VOILUTFunction="LINEAR_EXACT")
    image: dict[str, Any] = {
        "photometric_interpretation": "MONOCHROME1",
        "attributes": {"WindowCenter": 10, "WindowWidth": 20},
    }
    shown = _drawn(
        _state(RescaleSlope=2, RescaleIntercept=-50, RescaleType="US", SoftcopyVOILUTSequence=[window]),
        **image,
    )
    modality = _RAMP * 2.0 - 50
    assert np.array_equal(shown, np.rint(np.clip((modality - 100) / 50 + 0.5, 0, 1) * 255))


@pytest.mark.parametrize(("frames", "applies"), [(None, True), ([1], True), ([2, 3], False)])
def test_windows_for_other_frames_are_not_taken(frames: list[int] | None, applies: bool) -> None:
    window = _item(WindowCenter=100, WindowWidth=1, ReferencedImageSequence=[_reference(frames=frames)])
    shown = _drawn(_state(SoftcopyVOILUTSequence=[window]))
    assert (len(np.unique(shown)) == 2) == applies


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", ["IDENTITY", "INVERSE"])
def test_the_state_alone_says_which_end_is_white(photometric: str, shape: str) -> None:
    shown = _drawn(_state(PresentationLUTShape=shape), photometric_interpretation=photometric)
    assert np.array_equal(shown, _RAMP if shape == "IDENTITY" else 255 - _RAMP)


@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, -1), (180, 2), (270, 1)])
@pytest.mark.parametrize("flip", ["Y", "N"])
def test_images_are_turned_and_then_flipped(rotation: int, turns: int, flip: str) -> None:
    pixels = _RAMP[:8]
    expected = np.rot90(pixels, turns)
    expected = expected[:, ::-1] if flip == "Y" else expected
    shown = _drawn(_state(ImageRotation=rotation, ImageHorizontalFlip=flip), pixels)
    assert np.array_equal(shown, expected)


def _area(left: int, top: int, right: int, bottom: int, **more: Any) -> dict[str, Any]:
    area = _item(
        DisplayedAreaTopLeftHandCorner=[left, top],
        DisplayedAreaBottomRightHandCorner=[right, bottom],
        PresentationSizeMode="SCALE TO FIT",
    )
    for keyword, value in more.items():
        setattr(area, keyword, value)
    return {"DisplayedAreaSelectionSequence": [area]}


def test_the_displayed_area_is_cut_out() -> None:
    assert np.array_equal(_drawn(_state(**_area(3, 5, 10, 8))), _RAMP[4:8, 2:10])


def test_a_displayed_area_may_reach_beyond_the_image() -> None:
    shown = _drawn(_state(**_area(-3, -1, 16, 20)), _FLAT)
    assert shown.shape == (22, 20)
    assert (shown[2:18, 4:20] == 40).all()
    assert not shown[:2].any()
    assert not shown[18:].any()
    assert not shown[:, :4].any()


def test_a_displayed_area_far_outside_is_bounded() -> None:
    shown = _drawn(_state(**_area(-2_000_000_000, -2_000_000_000, 2_000_000_000, 2_000_000_000)), _FLAT)
    assert shown.shape == (48, 48)


def test_magnified_areas_are_cropped_to_the_viewport() -> None:
    state = _state(
        **_area(1, 1, 16, 16, PresentationSizeMode="MAGNIFY", PresentationPixelMagnificationRatio=4.0)
    )
    assert _drawn(state, _FLAT).shape == (64, 64)
    assert _drawn(state, _FLAT, viewport=Viewport(40, 20)).shape == (20, 40)


def test_areas_scaled_to_fit_fill_the_viewport() -> None:
    state = _state(ImageRotation=90, **_area(1, 1, 16, 8))
    assert _drawn(state, _FLAT, viewport=Viewport(100, 400)).shape == (200, 100)


def _quarter(**more: Any) -> Viewport:
    """The upper left quarter of the image, as WADO-URI's region names it."""
    return Viewport(None, None, source_width=0.5, source_height=0.5, normalized=True, **more)


def test_of_a_displayed_area_the_region_of_the_request_is_shown() -> None:
    assert np.array_equal(_drawn(_state(), viewport=_quarter()), _RAMP[:8, :8])
    assert np.array_equal(_drawn(_state(**_area(3, 5, 10, 12)), viewport=_quarter()), _RAMP[4:8, 2:8])
    turned = _drawn(_state(ImageRotation=90), viewport=_quarter())
    assert np.array_equal(turned, np.rot90(_RAMP[:8, :8], -1))
    with pytest.raises(DecodeFailed):
        _drawn(_state(**_area(10, 10, 16, 16)), viewport=_quarter())


def test_the_request_flips_what_the_state_has_turned() -> None:
    for across, down in ((True, False), (False, True), (True, True)):
        viewport = _quarter(flip_horizontal=across, flip_vertical=down)
        shown = _drawn(_state(ImageRotation=90, ImageHorizontalFlip="Y"), viewport=viewport)
        expected = np.rot90(_RAMP[:8, :8], -1)[:, ::-1]
        expected = expected[:, ::-1] if across else expected
        assert np.array_equal(shown, expected[::-1] if down else expected)


# --- graphics ----------------------------------------------------------------------------------------------


def _graphic(kind: str, data: list[float], *, filled: str = "N", units: str = "PIXEL") -> Dataset:
    return _item(
        GraphicAnnotationUnits=units,
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(data) // 2,
        GraphicData=data,
        GraphicType=kind,
        GraphicFilled=filled,
    )


def _annotated(*graphics: Dataset, texts: list[Dataset] | None = None, **more: Any) -> dict[str, Any]:
    annotation = _item(
        GraphicLayer="TOP", GraphicObjectSequence=list(graphics), TextObjectSequence=texts or []
    )
    layer = _item(
        GraphicLayer="TOP",
        GraphicLayerOrder=1,
        GraphicLayerRecommendedDisplayCIELabValue=[65535, 32896, 32896],
    )
    return _state(GraphicAnnotationSequence=[annotation], GraphicLayerSequence=[layer], **more)


def _marked(state: dict[str, Any], side: int = 64, **options: Any) -> np.ndarray[Any, Any]:
    """Pixels that graphics turned white on a black image."""
    marked: np.ndarray[Any, Any] = (
        _drawn(state, np.zeros((side, side), np.uint8), **options).max(axis=-1) == 255
    )
    return marked


@pytest.mark.parametrize(
    ("graphic", "hit", "missed"),
    [
        (_graphic("POLYLINE", [10, 10, 50, 10]), (10, 30), (20, 30)),
        (_graphic("POLYLINE", [10, 10, 50, 10, 50, 50, 10, 50, 10, 10], filled="Y"), (30, 30), (5, 5)),
        (_graphic("CIRCLE", [32, 32, 52, 32]), (32, 12), (32, 32)),
        (_graphic("CIRCLE", [32, 32, 52, 32], filled="Y"), (32, 32), (2, 2)),
        (_graphic("ELLIPSE", [12, 32, 52, 32, 32, 22, 32, 42]), (22, 32), (12, 32)),
        (_graphic("POINT", [20, 40]), (40, 20), (20, 40)),
        (_graphic("INTERPOLATED", [10, 10, 30, 30, 50, 50]), (30, 30), (10, 50)),
        (_graphic("POLYLINE", [0.25, 0.5, 0.75, 0.5], units="DISPLAY"), (32, 32), (32, 8)),
    ],
)
def test_graphics_are_where_they_belong(
    graphic: Dataset, hit: tuple[int, int], missed: tuple[int, int]
) -> None:
    marked = _marked(_annotated(graphic))
    row, column = hit
    assert marked[row - 2 : row + 3, column - 2 : column + 3].any()
    row, column = missed
    assert not marked[row - 2 : row + 3, column - 2 : column + 3].any()


@pytest.mark.parametrize(("rotation", "flip"), [(90, "N"), (180, "Y"), (270, "Y"), (0, "Y")])
def test_graphics_turn_with_the_image(rotation: int, flip: str) -> None:
    block = np.zeros((64, 64), np.uint8)
    block[10:20, 30:50] = 200
    square = _graphic("POLYLINE", [30, 10, 50, 10, 50, 20, 30, 20, 30, 10], filled="Y")
    turned: dict[str, Any] = {"ImageRotation": rotation, "ImageHorizontalFlip": flip}
    image = _drawn(_state(**turned), block) > 100
    marked = _marked(_annotated(square, **turned))
    assert (image & ~marked).sum() <= 4
    assert (marked & ~image).sum() <= 64  # the outline covers half a pixel more


def test_graphics_scale_with_the_image() -> None:
    line = _graphic("POLYLINE", [10, 10, 50, 10])
    marked = _marked(_annotated(line), viewport=Viewport(256, 256))
    assert marked[38:43, 50:190].any(axis=0).all()


def test_text_is_drawn_in_its_box_and_tied_to_its_anchor() -> None:
    text = _item(
        UnformattedTextValue="12 mm",
        BoundingBoxAnnotationUnits="PIXEL",
        BoundingBoxTopLeftHandCorner=[60, 60],
        BoundingBoxBottomRightHandCorner=[120, 80],
        AnchorPointAnnotationUnits="PIXEL",
        AnchorPoint=[10, 10],
        AnchorPointVisibility="Y",
    )
    marked = _marked(_annotated(texts=[text]), 128)
    assert marked[60:80, 60:120].any()
    assert marked[8:13, 8:13].any()
    assert not marked[100:].any()


@pytest.mark.parametrize("kind", ["POINT", "POLYLINE", "CIRCLE", "ELLIPSE", "INTERPOLATED", "SPIRAL"])
@pytest.mark.parametrize(
    "data", [[], [1], [1, 1], [5, 5, 5, 5], [-3e38, 3e38] * 4, [1e9, 1, 2, 1e9, 3, 3, 0, 0]]
)
@pytest.mark.parametrize("filled", ["Y", "N"])
def test_hostile_graphics_do_no_harm(kind: str, data: list[float], filled: str) -> None:
    assert _marked(_annotated(_graphic(kind, data, filled=filled))).shape == (64, 64)


def test_thumbnails_show_no_graphics() -> None:
    image = made(rows=16, columns=16, bits_allocated=8, pixels=bytes(256))
    state = _annotated(_graphic("POLYLINE", [1, 1, 15, 15]))
    display = display_with_presentation_state(display_of(image.attributes, 0), state, _UID)
    assert not levels(image.draw(display=display, media_type="image/png", thumbnail=True)).any()


# --- overlays, colour, bulk values -------------------------------------------------------------------------


def test_overlays_of_the_image_are_drawn_only_on_a_layer_of_the_state() -> None:
    display = {
        "frame_index": 0,
        "attributes": {
            "60000010": {"vr": "US", "Value": [16]},
            "60023000": {"vr": "OW", "BulkDataURI": "60023000"},
        },
    }
    state = _state() | {"60021001": {"vr": "CS", "Value": ["TOP"]}}
    shown = display_with_presentation_state(display, state, _UID)["attributes"]
    assert "60000010" not in shown
    assert "60023000" in shown


def test_bulk_values_of_the_state_say_so() -> None:
    uri = "/studies/1/series/2/instances/3/bulkdata/00283110/0/00283010/0/00283006"
    lut = {"00283006": {"vr": "OW", "BulkDataURI": uri}}
    voi = {"00283010": {"vr": "SQ", "Value": [lut]}}
    state = _state() | {"00283110": {"vr": "SQ", "Value": [voi]}}
    display = display_with_presentation_state({"frame_index": 0, "attributes": {}}, state, _UID)
    assert bulk_paths(display) == (f"{STATE_PATH}00283110/0/00283010/0/00283006",)


def test_pseudo_colour_maps_gray_to_the_states_palette() -> None:
    palette = {
        f"{colour}PaletteColorLookupTable{what}": value
        for colour, entries in (("Red", range(256)), ("Green", range(255, -1, -1)), ("Blue", [7] * 256))
        for what, value in (("Descriptor", [256, 0, 8]), ("Data", bytes(entries)))
    }
    shown = _drawn(_state(PSEUDO_COLOUR_STATE, **palette))
    assert np.array_equal(shown[..., 0], _RAMP)
    assert np.array_equal(shown[..., 1], 255 - _RAMP)
    assert (shown[..., 2] == 7).all()


def test_colour_images_keep_their_colours() -> None:
    pixels = np.random.default_rng(9).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert np.array_equal(_drawn(_state(COLOUR_STATE, ImageRotation=180), pixels), pixels[::-1, ::-1])


# --- compound graphics -------------------------------------------------------------------------------------


def _compound(kind: str, data: list[float], **more: Any) -> Dataset:
    return _item(
        CompoundGraphicInstanceID=1,
        CompoundGraphicUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(data) // 2,
        GraphicData=data,
        CompoundGraphicType=kind,
        **more,
    )


def _with_compound(compound: Dataset, *graphics: Dataset) -> dict[str, Any]:
    annotation = _item(
        GraphicLayer="TOP", GraphicObjectSequence=list(graphics), CompoundGraphicSequence=[compound]
    )
    layer = _item(
        GraphicLayer="TOP",
        GraphicLayerOrder=1,
        GraphicLayerRecommendedDisplayCIELabValue=[65535, 32896, 32896],
    )
    return _state(GraphicAnnotationSequence=[annotation], GraphicLayerSequence=[layer])


@pytest.mark.parametrize(
    ("compound", "hit", "missed"),
    [
        (_compound("MULTILINE", [10, 10, 50, 10]), [(10, 30)], (30, 30)),
        (_compound("INFINITELINE", [30, 20, 31, 20]), [(20, 1), (20, 62)], (40, 30)),
        (_compound("CUTLINE", [10, 10, 50, 10]), [(10, 30)], (10, 60)),
        (_compound("RECTANGLE", [10, 20, 50, 40]), [(20, 30), (40, 30), (30, 10)], (30, 30)),
        (_compound("RECTANGLE", [10, 20, 50, 40], GraphicFilled="Y"), [(30, 30)], (50, 30)),
        (_compound("ELLIPSE", [12, 22, 52, 42]), [(22, 32), (32, 12)], (32, 32)),
        (_compound("ARROW", [5, 32, 55, 32]), [(32, 30), (30, 50), (34, 50)], (28, 10)),
        (_compound("RULER", [10, 32, 60, 32]), [(32, 30), (31, 10)], (10, 30)),
        (
            _compound("CROSSHAIR", [32, 32, 32, 32], DiameterOfVisibility=40.0, GapLength=16.0),
            [(32, 15), (15, 32), (32, 48), (48, 32)],
            (32, 32),
        ),
        (
            _compound("MULTILINE", [10, 32, 54, 32], RotationAngle=90.0, RotationPoint=[32, 32]),
            [(12, 32), (50, 32)],
            (32, 12),
        ),
        (_compound("SPIRAL", [10, 10, 50, 50]), [], (30, 30)),
    ],
)
def test_compound_graphics_are_where_they_belong(
    compound: Dataset, hit: list[tuple[int, int]], missed: tuple[int, int]
) -> None:
    marked = _marked(_with_compound(compound))
    for row, column in hit:
        assert marked[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].any()
    row, column = missed
    assert not marked[row - 2 : row + 3, column - 2 : column + 3].any()


def test_a_compound_graphic_with_a_simple_form_is_drawn_once() -> None:
    simple = _graphic("POLYLINE", [10, 50, 50, 50])
    simple.CompoundGraphicInstanceID = 1
    marked = _marked(_with_compound(_compound("MULTILINE", [10, 10, 50, 10]), simple))
    assert marked[48:53, 20:40].any()
    assert not marked[8:13, 20:40].any()


@pytest.mark.parametrize(
    "kind", ["MULTILINE", "INFINITELINE", "RULER", "CROSSHAIR", "ARROW", "RECTANGLE", "ELLIPSE"]
)
@pytest.mark.parametrize("data", [[], [1], [1, 1], [5, 5, 5, 5], [-3e38, 3e38] * 4])
def test_hostile_compound_graphics_do_no_harm(kind: str, data: list[float]) -> None:
    more = {"RotationAngle": 1e300, "RotationPoint": [3e38, -3e38], "GapLength": -1e30}
    assert _marked(_with_compound(_compound(kind, data, **more))).shape == (64, 64)


def test_names_in_other_alphabets_are_written() -> None:
    texts = [
        _item(
            UnformattedTextValue=text,
            BoundingBoxAnnotationUnits="PIXEL",
            BoundingBoxTopLeftHandCorner=[5, 5],
            BoundingBoxBottomRightHandCorner=[120, 20],
        )
        for text in ("Łódź", "\uffff\uffff\uffff\uffff")
    ]
    written, boxes = (_marked(_annotated(texts=[text]), 128) for text in texts)
    assert written.any()
    assert not np.array_equal(written, boxes)
