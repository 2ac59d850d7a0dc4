"""Deleting: hidden and counted at once; the bytes go when the sweeper finds their object without rows."""

# ruff: noqa: S608 - the statements are put together from constants of this module only.

from __future__ import annotations

from dicomweb.catalog.counts import Vanished, recount, remove_instances
from dicomweb.catalog.locks import lock_studies, write_transaction
from dicomweb.catalog.lookup import raise_missing
from dicomweb.catalog.pool import Connection, Pool, indexed_connection
from dicomweb.catalog.restate import restate
from dicomweb.dicom.target import Target

# Old versions go with the newest one: they follow it to its series. OFFSET keeps the planner from joining the
# other way round.
_FIND = {
    level: f"""
        SELECT i.id, i.series_row, i.superseded_at IS NULL AS is_current
          FROM series AS e, LATERAL (SELECT * FROM instance WHERE series_row = e.id OFFSET 0) AS i
         WHERE {below}
    """
    for level, below in {
        "study": "e.study_row = $1",
        "series": "e.study_row = $1 AND e.series_instance_uid = $2",
        "instance": "e.study_row = $1 AND e.series_instance_uid = $2 AND i.sop_instance_uid = $3",
    }.items()
}
_BURY = """
    INSERT INTO tombstone (tenant_id, study_instance_uid, series_instance_uid, sop_instance_uid)
    SELECT $1, $2, n.* FROM unnest($3::text[], $4::text[]) AS n
        ON CONFLICT DO NOTHING
"""


async def delete(pool: Pool, tenant_id: int, target: Target) -> int:
    """Delete a study, series or instance; returns how many instances went. Raises NotFound, Gone.

    Two clients that delete the same at once both get an answer: the second one is told that it is gone.
    """
    async with indexed_connection(pool) as db, write_transaction(db):
        found = await _delete(db, tenant_id, target)
    if not found:
        await raise_missing(pool, tenant_id, target)
    return found


async def _delete(db: Connection, tenant_id: int, target: Target) -> int:
    locked = await lock_studies(db, tenant_id, [target.study])
    study_row = locked.rows.get(target.study)
    if study_row is None:
        return 0
    uids = [uid for uid in (target.series, target.instance) if uid]
    rows = await db.fetch(_FIND[target.level], study_row, *uids)
    if not rows:
        return 0
    series_rows = {row["series_row"] for row in rows}
    await remove_instances(db, [row["id"] for row in rows])
    await restate(db, study_row, series_rows)
    vanished = await recount(db, [study_row], series_rows)
    await _bury(db, tenant_id, target, vanished)
    return sum(row["is_current"] for row in rows)


async def _bury(db: Connection, tenant_id: int, target: Target, vanished: Vanished) -> None:
    """Leave tombstones for the target and for what vanished with it, so that each answers 410 (H-20)."""
    graves = {(target.series, target.instance), *((uid, "") for uid in vanished.series)}
    if vanished.studies:
        graves.add(("", ""))
    series, instances = zip(*sorted(graves), strict=True)
    await db.execute(_BURY, tenant_id, target.study, list(series), list(instances))
