"""Search (QIDO-RS): six resources, three handlers (PS3.18 10.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.content_coding import CODINGS
from dicomweb.archive.search import find, results, short_results
from dicomweb.protocol.negotiate import Resource, document
from dicomweb.protocol.next_page import next_page_header
from dicomweb.protocol.packing import packing_of
from dicomweb.protocol.search_query import Level, parse_search
from dicomweb.protocol.warning import warning_headers
from dicomweb.web.base import base_url
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, content_coding, target_of

# Results up to here are written before the status goes out, so that the length is known.
_WHOLE = 500
_WHOLE_BYTES = 2 << 20


async def studies(request: Request) -> Response | Streamed:
    """Studies."""
    return await _search(request, Level.STUDY)


async def series(request: Request) -> Response | Streamed:
    """Series, of one study or of all."""
    return await _search(request, Level.SERIES)


async def instances(request: Request) -> Response | Streamed:
    """Instances, of one series, of one study or of all."""
    return await _search(request, Level.INSTANCE)


async def _search(request: Request, level: Level) -> Response | Streamed:
    """One page of results; 204 when there are none, also under a study that does not exist (Q-50, Z-06)."""
    archive: Archive = request.state.archive
    target = target_of(request)
    form = document(acceptable(request, Resource.SEARCH))
    query = parse_search(
        request.scope["query_string"],
        level,
        study_instance_uid=target.study,
        series_instance_uid=target.series,
    )
    answer = await find(archive, query)
    base = base_url(request)
    headers = {
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Accept-Encoding",
        **warning_headers(base, answer.warnings),
    }
    if answer.following is not None:
        headers |= next_page_header(request.scope["query_string"], answer.following)
    if not answer.count:
        return Response(status_code=204, headers=headers)
    coding = content_coding(request, CODINGS)
    # HEAD and GET have one boundary, as they have one Content-Type.
    packing = packing_of(form, f"{request.scope['path']}?{request.scope['query_string']!r}{answer.key}")
    coded = {**headers, "Content-Type": packing.content_type}
    if coding != "identity":
        coded["Content-Encoding"] = coding
    if answer.rows:
        body = await short_results(answer, packing=packing, base=base, coding=coding)
        return Response(body, headers=coded)
    pieces = results(archive, answer, packing=packing, base=base, coding=coding)
    return await _answer(pieces, answer.count, headers, coded)


async def _answer(
    pieces: AsyncIterator[bytes], count: int, headers: dict[str, str], coded: dict[str, str]
) -> Response | Streamed:
    """headers: of an answer without results. coded: of one with results."""
    if count > _WHOLE:
        return Streamed(200, coded, pieces, None)
    held: list[bytes] = []
    size = 0
    async for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > _WHOLE_BYTES:
            return Streamed(200, coded, _after(held, pieces), None)
    body = b"".join(held)
    return Response(body, headers=coded) if body else Response(status_code=204, headers=headers)


async def _after(held: list[bytes], pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for piece in held:
        yield piece
    async for piece in pieces:
        yield piece
