"""The character set that text goes out in (PS3.18 8.8, annex D; G-45 to G-47, G-50).

DICOM media types are UTF-8 always. Text made for people may be asked for in another set: by the charset of
the media type that was chosen, by the query parameter `charset`, or by Accept-Charset, in this order; what
is not supported is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from dicomweb.errors import InvalidRequest
from dicomweb.protocol.media_types import parse_media_type, split_outside_quotes
from dicomweb.protocol.weighted import weights

UTF_8 = "UTF-8"

# IANA names of annex D, each also a codec of Python's.
_IANA = (
    UTF_8, "US-ASCII", "GB18030", "GBK", "GB2312", "TIS-620", "Shift_JIS", "ISO-2022-JP", "ISO-2022-KR",
    *(f"ISO-8859-{number}" for number in (*range(1, 10), 15)),
)  # fmt: skip
_DEFINED_TERMS = {
    "ISO_IR 6": "US-ASCII",
    "ISO_IR 100": "ISO-8859-1",
    "ISO_IR 101": "ISO-8859-2",
    "ISO_IR 109": "ISO-8859-3",
    "ISO_IR 110": "ISO-8859-4",
    "ISO_IR 144": "ISO-8859-5",
    "ISO_IR 127": "ISO-8859-6",
    "ISO_IR 126": "ISO-8859-7",
    "ISO_IR 138": "ISO-8859-8",
    "ISO_IR 148": "ISO-8859-9",
    "ISO_IR 203": "ISO-8859-15",
    "ISO_IR 166": "TIS-620",
    "ISO_IR 13": "Shift_JIS",
    "ISO_IR 192": UTF_8,
    "ISO_IR 87": "ISO-2022-JP",
    "ISO_IR 149": "ISO-2022-KR",
    "ISO_IR 58": "GB2312",
}
# Written with spaces, hyphens or underscores, the term of a code extension or not: all mean one.
_SEPARATORS = re.compile(r"[\s_-]+")


def _folded(name: str) -> str:
    return _SEPARATORS.sub(" ", name.strip(" \t\"'").upper()).replace("ISO 2022 IR", "ISO IR")


_SUPPORTED = {_folded(name): name for name in _IANA} | {"UTF8": UTF_8, "LATIN1": "ISO-8859-1"}
_SUPPORTED |= {_folded(term): name for term, name in _DEFINED_TERMS.items()}


def choose_charset(
    media_type: str, *, accept: Iterable[str], parameters: Iterable[str], accept_charset: Iterable[str]
) -> str:
    """The IANA name of the character set of an answer; Python knows each as a codec.

    media_type: that was chosen, without parameters. accept: Accept header lines and values of the query
    parameter of that name. parameters: values of the query parameter `charset`. accept_charset: header lines.
    """
    asked = [
        *_of_media_type(media_type, accept),
        *(name for value in parameters for name in value.split(",")),
        *_by_weight(accept_charset),
    ]
    return next((found for name in asked if (found := _SUPPORTED.get(_folded(name)))), UTF_8)


def _of_media_type(media_type: str, accept: Iterable[str]) -> Iterator[str]:
    """The charset parameters of the ranges that name the media type, also within multipart/related."""
    for member in (member for value in accept for member in split_outside_quotes(value, ",")):
        try:
            outer = parse_media_type(member)
            inner = parse_media_type(outer.parameters["type"]) if "type" in outer.parameters else outer
        except InvalidRequest:
            continue
        charset = inner.parameters.get("charset") or outer.parameters.get("charset")
        if charset and media_type in (outer.essence, inner.essence):
            yield charset


def _by_weight(headers: Iterable[str]) -> Sequence[str]:
    """The names of Accept-Charset, the best first, UTF-8 before its equals, excluded ones left out."""
    found = [(-weight, UTF_8 if name == "*" else name) for name, weight in weights(headers).items() if weight]
    return [name for _, name in sorted(found, key=lambda entry: (entry[0], _folded(entry[1]) != "UTF 8"))]
