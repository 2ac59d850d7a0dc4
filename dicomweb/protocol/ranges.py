"""Ranges and conditions of GET requests (RFC 9110 13 and 14; checklist H-04 to H-06).

header = effective_range(range_header, if_range_header, etag, last_modified)
wanted = parse_ranges(header, length)         # 416 when all lie outside
if len(wanted) == 1:                          # 206
    content_range(wanted[0], length)          # bytes 0-99/1234
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

from dicomweb.errors import RangeNotSatisfiable

_UNIT = re.compile(r"bytes[ \t]*=", re.IGNORECASE)
# More digits than any length has: such a header is not understood, so it is ignored.
_BYTE_RANGE = re.compile(r"[ \t]*([0-9]{0,20})[ \t]*-[ \t]*([0-9]{0,20})[ \t]*", re.ASCII)
_ENTITY_TAG = re.compile(r'(W/)?("[^"]*")')
# Players and readers of formats with an index ask for a few at once; more is an attack (RFC 9110 17.15).
_MOST_RANGES = 50


def parse_ranges(header: str, length: int) -> tuple[slice, ...]:
    """The stretches of a representation that a Range header asks for, with start and stop set.

    length: of the whole representation in bytes. Empty: send the whole, because there is no header, or one
    that RFC 9110 14.2 lets a server ignore: another unit, malformed, too many ranges, or so many overlapping
    ones that they are more than the whole.
    Raises RangeNotSatisfiable when no byte of any range exists.
    """
    unit = _UNIT.match(header)
    texts = header[unit.end() :].split(",", _MOST_RANGES) if unit else []
    found = [_BYTE_RANGE.fullmatch(text) for text in texts]
    wanted = [_stretch(match[1], match[2], length) for match in found if match is not None]
    if not wanted or len(wanted) < len(texts) or len(texts) > _MOST_RANGES or None in wanted:
        return ()
    inside = tuple(one for one in wanted if one is not None and one.start < length)
    if not inside:
        raise RangeNotSatisfiable("The range lies outside the representation.", length=length)
    too_much = len(inside) > 1 and sum(one.stop - one.start for one in inside) > length
    return () if too_much else inside


def _stretch(first: str, last: str, length: int) -> slice | None:
    """One range, which may lie outside; None when it says nothing."""
    if not first:
        return slice(max(0, length - int(last)) if int(last) else length, length) if last else None
    start = int(first)
    if last and int(last) < start:
        return None
    return slice(start, min(length, int(last) + 1) if last else length)


def parse_range(header: str, length: int) -> slice | None:
    """The one stretch that is asked for; None for the whole, also where several are asked for.

    Raises RangeNotSatisfiable.
    """
    wanted = parse_ranges(header, length)
    return wanted[0] if len(wanted) == 1 else None


def content_range(wanted: slice, length: int) -> str:
    """The Content-Range header of a 206 answer."""
    return f"bytes {wanted.start}-{wanted.stop - 1}/{length}"


def effective_range(range_header: str, if_range: str, etag: str, last_modified: str = "") -> str:
    """The Range header, or empty where If-Range says that the client holds another representation.

    etag: the current one, strong. last_modified: the header as it is sent, which a date must equal.
    """
    condition = if_range.strip()
    return range_header if not condition or condition in (etag, last_modified) else ""


def is_match(if_match: str, etag: str) -> bool:
    """Whether the client names the current representation (If-Match: strong comparison)."""
    return if_match.strip() == "*" or ("", etag) in _ENTITY_TAG.findall(if_match)


def is_not_modified(if_none_match: str, etag: str) -> bool:
    """Whether the client's copy is the current one, so that 304 is the answer (weak comparison)."""
    if if_none_match.strip() == "*":
        return True
    return etag.removeprefix("W/") in [tag for _, tag in _ENTITY_TAG.findall(if_none_match)]


def is_not_modified_since(if_modified_since: str, last_modified: str) -> bool:
    """Whether a copy of that date is the current one. A date that cannot be read says nothing."""
    try:
        since, modified = map(parsedate_to_datetime, (if_modified_since, last_modified))
        return modified <= since
    except (ValueError, TypeError):  # the latter: one date has a time zone and the other has none
        return False


@lru_cache(maxsize=256)  # of an object that is read frame by frame
def http_date(moment: datetime) -> str:
    """A date as HTTP headers have it, to the second."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)
