"""The embedded PostgreSQL with real processes."""

from __future__ import annotations

import asyncio

import asyncpg


def test_the_migrated_database_has_the_tables(database_url: str) -> None:
    async def count() -> int:
        connection = await asyncpg.connect(database_url)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM study"))
        finally:
            await connection.close()

    assert asyncio.run(count()) == 0
