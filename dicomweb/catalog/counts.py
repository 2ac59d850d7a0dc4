"""Counts, modalities and SOP classes of series and studies from which instances went: counted anew."""

from __future__ import annotations

from collections.abc import Collection

from dicomweb.catalog.pool import Connection

_RECOUNT_SERIES = """
    UPDATE series AS e
       SET number_of_instances = (
               SELECT count(*) FROM instance WHERE series_row = e.id AND superseded_at IS NULL),
           revision = nextval('revision'), updated_at = now()
     WHERE id = ANY ($1::bigint[])
"""
_DROP_EMPTY_SERIES = """
    DELETE FROM series WHERE id = ANY ($1::bigint[]) AND number_of_instances = 0
    RETURNING study_row, series_instance_uid
"""
# A SOP class stays as long as one instance has it: the first one found ends the search.
_RECOUNT_STUDIES = """
    UPDATE study AS s
       SET (number_of_series, number_of_instances, modalities) = (
               SELECT count(*), coalesce(sum(number_of_instances), 0),
                      coalesce(array_agg(DISTINCT modality ORDER BY modality)
                                   FILTER (WHERE modality IS NOT NULL), '{}')
                 FROM series WHERE study_row = s.id),
           sop_classes = ARRAY (
               SELECT uid FROM unnest(s.sop_classes) AS uid
                WHERE EXISTS (SELECT FROM series AS e JOIN instance AS i ON i.series_row = e.id
                               WHERE e.study_row = s.id AND i.sop_class_uid = uid AND i.superseded_at IS NULL)
                ORDER BY uid),
           revision = nextval('revision'), updated_at = now()
     WHERE id = ANY ($1::bigint[])
"""
_DROP_EMPTY_STUDIES = """
    DELETE FROM study WHERE id = ANY ($1::bigint[]) AND number_of_instances = 0 RETURNING id
"""


async def recount(db: Connection, studies: Collection[int], series: Collection[int]) -> None:
    """Settle studies and series after instances left them; what is empty goes.

    The caller holds the rows of the studies.
    """
    await db.execute(_RECOUNT_SERIES, list(series))
    await db.execute(_DROP_EMPTY_SERIES, list(series))
    await db.execute(_RECOUNT_STUDIES, list(studies))
    await db.execute(_DROP_EMPTY_STUDIES, list(studies))
