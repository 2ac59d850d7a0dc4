"""Exception to status, and the Status Report that every error carries (PS3.18 8.6.3, H-11)."""

from __future__ import annotations

import html
from collections.abc import Callable
from http import HTTPStatus

import orjson
from starlette.requests import HTTPConnection
from starlette.responses import Response

from dicomweb import errors

# One line an error class; the first that fits, most special first. What is not here is our bug: 500.
STATUS: dict[type[errors.ArchiveError], int] = {
    errors.InvalidRequest: 400,
    errors.InvalidDicom: 400,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.NotAcceptable: 406,
    errors.DecodeFailed: 406,
    errors.WorkFailed: 500,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UriTooLong: 414,
    errors.UnsupportedMediaType: 415,
    errors.RangeNotSatisfiable: 416,
    errors.Unavailable: 503,
    errors.BlobMissing: 500,
}

_HINTS = {
    errors.DecodeFailed: 'Ask for the data as stored, with transfer-syntax="*".',
    errors.BlobMissing: "The archive's operator can run `dicomweb verify`, which lists what is damaged.",
}


def status_of(error: errors.ArchiveError) -> int:
    """The HTTP status of a domain error."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def error_response(request: HTTPConnection, error: errors.ArchiveError) -> Response:
    """The whole answer to a request that was refused."""
    status = status_of(error)
    headers: dict[str, str] = {}
    extra: dict[str, object] = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.length}"
    if isinstance(error, errors.NotAcceptable) and error.available:
        extra["available"] = list(error.available)
    hint = error.hint or _HINTS.get(type(error), "")
    return status_report(request, status, error.message, hint=hint, headers=headers, extra=extra)


def status_report(
    request: HTTPConnection,
    status: int,
    detail: str,
    *,
    hint: str = "",
    headers: dict[str, str] | None = None,
    extra: dict[str, object] | None = None,
) -> Response:
    """A Status Report: problem details (RFC 9457) as JSON, or HTML or plain text where Accept wants that.

    detail, hint: plain sentences without patient data. extra: further members of the JSON object.
    """
    title = HTTPStatus(status).phrase
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request.scope.get("request_id", ""),
        "hint": hint or _DEFAULT_HINTS.get(status, "See the conformance statement of this server."),
        **(extra or {}),
    }
    media_type = _report_type(request.headers.get("accept", ""))
    content = _WRITERS[media_type](problem)
    return Response(content, status, headers, f"{media_type}{_CHARSETS.get(media_type, '')}")


_DEFAULT_HINTS = {
    400: "Correct the request as the detail says.",
    404: "Check the UIDs with a search (QIDO-RS).",
    405: "The Allow header lists what this resource takes.",
    406: "Ask for one of the media types in `available`, or for */*.",
    410: "The target was deleted; store it again to have it back.",
    413: "Ask for less at once.",
    415: 'Send multipart/related; type="application/dicom", or application/dicom for one instance.',
    500: "Report the request_id to the operator of this server.",
    503: "Try again after the time in Retry-After.",
}

_CHARSETS = {"text/html": "; charset=utf-8", "text/plain": "; charset=utf-8"}


def _report_type(accept: str) -> str:
    """HTML for browsers, text for whoever asks for it first, JSON for all programs."""
    for media_range in accept.split(","):
        media_type = media_range.partition(";")[0].strip().lower()
        if media_type in ("text/html", "text/plain"):
            return media_type
        if media_type.endswith("json"):
            break
    return "application/problem+json"


def _as_text(problem: dict[str, object]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in problem.items() if value)


def _as_html(problem: dict[str, object]) -> str:
    lines = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>"
        for name, value in problem.items()
        if value
    )
    title = html.escape(f"{problem['status']} {problem['title']}")
    return f"<!doctype html><title>{title}</title><h1>{title}</h1><dl>{lines}</dl>\n"


_WRITERS: dict[str, Callable[[dict[str, object]], str | bytes]] = {
    "application/problem+json": orjson.dumps,
    "text/html": _as_html,
    "text/plain": _as_text,
}
