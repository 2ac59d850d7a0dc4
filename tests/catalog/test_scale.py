"""A large archive: nothing that names what it wants reads more rows because there are more (design 3).

PostgreSQL itself counts the rows that a statement touches, in tables and their indexes; a plan that reads a
table, or walks an index in search of a few rows, shows at once, whatever the machine's speed.
What searches touch is asked in test_search_plans.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dicomweb.catalog.pool import Pool, connection
from tests.catalog.large import LOOKUPS, TENANT, load, store_and_delete, touched
from tests.catalog.rows import in_catalog, rows

STUDIES = 50_000

# A lookup reads three rows and their index entries, a page of a study a few more; a store, a replace and a
# delete check foreign keys, counts and tombstones besides.
OF_A_LOOKUP = 40
OF_STORES_AND_DELETES = 600

Scenario = Callable[[Pool], Awaitable[Any]]


@pytest.fixture(scope="module", params=[False, True], ids=["without statistics", "with statistics"])
def archive(request: pytest.FixtureRequest, database_url: str) -> str:
    """The large archive; without statistics it is as if the autovacuum had not come round yet."""

    async def prepare(pool: Pool) -> None:
        if not request.param:
            await load(pool, STUDIES)
            return
        async with connection(pool) as db:
            await db.execute("VACUUM ANALYZE", timeout=100)

    in_catalog(database_url, prepare)
    return database_url


def _touched_by(url: str, scenario: Scenario) -> int:
    """Rows and index entries that a scenario touches once its connections are warm."""

    async def measure(pool: Pool) -> int:
        await scenario(pool)
        before = await touched(pool)
        await scenario(pool)
        return await touched(pool) - before

    return in_catalog(url, measure)


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_lookup_touches_a_handful_of_rows(archive: str, name: str) -> None:
    assert _touched_by(archive, LOOKUPS[name]) <= OF_A_LOOKUP


def test_storing_and_deleting_touch_a_handful_of_rows(archive: str) -> None:
    assert _touched_by(archive, store_and_delete) <= OF_STORES_AND_DELETES


def test_the_synthetic_archive_is_as_large_as_it_says(archive: str) -> None:
    async def scenario(pool: Pool) -> None:
        found = await rows(pool, "SELECT count(*) FROM instance WHERE tenant_id = $1", TENANT)
        assert found[0][0] == 2 * STUDIES

    in_catalog(archive, scenario)
