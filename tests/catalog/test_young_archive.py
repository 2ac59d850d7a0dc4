"""The first minute of an archive: plans made while it was empty serve it while it fills."""

from __future__ import annotations

from contextlib import suppress

from dicomweb.catalog.pool import Pool
from dicomweb.errors import NotFound
from tests.catalog.large import LOOKUPS, load, store_and_delete, touched
from tests.catalog.rows import in_catalog
from tests.catalog.test_scale import OF_A_LOOKUP, OF_STORES_AND_DELETES


def test_plans_made_while_the_archive_was_empty_stay_good(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        for lookup in LOOKUPS.values():
            with suppress(NotFound):
                await lookup(pool)
        await store_and_delete(pool)
        await load(pool, 4000)
        for name, lookup in LOOKUPS.items():
            before = await touched(pool)
            await lookup(pool)
            assert await touched(pool) - before <= OF_A_LOOKUP, name
        before = await touched(pool)
        await store_and_delete(pool)
        assert await touched(pool) - before <= OF_STORES_AND_DELETES

    in_catalog(database_url, scenario)
