"""WADO-RS retrieve of a study, series or instance as DICOM (PS3.18 10.4.1.1.1)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.instance_bulkdata import NoBulkdata, plan_instance_bulkdata
from dicomweb.archive.retrieve import RetrievePlan, plan_instances
from dicomweb.dicom.target import Target
from dicomweb.errors import NotAcceptable
from dicomweb.protocol import negotiate
from dicomweb.protocol.media_types import APPLICATION_ZIP
from dicomweb.web.answers import answer_plan
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, target_of
from dicomweb.web.zip import zip_range, zipped


async def instances(request: Request) -> Response | Streamed:
    """Every instance of the target, each in the best form that the request accepts."""
    archive: Archive = request.state.archive
    wanted = zip_range(request)
    if wanted is not None:
        return await zipped(request, wanted)
    plan = await _plan(request, archive, target_of(request))  # 400, 404, 406, 410
    return answer_plan(request, plan)


async def _plan(request: Request, archive: Archive, target: Target) -> RetrievePlan:
    """The instances as DICOM; who takes none of that but bytes gets their bulkdata (M-01)."""
    try:
        accept = acceptable(request, negotiate.Resource.INSTANCES)
    except NotAcceptable as refusal:
        try:
            accept = acceptable(request, negotiate.Resource.BULKDATA)
            return await plan_instance_bulkdata(archive, target, accept)
        except (NotAcceptable, NoBulkdata):
            raise NotAcceptable(
                refusal.message, available=[*refusal.available, APPLICATION_ZIP], hint=refusal.hint
            ) from None
    return await plan_instances(archive, target, accept)
