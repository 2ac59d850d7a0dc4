"""Ranges and conditions of GET requests (RFC 9110 13 and 14; checklist H-04 to H-06).

header = effective_range(range_header, if_range_header, etag)
wanted = parse_range(header, length)     # 416 when it lies outside
if wanted is not None:                   # 206
    content_range(wanted, length)        # bytes 0-99/1234
"""

from __future__ import annotations

import re

from dicomweb.errors import RangeNotSatisfiable

# More digits than any length has: such a header is not understood, so it is ignored.
_BYTE_RANGE = re.compile(
    r"bytes[ \t]*=[ \t]*([0-9]{0,20})[ \t]*-[ \t]*([0-9]{0,20})[ \t]*", re.ASCII | re.IGNORECASE
)
_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


def parse_range(header: str, length: int) -> slice | None:
    """The stretch of a representation that a Range header asks for, with start and stop set.

    length: of the whole representation in bytes. None: send the whole, because there is no header, or one
    that RFC 9110 14.2 lets a server ignore: another unit, malformed, or several ranges (no viewer sends
    them, and an answer in multipart/byteranges would be one more format).
    Raises RangeNotSatisfiable when no byte of the range exists.
    """
    match = _BYTE_RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, stop = max(0, length - int(match[2])), length
    else:
        start = int(match[1])
        stop = min(length, int(match[2]) + 1) if match[2] else length
        if match[2] and int(match[2]) < start:
            return None
    if start >= length:
        raise RangeNotSatisfiable("The range lies outside the representation.", length=length)
    return slice(start, stop)


def content_range(wanted: slice, length: int) -> str:
    """The Content-Range header of a 206 answer."""
    return f"bytes {wanted.start}-{wanted.stop - 1}/{length}"


def effective_range(range_header: str, if_range: str, etag: str) -> str:
    """The Range header, or empty where If-Range says that the client holds another representation.

    etag: the current one, strong. A date never matches: representations here have no Last-Modified.
    """
    return range_header if not if_range or if_range.strip() == etag else ""


def is_not_modified(if_none_match: str, etag: str) -> bool:
    """Whether the client's copy is the current one, so that 304 is the answer (weak comparison)."""
    if if_none_match.strip() == "*":
        return True
    return etag.removeprefix("W/") in _ENTITY_TAG.findall(if_none_match)
