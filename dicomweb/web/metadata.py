"""WADO-RS metadata of a study, series or instance (PS3.18 10.4.1.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.content_coding import CODINGS, IDENTITY
from dicomweb.archive.metadata import (
    MetadataForm,
    contents_of,
    made_metadata,
    ready_metadata,
    version_of,
)
from dicomweb.protocol import negotiate
from dicomweb.protocol.metadata_filter import MetadataFilter, parse_metadata_filter
from dicomweb.protocol.packing import packing_of
from dicomweb.protocol.warning import warning_headers
from dicomweb.web.conditions import cache_headers, not_modified
from dicomweb.web.responses import Streamed
from dicomweb.web.targets import acceptable, base_url, content_coding, target_of


async def metadata(request: Request) -> Response | Streamed:
    """Every attribute of every instance of the target, in one JSON array (G-68) or an XML document each."""
    archive: Archive = request.state.archive
    target = target_of(request)
    asked = _Asked(
        negotiate.document(acceptable(request, negotiate.Resource.METADATA)),
        parse_metadata_filter(request.scope["query_string"]),
        base_url(request),
        content_coding(request, CODINGS),
    )
    version = await version_of(archive, target)  # 404, 410
    headers, form = asked.answer(version.revision, version.modified)
    if not_modified(request, headers):
        return Response(status_code=304, headers=headers)
    written = await ready_metadata(archive, target, version, form)
    if written is None:
        found = await contents_of(archive, target)  # a later version, where one was made just now
        headers, form = asked.answer(found.revision, found.modified)
        written = await made_metadata(archive, target, found, form)
    return Streamed(200, headers | asked.content_headers(form), written.chunks, written.length)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks for, whatever the version of it."""

    form: negotiate.Answer
    wanted: MetadataFilter
    base: str
    coding: str

    def answer(self, revision: int, modified: datetime | None) -> tuple[dict[str, str], MetadataForm]:
        """What identifies the answer of a version, and how it goes out."""
        headers = cache_headers(
            f"{revision:x}",
            self.base,
            self.form.root_type,
            self.coding,
            self.wanted.key,
            modified=modified,
        )
        packing = packing_of(self.form, headers["ETag"])
        return headers, MetadataForm(packing, self.wanted, self.base, self.coding)

    def content_headers(self, form: MetadataForm) -> dict[str, str]:
        """What says how the body is to be read."""
        headers = {"Content-Type": form.packing.content_type} | warning_headers(
            self.base, self.wanted.warnings
        )
        if self.coding != IDENTITY:
            headers["Content-Encoding"] = self.coding
        return headers
