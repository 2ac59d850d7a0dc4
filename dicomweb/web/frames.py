"""WADO-RS frames of one instance (PS3.18 10.4.1.1.6, 8.7.8)."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.frames import FramesPlan, plan_frames
from dicomweb.archive.parts import Literal, Part, is_seekable
from dicomweb.archive.reading import read_body
from dicomweb.archive.reduced_frames import plan_reduced
from dicomweb.protocol import negotiate
from dicomweb.protocol.frame_list import parse_frame_list
from dicomweb.protocol.reduction import parse_reduction
from dicomweb.web.answers import answer_parts
from dicomweb.web.conditions import cache_headers, not_modified
from dicomweb.web.leaving import while_wanted
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, base_url, target_of

# A stored frame in several fragments is held up to here where its range is asked for.
_MOST_HELD = 64 << 20


async def frames(request: Request) -> Response | Streamed:
    """The frames of the list, in its order, each as stored or transcoded."""
    archive: Archive = request.state.archive
    target = target_of(request)  # 400 malformed UID
    frame_list = request.path_params["frames"]
    numbers = parse_frame_list(frame_list)  # 400 not integers from 1
    halvings = parse_reduction(request.url.query.encode())  # 400
    accept = acceptable(request, negotiate.Resource.FRAMES)  # 400, 406
    if halvings:
        plan = await plan_reduced(archive, target, numbers, accept, halvings)  # 404, 406, 410
    else:
        plan = await plan_frames(archive, target, numbers, accept)  # 404, 406, 410
    multipart = plan.answer.multipart
    headers = cache_headers(
        f"{plan.version:x}",
        str(multipart),
        frame_list,
        *plan.forms,
        base_url(request),
        modified=plan.modified,
    )
    parts = plan.parts
    if _is_held(request, plan) and not not_modified(request, headers):
        parts = [await while_wanted(request, _at_hand(archive, parts[0]))]
    return answer_parts(request, parts, multipart=multipart, headers=headers)


def _is_held(request: Request, plan: FramesPlan) -> bool:
    """Whether a frame is made, or put together, before it is sent: its length is known then, and ranges of it
    can be given (H-05), with which viewers show its beginning (V-08)."""
    if len(plan.parts) > 1 or request.method == "HEAD" or is_seekable(plan.parts[0].body):
        return False
    if not all(form is None or form.as_stored for form in plan.answer.parts):
        return True
    return "range" in request.headers and (plan.parts[0].length or 0) <= _MOST_HELD


async def _at_hand(archive: Archive, part: Part) -> Part:
    data = b"".join([chunk async for chunk in read_body(archive, part.body)])
    return replace(part, body=[Literal(data)])
