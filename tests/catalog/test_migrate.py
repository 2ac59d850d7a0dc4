"""Migrations: each once, in order, whole or not at all; and catalog.sql says what they make."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from dicomweb.catalog import migrate as module
from dicomweb.catalog.migrate import SchemaMismatch, migrate, migrations, schema_directory
from dicomweb.errors import InvalidSettings, Unavailable
from tests.catalog.schema_text import schema_text

_CATALOG = schema_directory() / "catalog.sql"


@pytest.fixture
def fresh_url(postgres_url: str) -> Iterator[str]:
    """An empty database of the test's own."""
    asyncio.run(_execute(postgres_url, "CREATE DATABASE migrating TEMPLATE template0"))
    yield urlunsplit(urlsplit(postgres_url)._replace(path="/migrating"))
    asyncio.run(_execute(postgres_url, "DROP DATABASE migrating WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    db = await asyncpg.connect(url)
    await db.execute(statement)
    await db.close()


async def _journal(url: str) -> list[str]:
    db = await asyncpg.connect(url)
    rows = await db.fetch("SELECT name FROM schema_migration ORDER BY name")
    await db.close()
    return [row["name"] for row in rows]


def test_replayed_migrations_make_the_schema_of_catalog_sql(fresh_url: str) -> None:
    asyncio.run(migrate(fresh_url))
    assert asyncio.run(schema_text(fresh_url)) == _CATALOG.read_text(encoding="utf-8")


def test_catalog_sql_is_a_schema_that_can_be_made(fresh_url: str) -> None:
    asyncio.run(_execute(fresh_url, _CATALOG.read_text(encoding="utf-8")))
    assert asyncio.run(schema_text(fresh_url)) == _CATALOG.read_text(encoding="utf-8")


def test_any_number_of_processes_may_migrate_at_once(fresh_url: str) -> None:
    async def together() -> list[list[str]]:
        return await asyncio.gather(*(migrate(fresh_url) for _ in range(4)))

    names = [migration.name for migration in migrations()]
    assert sorted(asyncio.run(together())) == [[], [], [], names]
    assert asyncio.run(migrate(fresh_url)) == []
    assert asyncio.run(_journal(fresh_url)) == names


def _with_files(directory: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    (directory / "sql").mkdir(exist_ok=True)
    for name, statements in files.items():
        (directory / "sql" / f"{name}.sql").write_text(statements)
    monkeypatch.setattr(module, "schema_directory", lambda: directory)


def test_a_migration_that_fails_leaves_nothing(
    fresh_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_files(
        tmp_path, monkeypatch, a1="CREATE TABLE one (x int);", a2="CREATE TABLE two (x int); SELECT 1/0;"
    )
    with pytest.raises(asyncpg.DivisionByZeroError):
        asyncio.run(migrate(fresh_url))
    assert asyncio.run(_journal(fresh_url)) == ["a1"]
    _with_files(tmp_path, monkeypatch, a2="CREATE TABLE two (x int);")
    assert asyncio.run(migrate(fresh_url)) == ["a2"]


def test_a_file_that_was_edited_after_it_was_applied_is_refused(
    fresh_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_files(tmp_path, monkeypatch, a1="CREATE TABLE one (x int);")
    asyncio.run(migrate(fresh_url))
    _with_files(tmp_path, monkeypatch, a1="CREATE TABLE one (x bigint);")
    with pytest.raises(SchemaMismatch):
        asyncio.run(migrate(fresh_url))


def test_the_schema_of_a_newer_release_is_left_alone(
    fresh_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_files(tmp_path, monkeypatch, a1="CREATE TABLE one (x int);", a2="CREATE TABLE two (x int);")
    asyncio.run(migrate(fresh_url))
    (tmp_path / "sql" / "a2.sql").unlink()
    assert asyncio.run(migrate(fresh_url)) == []


def test_a_table_in_use_does_not_block_for_ever(
    fresh_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_files(tmp_path, monkeypatch, a1="CREATE TABLE one (x int);")
    asyncio.run(migrate(fresh_url))
    _with_files(tmp_path, monkeypatch, a2="ALTER TABLE one ADD y int;")
    monkeypatch.setattr(module, "_WAIT_FOR_TABLES", "SET LOCAL lock_timeout = '100ms'")

    async def busy() -> list[str]:
        db: asyncpg.Connection[Any] = await asyncpg.connect(fresh_url)
        async with db.transaction():
            await db.execute("SELECT * FROM one")
            migrating = asyncio.create_task(migrate(fresh_url))
            await asyncio.sleep(0.5)
            assert not migrating.done()
        names = await migrating
        await db.close()
        return names

    assert asyncio.run(busy()) == ["a2"]


def test_an_account_without_rights_is_told_so(postgres_url: str, fresh_url: str) -> None:
    async def as_stranger() -> None:
        await _execute(fresh_url, "CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
        parts = urlsplit(fresh_url)
        place = parts.netloc.rpartition("@")[2]
        try:
            await migrate(urlunsplit(parts._replace(netloc=f"stranger:stranger@{place}")))
        finally:
            await _execute(fresh_url, "DROP ROLE stranger")

    with pytest.raises(InvalidSettings):
        asyncio.run(as_stranger())


def test_no_server_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        asyncio.run(migrate("postgresql://nobody@127.0.0.1:1/none"))
