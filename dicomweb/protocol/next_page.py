"""The link from a page of results to the next one (RFC 8288; an extension of PS3.18 10.6.3).

Of studies it says which study the page ends with, so that page 1,000 is found as fast as page 1, and what
is stored meanwhile neither repeats a result nor hides one (Q-49). Of series and instances it is an offset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from dicomweb.dicom.uid import is_uid
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.search_key import decode

CURSOR = "cursor"

# What may stand in a query as it is, a percent sign of an escape too; the rest is escaped, so that no query
# can break out of the header.
_IN_QUERY = "!$&'()*+,-./:;=?@_~%"
# Eighteen digits are a number that PostgreSQL takes, whatever it is.
_CURSOR = re.compile(r"([0-9]{1,18})?,([0-9.]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class StudyPlace:
    """Where a study stands in the order of answers: by its date and time, newest first, then by its UID.

    started_from: microseconds since 0001-01-01, None where the study has no date.
    """

    started_from: int | None
    study_instance_uid: str

    def __str__(self) -> str:
        started = "" if self.started_from is None else self.started_from
        return f"{started},{self.study_instance_uid}"

    @classmethod
    def parse(cls, text: str) -> StudyPlace:
        """What __str__ wrote. Raises InvalidRequest."""
        match = _CURSOR.fullmatch(text)
        if match is None or not is_uid(match[2]):
            raise InvalidRequest(f"The parameter {CURSOR} must be one that a link to a next page holds.")
        return cls(int(match[1]) if match[1] else None, match[2])


def next_page_header(query: bytes, following: StudyPlace | int) -> dict[str, str]:
    """The Link header of an answer with results beyond it.

    query: the raw query string of the request. following: the last study of the page, or the offset of the
    first result beyond. The link is relative, so that it is right behind any proxy.
    """
    pairs = [pair for pair in query.split(b"&") if pair and not _is_position(pair)]
    name = "offset" if isinstance(following, int) else CURSOR
    pairs.append(f"{name}={following}".encode())
    return {"Link": f'<?{quote(b"&".join(pairs), safe=_IN_QUERY)}>; rel="next"'}


def _is_position(pair: bytes) -> bool:
    return decode(pair.partition(b"=")[0]).strip(" \0") in ("offset", CURSOR)
