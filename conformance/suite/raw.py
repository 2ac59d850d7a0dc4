"""Requests that an HTTP library would not send, over a plain socket."""

from __future__ import annotations

import re
import socket
import ssl
from urllib.parse import urlsplit

from conformance.suite.session import Session


def open_socket(session: Session) -> socket.socket:
    """A connection to the server, within TLS where the base URL says so."""
    url = urlsplit(session.base_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    session.wait_until_it_listens()
    plain = socket.create_connection((url.hostname or "", port), timeout=20)
    if url.scheme != "https":
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=url.hostname)


def exchange(session: Session, data: bytes) -> int:
    """Send bytes; the status of the answer, 0 when the server just closes."""
    with open_socket(session) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server may refuse before it has read all
        statuses = _statuses(_receive(connection))
    return statuses[0] if statuses else 0


def raw_request(
    session: Session,
    method: str,
    path: str,
    head: str,
    body: bytes,
    *,
    close: bool = False,
    wait_for_continue: bool = False,
) -> list[int]:
    """One request with exactly these headers (beside Host). close: hang up right after the body's bytes."""
    url = urlsplit(session.base_url)
    with open_socket(session) as connection:
        text = f"{method} {url.path}{path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n{head}\r\n"
        connection.sendall(text.encode())
        received = connection.recv(4096) if wait_for_continue else b""
        connection.sendall(body)
        if close:
            return []
        return _statuses(received + _receive(connection))


def _receive(connection: socket.socket) -> bytes:
    received = b""
    try:
        while len(received) < 1 << 20:
            piece = connection.recv(65536)
            if not piece:
                break
            received += piece
    except OSError:
        pass  # reset or silent: what came so far is the answer
    return received


def _statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"(?m)^HTTP/1\.[01] (\d{3})", received)]
