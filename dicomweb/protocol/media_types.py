"""Media types of RFC 9110 as PS3.18 uses them (8.7), and the tables of types that resources offer.

The grammar is lenient where real clients are: parameters in any order, quoted or not, an unquoted
`type=application/dicom` though the slash is no token character, stray semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

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
