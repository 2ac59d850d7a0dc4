"""WADO-RS bulkdata and pixel data of a study, series or instance (PS3.18 10.4.1.1.5; W-07, W-40)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.instance_bulkdata import plan_instance_bulkdata
from dicomweb.protocol.negotiate import Resource
from dicomweb.web.answers import answer_plan
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, target_of


async def bulkdata(request: Request) -> Response | Streamed:
    """Every value that metadata gives by URI, each part under that URI."""
    return await _collection(request, Resource.BULKDATA)


async def pixeldata(request: Request) -> Response | Streamed:
    """The pixel data of every instance that has some."""
    return await _collection(request, Resource.PIXELDATA)


async def _collection(request: Request, resource: Resource) -> Response | Streamed:
    target = target_of(request)  # 400 malformed UID
    accept = acceptable(request, resource)  # 400, 406
    return answer_plan(request, await plan_instance_bulkdata(request.state.archive, target, accept))
