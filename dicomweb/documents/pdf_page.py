"""The first page of an encapsulated PDF as a picture, by pypdfium2 (the extra [pdf])."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from dicomweb.documents.picture import PictureForm, annotated, framed
from dicomweb.errors import DecodeFailed

try:
    import pypdfium2
except ImportError:  # the extra is not installed
    pypdfium2 = None

# Points are 1/72 inch; a page in full size is drawn at 150 dots an inch.
_PIXELS_PER_POINT = 150 / 72
# Pages of posters and plans are metres wide.
_LONGEST_SIDE = 4_096
_TALLEST_SHAPE = 50


def pdf_page_job(parameters: dict[str, Any], buffers: Sequence[bytes]) -> bytes:
    """The first page. The one buffer: the PDF file. request: RenderRequest.to_parameters()."""
    if pypdfium2 is None:
        raise DecodeFailed("Pages of PDF files cannot be drawn here: the extra [pdf] is not installed.")
    form = PictureForm.of(parameters)
    return annotated(framed(_page(buffers[0]), form), form)


def _page(data: bytes) -> Image.Image:
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
