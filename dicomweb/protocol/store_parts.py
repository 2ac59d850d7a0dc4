"""What each part of a store request is, and how metadata names its bulkdata (PS3.18 10.5.2; S-04, S-05)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote, urljoin

from dicomweb.errors import InvalidRequest
from dicomweb.protocol.media_types import (
    APPLICATION_DICOM,
    DICOM_JSON,
    DICOM_XML,
    LEGACY_NAMES,
    OCTET_STREAM,
    MediaType,
    parse_media_type,
)

# Any URI that bulkdata has in practice; each is held until the end of the request.
LONGEST_LOCATION = 2048


class PartKind(Enum):
    """PART10: an instance. JSON, XML: metadata. BULKDATA: a value that metadata refers to."""

    PART10 = "part 10"
    JSON = "json"
    XML = "xml"
    BULKDATA = "bulkdata"


@dataclass(frozen=True, slots=True)
class PartHeader:
    """What the headers of a part say.

    media_type: without parameters. transfer_syntax_uid: as stated, or empty. location: the URI by which
    metadata refers to it, empty where there is none.
    """

    kind: PartKind
    media_type: str
    transfer_syntax_uid: str = ""
    location: str = ""


_XML_NAMES = frozenset({DICOM_XML, "application/xml", "text/xml"})
_KINDS = {
    APPLICATION_DICOM: PartKind.PART10,
    DICOM_JSON: PartKind.JSON,
    DICOM_XML: PartKind.XML,
}
METADATA_TYPES = frozenset({DICOM_JSON, DICOM_XML})
ZIP = "application/zip"
# What the body of a store request may be.
BODY_TYPES = (
    *(f'multipart/related; type="{name}"' for name in (APPLICATION_DICOM, DICOM_JSON, DICOM_XML)),
    APPLICATION_DICOM,
    DICOM_JSON,
    DICOM_XML,
    ZIP,
)


# Headers that say that the bytes of a part are not what they mean -> values that say so of nothing. Encodings
# of mail are not used with HTTP (RFC 9110 appendix B, RFC 9112).
_CODINGS = {
    "content-transfer-encoding": ("", "7bit", "8bit", "binary"),
    "content-encoding": ("", "identity"),
}


def part_header(headers: Mapping[str, str], root_type: str) -> PartHeader:
    """Read the headers of one part.

    root_type: of the body, as far as it is known. Where it is no metadata, senders label Part 10 loosely:
    only what is plainly something else is refused by its label. Raises InvalidRequest.
    """
    for name, plain in _CODINGS.items():
        if headers.get(name, "").strip().lower() not in plain:
            raise InvalidRequest(f"The part has a {name.title()}, which is not undone here.")
    location = _location(headers)
    stated = _media_type(headers.get("content-type", ""))
    name = LEGACY_NAMES.get(stated.essence, stated.essence) if stated else ""
    syntax = stated.parameters.get("transfer-syntax", "").strip() if stated else ""
    if root_type in METADATA_TYPES:
        return PartHeader(_metadata_kind(name, location, root_type), name or OCTET_STREAM, syntax, location)
    kind = PartKind.PART10 if name in ("", OCTET_STREAM) else _KINDS.get(name)
    if kind is None:
        raise InvalidRequest("The Content-Type of the part is not application/dicom.")
    return PartHeader(kind, name, syntax, location)


def _metadata_kind(name: str, location: str, root_type: str) -> PartKind:
    if not name and not location:
        return _KINDS[root_type]
    if root_type == DICOM_XML and name in _XML_NAMES and not location:
        return PartKind.XML
    return _KINDS.get(name, PartKind.BULKDATA)


def _media_type(text: str) -> MediaType | None:
    if not text:
        return None
    try:
        return parse_media_type(text)
    except InvalidRequest:
        raise InvalidRequest("The Content-Type of the part is not a media type.") from None


def _location(headers: Mapping[str, str]) -> str:
    content_id = headers.get("content-id", "").strip("<> \t")
    location = headers.get("content-location", "").strip() or (content_id and f"cid:{content_id}")
    if len(location) > LONGEST_LOCATION:
        raise InvalidRequest("The Content-Location of the part is too long.")
    return location


def resolved(location: str, base_url: str) -> str:
    """A URI as it is compared: absolute, and without percent-encoding (S-05)."""
    try:
        return unquote(urljoin(base_url, location.strip()))
    except ValueError:  # a host in brackets that is no address
        return location
