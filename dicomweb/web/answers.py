"""The last step of every retrieve: 304, a range, one part or multipart/related."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.parts import Part
from dicomweb.web.conditions import not_modified
from dicomweb.web.responses import Streamed, related, single_part
from dicomweb.web.targets import base_url, range_of


def answer_parts(
    request: Request, parts: Sequence[Part], *, multipart: bool, headers: dict[str, str], status: int = 200
) -> Response | Streamed:
    """Answer with parts that are all planned. headers: from cache_headers. Raises RangeNotSatisfiable."""
    if not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    archive: Archive = request.state.archive
    base, wanted = base_url(request), range_of(request, headers["ETag"], headers.get("Last-Modified", ""))
    if not multipart:
        return single_part(archive, parts[0], base=base, headers=headers, range_header=wanted, status=status)
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
