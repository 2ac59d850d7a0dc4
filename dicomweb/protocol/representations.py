"""The words of negotiation: resources, what lies in the archive, and a form it can go out in (PS3.18 8.7.1).

What can be made of what is stored stands in protocol.offers and protocol.rendered_forms.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dicomweb.dicom.transfer_syntax import lookup
from dicomweb.protocol.media_types import Form


class Resource(Enum):
    """What a URL names, as far as media types differ (tables 8.7.2 to 8.7.4)."""

    INSTANCES = "instances"
    METADATA = "metadata"
    FRAMES = "frames"
    BULKDATA = "bulkdata"
    PIXELDATA = "pixeldata"
    RENDERED = "rendered"
    THUMBNAIL = "thumbnail"
    RENDERED_VOLUME = "rendered volume"
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
    one, a video is one (M-16). 2 stands for any more.
    document_type: MIME type of an encapsulated document's bytes (0042,0012), or of a video's container.
    frames: that can be told apart; 0 for a video and for what has no pixels, 2 stands for any more.
    fits: all frames, decoded, are short enough for one native value (P-11).
    encodable: transfer syntaxes that it can be encoded in, without the stored one and Explicit VR Little
    Endian.
    """

    transfer_syntax_uid: str
    category: Category
    decodable: bool = True
    codestreams: int = 1
    document_type: str = ""
    frames: int = 1
    fits: bool = True
    encodable: frozenset[str] = frozenset()

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

    encoded: in another transfer syntax than Explicit VR Little Endian.
    re_encoded: that syntax is not the stored one either; of documents and videos: a picture of them instead.
    stands_in: pixels that cannot go uncompressed, given also where uncompressed ones are meant (G-33).
    any_pixel_syntax: no pixels, so a request for a pixel transfer syntax is no obstacle (W-16).
    """

    chosen: Chosen
    forms: tuple[Form, ...]
    encoded: bool = False
    re_encoded: bool = False
    stands_in: bool = False
    any_pixel_syntax: bool = False
