"""Media types of RFC 9110 as PS3.18 uses them (8.7), and the tables of types that resources offer.

The grammar is lenient where real clients are: parameters in any order, quoted or not, an unquoted
`type=application/dicom` though the slash is no token character, stray semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from dicomweb.dicom.transfer_syntax import HTJ2K_RPCL
from dicomweb.errors import InvalidRequest

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Possessive, so that a hostile header costs one pass: no text can be matched in two ways.
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BETWEEN = {  # what lies between separators; an unclosed quote swallows the rest
    separator: re.compile(rf'(?:[^"{separator}]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
    for separator in ",;"
}


@dataclass(frozen=True, slots=True)
class MediaType:
    """type/subtype in lower case, and parameters with lower-case names and unquoted values.

    repeated: names of parameters that came twice (the first one counts).
    """

    type: str
    subtype: str
    parameters: Mapping[str, str]
    repeated: tuple[str, ...] = ()

    @property
    def essence(self) -> str:
        """type/subtype without parameters."""
        return f"{self.type}/{self.subtype}"


def parse_media_type(text: str) -> MediaType:
    """One media type, as of a Content-Type header (RFC 9110 8.3.1). Raises InvalidRequest."""
    essence, *rest = split_outside_quotes(text, ";") or [""]
    kind, slash, subtype = essence.lower().partition("/")
    if not (slash and _TOKEN.fullmatch(kind) and _TOKEN.fullmatch(subtype)):
        raise InvalidRequest("A media type does not have the form type/subtype.")
    parameters: dict[str, str] = {}
    repeated: list[str] = []
    for name, value in map(_parameter, rest):
        if name in parameters:
            repeated.append(name)
        parameters.setdefault(name, value)
    return MediaType(kind, subtype, parameters, tuple(repeated))


def _parameter(text: str) -> tuple[str, str]:
    """Name in lower case and value without quotes. Raises InvalidRequest on an unclosed quote or no name."""
    name, equals, value = text.partition("=")
    name, value = name.rstrip(" \t").lower(), value.lstrip(" \t")
    quoted = _QUOTED.fullmatch(value)
    if not equals or not _TOKEN.fullmatch(name) or (value.startswith('"') and quoted is None):
        raise InvalidRequest("A media type parameter does not have the form name=value.")
    return name, value if quoted is None else _ESCAPED.sub(r"\1", quoted[1])


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """The non-empty members of a list; a separator inside quotes does not separate (RFC 9110 5.6.1).

    separator: comma or semicolon.
    """
    return [item for item in (found.strip(" \t") for found in _BETWEEN[separator].findall(text)) if item]


APPLICATION_DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
OCTET_STREAM = "application/octet-stream"
APPLICATION_ZIP = "application/zip"

# Names of earlier editions and of browsers, taken on input only (G-38, M-09).
LEGACY_NAMES = {
    "application/json": DICOM_JSON,
    "image/dicom+jpeg": "image/jpeg",
    "image/dicom+jpeg-ls": "image/jls",
    "image/dicom+jp2": "image/jp2",
    "image/dicom+jpx": "image/jpx",
    "image/dicom+rle": "image/dicom-rle",
    "image/x-dicom-rle": "image/dicom-rle",
    "image/x-jls": "image/jls",
    "image/jhc": "image/jphc",
}
# What Cornerstone3D means by its name for HTJ2K: a codestream whose beginning is a smaller picture (V-08).
_MEANT_SYNTAX = {"image/jhc": HTJ2K_RPCL}

# RFC 9110 12.4.2, and Java's `q=.2`.
_QUALITY = re.compile(r"0?\.[0-9]+|[01](?:\.[0-9]*)?")

# Whole-slide viewers send eight, browsers ten. Every part is compared with every range, so there is a bound.
_MOST_RANGES = 100


class Form(Enum):
    """How an answer packs its parts."""

    SINGLE = "single"
    MULTIPART = "multipart"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an Accept header, read as PS3.18 8.7.4 and 8.7.5 mean it.

    form: EITHER only for `*/*`. media_type: what a part may be, in lower case and without legacy names:
    `type/subtype`, `type/*` or `*/*`; empty for multipart without type=.
    transfer_syntax: a UID, `*`, or empty when not given. q: 0 to 1. position: place in the header.
    """

    form: Form
    media_type: str
    transfer_syntax: str
    q: float
    position: int

    @property
    def wildcard(self) -> bool:
        """Whether a part of more than one media type will do."""
        return not self.media_type or self.media_type.endswith("/*")


def media_ranges(headers: Iterable[str], *, lenient: bool = True) -> tuple[MediaRange, ...]:
    """The entries of all Accept headers together (G-20 to G-22).

    lenient: what is malformed is left out (G-23); otherwise it raises InvalidRequest.
    """
    ranges: list[MediaRange] = []
    members = [member for header in headers for member in split_outside_quotes(header, ",")]
    for position, member in enumerate(members[:_MOST_RANGES]):
        try:
            ranges.append(_media_range(member, position))
        except InvalidRequest:
            if not lenient:
                raise
    return tuple(ranges)


def _media_range(text: str, position: int) -> MediaRange:
    # A lone star is how Java has always written */*.
    outer = parse_media_type("*/*" + text[1:] if text[0] == "*" and text[1:2] in ("", ";", " ") else text)
    inner = outer.parameters.get("type", "")
    q = outer.parameters.get("q", "1")
    if not _QUALITY.fullmatch(q) or float(q) > 1:
        raise InvalidRequest("A q value is not a number from 0 to 1.")
    if "transfer-syntax" in outer.repeated:
        raise InvalidRequest("A media type names two transfer syntaxes.")  # G-29
    form = Form.SINGLE
    root: MediaType | None = outer
    if outer.essence in ("multipart/related", "multipart/*"):
        form, root = Form.MULTIPART, parse_media_type(inner) if inner else None
    elif outer.essence == "*/*":
        form = Form.EITHER
    name = root.essence if root else ""
    syntax = _transfer_syntax(outer, root) or _MEANT_SYNTAX.get(name, "")
    return MediaRange(form, LEGACY_NAMES.get(name, name), syntax, float(q), position)


def _transfer_syntax(outer: MediaType, root: MediaType | None) -> str:
    """It stands beside type=, or inside its quotes as some servers' manuals have it."""
    inner = root.parameters.get("transfer-syntax", "") if root else ""
    return outer.parameters.get("transfer-syntax", inner).strip(" \t\0")
