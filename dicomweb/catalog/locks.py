"""How transactions that change instances take their locks: the same order in all of them.

1. The rows of all studies concerned, in order of their UID, with SELECT ... FOR NO KEY UPDATE; a missing
   one is inserted, in the same order.
2. Everything below a study belongs to the holder of its row: series, instances, counts and tombstones need
   no lock of their own.
3. What studies share comes last. New instances in order of their SOP Instance UID, which is unique over the
   tenant; rows of objects that instances leave in order of their key, since a pack can hold several studies.

So no two transactions wait for each other in a circle. Study rows are held for a statement or two and the
commit; all that costs time (parsing, compressing) happens before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from asyncpg import Record

from dicomweb.catalog.pool import Connection
from dicomweb.errors import Unavailable


class TryAgain(Exception):
    """What the transaction needs is not locked, and locking it now would break the order."""


@asynccontextmanager
async def write_transaction(db: Connection, *, hashing: bool = False) -> AsyncIterator[None]:
    """A transaction that is over, one way or the other, when the block is. Raises Unavailable.

    hashing: its statements join long lists, and keep the planner from hashing tables themselves.
    """
    await db.execute("BEGIN; SET LOCAL enable_hashjoin = on" if hashing else "BEGIN")
    try:
        yield
    except BaseException:
        if not db.is_closed():
            await db.execute("ROLLBACK")
        raise
    # PostgreSQL answers the COMMIT of a broken transaction with a quiet ROLLBACK.
    if await db.execute("COMMIT") != "COMMIT":
        raise Unavailable("The archive's database did not commit.")


@dataclass(frozen=True, slots=True)
class LockedStudies:
    """Rows and Patient IDs by Study Instance UID. created: some may be new, and are empty until something is
    added."""

    rows: dict[str, int]
    patient_ids: dict[str, str | None]
    created: bool = False


LOCK = """
    SELECT id, study_instance_uid, patient_id
      FROM study
     WHERE id = ANY (ARRAY (
               SELECT s.id FROM unnest($2::text[]) AS uid, LATERAL (
                   SELECT id FROM study WHERE tenant_id = $1 AND study_instance_uid = uid LIMIT 1) AS s))
     ORDER BY study_instance_uid
       FOR NO KEY UPDATE
"""

LOCK_OR_CREATE = """
    INSERT INTO study AS s (tenant_id, study_instance_uid, revision, attributes)
    SELECT $1, uid, 0, '' FROM unnest($2::text[]) AS uid ORDER BY uid
        ON CONFLICT (tenant_id, study_instance_uid) DO UPDATE SET revision = s.revision
    RETURNING id, study_instance_uid, patient_id
"""


async def lock_studies(db: Connection, tenant_id: int, studies: Iterable[str]) -> LockedStudies:
    """Lock those of the studies that exist."""
    return _locked(await db.fetch(LOCK, tenant_id, list(studies)))


def _locked(rows: Iterable[Record], *, created: bool = False) -> LockedStudies:
    by_uid = {row["study_instance_uid"]: row for row in rows}
    return LockedStudies(
        {uid: row["id"] for uid, row in by_uid.items()},
        {uid: row["patient_id"] for uid, row in by_uid.items()},
        created,
    )


async def lock_or_create_studies(
    db: Connection, tenant_id: int, studies: set[str], *, create: bool
) -> LockedStudies:
    """Lock studies, missing ones too.

    Looking first spares the study's row a dead version for every instance; but where some are missing and
    some were locked by the look, only a new transaction with `create` keeps the order: raises TryAgain.
    """
    if not create:
        found = await lock_studies(db, tenant_id, studies)
        if len(found.rows) == len(studies):
            return found
        if found.rows:
            raise TryAgain
    return _locked(await db.fetch(LOCK_OR_CREATE, tenant_id, list(studies)), created=True)


_DROP_EMPTY = "DELETE FROM study WHERE id = ANY ($1::bigint[]) AND number_of_instances = 0"


async def drop_empty_studies(db: Connection, studies: LockedStudies) -> None:
    """Remove studies that were made to be locked and then got nothing."""
    if studies.created:
        await db.execute(_DROP_EMPTY, list(studies.rows.values()))
