"""A client that costs little: kept-alive HTTP/1.1 connections over bare sockets."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_SECONDS = 120
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One request below a DICOMweb base."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. content_type, coding, link: as the server wrote them."""

    status: int
    content_type: str
    body: bytes
    coding: str = ""
    link: str = ""


class Client:
    """Requests below one DICOMweb base, each connection opened when it is first needed."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        if parts.scheme != "http":
            raise ValueError("only plain HTTP is measured")
        self._prefix = parts.path.rstrip("/")
        self._address = (parts.hostname or "", parts.port or 80)
        self._connections: list[_Connection] = []
        self._threads = ThreadPoolExecutor(16)

    def send(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to all of them at once, each over a connection of its own."""
        for _ in range(len(requests) - len(self._connections)):
            self._connections.append(_Connection(self._address))
        pairs = list(zip(self._connections, map(self._written, requests), strict=False))
        if len(pairs) == 1:
            return [pairs[0][0].exchange(*pairs[0][1])]
        return list(self._threads.map(lambda pair: pair[0].exchange(*pair[1]), pairs))

    def request(self, request: Request) -> Answer:
        """The answer to one. Raises RuntimeError when its status is no success."""
        (answer,) = self.send([request])
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"{request.path}: {answer.status} {answer.body[:200]!r}")
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()

    def _written(self, request: Request) -> tuple[bytes, bytes]:
        headers = {"Host": f"{self._address[0]}:{self._address[1]}", **request.headers}
        if request.body:
            headers["Content-Length"] = str(len(request.body))
        lines = [f"{request.method} {self._prefix}{request.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode(), request.body


class _Connection:
    """One socket, opened again where the server closed it between requests."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._held = bytearray()

    def exchange(self, head: bytes, body: bytes) -> Answer:
        for last in (False, True):
            try:
                self._send(head, body)
                return self._answer()
            except (ConnectionError, EOFError):
                self.close()
                if last:
                    raise
        raise AssertionError

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._held = None, bytearray()

    def _send(self, head: bytes, body: bytes) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, _SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = self._socket.sendmsg([head, body])
        if sent < len(head) + len(body):
            self._socket.sendall(memoryview(body)[sent - len(head) :])

    def _answer(self) -> Answer:
        status, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        elif "content-length" in headers or status.split()[1] == "204":
            body = self._exactly(int(headers.get("content-length", 0)))
        else:
            body = self._rest()
        if headers.get("connection", "").lower() == "close":
            self.close()
        told = (headers.get(name, "") for name in ("content-type", "content-encoding", "link"))
        content_type, coding, link = told
        return Answer(int(status.split()[1]), content_type, body, coding, link)

    def _rest(self) -> bytes:
        """A body that ends with the connection (RFC 9112 6.3)."""
        assert self._socket is not None
        pieces = [bytes(self._held)]
        while piece := self._socket.recv(_READ):
            pieces.append(piece)
        self.close()
        return b"".join(pieces)

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            pieces.append(self._exactly(size + 2)[:-2])
        self._until(b"\r\n")
        return b"".join(pieces)

    def _until(self, mark: bytes) -> bytes:
        start = 0
        while (at := self._held.find(mark, start)) < 0:
            start = max(0, len(self._held) - len(mark))
            self._held += self._received(_READ)
        found = bytes(self._held[: at + len(mark)])
        del self._held[: at + len(mark)]
        return found

    def _exactly(self, size: int) -> bytes:
        """The next bytes, those of a long body received where they stay."""
        body = bytearray(size)
        have = min(size, len(self._held))
        body[:have] = self._held[:have]
        del self._held[:have]
        view = memoryview(body)
        assert self._socket is not None
        while have < size:
            got = self._socket.recv_into(view[have:])
            if not got:
                raise EOFError("the server closed the connection")
            have += got
        view.release()
        return bytes(body)

    def _received(self, most: int) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(most)
        if not data:
            raise EOFError("the server closed the connection")
        return data
