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
