"""A study, series or instance as application/zip, where a request prefers that (M-08)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.zip import plan_zip
from dicomweb.dicom.uid import is_uid
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.media_types import (
    APPLICATION_DICOM,
    APPLICATION_ZIP,
    OCTET_STREAM,
    MediaRange,
    media_ranges,
)
from dicomweb.protocol.negotiate import Acceptable, Resource
from dicomweb.web.conditions import cache_headers, incomplete, not_modified
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import accept_parameters, base_url, target_of

_SERVED = (APPLICATION_ZIP, APPLICATION_DICOM, OCTET_STREAM)
_INCOMPLETE = "Some instances are left out of the archive; a file in it lists them"


def zip_range(request: Request) -> MediaRange | None:
    """The range by which the request prefers a ZIP archive to DICOM parts.

    The accept parameter goes before the header: that is how a link in a page asks for a download.
    Raises InvalidRequest for a malformed one, and for a dicomdir parameter that would be for an archive.
    """
    _wants_dicomdir(request)
    parameters, headers = accept_parameters(request), request.headers.getlist("accept")
    if not any("zip" in text.lower() for text in (*parameters, *headers)):
        return None
    ranges = media_ranges(parameters, lenient=False) or media_ranges(headers)
    wanted = [one for one in ranges if one.media_type in _SERVED and one.q > 0]
    best = min(wanted, key=lambda one: (-one.q, one.position), default=None)
    return best if best is not None and best.media_type == APPLICATION_ZIP else None


async def zipped(request: Request, wanted: MediaRange) -> Response | Streamed:
    """Every instance of the target as a file of one archive, as stored unless the request says otherwise."""
    archive: Archive = request.state.archive
    target = target_of(request)  # 400 malformed UID
    dicomdir = _wants_dicomdir(request)  # 400 neither true nor false
    plan = await plan_zip(archive, target, _of_parts(wanted), dicomdir=dicomdir)  # 404, 406, 410
    headers = cache_headers(plan.version, APPLICATION_ZIP, *plan.forms, str(dicomdir), modified=plan.modified)
    if plan.complete and not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    if not plan.complete:
        headers = incomplete(headers, base_url(request), [_INCOMPLETE])
        del headers["ETag"]  # there are no boundaries to be made of it
    name = target.instance or target.series or target.study
    headers["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    headers["Content-Type"] = APPLICATION_ZIP
    return Streamed(200 if plan.complete else 206, headers, plan.stream(), plan.length)


def _wants_dicomdir(request: Request) -> bool:
    if not request.scope["query_string"]:
        return False
    values = request.query_params.getlist("dicomdir")
    if any(value not in ("true", "false") for value in values) or len(set(values)) > 1:
        raise InvalidRequest("The dicomdir parameter is neither true nor false.")
    return "true" in values


def _of_parts(wanted: MediaRange) -> Acceptable:
    """What the request would accept, were the files parts of a multipart answer."""
    syntax = wanted.transfer_syntax or "*"
    if syntax != "*" and not is_uid(syntax, strict=False):
        raise InvalidRequest("The transfer-syntax of application/zip is neither a UID nor a star.")
    text = f'multipart/related; type="{APPLICATION_DICOM}"; transfer-syntax={syntax}'
    return Acceptable(Resource.INSTANCES, media_ranges([text]))
