"""What holds for every request: id, path form, Host and Origin checks, HEAD, errors as Status Reports.

Pure ASGI: Starlette's BaseHTTPMiddleware would put a task and a queue between a stream and its client.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import secrets
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomweb.errors import ArchiveError, ClientGone, InvalidRequest, Unavailable, UriTooLong
from dicomweb.settings import Settings
from dicomweb.web.errors import error_response, status_of, status_report

_log = logging.getLogger("dicomweb.web")
_SLASHES = re.compile(r"/{2,}")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


_ACTIVE_TYPES = ("text/xml", "application/xml")


class TornAnswer(Exception):
    """A failure after the status was sent: the server must close the connection (H-21)."""


class RequestIds:
    """Outermost layer: a name for each request, by which its answer and the log find each other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["request_id"] = secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message["headers"])["X-Request-Id"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


class Requests:
    """Gives each request a normal path, and an answer whatever happens."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            self._check_uri(scope)
            _normalise_path(scope)
            await self._app(scope, receive, answer.send)
        except ClientGone:
            pass  # nobody is left to answer
        except Exception as error:
            if answer.started:
                _log_failure(scope, error)
                raise TornAnswer from error
            await _refusal(scope, error)(scope, receive, answer.send)

    def _check_uri(self, scope: Scope) -> None:
        length = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        if length > self._settings.uri_bytes:
            raise UriTooLong(f"The request URI is longer than {self._settings.uri_bytes} bytes.")


class _Answer:
    """Watches an answer start, and keeps browsers from taking it for more than data."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(raw=message["headers"])
            # Stored documents are data: no browser may guess a type for them, or run what is in them.
            headers["X-Content-Type-Options"] = "nosniff"
            if headers.get("content-type", "").startswith(_ACTIVE_TYPES):
                headers["Content-Security-Policy"] = "sandbox"
        await self._send(message)


def _normalise_path(scope: Scope) -> None:
    """`//` is `/`, and a trailing slash says nothing (G-12).

    An encoded slash is refused: a proxy that lets clients in by path does not see the path that we would.
    """
    if b"%2f" in (scope.get("raw_path") or b"").lower():
        raise InvalidRequest("The path of the URL has an encoded slash.")
    path = _SLASHES.sub("/", scope["path"])
    scope["path"] = path.rstrip("/") or "/"


def _refusal(scope: Scope, error: Exception) -> Response:
    request = Request(scope)
    if isinstance(error, ArchiveError):
        if status_of(error) >= 500:
            _log_failure(scope, error)
        return error_response(request, error)
    _log_failure(scope, error)
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


class Hosts:
    """Refuses unknown Host names while there is no authentication: DNS rebinding would let any web page
    read the archive of the person who looks at it (H-09)."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._names = set(_LOOPBACK_NAMES) | {name.lower() for name in settings.allowed_hosts}
        if settings.public_url:
            self._names.add((urlsplit(settings.public_url).hostname or "").lower())
        # An address cannot be rebound, so beyond loopback every literal address is as good as another.
        self._addresses = settings.allow_open
        if settings.allow_open:
            self._names.add(socket.gethostname().lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            raise InvalidRequest("The request has more than one Host header.")  # RFC 9112 3.2
        if self._is_known(_header(scope, b"host")):
            await self._app(scope, receive, send)
            return
        response = status_report(
            Request(scope),
            403,
            "This server does not answer to the Host name of the request.",
            hint="Name it in DICOMWEB_ALLOWED_HOSTS, or set DICOMWEB_PUBLIC_URL.",
        )
        await response(scope, receive, send)

    def _is_known(self, host: str) -> bool:
        name = _host_name(host)
        return not host or name in self._names or (self._addresses and _is_address(name))


class Cors:
    """Cross-origin rules: loopback origins and those of the settings, on every answer, errors too (V-13)."""

    _METHODS = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
    _HEADERS = (
        "Accept, Accept-Encoding, Authorization, Cache-Control, Content-Type, Content-Encoding, "
        "If-Match, If-Modified-Since, If-None-Match, If-Range, Pragma, Range, X-Requested-With"
    )
    _EXPOSED = (
        "Accept-Ranges, Content-Encoding, Content-Length, Content-Location, Content-Range, ETag, "
        "Last-Modified, Link, Location, Retry-After, Warning, X-Request-Id"
    )

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._origins = {origin.rstrip("/").lower() for origin in settings.cors_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = _header(scope, b"origin")
        allowed = bool(origin) and self._is_allowed(origin)

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers.add_vary_header("Origin")
                # Pages that isolate themselves (COEP) may embed what CORS lets them read (V-06).
                headers["Cross-Origin-Resource-Policy"] = "cross-origin" if allowed else "same-site"
                if allowed:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers["Access-Control-Expose-Headers"] = self._EXPOSED
            await send(message)

        preflight = scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method")
        if preflight:
            await self._preflight(scope, allowed)(scope, receive, send_with_cors)
        elif origin and not allowed and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            # A simple POST needs no preflight: without this check any page could store into the archive.
            await self._refused(scope)(scope, receive, send_with_cors)
        else:
            await self._app(scope, receive, send_with_cors)

    def _is_allowed(self, origin: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False  # no browser sends such an origin
        return origin.lower() in self._origins or (
            parts.scheme in ("http", "https") and (parts.hostname or "") in _LOOPBACK_NAMES
        )

    def _preflight(self, scope: Scope, allowed: bool) -> Response:
        if not allowed:
            return self._refused(scope)
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": self._METHODS,
                "Access-Control-Allow-Headers": self._HEADERS,
                "Access-Control-Max-Age": "86400",
            },
        )

    @staticmethod
    def _refused(scope: Scope) -> Response:
        return status_report(
            Request(scope),
            403,
            "This server does not take requests from the web origin that sent this one.",
            hint="Name the origin in DICOMWEB_CORS_ORIGINS.",
        )


def _header(scope: Scope, name: bytes) -> str:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in headers if key == name), "")


def _host_name(host: str) -> str:
    """The name of a Host header without its port, brackets kept off."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
