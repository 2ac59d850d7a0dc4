"""All bulkdata of a study, series or instance: what `application/octet-stream` means there (M-01)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.bulkdata import Value, locate_value, value_parts
from dicomweb.archive.parts import Part
from dicomweb.archive.retrieve import RetrievePlan
from dicomweb.catalog.bulkdata_index import bulkdata_indexes
from dicomweb.catalog.lookup import BulkdataPlace, Contents, InstanceSource, contents, instance_pages
from dicomweb.dicom.target import Target
from dicomweb.errors import NotFound
from dicomweb.protocol.negotiate import Acceptable, Chosen, Stored, negotiate


async def plan_instance_bulkdata(archive: Archive, target: Target, accept: Acceptable) -> RetrievePlan:
    """Choose the form of every bulkdata value below the target. Raises NotFound, Gone, NotAcceptable."""
    found = await contents(archive.pool, archive.tenant_id, target)
    forms: dict[Stored, None] = {}
    async for value in _values(archive, target, found):
        forms[value.form] = None
    if not forms:
        raise NotFound("The target has no bulkdata.")
    answer = negotiate(accept, list(forms), single_item=False)
    chosen = dict(zip(forms, answer.parts, strict=True))
    return RetrievePlan(
        multipart=True,
        root_type=answer.root_type,
        forms=sorted({part.content_type for part in answer.parts if part is not None}),
        complete=answer.complete,
        parts=None,
        stream=partial(_parts, archive, target, found, chosen),
        version=f"{found.revision:x}",
        modified=found.modified,
    )


async def _parts(
    archive: Archive, target: Target, found: Contents, chosen: dict[Stored, Chosen | None]
) -> AsyncIterator[Part]:
    async for value in _values(archive, target, found):
        form = chosen.get(value.form)
        if form is not None:
            async for part in value_parts(archive, value, form):
                yield part


async def _values(archive: Archive, target: Target, found: Contents) -> AsyncIterator[Value]:
    async for page in instance_pages(archive.pool, archive.tenant_id, target, found=found):
        async for value in _page_values(archive, [source for source in page if not source.is_damaged]):
            yield value


async def _page_values(archive: Archive, page: Sequence[InstanceSource]) -> AsyncIterator[Value]:
    indexes = await bulkdata_indexes(archive.pool, [source.instance_row for source in page])
    for source in page:
        for path, (vr, offset, length) in indexes.get(source.instance_row, {}).items():
            yield await locate_value(archive, BulkdataPlace(source, vr, offset, length), path)
