from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dicomweb.documents.icon import icon
from dicomweb.documents.jobs import icon_job

STORAGE = "1.2.840.10008.5.1.4.1.1."


def opened(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize(("media_type", "name"), [("image/jpeg", "JPEG"), ("image/png", "PNG")])
def test_an_icon_fits_the_viewport(media_type: str, name: str) -> None:
    request = {"media_type": media_type, "viewport": {"width": 60, "height": 90}, "thumbnail": True}
    picture = opened(icon_job({"sop_class_uid": STORAGE + "88.11", "request": request}, []))
    assert (picture.format, picture.size) == (name, (60, 60))


def test_an_icon_is_128_pixels_without_a_viewport() -> None:
    assert opened(icon_job({"request": {"thumbnail": True}}, [])).size == (128, 128)


def test_kinds_of_objects_look_different() -> None:
    classes = (
        "88.11",
        "88.59",
        "104.3",
        "9.1.1",
        "9.4.1",
        "11.1",
        "481.3",
        "481.2",
        "481.5",
        "66.4",
        "66.1",
        "2",
    )
    pictures = {icon_job({"sop_class_uid": STORAGE + end, "modality": "OT"}, []) for end in classes}
    assert len(pictures) == len(classes)


@given(modality=st.text(max_size=20), sop_class_uid=st.text(max_size=20))
def test_an_icon_shows_nothing_but_a_modality(modality: str, sop_class_uid: str) -> None:
    title = icon(sop_class_uid, modality).title
    assert title == "DICOM" or (title.isascii() and title.isalnum() and title.isupper() and len(title) <= 8)


@pytest.mark.parametrize(
    ("end", "like"),
    [("20", "2"), ("481.23", "2"), ("481.21", "481.5"), ("9.7.1", "9.1.1"), ("88.35", "88.11")],
)
def test_uids_are_matched_by_their_components(end: str, like: str) -> None:
    one, other = (icon_job({"sop_class_uid": STORAGE + uid, "modality": "OT"}, []) for uid in (end, like))
    assert one == other
