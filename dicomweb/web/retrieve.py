"""WADO-RS retrieve of a study, series or instance as DICOM (PS3.18 10.4.1.1.1)."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.instance_bulkdata import plan_instance_bulkdata
from dicomweb.archive.retrieve import RetrievePlan, plan_instances
from dicomweb.dicom.target import Target
from dicomweb.errors import NotAcceptable
from dicomweb.protocol import negotiate
from dicomweb.protocol.warning import warning_header
from dicomweb.web.answers import answer_parts
from dicomweb.web.conditions import NO_COPY, cache_headers, not_modified
from dicomweb.web.responses import Streamed, related_stream
from dicomweb.web.targets import acceptable, base_url, target_of
from dicomweb.web.zip import zip_range, zipped

_INCOMPLETE = "Some instances are left out: they are damaged, or cannot be given in the requested form"


async def instances(request: Request) -> Response | Streamed:
    """Every instance of the target, each in the best form that the request accepts."""
    archive: Archive = request.state.archive
    wanted = zip_range(request)
    if wanted is not None:
        return await zipped(request, wanted)
    plan = await _plan(request, archive, target_of(request))  # 400, 404, 406, 410
    headers = cache_headers(
        plan.version, str(plan.multipart), *plan.forms, base_url(request), modified=plan.modified
    )
    status = 200
    if not plan.complete:
        # What is left out may be there again without a change of the version: no copy may be kept.
        headers = cache_headers(plan.version, secrets.token_hex()) | NO_COPY
        status = 206
        headers["Warning"] = warning_header(base_url(request), _INCOMPLETE)
    if plan.parts is not None:
        return answer_parts(request, plan.parts, multipart=plan.multipart, headers=headers, status=status)
    if not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    return _stream(request, archive, plan, headers, status)


async def _plan(request: Request, archive: Archive, target: Target) -> RetrievePlan:
    """The instances as DICOM; who takes none of that but bytes gets their bulkdata (M-01)."""
    try:
        accept = acceptable(request, negotiate.Resource.INSTANCES)
    except NotAcceptable as refusal:
        try:
            accept = acceptable(request, negotiate.Resource.BULKDATA)
            return await plan_instance_bulkdata(archive, target, accept)
        except NotAcceptable:
            raise refusal from None
    return await plan_instances(archive, target, accept)


def _stream(
    request: Request, archive: Archive, plan: RetrievePlan, headers: dict[str, str], status: int
) -> Streamed:
    return related_stream(
        archive,
        plan.stream(),
        base=base_url(request),
        root_type=plan.root_type,
        seed=headers["ETag"].encode(),
        headers=headers,
        status=status,
    )
