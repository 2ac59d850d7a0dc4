"""Where every bulkdata value of some instances lies."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from dicomweb.catalog.columns import decompress
from dicomweb.catalog.pool import Pool, lookup_connection

_BULKDATA = """
    SELECT instance_row, bulkdata FROM instance_metadata
     WHERE instance_row = ANY ($1::bigint[]) AND bulkdata IS NOT NULL
"""

BulkdataIndex = dict[str, tuple[str, int, int]]


async def bulkdata_indexes(pool: Pool, instance_rows: Sequence[int]) -> dict[int, BulkdataIndex]:
    """By instance, then by path: VR, offset and length, counted as InstanceSource says."""
    async with lookup_connection(pool) as db:
        rows = await db.fetch(_BULKDATA, instance_rows)
    return {row["instance_row"]: orjson.loads(decompress(row["bulkdata"])) for row in rows}
