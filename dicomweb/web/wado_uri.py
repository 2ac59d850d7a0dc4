"""WADO-URI: one object, named by the query (PS3.18 9; I-01 to I-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.presentation import plan_image_with_state
from dicomweb.archive.rendered import plan_instance_picture
from dicomweb.archive.retrieve import plan_instances
from dicomweb.dicom.target import Target
from dicomweb.errors import InvalidRequest, NotAcceptable
from dicomweb.protocol import negotiate
from dicomweb.protocol.media_types import APPLICATION_DICOM, Form, media_ranges
from dicomweb.protocol.negotiate import Acceptable, Resource
from dicomweb.protocol.wado_uri_query import WadoUriQuery, parse_wado_uri
from dicomweb.settings import Settings
from dicomweb.web.answers import answer_parts
from dicomweb.web.conditions import cache_headers
from dicomweb.web.rendered import answer, manner_of, rendered_acceptable
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import base_url


async def wado_uri(request: Request) -> Response | Streamed:
    """The object as DICOM, or what it is shown as; a single part always."""
    settings: Settings = request.app.settings
    asked = parse_wado_uri(request.url.query.encode(), strict_uids=settings.strict_uids)  # 400
    if asked.anonymize:
        raise InvalidRequest("This server does not de-identify objects, so it gives none with anonymize=yes.")
    if asked.wants_dicom:
        return await _dicom(request, asked.target, asked.transfer_syntax)
    # contentType goes before the Accept header (V-14).
    headers = [", ".join(asked.content_types)] if asked.content_types else request.headers.getlist("accept")
    return await _shown(request, asked, headers)


async def _shown(request: Request, asked: WadoUriQuery, headers: Sequence[str]) -> Response | Streamed:
    archive: Archive = request.state.archive
    try:
        accept = _single(rendered_acceptable(negotiate.acceptable(headers, [], Resource.RENDERED)))
        manner = manner_of(request, asked.picture)
        if asked.presentation is not None:
            plan = await plan_image_with_state(archive, asked.target, asked.presentation, accept, manner)
        else:
            plan = await plan_instance_picture(archive, asked.target, asked.frame_number, accept, manner)
    except NotAcceptable:
        if not any(wanted.media_type == APPLICATION_DICOM for wanted in media_ranges(headers)):
            raise
        return await _dicom(request, asked.target, asked.transfer_syntax)
    return await answer(request, plan, asked.picture)


def _single(accept: Acceptable) -> Acceptable:
    return replace(
        accept, ranges=tuple(wanted for wanted in accept.ranges if wanted.form is not Form.MULTIPART)
    )


async def _dicom(request: Request, target: Target, transfer_syntax: str) -> Response | Streamed:
    """The object as a file, in Explicit VR Little Endian or the syntax asked for (I-02)."""
    parameter = f"; transfer-syntax={transfer_syntax}" if transfer_syntax else ""
    accept = negotiate.acceptable([f"{APPLICATION_DICOM}{parameter}"], [], Resource.INSTANCES)
    plan = await plan_instances(request.state.archive, target, accept)  # 404, 406, 410
    assert plan.parts is not None, "one instance is one page"
    headers = cache_headers(plan.version, "wado-uri", *plan.forms, base_url(request), modified=plan.modified)
    return answer_parts(request, plan.parts, multipart=False, headers=headers)
