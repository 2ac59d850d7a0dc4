"""WADO-RS bulkdata by URI (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.bulkdata import plan_bulkdata
from dicomweb.errors import InvalidRequest
from dicomweb.protocol import negotiate
from dicomweb.web.answers import answer_parts
from dicomweb.web.conditions import cache_headers
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, base_url, target_of

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
    plan = await plan_bulkdata(archive, target, path.upper(), accept)  # 404, 406, 410
    return answer_parts(
        request,
        plan.parts,
        multipart=plan.answer.multipart,
        headers=cache_headers(
            f"{plan.version:x}",
            str(plan.answer.multipart),
            path,
            plan.parts[0].content_type,
            base_url(request),
        ),
    )
