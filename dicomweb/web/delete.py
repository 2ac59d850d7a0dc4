"""DELETE of a study, series or instance: an extension that every archive needs (D-01)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.delete import delete as delete_target
from dicomweb.web.targets import target_of


async def delete(request: Request) -> Response:
    """Hide the target at once; 204. 404 when it was never there, 410 when it is deleted already."""
    archive: Archive = request.state.archive
    await delete_target(archive, target_of(request))
    return Response(status_code=204)
