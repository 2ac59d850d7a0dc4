"""What verify, sweep and export walk over: every row of the catalog in keyset pages, never all at once."""

# ruff: noqa: S608 - the statements are put together from constants of this module only.

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicomweb.catalog.lookup import SOURCE_COLUMNS, SOURCE_TABLES, InstanceSource, source_of
from dicomweb.catalog.pool import Pool, indexed_connection

_PAGE = 500


@dataclass(frozen=True, slots=True)
class BlobRow:
    """An object that the catalog knows. rows: how many instances really point into it; live should say so."""

    blob_key: str
    size: int
    live: int
    rows: int
    created_at: datetime
    doomed_at: datetime | None


# --- verify ----------------------------------------------------------------------------------------

_INSTANCES = f"SELECT {SOURCE_COLUMNS} {SOURCE_TABLES} WHERE i.id > $1 ORDER BY i.id LIMIT {_PAGE}"
_BLOBS = f"""
    SELECT b.blob_key, b.size, b.live,
           (SELECT count(*) FROM instance WHERE blob_key = b.blob_key)
           + (SELECT count(*) FROM instance WHERE inflated_key = b.blob_key) AS rows,
           b.created_at, b.doomed_at
      FROM blob AS b
     WHERE b.blob_key > $1
     ORDER BY b.blob_key
     LIMIT {_PAGE}
"""
_KNOWN = "SELECT blob_key FROM blob WHERE blob_key = ANY ($1::text[])"
_NEEDED = "SELECT FROM blob WHERE blob_key = $1 AND doomed_at IS NULL"
_DAMAGED = "UPDATE instance SET damaged_at = now() WHERE id = ANY ($1::bigint[]) AND damaged_at IS NULL"
_INTACT = "UPDATE instance SET damaged_at = NULL WHERE id = ANY ($1::bigint[]) AND damaged_at IS NOT NULL"


async def all_instances(pool: Pool, *, after_row: int = 0) -> AsyncIterator[Sequence[InstanceSource]]:
    """Every stored instance, old versions too, in order of its row; `after_row` resumes an earlier walk.

    What is stored while the walk goes on comes at its end.
    """
    while True:
        async with indexed_connection(pool) as db:
            page = [source_of(row) for row in await db.fetch(_INSTANCES, after_row)]
        if not page:
            return
        yield page
        after_row = page[-1].instance_row


async def all_blobs(pool: Pool) -> AsyncIterator[Sequence[BlobRow]]:
    """Every object that the catalog knows, in order of its key."""
    after = ""
    while True:
        async with indexed_connection(pool) as db:
            page = [BlobRow(*row) for row in await db.fetch(_BLOBS, after)]
        if not page:
            return
        yield page
        after = page[-1].blob_key


async def known_blobs(pool: Pool, keys: Collection[str]) -> set[str]:
    """Those of the keys that the catalog knows; the others are orphans, or uploads not yet committed."""
    async with indexed_connection(pool) as db:
        return {row["blob_key"] for row in await db.fetch(_KNOWN, list(keys))}


async def is_needed(pool: Pool, key: str) -> bool:
    """Whether the catalog wants this object still: what is doomed may be swept at any moment."""
    async with indexed_connection(pool) as db:
        return await db.fetchrow(_NEEDED, key) is not None


async def mark_damaged(pool: Pool, instance_rows: Collection[int]) -> None:
    """Note that bytes of instances are missing or wrong: retrieves leave them out, a resend heals them."""
    async with indexed_connection(pool) as db:
        await db.execute(_DAMAGED, list(instance_rows))


async def mark_intact(pool: Pool, instance_rows: Collection[int]) -> None:
    """Take the note of damage back: the bytes were found whole."""
    async with indexed_connection(pool) as db:
        await db.execute(_INTACT, list(instance_rows))


# --- sweep -----------------------------------------------------------------------------------------

_DOOMED = f"""
    SELECT blob_key FROM blob
     WHERE doomed_at < now() - $1::interval AND live <= 0
     ORDER BY doomed_at
     LIMIT {_PAGE}
"""
_FORGET = "DELETE FROM blob WHERE blob_key = ANY ($1::text[]) AND live <= 0 AND doomed_at IS NOT NULL"


async def doomed_blobs(pool: Pool, *, grace: timedelta) -> list[str]:
    """Some of the objects that nothing has pointed to for longer than `grace`, the oldest first.

    Delete the objects, then `forget_blobs`, then ask again until there are none.
    """
    async with indexed_connection(pool) as db:
        return [row["blob_key"] for row in await db.fetch(_DOOMED, grace)]


async def forget_blobs(pool: Pool, keys: Collection[str]) -> None:
    """Remove the rows of objects that have been deleted."""
    async with indexed_connection(pool) as db:
        await db.execute(_FORGET, list(keys))


# --- export ----------------------------------------------------------------------------------------

_STUDIES = f"""
    SELECT study_instance_uid FROM study
     WHERE tenant_id = $1 AND study_instance_uid > $2
     ORDER BY study_instance_uid
     LIMIT {_PAGE}
"""


async def all_studies(pool: Pool, tenant_id: int) -> AsyncIterator[Sequence[str]]:
    """Study Instance UIDs of the tenant, in order."""
    after = ""
    while True:
        async with indexed_connection(pool) as db:
            page = [row["study_instance_uid"] for row in await db.fetch(_STUDIES, tenant_id, after)]
        if not page:
            return
        yield page
        after = page[-1]
