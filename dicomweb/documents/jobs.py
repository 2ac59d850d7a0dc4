"""What the worker processes do for documents: parameters and bytes in, bytes out (dicomweb/pixels/jobs.py).

Every job that reads an object takes its DICOM JSON as the first buffer and, behind it, the bulk values
that `needs.bulk_needs` asks for; parameters["bulk"] holds their paths in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from dicomweb.dicom.write import read_json
from dicomweb.documents import html, plain_text
from dicomweb.documents.attributes import Item
from dicomweb.documents.contour_views import contours_drawing, contours_thumbnail
from dicomweb.documents.contours import structure_set_of
from dicomweb.documents.ecg_paper import ecg_drawing, ecg_thumbnail, fits_paper
from dicomweb.documents.icon import icon
from dicomweb.documents.links import FROM_RENDERED_INSTANCE
from dicomweb.documents.listing import listing_page
from dicomweb.documents.outline import outline_page
from dicomweb.documents.page import Page
from dicomweb.documents.picture import PictureForm, drawn
from dicomweb.documents.report import report_page
from dicomweb.documents.waveform import excerpt, groups_of
from dicomweb.documents.waveform_chart import chart_drawing, chart_thumbnail
from dicomweb.documents.waveform_notes import waveform_notes
from dicomweb.errors import DecodeFailed, InvalidDicom

_WRITERS: dict[str, Callable[[Page, str], bytes]] = {
    "text/html": html.written,
    "text/plain": plain_text.written,
}

_REPORT_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
_ECG_CLASSES = "1.2.840.10008.5.1.4.1.1.9.1."
# What of a waveform can be told apart in a thumbnail.
_THUMBNAIL_SECONDS, _THUMBNAIL_CHANNELS = 2.5, 3


def report_job(parameters: dict[str, Any], buffers: Sequence[bytes]) -> bytes:
    """An object as text.

    media_type: text/html or text/plain. charset: of the answer, utf-8 when absent. base: URL of the service
    root for links, with its slash; when absent, links are relative to the instance's /rendered. bulk: paths
    of the buffers behind the first.
    """
    document = document_of(parameters, buffers, read_json)
    base = parameters.get("base") or FROM_RENDERED_INSTANCE
    return _WRITERS[parameters["media_type"]](page_of(document, base), parameters.get("charset") or "utf-8")


def page_of(document: Item, base: str) -> Page:
    """A report by its content tree, a radiotherapy object in sections, anything else as a listing."""
    if document.has("ContentSequence") or document.code("SOPClassUID").startswith(_REPORT_CLASSES):
        return report_page(document, base)
    return outline_page(document) or listing_page(document)


def icon_job(parameters: dict[str, Any], _: Sequence[bytes]) -> bytes:
    """An icon. sop_class_uid, modality: of the object. request: RenderRequest.to_parameters()."""
    drawing = icon(parameters.get("sop_class_uid") or "", parameters.get("modality") or "")
    return drawn(drawing, PictureForm.of(parameters))


def waveform_job(parameters: dict[str, Any], buffers: Sequence[bytes]) -> bytes:
    """A waveform drawn: electrocardiograms on their paper, others as charts.

    bulk: paths of the buffers behind the first. request: RenderRequest.to_parameters(); its media type may
    be image/svg+xml too. Its annotation is printed above; a thumbnail shows the traces alone.
    """
    document = document_of(parameters, buffers)
    request = parameters.get("request") or {}
    groups = groups_of(document)
    is_ecg = document.code("SOPClassUID").startswith(_ECG_CLASSES)
    on_paper = is_ecg and all(map(fits_paper, groups))
    if request.get("thumbnail"):
        small = excerpt(groups[0], _THUMBNAIL_SECONDS, _THUMBNAIL_CHANNELS)
        drawing = ecg_thumbnail(small) if on_paper else chart_thumbnail(small)
    else:
        draw = ecg_drawing if on_paper else chart_drawing
        drawing = draw(groups, [*(request.get("annotation") or ()), *waveform_notes(document)])
    return drawn(drawing, PictureForm.of(parameters))


def contours_job(parameters: dict[str, Any], buffers: Sequence[bytes]) -> bytes:
    """The contours of an RT structure set drawn from three sides; parameters as those of waveform_job."""
    request = parameters.get("request") or {}
    structures = structure_set_of(document_of(parameters, buffers))
    if request.get("thumbnail"):
        drawing = contours_thumbnail(structures)
    else:
        drawing = contours_drawing(structures, request.get("annotation") or ())
    return drawn(drawing, PictureForm.of(parameters))


def document_of(
    parameters: dict[str, Any], buffers: Sequence[bytes], read: Callable[[bytes], Any] = orjson.loads
) -> Item:
    """The object that a job is about. Raises DecodeFailed.

    read: read_json where numbers are shown as they are written, which takes three times as long.
    """
    try:
        attributes = read(buffers[0])
    except (InvalidDicom, ValueError, RecursionError, IndexError) as error:
        raise DecodeFailed("The metadata of the object cannot be read.") from error
    if not isinstance(attributes, dict):
        raise DecodeFailed("The metadata of the object cannot be read.")
    return Item(attributes, bulk=dict(zip(parameters.get("bulk") or (), buffers[1:], strict=False)))
