"""uvicorn's HTTP/1.1 connection, bounded: request heads in bytes and time, bodies and answers in idleness.

uvicorn itself waits for ever for the rest of a head and collects it without end, so that sixty unfinished
heads or one endless header would do harm. Refusals here come before any route, so they are plain text.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from dicomweb.settings import Settings

# After a refusal the client's bytes are still taken for a moment: closing at once would reset the
# connection, and the reset overtakes the answer.
_LINGER_SECONDS = 1.0
# The parser that uvicorn takes URLs apart with counts their bytes in 16 bits.
_PARSED_URI_BYTES = (1 << 16) - 1
# An answer that came before the whole body was read: so long may the client go on sending.
_DRAIN_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bytes and seconds that one connection may use."""

    uri_bytes: int
    head_bytes: int
    head_seconds: float
    idle_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> HttpLimits:
        return cls(settings.uri_bytes, settings.head_bytes, settings.head_seconds, settings.body_idle_seconds)


def bounded_protocol(limits: HttpLimits) -> Callable[..., asyncio.Protocol]:
    """A protocol class for uvicorn's Config(http=...)."""
    return type("BoundedHttp", (_BoundedHttp,), {"limits": limits})


class _BoundedHttp(HttpToolsProtocol):
    """One connection. Its state moves head -> body -> waiting (for the answer, then the next head)."""

    limits: HttpLimits

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._state = "waiting"
        self._head_size = 0
        # Bytes fed since the parser last gave something: an unfinished head, trailer or chunk extension.
        self._swallowed = 0
        self._last_read = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._refusal: HTTPStatus | None = None
        self._refused = False

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm(self.limits.head_seconds, self._close_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._watch_writing(False)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._last_read = self.loop.time()
        if self._state == "waiting":
            self._state = "head"
            self._arm(self.limits.head_seconds, self._head_timeout)
        self._swallowed += len(data)
        super().data_received(data)
        if self._refused:
            return
        if self._swallowed > self.limits.head_bytes:
            self._refuse_head()
        elif self._state == "head" and self._timer is None:  # it began behind the body before it
            self._arm(self.limits.head_seconds, self._head_timeout)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- our own words
        """Called by uvicorn for what the parser refuses."""
        if not self._refused:
            self._refuse(HTTPStatus.BAD_REQUEST)

    # Parser

    def on_message_begin(self) -> None:
        self._state, self._head_size = "head", 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._head_size += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value) + 4
        # Trailers come after the head; they may not change what the application was told.
        if self._state == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._refused:
            return
        self._swallowed = 0
        self._disarm()
        if self._head_size > self.limits.head_bytes:
            self._refuse_head()
        elif len(self.url) > _PARSED_URI_BYTES:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
        else:
            super().on_headers_complete()
            self._state = "body"
            self._arm(self.limits.idle_seconds, self._body_timeout)

    def on_body(self, body: bytes) -> None:
        self._swallowed = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._swallowed = 0
        self._state = "waiting"
        if not self._refused:
            self._disarm()
            super().on_message_complete()

    # Answers

    def on_response_complete(self) -> None:
        if self._refusal is not None:
            self._send_refusal()
            return
        super().on_response_complete()
        if self._state == "body":  # refused early: what still comes is dropped for a while, then we hang up
            self._arm(_DRAIN_SECONDS, self.transport.close)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing(True)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch_writing(False)

    # Time

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, action)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_if_silent(self) -> None:
        if self._state == "waiting" and self.cycle is None:
            self.transport.close()

    def _head_timeout(self) -> None:
        if self._state == "head" and not self._refused:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _body_timeout(self) -> None:
        """The body paused for too long, unless it was us who did not read or did not ask for it yet."""
        if self._state != "body" or self._refused:
            return
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            self._last_read = self.loop.time()
        left = self._last_read + self.limits.idle_seconds - self.loop.time()
        if left > 0:
            self._arm(left, self._body_timeout)
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _watch_writing(self, paused: bool) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        if paused:
            self._write_timer = self.loop.call_later(
                self.limits.idle_seconds, self._write_timeout, _unsent(self.transport)
            )

    def _write_timeout(self, unsent_before: int) -> None:
        """The client takes nothing: it would hold a database cursor and a file for ever."""
        if _unsent(self.transport) >= unsent_before:
            self.transport.abort()
        else:
            self._watch_writing(True)

    # Refusals

    def _refuse_head(self) -> None:
        """A URI over its limit in a head that fits is for the application, which answers with a report."""
        in_uri = self._state == "head" and len(self.url) > self.limits.uri_bytes
        too_long = HTTPStatus.REQUEST_URI_TOO_LONG
        self._refuse(too_long if in_uri else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _refuse(self, status: HTTPStatus) -> None:
        """End the connection with this status, after an answer that is still under way."""
        self._refused = True
        self._refusal = status
        self._disarm()
        if self.cycle is None or self.cycle.response_complete:
            self._send_refusal()
        elif self.cycle.more_body:
            self._end_request()

    def _end_request(self) -> None:
        """The body broke: its application sees http.disconnect and drops what it spooled."""
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        if self.cycle.response_started:
            self.transport.abort()
        else:
            self._send_refusal()

    def _send_refusal(self) -> None:
        assert self._refusal is not None
        status, self._refusal = self._refusal, None
        if self.transport.is_closing():
            return
        text = f"{status.value} {status.phrase}\n".encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        self.transport.write(
            f"{head}content-length: {len(text)}\r\nconnection: close\r\n\r\n".encode() + text
        )
        self.transport.write_eof()
        self._arm(_LINGER_SECONDS, self.transport.close)


def _unsent(transport: asyncio.Transport) -> int:
    """Bytes that the client has not taken, the kernel's queue included: it alone holds megabytes."""
    queue = bytearray(4)
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queue)
    except OSError:
        pass
    return transport.get_write_buffer_size() + int.from_bytes(queue, sys.byteorder)
