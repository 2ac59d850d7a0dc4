"""How much there is, for the progress of commands that walk over all of it."""

from __future__ import annotations

from dicomweb.catalog.pool import Pool, connection

# Old versions are not counted here: the number is what a person is told to expect.
_INSTANCES = "SELECT coalesce(sum(number_of_instances), 0)::bigint FROM study"


async def count_instances(pool: Pool) -> int:
    """Instances that can be searched, from the counts that each study keeps."""
    async with connection(pool) as db:
        return int(await db.fetchval(_INSTANCES))
