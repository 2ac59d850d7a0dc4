"""The character set that a request wants its text in (G-46, G-47)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from starlette.requests import Request

from dicomweb.protocol.charset_choice import choose_charset


def charset_of(request: Request, media_type: str) -> str:
    """The IANA name of the set in which an answer of this media type is written."""
    return choose_charset(
        media_type,
        accept=[*request.headers.getlist("accept"), *_values(request, "accept")],
        parameters=_values(request, "charset"),
        accept_charset=request.headers.getlist("accept-charset"),
    )


def _values(request: Request, name: str) -> Iterator[str]:
    """The values of a query parameter, percent-decoded; a plus stays a plus (G-09)."""
    pairs = (pair.partition("=") for pair in request.url.query.split("&"))
    return (unquote(value) for parameter, _, value in pairs if parameter == name)
