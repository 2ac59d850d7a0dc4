"""What can be made of what is stored: the representations that a resource offers (PS3.18 8.7.2 to 8.7.4)."""

from __future__ import annotations

import re

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, TRANSFER_SYNTAXES, TransferSyntax, lookup
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.media_types import (
    APPLICATION_DICOM,
    DICOM_JSON,
    DICOM_XML,
    OCTET_STREAM,
    Form,
    parse_media_type,
)
from dicomweb.protocol.rendered_forms import rendered_offers
from dicomweb.protocol.representations import Category, Chosen, Offer, Resource, Stored

# The better packaging comes first, where the request leaves it open (`*/*`).
FORMS = {
    Resource.INSTANCES: (Form.MULTIPART, Form.SINGLE),
    Resource.FRAMES: (Form.MULTIPART, Form.SINGLE),
    Resource.BULKDATA: (Form.SINGLE, Form.MULTIPART),
    Resource.PIXELDATA: (Form.MULTIPART, Form.SINGLE),
}
_JSON = Offer(Chosen(DICOM_JSON, "", True), (Form.SINGLE,))
_XML_PARTS = Offer(Chosen(DICOM_XML, "", True), (Form.MULTIPART,))
_XML_REPORT = Offer(Chosen(DICOM_XML, "", True), (Form.SINGLE, Form.MULTIPART))
# Attributes in words: the same forms whatever is stored (M-02, M-06, S-13).
DOCUMENTS = {
    Resource.METADATA: (_JSON, _XML_PARTS),
    Resource.SEARCH: (_JSON, _XML_PARTS),
    Resource.STORE_RESPONSE: (_JSON, _XML_REPORT),
}
RENDERED = frozenset({Resource.RENDERED, Resource.THUMBNAIL, Resource.RENDERED_VOLUME})

_FRAME_TYPES = frozenset(
    syntax.media_type for syntax in TRANSFER_SYNTAXES.values() if syntax.media_type and not syntax.video
)
# What a resource can ever give; one that is missing here depends on the data (a document has any type).
SERVED: dict[Resource, frozenset[str]] = {
    Resource.INSTANCES: frozenset({APPLICATION_DICOM}),
    Resource.FRAMES: _FRAME_TYPES,
    **{
        resource: frozenset(offer.chosen.media_type for offer in found)
        for resource, found in DOCUMENTS.items()
    },
}


# What goes out under its own type. In many others (HTML, SVG and all that is XML, style sheets) a browser
# would run a script with the rights of this archive's origin: those are sent as bytes only. text/xml is what
# CDA documents are stored as; the answer's Content-Security-Policy keeps that from running any.
_HARMLESS = re.compile(
    r"application/(pdf|dicom([+.-].*)?)|text/(plain|xml)|(image|video|model)/.*", re.ASCII | re.IGNORECASE
)
_XML = ("+xml", "/svg")


def offers(resource: Resource, stored: Stored) -> list[Offer]:
    """What can be made of it, the default of the resource first (tables 8.7.3-2, 8.7.3-5 and 8.7.4-1)."""
    if resource in DOCUMENTS:
        return list(DOCUMENTS[resource])
    if resource in RENDERED:
        return rendered_offers(resource, stored)
    if not stored.transfer_syntax_uid:
        return _value_offers(stored) if resource is Resource.BULKDATA else []
    if resource is Resource.INSTANCES:
        return _instance_offers(stored)
    return _pixel_offers(resource, stored)


def _instance_offers(stored: Stored) -> list[Offer]:
    uid, forms = stored.transfer_syntax_uid, FORMS[Resource.INSTANCES]
    syntax = lookup(uid)
    as_stored = Chosen(APPLICATION_DICOM, uid, True)
    if syntax is None:
        return [Offer(as_stored, forms, encoded=True)]
    found: list[Offer] = []
    if (stored.decodable and stored.fits) or not syntax.encapsulated or not _has_pixels(stored):
        chosen = Chosen(APPLICATION_DICOM, EXPLICIT_LITTLE, uid == EXPLICIT_LITTLE)
        found.append(Offer(chosen, forms, any_pixel_syntax=not _has_pixels(stored)))
    # Implicit VR and big endian never leave the archive (G-31).
    if syntax.explicit and syntax.little and uid != EXPLICIT_LITTLE:
        found.append(Offer(as_stored, forms, encoded=True, stands_in=not found and _may_stand_in(stored)))
    for syntax in _encodable(stored):
        found.append(
            Offer(Chosen(APPLICATION_DICOM, syntax.uid, False), forms, encoded=True, re_encoded=True)
        )
    return found


def _encodable(stored: Stored) -> list[TransferSyntax]:
    """In the table's order, so that offers have one too."""
    found = [syntax for syntax in TRANSFER_SYNTAXES.values() if syntax.uid in stored.encodable]
    return [syntax for syntax in found if _has_pixels(stored) or not syntax.encapsulated]


def _may_stand_in(stored: Stored) -> bool:
    """G-33: lossy pixels that cannot be decoded, and those that are too long when they are."""
    return not stored.fits or TRANSFER_SYNTAXES[stored.transfer_syntax_uid].lossy


def _has_pixels(stored: Stored) -> bool:
    return stored.category not in (Category.TEXT, Category.OTHER)


def _value_offers(stored: Stored) -> list[Offer]:
    """A value that is no pixel data: bytes, or a document under its own type (W-38, W-41, V-16)."""
    media_types = [name for name in (_document_type(stored.document_type), OCTET_STREAM) if name]
    return [Offer(Chosen(name, "", True), FORMS[Resource.BULKDATA]) for name in media_types]


def _document_type(text: str) -> str:
    """The media type in (0042,0012), empty when it says nothing that may be repeated in a header."""
    try:
        media_type = parse_media_type(text)
    except InvalidRequest:
        return ""
    essence = media_type.essence
    fit = media_type.subtype != "*" and _HARMLESS.fullmatch(essence)
    return essence if fit and not essence.endswith(_XML) else ""


def _pixel_offers(resource: Resource, stored: Stored) -> list[Offer]:
    """Frames, or the pixel data element: native, the codestreams stored, those of other syntaxes (M-11)."""
    uid, forms = stored.transfer_syntax_uid, FORMS[resource]
    syntax = lookup(uid)
    if syntax is None or (resource is Resource.FRAMES and syntax.video):  # W-37
        return []
    found: list[Offer] = []
    compressed = syntax.encapsulated and syntax.media_type != OCTET_STREAM
    if not compressed or (stored.decodable and (stored.fits or resource is Resource.FRAMES)):
        # The bytes of a native frame are the same in every little-endian syntax, 1.2.1.98 included.
        joined = syntax.encapsulated and resource is not Resource.FRAMES
        chosen = Chosen(OCTET_STREAM, EXPLICIT_LITTLE, syntax.little and not compressed and not joined)
        found.append(Offer(chosen, forms))
    if compressed and syntax.media_type:
        packaging = forms if stored.codestreams == 1 else (Form.MULTIPART,)
        chosen = Chosen(syntax.media_type, uid, True)
        stands_in = not found and _may_stand_in(stored)
        found.append(Offer(chosen, packaging, encoded=True, stands_in=stands_in))
    # Each frame is a codestream, and so a part, of its own (M-16).
    packaging = forms if resource is Resource.FRAMES or stored.frames == 1 else (Form.MULTIPART,)
    return found + [
        Offer(Chosen(syntax.media_type, syntax.uid, False), packaging, encoded=True, re_encoded=True)
        for syntax in _encodable(stored)
        if syntax.encapsulated and syntax.media_type != OCTET_STREAM
    ]
