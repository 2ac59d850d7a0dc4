from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from dicomweb.documents import pdf_page
from dicomweb.documents.pdf_page import pdf_page_job
from dicomweb.errors import DecodeFailed

pytest.importorskip("pypdfium2")

REQUEST = {"request": {"media_type": "image/png", "viewport": {"width": 100, "height": 100}}}


def pdf(*pages: Image.Image) -> bytes:
    buffer = BytesIO()
    pages[0].save(buffer, "PDF", save_all=True, append_images=list(pages[1:]))
    return buffer.getvalue()


def test_the_first_page_is_drawn() -> None:
    data = pdf(Image.new("RGB", (200, 400), "#ff0000"), Image.new("RGB", (200, 400), "#0000ff"))
    picture = Image.open(BytesIO(pdf_page_job(REQUEST, [data])))
    assert picture.size == (50, 100)
    red, green, blue = np.asarray(picture.convert("RGB"))[50, 25]
    assert red > 250
    assert max(green, blue) < 5


def test_an_annotation_is_burned_in_and_a_profile_embedded() -> None:
    data = pdf(Image.new("RGB", (200, 200), "#ff0000"))
    plain, annotated, profiled = (
        Image.open(BytesIO(pdf_page_job({"request": {"media_type": "image/png", **more}}, [data])))
        for more in ({}, {"annotation": ["Doe, Jane"]}, {"icc_profile": "adobergb"})
    )
    assert np.asarray(annotated)[:40].min(axis=2).max() == 255, "white letters"
    assert np.array_equal(np.asarray(annotated)[200:], np.asarray(plain)[200:])
    assert "icc_profile" not in plain.info
    assert profiled.info["icc_profile"]
    assert np.asarray(profiled)[50, 50][0] < 230, "red of sRGB is no full red of Adobe RGB"


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/gif", "image/jp2", "image/jph", "image/jxl"])
def test_a_page_is_given_in_every_media_type_of_pictures(media_type: str) -> None:
    data = pdf(Image.new("RGB", (20, 20), "#ff0000"))
    assert pdf_page_job({"request": {"media_type": media_type}}, [data])


@pytest.mark.parametrize("damage", [b"", b"%PDF-1.7\n", b"not a PDF"])
def test_what_is_no_pdf_is_refused(damage: bytes) -> None:
    with pytest.raises(DecodeFailed):
        pdf_page_job(REQUEST, [damage])


def test_a_page_of_any_size_is_drawn_within_bounds() -> None:
    data = pdf(Image.new("RGB", (20, 20), "#00ff00")).replace(
        b"/MediaBox [ 0 0 20.0 20.0 ]", b"/MediaBox [ 0 0 2e4  2e4  ]"
    )
    picture = Image.open(BytesIO(pdf_page_job({"request": {"media_type": "image/png"}}, [data])))
    assert max(picture.size) <= 4096


def test_without_the_extra_the_refusal_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_page, "pypdfium2", None)
    with pytest.raises(DecodeFailed, match="extra"):
        pdf_page_job(REQUEST, [b""])
