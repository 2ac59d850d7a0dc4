"""WADO-RS metadata of a study, series or instance (PS3.18 10.4.1.1.2)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.content_coding import CODINGS
from dicomweb.archive.metadata import MetadataForm, contents_of, metadata_documents
from dicomweb.protocol import negotiate
from dicomweb.protocol.metadata_filter import parse_metadata_filter
from dicomweb.protocol.packing import packing_of
from dicomweb.protocol.warning import warning_headers
from dicomweb.web.conditions import cache_headers, not_modified
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, base_url, content_coding, target_of


async def metadata(request: Request) -> Response | Streamed:
    """Every attribute of every instance of the target, in one JSON array (G-68) or an XML document each."""
    archive: Archive = request.state.archive
    target = target_of(request)
    form = negotiate.document(acceptable(request, negotiate.Resource.METADATA))
    wanted = parse_metadata_filter(request.scope["query_string"])
    found = await contents_of(archive, target)  # 404, 410
    base, coding = base_url(request), content_coding(request, CODINGS)
    headers = cache_headers(
        f"{found.revision:x}", base, form.root_type, coding, wanted.key, modified=found.modified
    )
    if not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    packing = packing_of(form, headers["ETag"])
    headers |= {"Content-Type": packing.content_type, **warning_headers(base, wanted.warnings)}
    if coding != "identity":
        headers["Content-Encoding"] = coding
    written = MetadataForm(packing, wanted, base, coding, version=headers["ETag"])
    return Streamed(200, headers, metadata_documents(archive, target, found, written), None)
