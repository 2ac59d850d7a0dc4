"""What people call the series of a study: for the names of files."""

from __future__ import annotations

from typing import NamedTuple

from dicomweb.catalog.pool import Pool, lookup_connection

_LABELS = """
    SELECT e.series_instance_uid, coalesce(e.modality, ''), coalesce(e.series_description, '')
      FROM (SELECT id FROM study WHERE tenant_id = $1 AND study_instance_uid = $2 LIMIT 1) AS s
      JOIN series AS e ON e.study_row = s.id
"""


class SeriesLabel(NamedTuple):
    """Empty where the series says nothing."""

    modality: str
    description: str


async def series_labels(pool: Pool, tenant_id: int, study_instance_uid: str) -> dict[str, SeriesLabel]:
    """By Series Instance UID; empty when the study is not there."""
    async with lookup_connection(pool, large=True) as db:
        rows = await db.fetch(_LABELS, tenant_id, study_instance_uid)
    return {uid: SeriesLabel(modality, description) for uid, modality, description in rows}
