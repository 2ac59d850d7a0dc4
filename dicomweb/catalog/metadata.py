"""Metadata as it is stored, and where the values lie that it names as bulkdata."""

# ruff: noqa: S608 - the statements are put together from constants of our modules only.

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb.catalog.lookup import (
    ONE_INSTANCE,
    SOURCE_COLUMNS,
    SOURCE_FIELDS,
    Contents,
    InstanceSource,
    contents,
    raise_changed,
    raise_missing,
    source_of,
)
from dicomweb.catalog.pool import Pool, lookup_connection
from dicomweb.catalog.stored_json import read_stored
from dicomweb.dicom.target import Target
from dicomweb.errors import NotFound

# Rows held at once while a study is streamed. They can be large (enhanced multi-frame).
_METADATA_PAGE = 64
# Stored bytes of metadata held at once, besides one that is longer than its share.
METADATA_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class BulkdataPlace:
    """One bulkdata value of an instance: `length` bytes at `offset`, counted as InstanceSource says."""

    source: InstanceSource
    vr: str
    offset: int
    length: int


# What is longer than its share of the page comes without its bytes, and is read by itself. Lengths are known
# without reading the values.
_METADATA = """
    SELECT instance_row, CASE WHEN octet_length(metadata) <= $2 THEN metadata END
      FROM instance_metadata WHERE instance_row = ANY ($1::bigint[])
"""
_ONE_METADATA = "SELECT metadata FROM instance_metadata WHERE instance_row = $1"
_BULKDATA = f"""
    SELECT {SOURCE_COLUMNS}, (SELECT bulkdata FROM instance_metadata WHERE instance_row = i.id)
    {ONE_INSTANCE}
"""


async def metadata_pages(
    pool: Pool, tenant_id: int, target: Target, *, found: Contents | None = None
) -> AsyncIterator[Sequence[bytes]]:
    """Metadata of the target's instances in W-64 order, page by page: zstd of a DICOM JSON object each.

    Every BulkDataURI in it is a path that begins with `/studies/`. All are of one moment; `found` is that
    moment, when the caller has it already (with the revision that belongs to it).
    Raises as instance_pages does.
    """
    found = found or await contents(pool, tenant_id, target)
    for rows in found.pages(_METADATA_PAGE):
        async with lookup_connection(pool) as db:
            fetched = await db.fetch(_METADATA, rows, METADATA_BYTES // len(rows))
        stored = {row[0]: row[1] for row in fetched}
        del fetched
        if len(stored) < len(rows):
            await raise_changed(pool, tenant_id, target)
        page: list[bytes] = []
        for row in rows:
            if stored[row] is not None:
                page.append(stored.pop(row))
                continue
            if page:
                yield page
            large = await one_metadata(pool, row)
            if large is None:
                await raise_changed(pool, tenant_id, target)
            yield [large]
            page = []
        if page:
            yield page


async def one_metadata(pool: Pool, instance_row: int) -> bytes | None:
    """zstd of one instance's DICOM JSON; None when it is not there any more."""
    async with lookup_connection(pool) as db:
        found: bytes | None = await db.fetchval(_ONE_METADATA, instance_row)
    return found


async def bulkdata_place(pool: Pool, tenant_id: int, target: Target, path: str) -> BulkdataPlace:
    """Locate the value that the metadata of an instance names by `path`. Raises NotFound, Gone."""
    async with lookup_connection(pool) as db:
        row = await db.fetchrow(_BULKDATA, tenant_id, target.study, target.series, target.instance)
    if row is None:
        await raise_missing(pool, tenant_id, target)
    stored = row[SOURCE_FIELDS]
    place = (await read_stored(stored)).get(path) if stored is not None else None
    if place is None:
        raise NotFound("The instance has no bulkdata at this path.")
    vr, offset, length = place
    return BulkdataPlace(source_of(row), vr, offset, length)


async def document_properties(pool: Pool, instance_row: int) -> tuple[str, int | None]:
    """MIME type of an encapsulated document, and its length without padding where it is stated (W-41)."""
    stored = await one_metadata(pool, instance_row)
    if stored is None:
        raise NotFound("The instance has been deleted meanwhile.")
    attributes = await read_stored(stored)
    length = _first(attributes, "00420015")
    return str(_first(attributes, "00420012") or ""), length if isinstance(length, int) else None


def _first(attributes: dict[str, Any], tag: str) -> Any:
    values = attributes.get(tag, {}).get("Value") or [None]
    return values[0]
