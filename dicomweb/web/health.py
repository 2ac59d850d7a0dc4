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
    tasks = [asyncio.ensure_future(check(archive)) for check in (check_catalog, check_blobs)]
    # Not wait_for: it waits on for the end of what it cancels, and what hangs may not end soon.
    await asyncio.wait(tasks, timeout=_SECONDS)
    checks = {name: "up" if _has_passed(task) else "down" for name, task in zip(names, tasks, strict=True)}
    is_ready = set(checks.values()) == {"up"}
    return JSONResponse(
        {"status": "ready" if is_ready else "not ready", "checks": checks},
        200 if is_ready else 503,
        headers={} if is_ready else {"Retry-After": "5"},
    )


def _has_passed(task: asyncio.Task[None]) -> bool:
    if task.done():
        return task.exception() is None
    task.cancel()
    task.add_done_callback(_observe)
    return False


def _observe(task: asyncio.Task[None]) -> None:
    """Look at the error of a check that came too late: else asyncio would log it."""
    if not task.cancelled():
        task.exception()
