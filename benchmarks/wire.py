"""A client that costs little: one kept-alive connection, bodies read and dropped."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit


class Connection:
    """Requests below one DICOMweb base."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._prefix = parts.path.rstrip("/")
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)

    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer. Raises RuntimeError when the status is no success."""
        self._http.request(method, self._prefix + path, body=body, headers=dict(headers or {}))
        response = self._http.getresponse()
        data = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:200]!r}")
        return data
