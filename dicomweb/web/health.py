"""Liveness and readiness, without authentication and without patient data (D-16)."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.health import check_blobs, check_catalog

# A dependency that answers later than this is as good as down for a load balancer.
_SECONDS = 3.0


async def live(_request: Request) -> Response:
    """200 while the process serves requests."""
    return JSONResponse({"status": "live"})


async def ready(request: Request) -> Response:
    """200 when catalog and object store answer, else 503; the body tells them apart."""
    archive: Archive = request.state.archive
    names = ("catalog", "blobs")
    results = await asyncio.gather(
        *(asyncio.wait_for(check(archive), _SECONDS) for check in (check_catalog, check_blobs)),
        return_exceptions=True,
    )
    checks = {
        name: "down" if isinstance(result, BaseException) else "up"
        for name, result in zip(names, results, strict=True)
    }
    is_ready = set(checks.values()) == {"up"}
    return JSONResponse(
        {"status": "ready" if is_ready else "not ready", "checks": checks},
        200 if is_ready else 503,
        headers={} if is_ready else {"Retry-After": "5"},
    )
