"""A client that costs little: kept-alive connections, bodies read and dropped."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

_SECONDS = 120


class Client:
    """Requests below one DICOMweb base."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._prefix = parts.path.rstrip("/")
        self._host, self._port = parts.hostname or "", parts.port
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connections: list[http.client.HTTPConnection] = []

    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer. Raises RuntimeError when the status is no success."""
        connection = self._connection(0)
        connection.request(method, self._prefix + path, body=body, headers=dict(headers or {}))
        return _body(connection, path)

    def get_together(self, paths: Sequence[str], headers: Mapping[str, str]) -> bytes:
        """GET of all at once, each over a connection of its own, without threads; the bodies joined."""
        connections = [self._connection(number) for number in range(len(paths))]
        for connection, path in zip(connections, paths, strict=True):
            connection.request("GET", self._prefix + path, headers=dict(headers))
        return b"".join(map(_body, connections, paths))

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    def _connection(self, number: int) -> http.client.HTTPConnection:
        while len(self._connections) <= number:
            self._connections.append(self._make(self._host, self._port, timeout=_SECONDS))
        return self._connections[number]


def _body(connection: http.client.HTTPConnection, path: str) -> bytes:
    response = connection.getresponse()
    data = response.read()
    if response.status >= 300:
        raise RuntimeError(f"{path}: {response.status} {data[:200]!r}")
    return data
