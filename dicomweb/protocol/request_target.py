"""The request target of HTTP/1.1: which path and query a request line names (RFC 9112 3.2)."""

from __future__ import annotations

import re

_AUTHORITY = re.compile(rb"https?://[^/?#]+", re.IGNORECASE)


def parse_request_target(target: bytes) -> tuple[bytes, bytes] | None:
    """Path and query, still percent-encoded, of a target in origin or absolute form; None of any other form,
    and of one with bytes that no URL has. In absolute form the authority says nothing here: Host counts."""
    if not target.startswith(b"/"):
        authority = _AUTHORITY.match(target)
        if authority is None:
            return None
        target = b"/" + target[authority.end() :].removeprefix(b"/")
    if not target.isascii():
        return None
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return path, query
