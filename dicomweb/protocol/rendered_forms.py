"""What can be drawn or written of what is stored (PS3.18 8.7.1 and table 8.7.4-1; M-04, M-05, M-12)."""

from __future__ import annotations

from enum import Enum

from dicomweb.dicom.transfer_syntax import lookup
from dicomweb.protocol.media_types import Form
from dicomweb.protocol.representations import Category, Chosen, Offer, Resource, Stored


class Rendering(Enum):
    """What an instance is shown as."""

    IMAGE = "image"
    VIDEO = "video"
    REPORT = "report"
    PDF = "PDF document"
    CDA = "CDA document"
    WAVEFORM = "waveform"
    CONTOURS = "contours"
    PRESENTATION = "presentation state"
    NOTHING = "nothing"


_STORAGE = "1.2.840.10008.5.1.4.1.1."
# By SOP class; one that ends with a dot stands for all below it.
_BY_CLASS = {
    _STORAGE + "88.": Rendering.REPORT,  # structured reports, key objects, CAD
    _STORAGE + "104.1": Rendering.PDF,
    _STORAGE + "104.2": Rendering.CDA,
    _STORAGE + "9.": Rendering.WAVEFORM,
    _STORAGE + "481.3": Rendering.CONTOURS,
    _STORAGE + "481.4": Rendering.REPORT,  # RT treatment records and plans, as tables
    _STORAGE + "481.5": Rendering.REPORT,
    _STORAGE + "481.6": Rendering.REPORT,
    _STORAGE + "481.7": Rendering.REPORT,
    _STORAGE + "481.8": Rendering.REPORT,
    _STORAGE + "481.9": Rendering.REPORT,
    _STORAGE + "11.1": Rendering.PRESENTATION,  # grayscale
    _STORAGE + "11.2": Rendering.PRESENTATION,  # colour
    _STORAGE + "11.3": Rendering.PRESENTATION,  # pseudo-colour
    _STORAGE + "11.4": Rendering.PRESENTATION,  # blending
    _STORAGE + "11.5": Rendering.PRESENTATION,  # XA and XRF grayscale
    _STORAGE + "11.8": Rendering.PRESENTATION,  # advanced blending
}


def rendering_of(sop_class_uid: str, transfer_syntax_uid: str, frames: int | None) -> Rendering:
    """What an instance is shown as. frames: that can be told apart, None without pixel data."""
    if frames is None:
        parent = sop_class_uid[: len(_STORAGE)] + sop_class_uid[len(_STORAGE) :].partition(".")[0] + "."
        return _BY_CLASS.get(sop_class_uid, _BY_CLASS.get(parent, Rendering.NOTHING))
    syntax = lookup(transfer_syntax_uid)
    if syntax is not None and syntax.video:
        return Rendering.VIDEO
    return Rendering.IMAGE if frames else Rendering.NOTHING


STILLS = ("image/jpeg", "image/png", "image/gif", "image/jp2", "image/jph", "image/jxl")
ANIMATIONS = ("image/gif",)
# Lines and letters, which JPEG smears; it is last, for who takes nothing else.
DRAWINGS = ("image/png", "image/svg+xml", "image/jpeg")
REPORTS = ("text/html", "text/plain", "text/xml")

# All that rendered resources ever give.
RENDERED_TYPES = frozenset(
    {*STILLS, *DRAWINGS, *REPORTS, "application/pdf", "video/mpeg", "video/mp4", "video/h265"}
)

_EITHER = (Form.SINGLE, Form.MULTIPART)
_Offered = tuple[tuple[str, ...], tuple[Form, ...]]
_OF_CATEGORY: dict[Category, tuple[_Offered, ...]] = {
    Category.SINGLE_FRAME: ((STILLS, _EITHER),),
    # One part a frame; a single part is the animation of all (R-12, Z-07).
    Category.MULTI_FRAME: ((STILLS, (Form.MULTIPART,)), (ANIMATIONS, (Form.SINGLE,))),
    Category.TEXT: ((REPORTS, _EITHER),),
    Category.OTHER: ((DRAWINGS, _EITHER),),
}
_DOCUMENT_TYPES = {Rendering.PDF: "application/pdf", Rendering.CDA: "text/xml"}
_CATEGORIES = {
    Rendering.VIDEO: Category.VIDEO,
    Rendering.REPORT: Category.TEXT,
    Rendering.PDF: Category.TEXT,
    Rendering.CDA: Category.TEXT,
}


def is_shown(rendering: Rendering) -> bool:
    """Whether there is a form of it at all."""
    return rendering is not Rendering.NOTHING


def as_rendered(
    rendering: Rendering, transfer_syntax_uid: str, frames: int, *, decodable: bool = True
) -> Stored:
    """What negotiation must know of it. frames: that are asked for; 0 where nothing can be shown."""
    category = _CATEGORIES.get(rendering, Category.OTHER)
    if rendering in (Rendering.IMAGE, Rendering.PRESENTATION):
        category = Category.SINGLE_FRAME if frames == 1 else Category.MULTI_FRAME
    return Stored(
        # Of what is drawn, the encoding does not matter: one choice serves all.
        transfer_syntax_uid if rendering is Rendering.VIDEO else "",
        category,
        decodable=decodable and is_shown(rendering),
        document_type=_DOCUMENT_TYPES.get(rendering, ""),
    )


def rendered_offers(resource: Resource, stored: Stored) -> list[Offer]:
    """The rendered media types of one part, the default first."""
    if resource is Resource.RENDERED_VOLUME and stored.category is Category.MULTI_FRAME:
        return _offers(((ANIMATIONS, _EITHER),))
    if resource is not Resource.RENDERED:
        return _offers(((STILLS, _EITHER),))
    if as_stored := _as_stored(stored):
        # At equal q a document or video goes as it is (a study that is asked as pictures and documents).
        stills = STILLS if _begins_with_picture(stored) else ()
        return _offers(((as_stored, _EITHER),)) + _offers(((stills, _EITHER),), instead=True)
    return _offers(_OF_CATEGORY[stored.category]) if stored.decodable else []


def _as_stored(stored: Stored) -> tuple[str, ...]:
    """The media types of videos and documents, which go out as they are (W-41, W-42)."""
    if stored.category is not Category.VIDEO:
        return (stored.document_type,) if stored.document_type else ()
    syntax = lookup(stored.transfer_syntax_uid)
    media_types = (syntax.media_type if syntax else "", stored.document_type)
    return tuple(dict.fromkeys(filter(None, media_types)))


def _begins_with_picture(stored: Stored) -> bool:
    """Whether a page or frame can be drawn for who would rather have a picture."""
    drawn = stored.category is Category.VIDEO or stored.document_type == _DOCUMENT_TYPES[Rendering.PDF]
    return drawn and stored.decodable


def _offers(offered: tuple[_Offered, ...], *, instead: bool = False) -> list[Offer]:
    """instead: pictures of what could go as it is."""
    return [
        Offer(Chosen(media_type, "", False), forms, re_encoded=instead)
        for media_types, forms in offered
        for media_type in media_types
    ]
