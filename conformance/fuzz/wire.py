"""One request over a plain socket, byte for byte as it is given, and its status."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
_MOST = 64 << 20
# Documented: overload, always with Retry-After.
_OVERLOAD = 503


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 when the server closed without a word, -1 when it did not answer in time."""

    status: int
    head: bytes
    body: bytes

    @property
    def is_fault(self) -> bool:
        """A 5xx other than 503 with Retry-After, or no answer in time."""
        if self.status == _OVERLOAD:
            return b"\nretry-after:" not in self.head.lower()
        return self.status >= 500 or self.status < 0


@dataclass(frozen=True, slots=True)
class Wire:
    """A server that is asked over one connection a request. seconds: patience with each answer."""

    base_url: str
    seconds: float = 60

    @property
    def prefix(self) -> str:
        """Path of the base URL."""
        return urlsplit(self.base_url).path

    def ask(self, data: bytes) -> Answer:
        """Send these bytes, read the answer to its end."""
        url = urlsplit(self.base_url)
        address = (url.hostname or "127.0.0.1", url.port or 80)
        received = bytearray()
        try:
            with socket.create_connection(address, timeout=self.seconds) as connection:
                _send(connection, data)
                while len(received) < _MOST and (piece := connection.recv(1 << 16)):
                    received += piece
        except TimeoutError:
            return Answer(-1, bytes(received[:200]), b"")
        except OSError:
            pass  # the server may close while it has not read all
        found = _STATUS.match(received)
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        return Answer(int(found[1]) if found else 0, head, body)

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
        """The bytes of a request; path: below the base, percent-encoded or not as the caller likes."""
        found = {"Host": urlsplit(self.base_url).netloc, "Connection": "close", **headers}
        if body or method in ("POST", "PUT"):
            found.setdefault("Content-Length", str(len(body)))
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", *(f"{k}: {v}" for k, v in found.items())]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except TimeoutError:
        raise
    except OSError:
        pass  # refused before it was read: the answer may be there all the same
