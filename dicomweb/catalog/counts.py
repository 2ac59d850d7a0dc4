"""When instances go: their rows and their hold on bytes, and what their series and study count anew."""

# ruff: noqa: S608 - the statements are put together from constants of our modules only.

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dicomweb.catalog.lookup import CURRENT
from dicomweb.catalog.pool import Connection

_RECOUNT_SERIES = f"""
    UPDATE series AS e
       SET number_of_instances = (
               SELECT count(*) FROM instance AS i WHERE i.series_row = e.id AND {CURRENT}),
           revision = nextval('revision'), updated_at = clock_timestamp()
     WHERE id = ANY ($1::bigint[])
"""
_DROP_EMPTY_SERIES = """
    DELETE FROM series WHERE id = ANY ($1::bigint[]) AND number_of_instances = 0
    RETURNING series_instance_uid
"""
# A SOP class stays as long as one instance has it: the first one found ends the search. OFFSET keeps that
# search within the study: it must not begin with all instances of the class.
_RECOUNT_STUDIES = f"""
    UPDATE study AS s
       SET (number_of_series, number_of_instances, modalities) = (
               SELECT count(*), coalesce(sum(number_of_instances), 0),
                      coalesce(array_agg(DISTINCT modality ORDER BY modality)
                                   FILTER (WHERE modality IS NOT NULL), '{{}}')
                 FROM series WHERE study_row = s.id),
           sop_classes = ARRAY (
               SELECT uid FROM unnest(s.sop_classes) AS uid
                WHERE EXISTS (SELECT FROM series AS e, LATERAL (
                                  SELECT sop_class_uid FROM instance AS i
                                   WHERE i.series_row = e.id AND {CURRENT} OFFSET 0) AS i
                               WHERE e.study_row = s.id AND i.sop_class_uid = uid)
                ORDER BY uid),
           revision = nextval('revision'), updated_at = clock_timestamp()
     WHERE id = ANY ($1::bigint[])
"""
_DROP_EMPTY_STUDIES = """
    DELETE FROM study WHERE id = ANY ($1::bigint[]) AND number_of_instances = 0 RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Vanished:
    """What was left empty and went: UIDs of series, rows of studies."""

    series: tuple[str, ...]
    studies: frozenset[int]


async def recount(db: Connection, studies: Collection[int], series: Collection[int]) -> Vanished:
    """Settle studies and series after instances left them; what is empty goes.

    The caller holds the rows of the studies.
    """
    await db.execute(_RECOUNT_SERIES, list(series))
    gone_series = await db.fetch(_DROP_EMPTY_SERIES, list(series))
    await db.execute(_RECOUNT_STUDIES, list(studies))
    gone_studies = await db.fetch(_DROP_EMPTY_STUDIES, list(studies))
    return Vanished(tuple(row[0] for row in gone_series), frozenset(row[0] for row in gone_studies))


_LOCK_BLOBS = """
    SELECT FROM blob
     WHERE blob_key = ANY (ARRAY (
               SELECT blob_key FROM instance WHERE id = ANY ($1::bigint[]) UNION
               SELECT inflated_key FROM instance WHERE id = ANY ($1::bigint[])))
     ORDER BY blob_key
       FOR NO KEY UPDATE
"""
# The objects are there: as an upsert, each is found by its key, where an update could join the whole table.
# An object that no row points to is doomed: swept after a time of grace, so that no running answer is torn.
_REMOVE = """
    WITH gone AS (
        DELETE FROM instance WHERE id = ANY ($1::bigint[]) RETURNING blob_key, inflated_key
    ), gone_metadata AS (
        DELETE FROM instance_metadata WHERE instance_row = ANY ($1::bigint[])
    ), gone_frames AS (
        DELETE FROM instance_frames WHERE instance_row = ANY ($1::bigint[])
    ), released AS (
        SELECT key, count(*) AS rows
          FROM (SELECT blob_key FROM gone UNION ALL
                SELECT inflated_key FROM gone WHERE inflated_key IS NOT NULL) AS pointed (key)
         GROUP BY key
    )
    INSERT INTO blob AS b (blob_key, size, live)
    SELECT key, 0, rows FROM released
        ON CONFLICT (blob_key) DO UPDATE
       SET live = b.live - EXCLUDED.live,
           doomed_at = CASE WHEN b.live <= EXCLUDED.live THEN now() ELSE b.doomed_at END
"""


async def remove_instances(db: Connection, instance_rows: Collection[int]) -> None:
    """Remove rows of instances, and let go of their bytes. The caller holds their studies, and recounts."""
    rows = list(instance_rows)
    await db.execute(_LOCK_BLOBS, rows)
    await db.execute(_REMOVE, rows)
