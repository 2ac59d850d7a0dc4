from __future__ import annotations

from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dicomweb.dicom.picture import LARGEST_PICTURE
from dicomweb.documents.drawing import Drawing, Label, Path, rectangle
from dicomweb.documents.picture import PictureForm, drawn, encoded, framed
from dicomweb.errors import DecodeFailed

QUARTERS = Drawing(
    100,
    50,
    [
        Path([rectangle(0, 0, 50, 25)], fill="#ff0000", closed=True),
        Path([rectangle(50, 25, 50, 25)], fill="#0000ff", closed=True),
    ],
)


def form(media_type: str = "image/png", quality: int | None = None, **viewport: Any) -> PictureForm:
    return PictureForm(media_type, quality, viewport or None)


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGB")


@given(
    width=st.floats(1, 1e5),
    height=st.floats(1, 1e5),
    box=st.tuples(st.none() | st.integers(1, 16_384), st.none() | st.integers(1, 16_384)),
)
def test_a_picture_fits_its_box_and_our_bounds(
    width: float, height: float, box: tuple[int | None, int | None]
) -> None:
    wide, high = form(width=box[0], height=box[1]).size(width, height)
    assert wide >= 1
    assert high >= 1
    assert wide <= (box[0] or 16_384)
    assert high <= (box[1] or 16_384)
    assert wide * high <= LARGEST_PICTURE * 1.01 + 16_384


def test_the_shape_is_kept() -> None:
    assert form(width=50, height=50).size(100, 50) == (50, 25)
    assert form(width=None, height=100).size(100, 50) == (200, 100)
    assert form().size(100, 50) == (100, 50)


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg"])
def test_a_drawing_is_in_the_colour_space_asked_for(media_type: str) -> None:
    assert "icc_profile" not in Image.open(BytesIO(drawn(QUARTERS, form(media_type)))).info
    image = Image.open(BytesIO(drawn(QUARTERS, PictureForm(media_type, icc_profile="adobergb"))))
    assert image.info["icc_profile"]
    assert max(image.convert("RGB").tobytes()[:3]) < 230


def test_a_region_of_the_picture_is_cut_out_and_flipped() -> None:
    region: dict[str, Any] = {"x": 0, "y": 0, "source_width": 50, "source_height": 25}
    assert opened(drawn(QUARTERS, form(width=10, height=10, **region))).getpixel((5, 2)) == (255, 0, 0)
    whole = opened(drawn(QUARTERS, form(width=100, height=50, flip_horizontal=True)))
    assert whole.getpixel((90, 10)) == (255, 0, 0)
    part: dict[str, Any] = {"x": 0.5, "y": 0.5, "source_width": 0.5, "source_height": 0.5, "normalized": True}
    assert opened(drawn(QUARTERS, form(width=10, height=10, **part))).getpixel((5, 2)) == (0, 0, 255)


def test_a_region_outside_of_the_picture_is_refused() -> None:
    with pytest.raises(DecodeFailed):
        framed(Image.new("RGB", (10, 10)), form(width=10, height=10, x=20, y=0))


def test_quality_changes_the_size_of_a_jpeg() -> None:
    noise = Image.effect_noise((64, 64), 80)
    assert len(encoded(noise, form("image/jpeg", 10))) < len(encoded(noise, form("image/jpeg", 95)))


def test_a_jpeg_is_baseline() -> None:
    assert b"\xff\xc0" in encoded(Image.new("RGB", (8, 8)), form("image/jpeg"))


def test_an_unknown_media_type_is_refused() -> None:
    with pytest.raises(DecodeFailed):
        encoded(Image.new("RGB", (8, 8)), form("image/tiff"))


def test_an_svg_names_its_size() -> None:
    svg = drawn(QUARTERS, form("image/svg+xml", width=50, height=50))
    assert b'width="50" height="25" viewBox="0 0 100 50"' in svg


def test_an_svg_shows_the_part_of_the_viewport() -> None:
    region: dict[str, Any] = {"x": 50, "y": 25, "source_width": 50, "source_height": 25}
    svg = drawn(QUARTERS, form("image/svg+xml", width=10, height=10, **region))
    assert b'width="10" height="5" viewBox="50 25 50 25"' in svg
    assert b"<g" not in svg
    turned = drawn(QUARTERS, form("image/svg+xml", width=10, height=10, **region, flip_horizontal=True))
    assert b'<g transform="matrix(-1 0 0 1 150 0)">' in turned
    ElementTree.fromstring(turned)
    with pytest.raises(DecodeFailed):
        drawn(QUARTERS, form("image/svg+xml", width=10, height=10, x=100, y=0))


def test_labels_too_small_to_read_are_left_out() -> None:
    text = Drawing(1000, 1000, [Label(10, 10, "x", 1)])
    assert opened(drawn(text, form(width=10, height=10))).getcolors() == [(100, (255, 255, 255))]


@given(text=st.text(max_size=40))
def test_an_svg_is_well_formed_whatever_its_labels_say(text: str) -> None:
    drawing = Drawing(10, 10, [Label(1, 1, text, 3)], title=text)
    ElementTree.fromstring(drawn(drawing, form("image/svg+xml")))
