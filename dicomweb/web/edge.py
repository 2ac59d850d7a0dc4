"""What holds for every request: id, path form, Host and Origin checks, errors as Status Reports.

Pure ASGI, in one layer: Starlette's BaseHTTPMiddleware would put a task and a queue between a stream and its
client, and each layer more wraps every message of an answer once more.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from dicomweb.errors import ArchiveError, ClientGone, InvalidRequest, Unavailable, UriTooLong
from dicomweb.settings import Settings
from dicomweb.web.admission import Hosts, Origins
from dicomweb.web.errors import error_response, status_of, status_report
from dicomweb.web.resource_route import Answer, ResourceRoute
from dicomweb.web.route_tree import RouteTree

_log = logging.getLogger("dicomweb.web")
_SLASHES = re.compile(r"/{2,}")
_READING = ("GET", "HEAD", "OPTIONS")

_ACTIVE_TYPES = (b"text/xml", b"application/xml")
# Stored documents are data: no browser may guess a type for them, or run what is in them.
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_SANDBOX = (b"content-security-policy", b"sandbox")
# Pages that isolate themselves (COEP) may embed what CORS lets them read (V-06).
_SAME_SITE = (b"cross-origin-resource-policy", b"same-site")
_CROSS_ORIGIN = (b"cross-origin-resource-policy", b"cross-origin")
_EXPOSED = (
    b"access-control-expose-headers",
    b"Accept-Ranges, Content-Encoding, Content-Length, Content-Location, Content-Range, ETag, "
    b"Last-Modified, Link, Location, Retry-After, Warning, X-Request-Id",
)
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Accept, Accept-Encoding, Authorization, Cache-Control, Content-Type, Content-Encoding, "
        "If-Match, If-Modified-Since, If-None-Match, If-Range, Pragma, Range, X-Requested-With"
    ),
    "Access-Control-Max-Age": "86400",
}

_Header = tuple[bytes, bytes]


class TornAnswer(Exception):
    """A failure after the status was sent: the server must close the connection (H-21)."""


class Edge:
    """Finds who answers a request, and gives an answer whatever happens."""

    def __init__(self, settings: Settings, routes: Iterable[ResourceRoute]) -> None:
        self._uri_bytes = settings.uri_bytes
        self._hosts = Hosts(settings)
        self._origins = Origins(settings)
        self._routes = RouteTree(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI, of HTTP requests."""
        scope["request_id"] = secrets.token_hex(8)
        origin = _header(scope, b"origin")
        allowed = bool(origin) and self._origins.allows(origin)
        outgoing = _Outgoing(send, _common_headers(scope, origin if allowed else ""))
        request = Request(scope, receive)
        try:
            answer = await self._answer(request, origin, allowed=allowed)
            await answer(scope, receive, outgoing.send)
        except ClientGone:
            pass  # nobody is left to answer
        except Exception as error:
            if outgoing.started:
                _log_failure(scope, error)
                raise TornAnswer from error
            await _refusal(request, error)(scope, receive, outgoing.send)

    async def _answer(self, request: Request, origin: str, *, allowed: bool) -> Answer:
        """Raises what the handler raises."""
        method = request.method
        if method == "OPTIONS" and _header(request.scope, b"access-control-request-method"):
            return Response(status_code=204, headers=_PREFLIGHT) if allowed else _foreign_origin(request)
        if origin and not allowed and method not in _READING:
            # A simple POST needs no preflight: without this check any page could store into the archive.
            return _foreign_origin(request)
        self._check_uri(request.scope)
        if not self._is_for_us(request.scope):
            return _unknown_host(request)
        route, request.scope["path_params"] = self._routes.find(_normal(request.scope["path"]))  # 404
        request.scope["route"] = route
        return await route.answer(request)

    def _check_uri(self, scope: Scope) -> None:
        """An encoded slash is refused: a proxy that lets clients in by path does not see the path that we
        would."""
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        if len(raw) + len(scope["query_string"]) > self._uri_bytes:
            raise UriTooLong(f"The request URI is longer than {self._uri_bytes} bytes.")
        if b"%" in raw and b"%2f" in raw.lower():
            raise InvalidRequest("The path of the URL has an encoded slash.")

    def _is_for_us(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) > 1:
            raise InvalidRequest("The request has more than one Host header.")  # RFC 9112 3.2
        return not hosts or self._hosts.knows(hosts[0].decode("latin-1"))


class _Outgoing:
    """An answer on its way: watches it start, and completes its headers."""

    def __init__(self, send: Send, common: list[_Header]) -> None:
        self._send = send
        self._common = common
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = self._completed(message["headers"])
        await self._send(message)

    def _completed(self, headers: list[_Header]) -> list[_Header]:
        completed, vary = self._common, b"Origin"
        for name, value in headers:
            if name == b"vary":
                vary = value + b", Origin"
                continue
            if name == b"content-type" and value.startswith(_ACTIVE_TYPES):
                completed.append(_SANDBOX)
            completed.append((name, value))
        completed.append((b"vary", vary))
        return completed


def _common_headers(scope: Scope, allowed_origin: str) -> list[_Header]:
    """Headers of every answer, errors too, so that pages that may use the archive can read why it refuses."""
    found = [(b"x-request-id", scope["request_id"].encode()), _NO_SNIFFING]
    if not allowed_origin:
        return [*found, _SAME_SITE]
    return [
        *found,
        _CROSS_ORIGIN,
        (b"access-control-allow-origin", allowed_origin.encode("latin-1")),
        _EXPOSED,
    ]


def _normal(path: str) -> str:
    """`//` is `/`, and a trailing slash says nothing (G-12)."""
    return (_SLASHES.sub("/", path) if "//" in path else path).rstrip("/") or "/"


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return ""


def _foreign_origin(request: Request) -> Response:
    return status_report(
        request,
        403,
        "This server does not take requests from the web origin that sent this one.",
        hint="Name the origin in DICOMWEB_CORS_ORIGINS.",
    )


def _unknown_host(request: Request) -> Response:
    return status_report(
        request,
        403,
        "This server does not answer to the Host name of the request.",
        hint="Name it in DICOMWEB_ALLOWED_HOSTS, or set DICOMWEB_PUBLIC_URL.",
    )


def _refusal(request: Request, error: Exception) -> Response:
    if isinstance(error, ArchiveError):
        if status_of(error) >= 500:
            _log_failure(request.scope, error)
        return error_response(request, error)
    _log_failure(request.scope, error)
    return status_report(request, 500, "The server failed on this request; the fault is ours.")


def _log_failure(scope: Scope, error: Exception) -> None:
    """The route and the traceback, never the URL's query: it may name a patient."""
    route = getattr(scope.get("route"), "path", "?")
    if isinstance(error, Unavailable):  # many at once when the database is away: a line each
        _log.warning("request %s: %s %s: %s", scope.get("request_id"), scope.get("method"), route, error)
        return
    _log.error(
        "request %s failed: %s %s", scope.get("request_id"), scope.get("method"), route, exc_info=error
    )
