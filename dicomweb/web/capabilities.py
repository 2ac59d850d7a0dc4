"""What the server can do, as it says itself (PS3.18 8.9)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.web.resource_route import ResourceRoute


async def options(request: Request) -> Response:
    """The methods of the resource."""
    route: ResourceRoute = request.scope["route"]
    return Response(status_code=204, headers={"Allow": route.allow})
