"""WADO-RS rendered MPR and 3D volumes (PS3.18 10.4.1.1.7, 10.4.1.1.8; R-30 to R-35)."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import makers
from dicomweb.archive.parts import Literal, Part
from dicomweb.archive.volume import VolumePlan, plan_volume, response_module, volume_picture
from dicomweb.archive.volume_input import volume_input
from dicomweb.errors import NotAcceptable
from dicomweb.protocol import negotiate
from dicomweb.protocol.frame_list import parse_frame_list
from dicomweb.protocol.media_types import DICOM_JSON
from dicomweb.protocol.negotiate import Answer, Resource, Stored
from dicomweb.protocol.rendered_query import refuse_profile
from dicomweb.protocol.representations import Category
from dicomweb.protocol.volume_query import Reformat, VolumeQuery, parse_volume
from dicomweb.protocol.warning import warning_headers
from dicomweb.web.answers import answer_parts
from dicomweb.web.conditions import cache_headers, located, not_modified
from dicomweb.web.leaving import while_wanted
from dicomweb.web.rendered import rendered_acceptable, unsupported
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, base_url, target_of


async def rendered_mpr(request: Request) -> Response | Streamed:
    """A plane or a slab of the volume."""
    return await _rendered_volume(request, Reformat.MPR)


async def rendered_3d(request: Request) -> Response | Streamed:
    """The whole volume, projected or lit."""
    return await _rendered_volume(request, Reformat.RENDERING_3D)


async def _rendered_volume(request: Request, reformat: Reformat) -> Response | Streamed:
    """The images of the target as a volume, seen from one side: one picture, or one that moves."""
    archive: Archive = request.state.archive
    target = target_of(request)  # 400 malformed UID
    frames = request.path_params.get("frames")
    numbers = parse_frame_list(frames) if frames is not None else ()  # 400
    query = parse_volume(request.scope["query_string"], reformat)  # 400
    form = _form(request, query)  # 400, 406
    source = await volume_input(archive, target, numbers, query)  # 400 no volume, 404, 406, 410, 413
    plan = plan_volume(archive, source, query, reformat)  # 400
    headers = cache_headers(
        source.version,
        "volume",
        reformat.value,
        str(form.multipart),
        form.root_type,
        repr(query),
        ",".join(map(str, numbers)),
        base_url(request),
        makers(),
        modified=source.modified,
    )
    path = request.url.path
    location = path[path.index("/studies/") :]
    if not_modified(request, headers):
        return Response(
            status_code=304,
            headers=headers if form.multipart else located(headers, base_url(request) + location),
        )
    headers |= warning_headers(base_url(request), [*query.warnings, *unsupported(query.picture)])
    part = await while_wanted(request, _part(plan, form.root_type, location))
    return answer_parts(request, [part], multipart=form.multipart, headers=headers)


def _form(request: Request, query: VolumeQuery) -> Answer:
    """What goes out: a still, an animation, or the module of the parameters."""
    if query.metadata_only:
        form = negotiate.document(acceptable(request, Resource.METADATA))
        if form.root_type != DICOM_JSON:
            raise NotAcceptable("The parameters are given as DICOM JSON.", available=[DICOM_JSON])
        return form
    accept = rendered_acceptable(acceptable(request, Resource.RENDERED_VOLUME))
    category = Category.SINGLE_FRAME if query.swivel is None else Category.MULTI_FRAME
    form = negotiate.negotiate(accept, [Stored("", category)], single_item=True)
    refuse_profile(query.picture, [form.root_type])
    return form


async def _part(plan: VolumePlan, media_type: str, location: str) -> Part:
    if media_type == DICOM_JSON:
        return Part(media_type, [Literal(orjson.dumps(await response_module(plan)))], location)
    return Part(media_type, [Literal(await volume_picture(plan, media_type))], location)
