from __future__ import annotations

import asyncio

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


def test_many_share_few_connections(database_url: str) -> None:
    async def scenario(pool: Pool) -> set[int]:
        async def ask() -> int:
            async with indexed_connection(pool) as db:
                await asyncio.sleep(0.001)
                return int(await db.fetchval("SELECT pg_backend_pid()"))

        asked = await asyncio.gather(*(ask() for _ in range(100)))
        return {await ask() for _ in range(5)} | set(asked)

    assert 1 < len(in_catalog(database_url, scenario)) <= 6


def test_a_connection_that_the_database_ended_is_replaced(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        async with indexed_connection(pool) as db, indexed_connection(pool) as other:
            ended = await db.fetchval("SELECT pg_backend_pid()")
            await other.execute("SELECT pg_terminate_backend($1, 5000)", ended)
            await asyncio.sleep(0.2)  # its end comes through
        for _ in range(4):
            async with indexed_connection(pool) as db:
                assert await db.fetchval("SELECT pg_backend_pid()") != ended

    in_catalog(database_url, scenario)


def test_a_kept_connection_that_the_database_ended_is_replaced(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        async with indexed_connection(pool) as other:
            async with indexed_connection(pool) as db:
                ended = await db.fetchval("SELECT pg_backend_pid()")
            await other.execute("SELECT pg_terminate_backend($1, 5000)", ended)
            await asyncio.sleep(0.2)  # its end comes through
            async with indexed_connection(pool) as db:
                assert await db.fetchval("SELECT pg_backend_pid()") != ended

    in_catalog(database_url, scenario)


def test_a_transaction_left_open_is_not_lent_on(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        async with indexed_connection(pool) as db:
            await db.execute("BEGIN; CREATE TABLE left_behind ()")
        async with indexed_connection(pool) as db:
            assert not db.is_in_transaction()
            assert await db.fetchval("SELECT to_regclass('left_behind')") is None

    in_catalog(database_url, scenario)


def test_who_waits_is_served_before_a_connection_is_kept(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        order: list[str] = []

        async def hold(name: str, seconds: float) -> None:
            async with indexed_connection(pool) as db:
                await db.execute("SELECT pg_sleep($1)", seconds)
            order.append(name)

        held = [asyncio.create_task(hold("first", 0.2)) for _ in range(6)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await asyncio.gather(*(hold("then", 0) for _ in range(20)), *held)
        assert order[:1] == ["first"]
        assert order.count("then") == 20

    in_catalog(database_url, scenario)
