"""Instances of a study, a series or one: chosen, planned and streamed (PS3.18 10.4; W-01..W-18, W-60..W-64).

All that can refuse the request happens in `plan_instances`, before the first byte.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.parts import Part
from dicomweb.archive.represent import part10
from dicomweb.archive.sources import stored_form
from dicomweb.catalog.lookup import Contents, InstanceSource, contents, instance_pages
from dicomweb.dicom.target import Target
from dicomweb.errors import BlobMissing
from dicomweb.protocol.negotiate import Acceptable, Chosen, Stored, negotiate


@dataclass(frozen=True, slots=True)
class RetrievePlan:
    """What answers a retrieve request.

    complete: False when some instances cannot be given in the asked form or are damaged (206, Z-02).
    parts: all of them where they fit one page of the catalog, so that the length is known; else None, and
    `stream` gives them page by page. forms: content types that occur. version: of the target's contents,
    for ETag and boundary. modified: when that version was made.
    """

    multipart: bool
    root_type: str
    forms: Sequence[str]
    complete: bool
    parts: Sequence[Part] | None
    stream: Callable[[], AsyncIterator[Part]]
    version: str
    modified: datetime | None


async def plan_instances(archive: Archive, target: Target, accept: Acceptable) -> RetrievePlan:
    """Choose the form of every instance of the target. Raises NotFound, Gone, NotAcceptable, BlobMissing."""
    found = None if target.instance else await contents(archive.pool, archive.tenant_id, target)
    survey = await _survey(archive, target, found)
    answer = negotiate(accept, list(survey.forms), single_item=target.level == "instance")
    chosen = dict(zip(survey.forms, answer.parts, strict=True))
    stream = partial(_parts, archive, target, found, chosen)
    parts = None
    if survey.only_page is not None:
        parts = [part async for part in _page_parts(archive, survey.only_page, chosen)]
    return RetrievePlan(
        multipart=answer.multipart,
        root_type=answer.root_type,
        forms=sorted({part.content_type for part in answer.parts if part is not None}),
        complete=answer.complete and not survey.damaged,
        parts=parts,
        stream=stream,
        version=survey.version,
        modified=survey.modified,
    )


@dataclass(slots=True)
class _Survey:
    """What a target holds. only_page: its instances, when they are few enough to hold."""

    forms: dict[Stored, None]
    damaged: int
    only_page: Sequence[InstanceSource] | None
    version: str
    modified: datetime | None


async def _survey(archive: Archive, target: Target, found: Contents | None) -> _Survey:
    version = (f"{found.revision:x}", found.modified) if found else ("", None)
    survey = _Survey({}, 0, None, *version)
    pages = 0
    async for page in instance_pages(archive.pool, archive.tenant_id, target, found=found):
        pages += 1
        survey.only_page = page if pages == 1 else None
        for source in page:
            survey.version = survey.version or f"{source.instance_row:x}"
            survey.modified = survey.modified or source.stored_at
            survey.damaged += source.is_damaged
            if not source.is_damaged:
                survey.forms[stored_form(source)] = None
    if survey.damaged and not survey.forms:
        raise BlobMissing("The stored bytes of the target are damaged or missing.")
    return survey


async def _parts(
    archive: Archive, target: Target, found: Contents | None, chosen: dict[Stored, Chosen | None]
) -> AsyncIterator[Part]:
    async for page in instance_pages(archive.pool, archive.tenant_id, target, found=found):
        async for part in _page_parts(archive, page, chosen):
            yield part


async def _page_parts(
    archive: Archive, page: Sequence[InstanceSource], chosen: dict[Stored, Chosen | None]
) -> AsyncIterator[Part]:
    for source in page:
        form = chosen.get(stored_form(source))
        if form is not None and not source.is_damaged:
            body = part10(archive, source, as_stored=form.as_stored)
            yield Part(form.content_type, body, source.target.path)
