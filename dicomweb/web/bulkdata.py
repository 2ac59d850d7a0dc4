"""WADO-RS bulkdata by URI (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.bulkdata import BulkdataPlan, plan_bulkdata
from dicomweb.archive.parts import Part, cut, is_seekable
from dicomweb.errors import DecodeFailed, InvalidRequest, NotAcceptable
from dicomweb.protocol import negotiate, ranges
from dicomweb.web.answers import answer_parts
from dicomweb.web.conditions import cache_headers, not_modified
from dicomweb.web.responses import Streamed, related, related_stream
from dicomweb.web.targets import acceptable, base_url, range_of, target_of

# Tags and item numbers in turn, as metadata writes them.
_PATH = re.compile(r"[0-9A-Fa-f]{8}(/[0-9]{1,9}/[0-9A-Fa-f]{8}){0,200}")


async def bulkdata(request: Request) -> Response | Streamed:
    """One value, in little endian, or the codestreams of pixel data."""
    archive: Archive = request.state.archive
    target, path = target_of(request), request.path_params["path"]
    if not _PATH.fullmatch(path):
        raise InvalidRequest(
            "The bulkdata path is not one that metadata names: tags, and item numbers between."
        )
    accept = acceptable(request, negotiate.Resource.BULKDATA)  # 400, 406
    path = path.upper()
    try:
        return await _answer(request, await plan_bulkdata(archive, target, path, accept))  # 404, 406, 410
    except DecodeFailed as failure:
        # Metadata names this resource, so it must be there: who takes anything gets the codestreams.
        try:
            plan = await plan_bulkdata(archive, target, path, accept, decode=False)
        except NotAcceptable:
            raise failure from None
    return await _answer(request, plan)


async def _answer(request: Request, plan: BulkdataPlan) -> Response | Streamed:
    """The answer that was planned. Raises DecodeFailed when the pixels cannot even begin to be decoded."""
    headers = cache_headers(
        f"{plan.version:x}",
        str(plan.answer.multipart),
        request.path_params["path"],
        *plan.forms,
        base_url(request),
        modified=plan.modified,
    )
    if plan.parts is None:
        response = _many_parts(request, plan, headers)
    else:
        response = _few_parts(request, plan, plan.parts, headers)
    if isinstance(response, Streamed) and not plan.chosen.as_stored:
        return await response.begun()
    return response


def _many_parts(request: Request, plan: BulkdataPlan, headers: dict[str, str]) -> Response | Streamed:
    if not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    return related_stream(
        request.state.archive,
        plan.stream(),
        base=base_url(request),
        root_type=plan.answer.root_type,
        seed=headers["ETag"].encode(),
        headers=headers,
    )


def _few_parts(
    request: Request, plan: BulkdataPlan, parts: Sequence[Part], headers: dict[str, str]
) -> Response | Streamed:
    multipart = plan.answer.multipart
    stretch = None
    if multipart and len(parts) == 1:
        stretch = _stretch_of_value(
            parts[0], range_of(request, headers["ETag"], headers.get("Last-Modified", ""))
        )
    if stretch is None:
        return answer_parts(request, parts, multipart=multipart, headers=headers)
    return related(
        request.state.archive,
        [stretch],
        base=base_url(request),
        root_type=plan.answer.root_type,
        seed=headers["ETag"].encode(),
        headers=headers,
        status=206,
    )


def _stretch_of_value(part: Part, range_header: str) -> Part | None:
    """The asked range of the value, as a part: by a range with a multipart Accept, clients mean the value and
    not the message (docs/decisions/0005). Raises RangeNotSatisfiable."""
    if not range_header or part.length is None or not is_seekable(part.body):
        return None
    wanted = ranges.parse_range(range_header, part.length)
    if wanted is None:
        return None
    body = cut(part.body, wanted.start, wanted.stop)
    return replace(part, body=body, content_range=ranges.content_range(wanted, part.length))
