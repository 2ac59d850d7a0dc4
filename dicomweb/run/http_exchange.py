"""One request and its answer on an HTTP/1.1 connection: the two ends that ASGI gives to an application."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomweb.run.http_connection import HttpConnection

_log = logging.getLogger("dicomweb.run")
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus}
_WITHOUT_BODY = frozenset({204, 304})
# Body bytes that came and were not asked for yet: beyond this, no more are read from the socket.
_WAITING_BYTES = 1 << 20
# A piece costs this beside its bytes: chunks of a byte or two would take thirty times their room.
_PIECE_COST = 64
# Pieces below are given to the application together, up to so many bytes.
_SMALL_BYTES = 16 << 10
_DISCONNECT = {"type": "http.disconnect"}


class Exchange:
    """What came of a request, and how far its answer is."""

    def __init__(self, connection: HttpConnection, scope: dict[str, Any], *, keep_alive: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.expects_continue = False
        # The request
        self.body_whole = False
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._delivered = False
        # The answer
        self.started = False
        self.complete = False
        self.gone = False
        self._head = b""
        self._left: int | None = None  # of what Content-Length announced
        self._chunked = False
        self._silent = False  # no body, whatever the application sends
        self._connection = connection
        self._event: asyncio.Event | None = None

    async def run(self, app: Any) -> None:
        """Let the application answer. Whatever it does, the client sees a whole answer or a closed one."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as error:
            _log.error("an answer failed", exc_info=error)
        except asyncio.CancelledError:
            self._connection.abort()
            raise
        if self.complete or self.gone:
            return
        if not self.started:
            await self._fail()
        elif self._left is None and not self._chunked:
            self._connection.abort()  # a mere end would look like that of a whole answer
        else:
            self._connection.close()

    async def _fail(self) -> None:
        text = b"Internal Server Error\n"
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            (b"connection", b"close"),
        ]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": text})

    # The request

    def feed(self, chunk: bytes) -> bool:
        """Take a piece of the body. False when as much waits as may."""
        self._chunks.append(chunk)
        self._waiting += len(chunk) + _PIECE_COST
        self._wake()
        return self._waiting < _WAITING_BYTES

    def feed_end(self) -> None:
        """The body is whole."""
        self.body_whole = True
        self._wake()

    def leave(self) -> None:
        """The client is gone, or what it sends can no longer be read."""
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()

    async def receive(self) -> dict[str, Any]:
        """ASGI: the next piece of the body; http.disconnect when the answer is whole or the client left."""
        while not (self.gone or self.complete):
            if self.expects_continue and not self.started:
                self.expects_continue = False
                self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if self._chunks:
                chunk = self._next_chunk()
                self._delivered = self.body_whole and not self._chunks
                return {"type": "http.request", "body": chunk, "more_body": not self._delivered}
            if self.body_whole and not self._delivered:
                self._delivered = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await self._more()
        return _DISCONNECT

    def _next_chunk(self) -> bytes:
        pieces = [self._chunks.popleft()]
        size = len(pieces[0])
        while self._chunks and size + len(self._chunks[0]) <= _SMALL_BYTES:
            pieces.append(self._chunks.popleft())
            size += len(pieces[-1])
        self._waiting -= size + _PIECE_COST * len(pieces)
        return b"".join(pieces) if len(pieces) > 1 else pieces[0]

    async def _more(self) -> None:
        self._connection.resume_reading()
        self._event = self._event or asyncio.Event()
        await self._event.wait()
        self._event.clear()

    # The answer

    async def send(self, message: dict[str, Any]) -> None:
        """ASGI: the head of the answer, held until the first piece of its body; or a piece of its body.

        Waits while the client takes nothing. Does nothing when it is gone.
        """
        if self._connection.writable is not None and not self.gone:
            await self._connection.writable.wait()
        if self.gone:
            return
        if not self.started:
            self._start(message["status"], message.get("headers", ()))
        elif self.complete:
            raise RuntimeError("the answer is complete already")
        else:
            self._write(message.get("body", b""), more=message.get("more_body", False))

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.started = True
        self.keep_alive = self.keep_alive and not self._connection.stopping
        lines = [_STATUS_LINES[status], *self._connection.default_lines()]
        for name, value in headers:
            if name == b"content-length":
                self._left = int(value)
            elif name == b"connection":
                self.keep_alive = self.keep_alive and b"close" not in value.lower()
                continue
            lines.append(b"%b: %b" % (name, value))
        self._silent = status in _WITHOUT_BODY or self.scope["method"] == "HEAD"
        if self._left is None and not self._silent and self.scope["http_version"] == "1.1":
            self._chunked = True
            lines.append(b"transfer-encoding: chunked")
        if not self.keep_alive:
            lines.append(b"connection: close")
        self._head = _head(lines)

    def _write(self, body: bytes, *, more: bool) -> None:
        pieces = [self._head] if self._head else []
        self._head = b""
        if self._chunked:
            pieces += (b"%x\r\n" % len(body), body, b"\r\n") if body else ()
            pieces += () if more else (b"0\r\n\r\n",)
        elif not self._silent:
            self._count(len(body), more=more)
            pieces.append(body)
        self._connection.write(*pieces)
        if not more:
            self.complete = True
            self._chunks.clear()  # nobody will ask for them, and a connection may rest for long
            self._wake()
            self._connection.answered(self)

    def _count(self, length: int, *, more: bool) -> None:
        if self._left is None:
            return
        self._left -= length
        if self._left < 0 or (self._left and not more):
            raise RuntimeError("the answer is not as long as its Content-Length says")


def _head(lines: Sequence[bytes]) -> bytes:
    """Status line and headers. A line break within one would make it two: that is refused."""
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise RuntimeError("a header of the answer holds a control character")
    return head + b"\r\n\r\n"
