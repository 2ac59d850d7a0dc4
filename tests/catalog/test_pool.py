from __future__ import annotations

import pytest

from dicomweb.catalog.pool import Pool, indexed_connection
from dicomweb.errors import TooLarge
from tests.catalog.rows import in_catalog


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT length(repeat('0123456789', 120000000))",  # one value beyond 1 GB
        f"SELECT {'1,' * 1700} 1",  # a row of too many columns
    ],
)
def test_what_is_beyond_the_limits_of_the_database_is_too_large(database_url: str, statement: str) -> None:
    async def scenario(pool: Pool) -> None:
        async with indexed_connection(pool) as db:
            await db.fetchval(statement)

    with pytest.raises(TooLarge):
        in_catalog(database_url, scenario)
