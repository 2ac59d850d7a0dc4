"""What can be made of what is stored: the representations that a resource offers (PS3.18 8.7.1 to 8.7.3).

The archive gives data as stored, or decoded to Explicit VR Little Endian; it encodes to nothing yet. XML
and rendered types come with their own resources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, TRANSFER_SYNTAXES, lookup
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.media_types import APPLICATION_DICOM, DICOM_JSON, OCTET_STREAM, Form, parse_media_type


class Resource(Enum):
    """What a URL names, as far as media types differ (tables 8.7.2 to 8.7.4)."""

    INSTANCES = "instances"
    METADATA = "metadata"
    FRAMES = "frames"
    BULKDATA = "bulkdata"
    PIXELDATA = "pixeldata"
    SEARCH = "search"
    STORE_RESPONSE = "store response"


class Category(Enum):
    """Resource categories of 8.7.1; they do not depend on the transfer syntax, save for video."""

    SINGLE_FRAME = "single frame image"
    MULTI_FRAME = "multi-frame image"
    VIDEO = "video"
    TEXT = "text"
    OTHER = "other"


_TEXT_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.88.",  # structured reports, key objects, CAD
    "1.2.840.10008.5.1.4.1.1.104.",  # encapsulated documents
)


def category_of(sop_class_uid: str, transfer_syntax_uid: str, frames: int | None) -> Category:
    """Category of an instance. frames: None when it has no pixel data."""
    syntax = lookup(transfer_syntax_uid)
    if frames is not None and syntax is not None and syntax.video:
        return Category.VIDEO
    if frames is not None:
        return Category.SINGLE_FRAME if frames == 1 else Category.MULTI_FRAME
    return Category.TEXT if sop_class_uid.startswith(_TEXT_CLASSES) else Category.OTHER


@dataclass(frozen=True, slots=True)
class Stored:
    """One part as it lies in the archive.

    transfer_syntax_uid: of the instance; empty for a value that is no pixel data (see value()).
    decodable: its compressed pixels can become native ones; without meaning where they are native.
    codestreams: for bulkdata, how many parts it makes as stored: each frame of an encapsulated value is
    one, a video is one (M-16).
    document_type: MIME type of an encapsulated document's bytes (0042,0012).
    """

    transfer_syntax_uid: str
    category: Category
    decodable: bool = True
    codestreams: int = 1
    document_type: str = ""

    @classmethod
    def value(cls, document_type: str = "") -> Stored:
        """A bulkdata value that is not pixel data, sent as little-endian bytes (W-38, W-41)."""
        return cls("", Category.OTHER, document_type=document_type)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One part as it goes out.

    transfer_syntax_uid: empty where bytes have none. as_stored: no decoding, no re-encoding and no byte
    swapping; what is sent are the bytes that lie there (of a deflated set: its inflated copy for frames).
    """

    media_type: str
    transfer_syntax_uid: str
    as_stored: bool

    @property
    def content_type(self) -> str:
        """The part's Content-Type: clients pick their decoder by its transfer syntax (W-34, A2)."""
        if not self.transfer_syntax_uid:
            return self.media_type
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax_uid}"


@dataclass(frozen=True, slots=True)
class Offer:
    """One representation that can be made of what is stored.

    encoded: in the stored transfer syntax where that is not Explicit VR Little Endian.
    stands_in: lossy pixels that cannot be decoded, given also where uncompressed ones are meant (G-33).
    any_pixel_syntax: no pixels, so a request for a pixel transfer syntax is no obstacle (W-16).
    """

    chosen: Chosen
    forms: tuple[Form, ...]
    encoded: bool = False
    stands_in: bool = False
    any_pixel_syntax: bool = False


# The better packaging comes first, where the request leaves it open (`*/*`).
FORMS = {
    Resource.INSTANCES: (Form.MULTIPART, Form.SINGLE),
    Resource.FRAMES: (Form.MULTIPART, Form.SINGLE),
    Resource.BULKDATA: (Form.SINGLE, Form.MULTIPART),
    Resource.PIXELDATA: (Form.MULTIPART, Form.SINGLE),
}
JSON = Offer(Chosen(DICOM_JSON, "", True), (Form.SINGLE,))

_FRAME_TYPES = frozenset(
    syntax.media_type for syntax in TRANSFER_SYNTAXES.values() if syntax.media_type and not syntax.video
)
# What a resource can ever give; empty: that depends on the data (a document has any type).
SERVED: dict[Resource, frozenset[str]] = {
    Resource.INSTANCES: frozenset({APPLICATION_DICOM}),
    Resource.METADATA: frozenset({DICOM_JSON}),
    Resource.FRAMES: _FRAME_TYPES,
    Resource.BULKDATA: frozenset(),
    Resource.PIXELDATA: frozenset(),
    Resource.SEARCH: frozenset({DICOM_JSON}),
    Resource.STORE_RESPONSE: frozenset({DICOM_JSON}),
}


# What goes out under its own type. In many others (HTML, SVG and all that is XML, style sheets) a browser
# would run a script with the rights of this archive's origin: those are sent as bytes only. text/xml is what
# CDA documents are stored as; the answer's Content-Security-Policy keeps that from running any.
_HARMLESS = re.compile(
    r"application/(pdf|dicom([+.-].*)?)|text/(plain|xml)|(image|video|model)/.*", re.ASCII | re.IGNORECASE
)
_XML = ("+xml", "/svg")


def offers(resource: Resource, stored: Stored) -> list[Offer]:
    """What can be made of it, the default of the resource first (tables 8.7.3-2 and 8.7.3-5)."""
    if resource not in FORMS:
        return [JSON]
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
    if stored.decodable or not syntax.encapsulated or not _has_pixels(stored):
        chosen = Chosen(APPLICATION_DICOM, EXPLICIT_LITTLE, uid == EXPLICIT_LITTLE)
        found.append(Offer(chosen, forms, any_pixel_syntax=not _has_pixels(stored)))
    # Implicit VR and big endian never leave the archive (G-31).
    if syntax.explicit and syntax.little and uid != EXPLICIT_LITTLE:
        found.append(Offer(as_stored, forms, encoded=True, stands_in=not found and syntax.lossy))
    return found


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
    """Frames, or the pixel data element: native, and the bare codestreams if there are any (M-11, M-15)."""
    uid = stored.transfer_syntax_uid
    forms: tuple[Form, ...] = FORMS[resource]
    syntax = lookup(uid)
    if syntax is None or (resource is Resource.FRAMES and syntax.video):  # W-37
        return []
    found: list[Offer] = []
    compressed = syntax.encapsulated and syntax.media_type != OCTET_STREAM
    if stored.decodable or not compressed:
        # The bytes of a native frame are the same in every little-endian syntax, 1.2.1.98 included.
        chosen = Chosen(OCTET_STREAM, EXPLICIT_LITTLE, syntax.little and not compressed)
        found.append(Offer(chosen, forms))
    if compressed and syntax.media_type:
        if stored.codestreams > 1:
            forms = (Form.MULTIPART,)
        chosen = Chosen(syntax.media_type, uid, True)
        found.append(Offer(chosen, forms, encoded=True, stands_in=not found and syntax.lossy))
    return found
