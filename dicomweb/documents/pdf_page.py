"""The first page of an encapsulated PDF as a picture, by pypdfium2 (the extra [pdf])."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from PIL import Image

from dicomweb.documents.picture import PictureForm, encoded, framed
from dicomweb.errors import DecodeFailed

MOST_BYTES = 128 << 20
"""Largest PDF file that is drawn."""
# Points are 1/72 inch; a page in full size is drawn at 150 dots an inch.
_PIXELS_PER_POINT = 150 / 72
# Pages of posters and plans are metres wide.
_LONGEST_SIDE = 4_096
_TALLEST_SHAPE = 50


def installed() -> bool:
    """Whether pages can be drawn here."""
    return find_spec("pypdfium2") is not None


def pdf_page_job(parameters: dict[str, Any], buffers: Sequence[bytes]) -> bytes:
    """The first page. The one buffer: the PDF file. request: RenderRequest.to_parameters()."""
    if not installed():
        raise DecodeFailed("Pages of PDF files cannot be drawn here: the extra [pdf] is not installed.")
    form = PictureForm.of(parameters)
    return encoded(framed(_page(buffers[0]), form), form)


def _page(data: bytes) -> Image.Image:
    import pypdfium2  # here, for the server too asks this module how large a file may be

    try:
        with pypdfium2.PdfDocument(data) as document:
            page = document[0]
            width, height = page.get_size()
            if width * height <= 0 or max(width, height) > _TALLEST_SHAPE * min(width, height):
                raise DecodeFailed("The first page of the PDF document has no usable size.")
            scale = min(_PIXELS_PER_POINT, _LONGEST_SIDE / max(width, height))
            picture: Image.Image = page.render(scale=scale, may_draw_forms=False).to_pil()
            return picture.convert("RGB")
    except (pypdfium2.PdfiumError, IndexError, ValueError) as error:
        raise DecodeFailed("The PDF document cannot be drawn.") from error
