"""ETags, dates and conditional requests (H-04, H-08)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from dicomweb.errors import PreconditionFailed
from dicomweb.protocol.ranges import http_date, is_match, is_not_modified, is_not_modified_since
from dicomweb.protocol.warning import warning_headers

_VARY = "Accept, Accept-Encoding"
# Dates count seconds: one so young would also be the date of a change that comes right after this answer.
_YOUNG = timedelta(seconds=2)


def cache_headers(version: str, *representation: str, modified: datetime | None = None) -> dict[str, str]:
    """Headers of an answer whose bytes depend on `version` and `representation` and on nothing else.

    version: of what is stored, which never comes back with other content. representation: what else
    decides about the bytes: packaging, media types, frames, base URL, content coding. modified: when that
    version was made.
    """
    of = hashlib.blake2b("\n".join(representation).encode(), digest_size=8).hexdigest()
    headers = {"ETag": f'"{version}-{of}"', "Cache-Control": "private, no-cache", "Vary": _VARY}
    if modified is not None and datetime.now(UTC) - modified > _YOUNG:
        headers["Last-Modified"] = http_date(modified)
    return headers


def incomplete(headers: dict[str, str], base_url: str, warnings: Sequence[str]) -> dict[str, str]:
    """The headers of an answer that leaves something out, whose status is 206 (W-60, Z-02).

    What is left out may be there again without a change of the version: no copy may be kept, and the tag
    only makes boundaries. base_url, warnings: what the Warning header says.
    """
    kept = {name: value for name, value in headers.items() if name != "Last-Modified"}
    own = {"ETag": f'"{secrets.token_hex()}"', "Cache-Control": "no-store"}
    return kept | own | warning_headers(base_url, warnings)


def located(headers: dict[str, str], location: str) -> dict[str, str]:
    """The headers with a Content-Location, which belongs to a 304 as to the 200 (RFC 9110 15.4.5).

    location: a whole URL, empty where what is sent has none of its own.
    """
    return {**headers, "Content-Location": location} if location else headers


def not_modified(request: Request, headers: dict[str, str]) -> bool:
    """True when the client's copy is the current one (304). The date counts only without If-None-Match.

    Raises PreconditionFailed where If-Match names none that is current (RFC 9110 13.2.2).
    """
    if "if-match" in request.headers and not is_match(_listed(request, "if-match"), headers["ETag"]):
        raise PreconditionFailed("The representation is not the one that If-Match names.")
    if "if-none-match" in request.headers:
        return is_not_modified(_listed(request, "if-none-match"), headers["ETag"])
    since = request.headers.get("if-modified-since", "")
    return is_not_modified_since(since, headers.get("Last-Modified", ""))


def _listed(request: Request, name: str) -> str:
    """A header that is a list, whatever number of lines it came in."""
    return ", ".join(request.headers.getlist(name))
