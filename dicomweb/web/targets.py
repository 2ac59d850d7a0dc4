"""What a request names and accepts, read from its URL and headers."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from starlette.requests import Request

from dicomweb.dicom.target import Target
from dicomweb.dicom.uid import is_uid
from dicomweb.errors import InvalidRequest
from dicomweb.protocol import negotiate, ranges
from dicomweb.protocol.negotiate import Acceptable, Resource
from dicomweb.protocol.weighted import choose_coding
from dicomweb.settings import Settings
from dicomweb.web.base import base_url

__all__ = ["accept_parameters", "acceptable", "base_url", "content_coding", "range_of", "target_of"]

_UIDS = {"study": "Study Instance UID", "series": "Series Instance UID", "instance": "SOP Instance UID"}


def target_of(request: Request) -> Target:
    """The study, series or instance of the URL. Raises InvalidRequest where a UID is malformed (G-11)."""
    settings: Settings = request.app.settings
    uids: dict[str, str] = {}
    for level, name in _UIDS.items():
        uid = request.path_params.get(level)
        if uid is None:
            continue
        if not is_uid(uid, strict=settings.strict_uids):
            raise InvalidRequest(f"The {name} in the URL is not a UID.")
        uids[level] = uid
    return Target(**uids)


def acceptable(request: Request, resource: Resource) -> Acceptable:
    """What the request accepts of this resource. Raises InvalidRequest, NotAcceptable."""
    settings: Settings = request.app.settings
    return negotiate.acceptable(
        request.headers.getlist("accept"),
        accept_parameters(request),
        resource,
        strict=settings.strict_accept,
    )


def accept_parameters(request: Request) -> list[str]:
    """Every `accept` query parameter, percent-decoded; a plus stays a plus (G-09)."""
    query: bytes = request.scope["query_string"]
    if b"accept=" not in query:
        return []
    pairs = (pair.partition("=") for pair in query.decode("latin-1").split("&"))
    return [unquote(value) for name, _, value in pairs if name == "accept"]


def range_of(request: Request, etag: str, last_modified: str = "") -> str:
    """The Range header, empty where If-Range says that the client's copy is another one."""
    return ranges.effective_range(
        request.headers.get("range", ""), request.headers.get("if-range", ""), etag, last_modified
    )


def content_coding(request: Request, offered: Sequence[str]) -> str:
    """The content coding of the answer, identity where none of the offered ones is liked better (H-03)."""
    return choose_coding(request.headers.getlist("accept-encoding"), offered)
