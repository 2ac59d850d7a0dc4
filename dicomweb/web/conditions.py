"""Strong ETags and conditional requests (H-04, H-08)."""

from __future__ import annotations

import hashlib

from starlette.requests import Request

from dicomweb.protocol.ranges import is_not_modified


def cache_headers(version: str, *representation: str) -> dict[str, str]:
    """Headers of an answer whose bytes depend on `version` and `representation` and on nothing else.

    version: of what is stored, which never comes back with other content. representation: what else
    decides about the bytes: packaging, media types, frames, base URL, content coding.
    """
    of = hashlib.blake2b("\n".join(representation).encode(), digest_size=8).hexdigest()
    return {
        "ETag": f'"{version}-{of}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Accept-Encoding",
    }


def not_modified(request: Request, headers: dict[str, str]) -> bool:
    """True when the client's copy is the current one (304)."""
    return is_not_modified(request.headers.get("if-none-match", ""), headers["ETag"])
