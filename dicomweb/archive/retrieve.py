"""Instances of a study, a series or one: chosen, planned and streamed (PS3.18 10.4; W-01..W-18, W-60..W-64).

All that can refuse the request happens in `plan_instances`, before the first byte.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.begun import Make, begun, made_ahead
from dicomweb.archive.damage import note_damage
from dicomweb.archive.derived import identity_of
from dicomweb.archive.parts import Part
from dicomweb.archive.reading import closing
from dicomweb.archive.represent import part10
from dicomweb.archive.sources import sendable_as_stored, stored_form
from dicomweb.catalog.lookup import Contents, InstanceSource, contents, instance_pages
from dicomweb.dicom.target import Target
from dicomweb.errors import BlobMissing, DecodeFailed
from dicomweb.protocol.negotiate import Acceptable, Chosen, Stored, negotiate


@dataclass(frozen=True, slots=True)
class RetrievePlan:
    """What answers a retrieve request.

    complete: False when some instances cannot be given in the asked form or are damaged (206, Z-02).
    parts: all of them where they fit one page of the catalog and need no transcoding, so that the length is
    known; else None, and `stream` gives them page by page. forms: identify what goes out. version: of the
    target's contents, for ETag and boundary. modified: when that version was made.
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
    transcoded = any(form is not None and not form.as_stored for form in answer.parts)
    make = _transcoded_parts if transcoded else _parts
    stream = partial(make, archive, target, found, chosen)
    parts = None
    if survey.only_page is not None and (target.instance or not transcoded):
        parts = [_part(archive, *pair) for pair in _chosen_of(survey.only_page, chosen)]
    return RetrievePlan(
        multipart=answer.multipart,
        root_type=answer.root_type,
        forms=identity_of(answer.parts),
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
    pages = instance_pages(archive.pool, archive.tenant_id, target, found=found)
    async with closing(pages):
        async for page in pages:
            for source, form in _chosen_of(page, chosen):
                yield _part(archive, source, form)


def _chosen_of(
    page: Sequence[InstanceSource], chosen: dict[Stored, Chosen | None]
) -> Iterator[tuple[InstanceSource, Chosen]]:
    """What goes out of a page, and how."""
    for source in page:
        form = chosen.get(stored_form(source))
        if form is not None and not source.is_damaged:
            yield source, form


def _part(archive: Archive, source: InstanceSource, form: Chosen) -> Part:
    body = part10(archive, source, as_stored=form.as_stored, transfer_syntax_uid=form.transfer_syntax_uid)
    return Part(form.content_type, body, source.target.path)


async def _transcoded_parts(
    archive: Archive, target: Target, found: Contents | None, chosen: dict[Stored, Chosen | None]
) -> AsyncIterator[Part]:
    """As _parts, of several instances that must be transcoded: the next ones are made meanwhile."""

    async def makes() -> AsyncIterator[Make]:
        pages = instance_pages(archive.pool, archive.tenant_id, target, found=found)
        async with closing(pages):
            async for page in pages:
                for source, form in _chosen_of(page, chosen):
                    yield partial(_begun_part, archive, source, form)

    async with aclosing(made_ahead(makes())) as parts:
        async for part in parts:
            yield part


async def _begun_part(archive: Archive, source: InstanceSource, form: Chosen) -> Part:
    """A part in its form or, when its pixels turn out to be such as no codec takes, as stored.

    One bad instance must not cost the study (invariant 7), and the status is sent; its Content-Type says
    what it is (G-28, G-33).
    """
    part = _part(archive, source, form)
    if form.as_stored:
        return part
    try:
        return await begun(part, partial(note_damage, archive))
    except DecodeFailed:
        stored = Chosen(form.media_type, source.transfer_syntax_uid, True)
        if not sendable_as_stored(source):
            raise
        return _part(archive, source, stored)
