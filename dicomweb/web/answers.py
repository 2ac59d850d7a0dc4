"""The last step of every retrieve: 304, a range, one part or multipart/related."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.parts import Part
from dicomweb.archive.retrieve import RetrievePlan
from dicomweb.web.conditions import cache_headers, incomplete, located, not_modified
from dicomweb.web.responses import Streamed, related, related_stream, single_part
from dicomweb.web.targets import base_url, range_of

_INCOMPLETE = "Some instances are left out: they are damaged, or cannot be given in the requested form"


def answer_plan(request: Request, plan: RetrievePlan) -> Response | Streamed:
    """Answer with what was planned for a target of many parts; 206 where some are left out (W-60, Z-02)."""
    base, status = base_url(request), 200
    headers = cache_headers(plan.version, str(plan.multipart), *plan.forms, base, modified=plan.modified)
    if not plan.complete:
        headers, status = incomplete(headers, base, [_INCOMPLETE]), 206
    if plan.parts is not None:
        return answer_parts(request, plan.parts, multipart=plan.multipart, headers=headers, status=status)
    if plan.complete and not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    return related_stream(
        request.state.archive,
        plan.stream(),
        base=base,
        root_type=plan.root_type,
        seed=headers["ETag"].encode(),
        headers=headers,
        status=status,
    )


def answer_parts(
    request: Request, parts: Sequence[Part], *, multipart: bool, headers: dict[str, str], status: int = 200
) -> Response | Streamed:
    """Answer with parts that are all planned. headers: from cache_headers. Raises RangeNotSatisfiable."""
    base = base_url(request)
    if not multipart and parts[0].location:
        headers = located(headers, base + parts[0].location)
    if status == 200 and not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    archive: Archive = request.state.archive
    wanted = range_of(request, headers["ETag"], headers.get("Last-Modified", ""))
    if not multipart:
        return single_part(archive, parts[0], headers=headers, range_header=wanted, status=status)
    return related(
        archive,
        parts,
        base=base,
        root_type=parts[0].content_type.partition(";")[0],
        seed=headers["ETag"].encode(),
        headers=headers,
        range_header=wanted,
        status=status,
    )
