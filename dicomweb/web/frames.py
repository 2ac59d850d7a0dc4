"""WADO-RS frames of one instance (PS3.18 10.4.1.1.6, 8.7.8)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.frames import plan_frames
from dicomweb.protocol import negotiate
from dicomweb.protocol.frame_list import parse_frame_list
from dicomweb.web.answers import answer_parts
from dicomweb.web.conditions import cache_headers
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, base_url, target_of


async def frames(request: Request) -> Response | Streamed:
    """The frames of the list, in its order, each as stored or transcoded."""
    archive: Archive = request.state.archive
    target = target_of(request)  # 400 malformed UID
    frame_list = request.path_params["frames"]
    numbers = parse_frame_list(frame_list)  # 400 not integers from 1
    accept = acceptable(request, negotiate.Resource.FRAMES)  # 400, 406
    plan = await plan_frames(archive, target, numbers, accept)  # 404, 406, 410
    multipart = plan.answer.multipart
    return answer_parts(
        request,
        plan.parts,
        multipart=multipart,
        headers=cache_headers(
            f"{plan.version:x}",
            str(multipart),
            frame_list,
            *plan.forms,
            base_url(request),
            modified=plan.modified,
        ),
    )
