"""Metadata as it is stored, and where the values lie that it names as bulkdata."""

# ruff: noqa: S608 - the statements are put together from constants of our modules only.

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dicomweb.catalog.lookup import (
    ONE_INSTANCE,
    ONE_SERIES,
    ONE_STUDY,
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

# Rows held at once while a study is streamed, and stored bytes of them, but for one that is longer.
_METADATA_PAGE = 256
_PAGE_BYTES = 1 << 20
# Stored bytes of metadata that a search holds at once, besides one that is longer than its share.
METADATA_BYTES = 4 << 20
# Stored bytes of an instance that come along with its version.
_SHORT = 16 << 10


@dataclass(frozen=True, slots=True)
class BulkdataPlace:
    """One bulkdata value of an instance: `length` bytes at `offset`, counted as InstanceSource says."""

    source: InstanceSource
    vr: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Version:
    """What identifies the metadata of a target as they are now.

    modified: when that revision was made. instances: how many there are. only: of one instance, what is
    stored, unless it is long.
    """

    revision: int
    modified: datetime
    instances: int
    only: bytes | None = None


_VERSION = {
    "study": f"SELECT s.revision, s.updated_at, s.number_of_instances {ONE_STUDY}",
    "series": f"SELECT e.revision, e.updated_at, e.number_of_instances {ONE_SERIES}",
    "instance": f"""
        SELECT i.revision, i.stored_at, 1, (
            SELECT metadata FROM instance_metadata
             WHERE instance_row = i.id AND octet_length(metadata) <= {_SHORT})
        {ONE_INSTANCE}
    """,
}


async def version_of(pool: Pool, tenant_id: int, target: Target) -> Version:
    """The version of the target's metadata, by one index lookup a level. Raises NotFound, Gone."""
    async with lookup_connection(pool) as db:
        row = await db.fetchrow(_VERSION[target.level], tenant_id, *target.uids)
    if row is None:
        await raise_missing(pool, tenant_id, target)
    return Version(*row)


# From the first row on as many as are not too long together. Lengths are known without reading the values.
_METADATA = """
    SELECT CASE WHEN n.position = 1 OR sum(octet_length(m.metadata)) OVER (ORDER BY n.position) <= $2
                THEN m.metadata END
      FROM unnest($1::bigint[]) WITH ORDINALITY AS n (instance_row, position)
      JOIN instance_metadata AS m ON m.instance_row = n.instance_row
     ORDER BY n.position
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
        while rows:
            async with lookup_connection(pool) as db:
                fetched = await db.fetch(_METADATA, rows, _PAGE_BYTES)
            if len(fetched) < len(rows):
                await raise_changed(pool, tenant_id, target)
            page = [stored for (stored,) in fetched if stored is not None]
            rows = rows[len(page) :]
            del fetched
            yield page
            del page


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
