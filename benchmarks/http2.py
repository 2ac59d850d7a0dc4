"""A client of HTTP/2 in the clear, as far as it is needed to measure: many requests over one connection."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

from benchmarks.wire import Answer, Request

_SECONDS = 120
_READ = 1 << 20
# What browsers open a connection and a stream with: no answer waits for a window.
_WINDOW = 15 << 20


def fetched(base: str, requests: Sequence[Request], *, streams: int) -> list[Answer]:
    """The answers in the order of the requests. streams: how many are under way at most.

    Raises ConnectionError where the server resets a stream or leaves.
    """
    parts = urlsplit(base)
    with socket.create_connection((parts.hostname or "", parts.port or 80), _SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Exchange(connection, parts.netloc, parts.path).answers(requests, streams)


class _Exchange:
    """One connection, whose requests all lie below one base."""

    def __init__(self, connection: socket.socket, authority: str, prefix: str) -> None:
        self._socket = connection
        self._authority, self._prefix = authority, prefix
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._index: dict[int, int] = {}
        self._heads: dict[int, dict[str, str]] = {}
        self._bodies: dict[int, list[bytes]] = {}

    def answers(self, requests: Sequence[Request], streams: int) -> list[Answer]:
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW, SettingCodes.ENABLE_PUSH: 0})
        self._h2.increment_flow_control_window(_WINDOW)
        waiting = deque(enumerate(requests))
        found: dict[int, Answer] = {}
        while len(found) < len(requests):
            while waiting and len(self._index) < streams:
                self._ask(*waiting.popleft())
            self._socket.sendall(self._h2.data_to_send())
            data = self._socket.recv(_READ)
            if not data:
                raise ConnectionError("the server closed the connection")
            for event in self._h2.receive_data(data):
                found |= self._take(event)
        return [found[index] for index in range(len(requests))]

    def _ask(self, index: int, request: Request) -> None:
        stream = self._h2.get_next_available_stream_id()
        head = [
            (":method", request.method),
            (":scheme", "http"),
            (":authority", self._authority),
            (":path", self._prefix + request.path),
            *((name.lower(), value) for name, value in request.headers.items()),
        ]
        self._h2.send_headers(stream, head, end_stream=True)
        self._index[stream] = index

    def _take(self, event: Event) -> dict[int, Answer]:
        """The answer by the number of its request, when it is whole."""
        if isinstance(event, StreamReset):
            raise ConnectionError("the server reset a stream")
        if isinstance(event, ResponseReceived):
            pairs = ((str(name), str(value)) for name, value in event.headers or ())
            self._heads[event.stream_id], self._bodies[event.stream_id] = dict(pairs), []
        elif isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self._bodies[event.stream_id].append(event.data or b"")
        elif isinstance(event, StreamEnded):
            head, body = self._heads.pop(event.stream_id), b"".join(self._bodies.pop(event.stream_id))
            answer = Answer(int(head[":status"]), head.get("content-type", ""), body)
            return {self._index.pop(event.stream_id): answer}
        return {}
