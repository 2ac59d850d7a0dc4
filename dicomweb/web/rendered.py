"""WADO-RS rendered studies, series, instances and frames (PS3.18 10.4.1.1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import makers
from dicomweb.archive.making import Made, made_before, make
from dicomweb.archive.pictures import Manner
from dicomweb.archive.reading import closing
from dicomweb.archive.rendered import plan_rendered
from dicomweb.archive.rendered_plan import RenderedPlan
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.charset_choice import choose_charset
from dicomweb.protocol.frame_list import parse_frame_list
from dicomweb.protocol.negotiate import Acceptable, Resource
from dicomweb.protocol.rendered_forms import RENDERED_TYPES
from dicomweb.protocol.rendered_query import RenderedQuery, parameters, parse_rendered, refuse_profile
from dicomweb.protocol.warning import warning_headers
from dicomweb.web.answers import answer_parts
from dicomweb.web.conditions import cache_headers, incomplete, located, not_modified
from dicomweb.web.leaving import while_wanted
from dicomweb.web.responses import Streamed, related_stream
from dicomweb.web.targets import accept_parameters, acceptable, base_url, target_of

_INCOMPLETE = "Some instances or frames are left out: they are damaged, or cannot be rendered as requested"
_UNSUPPORTED = "The following annotation values are not supported: {}"
# Reports and drawings are made of what somebody stored: nothing in them may run or load anything.
_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_ACTIVE_TYPES = ("text/html", "image/svg+xml")


async def rendered(request: Request) -> Response | Streamed:
    """The target as pictures and text: one part for each instance or frame, or the one there is."""
    archive: Archive = request.state.archive
    target = target_of(request)  # 400 malformed UID
    frames = request.path_params.get("frames")
    numbers = parse_frame_list(frames) if frames is not None else ()  # 400
    asked = parse_rendered(request.scope["query_string"])  # 400
    accept = rendered_acceptable(acceptable(request, Resource.RENDERED))  # 400, 406
    plan = await plan_rendered(archive, target, numbers, accept, manner_of(request, asked))  # 404, 406, 410
    return await answer(request, plan, asked)


def rendered_acceptable(accept: Acceptable) -> Acceptable:
    """Without transfer syntaxes, which rendered types have not (G-34): an error in the parameter only."""
    if any(wanted.transfer_syntax for wanted in accept.preferred):
        raise InvalidRequest("The accept parameter names a transfer syntax for a rendered media type.")
    return replace(
        accept,
        ranges=tuple(wanted for wanted in accept.ranges if not wanted.transfer_syntax),
        # A parameter that names nothing rendered leaves it to the header (G-27, Z-11).
        preferred=tuple(wanted for wanted in accept.preferred if wanted.media_type in RENDERED_TYPES),
    )


async def answer(request: Request, plan: RenderedPlan, asked: RenderedQuery) -> Response | Streamed:
    """Make what was planned and send it. Raises what making the only part raises, ClientGone."""
    refuse_profile(asked, plan.forms)
    headers = _headers(request, plan, asked)
    if plan.complete and not_modified(request, headers):
        return Response(status_code=304, headers=located(headers, await _location(request, plan)))
    made = made_before(plan)
    if made is None:
        made = await while_wanted(request, make(plan))
    base, warnings, status = base_url(request), [*plan.warnings, *unsupported(asked)], 200
    if made.complete:
        headers |= warning_headers(base, warnings)
    else:
        headers, status = incomplete(headers, base, [_INCOMPLETE, *warnings]), 206
    if made.rest is not None:
        if request.method == "HEAD":
            await made.close()
        return _stream(request, plan, made, headers, status)
    return answer_parts(request, made.parts, multipart=plan.multipart, headers=headers, status=status)


async def _location(request: Request, plan: RenderedPlan) -> str:
    """Where the only part of the answer is."""
    if plan.multipart:
        return ""
    showings = plan.showings()
    async with closing(showings):
        return base_url(request) + (await anext(showings)).location


def _headers(request: Request, plan: RenderedPlan, asked: RenderedQuery) -> dict[str, str]:
    texts = [form for form in plan.forms if form.startswith("text/")]
    headers = cache_headers(
        plan.version,
        "rendered",
        str(plan.multipart),
        *plan.forms,
        *(f"{row:x}" for row in plan.beside),
        *(manner_of(request, asked).charset(form) for form in texts),
        repr(asked),
        makers(),
        base_url(request),
        modified=plan.modified,
    )
    if plan.root_type in _ACTIVE_TYPES:
        headers["Content-Security-Policy"] = _POLICY
    return headers


def manner_of(request: Request, asked: RenderedQuery) -> Manner:
    """How the answer to this request is shown. asked: its parameters for pictures."""
    query = request.scope["query_string"]
    charset = partial(
        choose_charset,
        accept=[*accept_parameters(request), *request.headers.getlist("accept")],
        parameters=[value] if (value := parameters(query, ["charset"]).get("charset")) else [],
        accept_charset=request.headers.getlist("accept-charset"),
    )
    return Manner(asked, base_url(request), charset)


def unsupported(asked: RenderedQuery) -> Sequence[str]:
    """What a Warning says of annotation keywords that are not known (R-10)."""
    return [_UNSUPPORTED.format(", ".join(asked.unsupported))] if asked.unsupported else []


def _stream(
    request: Request, plan: RenderedPlan, made: Made, headers: dict[str, str], status: int
) -> Streamed:
    return related_stream(
        request.state.archive,
        made.all_parts(),
        base=base_url(request),
        root_type=plan.root_type,
        seed=headers["ETag"].encode(),
        headers=headers,
        status=status,
    )
