"""An HTTP/1.1 connection of uvicorn's server, bounded in bytes and in time.

It takes the place of uvicorn's own, which waits for ever for the rest of a head and collects it without end,
and copies a body five times on its way. Here the bytes of a long body go by the parser: they are copied once,
out of one buffer that all connections of the process read into. Refusals come before any route, so they are
plain text.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from dicomweb.protocol.request_target import parse_request_target
from dicomweb.run.http_exchange import Exchange
from dicomweb.run.http_limits import HttpLimits
from dicomweb.run.http_patience import Deadline, StallWatch

# After a refusal the client's bytes are still taken for a moment: closing at once would reset the
# connection, and the reset overtakes the answer.
_LINGER_SECONDS = 1.0
# An answer that came before the whole body was read: so long may the client go on sending.
_DRAIN_SECONDS = 15.0
# Requests sent ahead on one connection; browsers send none.
_PIPELINED = 64
# Requests read while an answer is made: who reads no more does not see the client leave.
_READ_AHEAD = 4
# Up to here one copy costs less than a second piece in the write.
_JOINED_BYTES = 16 << 10
# Larger, the copy out of it leaves the processor's cache; smaller, there are more calls.
_BUFFER_BYTES = 256 << 10
_RESET = struct.pack("ii", 1, 0)
# One for all: what was read is taken out of it before anything else is read.
_BUFFER = memoryview(bytearray(_BUFFER_BYTES))


class HttpConnection(asyncio.BufferedProtocol):
    """One connection. What it reads moves head -> body -> waiting (for the answer, then the next head)."""

    def __init__(
        self,
        limits: HttpLimits,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.limits = limits
        self.loop = _loop or asyncio.get_running_loop()
        self.writable: asyncio.Event | None = None  # there while the client takes nothing
        self._app = config.loaded_app
        self._app_state = app_state
        self._keep_alive = config.timeout_keep_alive
        self._server = server_state
        self.stopping = False
        # Reading
        self._parser = httptools.HttpRequestParser(self)
        self._state = "waiting"
        self._reading: Exchange | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        # Bytes fed since the parser last gave something: an unfinished head, trailer or chunk extension.
        self._swallowed = 0
        self._body_left = 0  # of a long body, which the parser does not see
        self._framing = b""  # a head that says how long a body is, for the parser that comes next
        self._read_paused = False
        # Answering: in the order of the requests; the first of them is being answered.
        self._exchanges: deque[Exchange] = deque()
        self._refusal: HTTPStatus | None = None
        self._refused = False
        self._deadline = Deadline(self.loop)

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._stall = StallWatch(transport, self.limits.idle_seconds, self.abort)
        self._addresses = {
            "server": _address(transport, "sockname"),
            "client": _address(transport, "peername"),
        }
        self._server.connections.add(self)  # type: ignore[arg-type]
        self._deadline.expect(self.limits.head_seconds, self.close)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- however it ended
        self._server.connections.discard(self)
        self._deadline.end()
        for exchange in self._exchanges:
            exchange.leave()
        self.resume_writing()
        self._stall.end()

    def shutdown(self) -> None:
        """Called by uvicorn: end, after the answers that are under way."""
        self.stopping = True
        if not self._exchanges:
            self.close()

    def close(self) -> None:
        """Send what is written, then end."""
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._stall.begin()

    def abort(self) -> None:
        """End at once by a reset: a mere end would look like that of a whole answer, and what the client does
        not take would lie in the kernel for minutes."""
        with suppress(OSError):
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    # Reading

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        data = _BUFFER[:nbytes]
        if self._body_left and not self._refused:
            data = self._take_body(data)
        if data and not self._refused:
            self._parse(data)
        if self._refused:
            return
        if self._state == "head" and self._deadline.action != self._head_timeout:
            self._deadline.expect(self.limits.head_seconds, self._head_timeout)
        elif self._state == "body" and not self._is_answered():
            self._deadline.expect(self.limits.idle_seconds, self._body_timeout)

    def _take_body(self, data: memoryview) -> memoryview:
        """Take what belongs to the body, past the parser; returns what comes after it."""
        taken = data[: self._body_left]
        self._body_left -= len(taken)
        self._feed(bytes(taken))
        if not self._body_left:
            self._parser = httptools.HttpRequestParser(self)
            self.on_message_complete()
        return data[len(taken) :]

    def _parse(self, data: memoryview | bytes) -> None:
        if self._state == "waiting":
            self._state = "head"
        self._swallowed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # to what we do not speak: HTTP/1.1 goes on
            rest = data[upgrade.args[0] :]
            if self._framing and not self._refused:
                self._parser = httptools.HttpRequestParser(self)
                self._parse(self._framing)
                self._framing = b""
            if rest and not self._refused:
                self._parse(rest)
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        if self._swallowed > self.limits.head_bytes:
            self._refuse_head()

    def pause_reading(self) -> None:
        """Leave what comes in the kernel's buffer."""
        if not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._read_paused and not self._transport.is_closing():
            self._read_paused = False
            self._transport.resume_reading()

    # Parser

    def on_message_begin(self) -> None:
        if self._framing:
            return
        self._state, self._head_size = "head", 0
        self._url, self._headers = b"", []

    def on_url(self, url: bytes) -> None:
        self._head_size += len(url)
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value) + 4
        # Trailers come after the head; they may not change what the application was told.
        if self._state == "head":
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._swallowed = 0
        if self._refused or self._framing:
            return
        target = parse_request_target(self._url)
        if self._head_size > self.limits.head_bytes:
            self._refuse_head()
        elif target is None or self._parser.get_method() == b"CONNECT":
            self._refuse(HTTPStatus.BAD_REQUEST)
        elif len(self._exchanges) == _PIPELINED:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS)
        else:
            self._state = "body"
            self._begin(*target)

    def on_body(self, body: bytes) -> None:
        self._swallowed = 0
        if not self._refused:
            self._body_left = max(0, self._body_left - len(body))
            self._feed(body)

    def _feed(self, chunk: bytes) -> None:
        assert self._reading is not None
        if self._is_answered():
            return
        may_more = self._reading.feed(chunk)
        if not may_more or self._reading is not self._exchanges[0]:
            self.pause_reading()

    def on_message_complete(self) -> None:
        self._swallowed = 0
        if self._refused or self._framing:
            return
        assert self._reading is not None
        self._state = "waiting"
        self._deadline.drop()
        self._reading.feed_end()
        if self._is_answered():
            self._deadline.expect(self._keep_alive, self.close)

    def _is_answered(self) -> bool:
        return self._reading is None or self._reading.complete

    def _begin(self, path: bytes, query: bytes) -> None:
        version = self._parser.get_http_version()
        keep_alive = version == "1.1" and self._parser.should_keep_alive()
        self._reading = exchange = Exchange(self, self._scope(version, path, query), keep_alive=keep_alive)
        framing = []
        for name, value in self._headers:
            if name == b"content-length":
                self._body_left = int(value.lstrip(b"0") or b"0")  # int() refuses thousands of digits
                framing += [b"content-length: %d\r\n" % self._body_left] if self._body_left else []
            elif name == b"transfer-encoding":
                framing.append(b"transfer-encoding: %b\r\n" % value)
            elif name == b"expect":
                exchange.expects_continue = version == "1.1" and value.lower() == b"100-continue"
        if framing and self._parser.should_upgrade():
            # The parser takes the body for bytes of the other protocol: it would be read as the next request.
            self._framing = b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing)
        self._exchanges.append(exchange)
        if len(self._exchanges) == 1:
            self._answer()
        elif len(self._exchanges) > _READ_AHEAD:
            self.pause_reading()

    def _scope(self, version: str, path: bytes, query: bytes) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": self._parser.get_method().decode(),
            "scheme": "http",
            **self._addresses,
            "root_path": "",
            "path": unquote(path.decode()),
            "raw_path": path,
            "query_string": query,
            "headers": self._headers,
            "state": self._app_state.copy(),
        }

    # Answers

    def default_lines(self) -> Iterable[bytes]:
        """Header lines of every answer: the date."""
        return [b"%b: %b" % header for header in self._server.default_headers]

    def _answer(self) -> None:
        task = self.loop.create_task(self._exchanges[0].run(self._app))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def answered(self, exchange: Exchange) -> None:
        """Called by the first exchange when its answer is written."""
        self._exchanges.popleft()
        if self._transport.is_closing():
            return
        if not exchange.keep_alive or self.stopping:
            self._hang_up()
        elif self._exchanges:
            self._answer()
        elif self._refusal is not None:
            self._send_refusal()
        else:
            self.resume_reading()
            if self._state == "waiting":
                self._deadline.expect(self._keep_alive, self.close)
            elif self._state == "body":  # what still comes is dropped for a while, then we hang up
                self._deadline.expect(_DRAIN_SECONDS, self.close)

    def _hang_up(self) -> None:
        """End after the last answer. Not at once while its request still comes, else a reset would overtake
        the answer."""
        if self._exchanges or self._state != "body" or self.stopping:
            self.close()
        else:
            self._linger(_DRAIN_SECONDS)

    def _linger(self, seconds: float) -> None:
        """Say that no more is sent, and drop what comes for so long."""
        self._refused = True
        self._transport.write_eof()
        self.resume_reading()
        self._deadline.expect(seconds, self.close)

    def write(self, *pieces: bytes) -> None:
        """Send the pieces one after the other, without a copy where they are long."""
        if sum(map(len, pieces)) <= _JOINED_BYTES:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)

    def pause_writing(self) -> None:
        self.writable = self.writable or asyncio.Event()
        self._stall.begin()

    def resume_writing(self) -> None:
        if self.writable is not None:
            self.writable.set()
            self.writable = None
        if not self._transport.is_closing():
            self._stall.end()

    # Time

    def _head_timeout(self) -> None:
        """The head did not come, unless it was us who did not read."""
        if self._read_paused:
            self._deadline.expect(self.limits.head_seconds, self._head_timeout)
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _body_timeout(self) -> None:
        """The body paused for too long, unless it was us who did not read or did not ask for it yet."""
        if self._read_paused or (self._reading is not None and self._reading.expects_continue):
            self._deadline.expect(self.limits.idle_seconds, self._body_timeout)
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    # Refusals

    def _refuse_head(self) -> None:
        """A URI over its limit in a head that fits is for the application, which answers with a report."""
        in_uri = self._state == "head" and len(self._url) > self.limits.uri_bytes
        too_long = HTTPStatus.REQUEST_URI_TOO_LONG
        self._refuse(too_long if in_uri else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _refuse(self, status: HTTPStatus) -> None:
        """End the connection with this status, after the answers under way. Only the first counts."""
        if self._refused:
            return
        self._refused, self._refusal = True, status
        self._deadline.drop()
        if self._state == "body" and not self._is_answered():
            broken = self._exchanges.pop()
            broken.leave()  # its application sees http.disconnect and drops what it spooled
            if broken.started:
                self.abort()
        if not self._exchanges:
            self._send_refusal()

    def _send_refusal(self) -> None:
        assert self._refusal is not None
        status, self._refusal = self._refusal, None
        if self._transport.is_closing():
            return
        text = f"{status.value} {status.phrase}\n".encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        self._transport.write(
            f"{head}content-length: {len(text)}\r\nconnection: close\r\n\r\n".encode() + text
        )
        self._linger(_LINGER_SECONDS)


def _address(transport: asyncio.Transport, end: str) -> tuple[str, int] | None:
    """Of one end of the connection; None of a client that left before we looked, or of no TCP socket."""
    found = transport.get_extra_info(end)
    return found[:2] if isinstance(found, tuple) else None
