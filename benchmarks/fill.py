"""`python -m benchmarks.fill --data DIRECTORY --studies N`: a large catalog without its pixels, in minutes.

Puts N more synthetic studies (studies.py) into the catalog of an archive, whose server may run or not: rows
(rows.py) by COPY, indexes made anew where most of the table is new. What the rows point to is not there:
searches and metadata answer, instances do not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg

from benchmarks import studies
from benchmarks.rows import COLUMNS, NUMBERED, Rows
from dicomweb.run.attach import attached
from dicomweb.run.migration import migrate_database
from dicomweb.run.owner import current_owner, owned
from dicomweb.run.postgres import EmbeddedPostgres
from dicomweb.settings import DEFAULT_TENANT, Settings

# Studies written together: some 25 MB of text.
_BATCH = 5000
_PIECE = 1 << 18

# A database that nobody uses yet is filled without a thought to crashes: a fill that was torn is thrown away.
# Rows that come into a table in the transaction that emptied it need no write-ahead log then.
_HASTE = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "autovacuum": "off",
    "shared_buffers": "512MB",
}


# --- tables ----------------------------------------------------------------------------------------

_INDEXES = """
    SELECT i.relname AS name, pg_get_indexdef(x.indexrelid) AS definition
      FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
     WHERE x.indrelid = ANY ($1::regclass[])
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = x.indexrelid)
     ORDER BY 1
"""
_OPTIONS = """
    SELECT relname, fillfactor FROM pg_class, unnest(reloptions) AS fillfactor
     WHERE oid = ANY ($1::regclass[]) AND fillfactor LIKE 'fillfactor=%'
"""
_LAST = """
    SELECT max(study_instance_uid) FROM study
     WHERE tenant_id = $1 AND study_instance_uid BETWEEN $2 AND $3
"""


async def next_number(db: asyncpg.Connection[asyncpg.Record]) -> int:
    """The number of the first study that is not there yet, where fill alone made them."""
    last = await db.fetchval(_LAST, DEFAULT_TENANT, *studies.UID_BOUNDS)
    number = studies.number_of(last) if last else None
    return 0 if number is None else number + 1


async def fill(url: str, count: int, *, tell: Callable[[str], None] = lambda _: None) -> None:
    """Add the next `count` studies in one transaction, which a running server waits for."""
    db = await asyncpg.connect(url, command_timeout=None)
    try:
        async with db.transaction():
            await _fill(db, count, tell)
        tell("statistics")
        for table in COLUMNS:
            # Frozen rows leave a vacuum nothing to do.
            await db.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        await db.close()


async def fill_up(url: str, studies: int) -> None:
    """Bring the catalog to so many studies."""
    db = await asyncpg.connect(url)
    try:
        missing = studies - await next_number(db)
    finally:
        await db.close()
    if missing > 0:
        await fill(url, missing)


async def _fill(db: asyncpg.Connection[asyncpg.Record], count: int, tell: Callable[[str], None]) -> None:
    tables = ", ".join(COLUMNS)
    await db.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
    # Foreign keys hold by construction; a check of each would cost more than the row. Needs a superuser, as
    # the embedded database's account is.
    await db.execute("SET LOCAL session_replication_role = replica; SET LOCAL maintenance_work_mem = '1GB'")
    first = await next_number(db)
    ids = {table: await db.fetchval(f"SELECT coalesce(max(id), 0) FROM {table}") for table in NUMBERED}
    is_empty = not any(ids.values())
    if is_empty:
        await db.execute(f"TRUNCATE {tables} CASCADE")
    async with _dense(db), _without_indexes(db, drop=count > first, tell=tell):
        rows = Rows(ids, await db.fetchval("SELECT nextval('revision')"))
        end = first + count
        ranges = [range(start, min(start + _BATCH, end)) for start in range(first, end, _BATCH)]
        texts: dict[str, bytes] = {}
        # While the database takes one batch, the next is made.
        for made in [*ranges, range(end, end)]:
            following = asyncio.create_task(asyncio.to_thread(rows.of, made))
            await _copy(db, texts, freeze=is_empty)
            texts = await following
            tell(f"{made.start - first} studies")
        for table, last in rows.ids.items():
            await db.execute("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)", table, max(last, 1))


async def _copy(db: asyncpg.Connection[asyncpg.Record], texts: Mapping[str, bytes], *, freeze: bool) -> None:
    """freeze: rows are marked as seen by all, so that nobody need look again (a table emptied before)."""
    for table, text in texts.items():
        await db.copy_to_table(table, source=_pieces(text), columns=COLUMNS[table], freeze=freeze)


async def _pieces(text: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]


@asynccontextmanager
async def _dense(db: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[None]:
    """Leave no room for updates in pages while the block runs: nothing is ever added to these studies."""
    options = await db.fetch(_OPTIONS, list(COLUMNS))
    for name, _ in options:
        await db.execute(f"ALTER TABLE {name} SET (fillfactor = 100)")
    yield
    for name, fillfactor in options:
        await db.execute(f"ALTER TABLE {name} SET ({fillfactor})")


@asynccontextmanager
async def _without_indexes(
    db: asyncpg.Connection[asyncpg.Record], *, drop: bool, tell: Callable[[str], None]
) -> AsyncIterator[None]:
    """Leave out indexes while the block runs, but those of constraints, whose keys come in their order."""
    indexes = await db.fetch(_INDEXES, list(COLUMNS)) if drop else []
    for name, _ in indexes:
        await db.execute(f"DROP INDEX {name}")
    yield
    for name, definition in indexes:
        tell(f"index {name}")
        await db.execute(definition)


# --- command ---------------------------------------------------------------------------------------


def main() -> int:
    """Fill the archive of a data directory."""
    parser = argparse.ArgumentParser(prog="benchmarks.fill", description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", metavar="DIRECTORY", type=Path, required=True, help="of the archive")
    parser.add_argument("--studies", metavar="N", type=int, required=True, help="how many to add")
    options = parser.parse_args()
    begin = time.monotonic()
    with _database(replace(Settings.from_env({}), data=options.data)) as url:
        asyncio.run(fill(url, options.studies, tell=_teller(begin)))
    os.sync()
    print(f"{options.studies} studies in {time.monotonic() - begin:.0f} s")
    return 0


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """URL of the archive's database: its running server's, or its own, which then nobody else uses."""
    if current_owner(settings.data) is not None:
        with attached(settings, "fill") as joined:
            yield joined.database_url
        return
    with (
        owned(settings.data, "fill"),
        EmbeddedPostgres(settings.data, settings.postgres_binaries, options=_HASTE) as server,
    ):
        asyncio.run(migrate_database(server.url))
        yield server.url


def _teller(begin: float) -> Callable[[str], None]:
    return lambda what: print(f"{time.monotonic() - begin:7.1f} s  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
