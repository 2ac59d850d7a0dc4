"""A real archive for use cases: PostgreSQL, files, and the Ingest that every store goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from dicomweb.archive.archive import Archive, open_archive
from dicomweb.archive.ingest import Ingest
from dicomweb.catalog.pool import connection
from dicomweb.settings import Settings

T = TypeVar("T")

_EMPTY = "TRUNCATE blob, study, tombstone CASCADE"


def run(database_url: str, directory: Path, scenario: Callable[[Archive], Awaitable[T]]) -> T:
    """Run a scenario on an archive that is empty but for what lies in the directory."""
    settings = replace(Settings(), data=directory, database_url=database_url, min_free_bytes=0)

    async def opened() -> T:
        async with open_archive(settings) as archive:
            return await scenario(archive)

    return asyncio.run(opened())


async def empty(archive: Archive) -> None:
    """Forget every row: the database is the module's, the archive the test's."""
    async with connection(archive.pool) as db:
        await db.execute(_EMPTY)


async def store(archive: Archive, *instances: bytes) -> None:
    """Store in one request; every instance must be taken."""
    ingest = Ingest(archive)
    for instance in instances:
        await ingest.write(instance)
        await ingest.end_part()
    outcomes = await ingest.finish()
    assert [one.failure_reason for one in outcomes] == [None] * len(instances), outcomes
