"""WADO-RS thumbnails (PS3.18 10.4.1.1.4)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.pictures import Manner
from dicomweb.archive.thumbnail import plan_thumbnail
from dicomweb.protocol.frame_list import parse_frame_list
from dicomweb.protocol.negotiate import Resource
from dicomweb.protocol.rendered_query import parse_thumbnail
from dicomweb.web.rendered import answer, rendered_acceptable
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, target_of


async def thumbnail(request: Request) -> Response | Streamed:
    """One small picture of the target."""
    archive: Archive = request.state.archive
    target = target_of(request)  # 400 malformed UID
    frames = request.path_params.get("frames")
    numbers = parse_frame_list(frames) if frames is not None else ()  # 400
    asked = parse_thumbnail(request.scope["query_string"])  # 400
    accept = rendered_acceptable(acceptable(request, Resource.THUMBNAIL))  # 400, 406
    plan = await plan_thumbnail(archive, target, numbers, accept, Manner(asked))  # 404, 406, 410
    return await answer(request, plan, asked)
