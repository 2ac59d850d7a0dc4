"""WADO-RS metadata of a study, series or instance (PS3.18 10.4.1.1.2)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.content_coding import CODINGS
from dicomweb.archive.metadata import contents_of, metadata_json
from dicomweb.protocol import negotiate
from dicomweb.web.conditions import cache_headers, not_modified
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, base_url, content_coding, target_of

_DICOM_JSON = "application/dicom+json"


async def metadata(request: Request) -> Response | Streamed:
    """Every attribute of every instance of the target, in one JSON array (G-68)."""
    archive: Archive = request.state.archive
    target = target_of(request)
    acceptable(request, negotiate.Resource.METADATA)
    found = await contents_of(archive, target)  # 404, 410
    base, coding = base_url(request), content_coding(request, CODINGS)
    headers = cache_headers(f"{found.revision:x}", base, _DICOM_JSON, coding)
    if not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = _DICOM_JSON
    if coding != "identity":
        headers["Content-Encoding"] = coding
    return Streamed(200, headers, metadata_json(archive, target, found, base=base, coding=coding), None)
