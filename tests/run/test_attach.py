"""Commands find the archive whether or not a server runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from dicomweb.run.attach import attached
from dicomweb.run.owner import DirectoryInUse
from dicomweb.settings import Settings
from tests.run.processes import running


def _tables(url: str) -> int:
    async def run() -> int:
        connection = await asyncpg.connect(url)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM study"))
        finally:
            await connection.close()

    return asyncio.run(run())


def test_without_a_server_the_command_owns_the_directory(archive_directory: Path) -> None:
    settings = Settings(data=archive_directory)
    with attached(settings, "verify") as ready:
        assert _tables(ready.database_url) == 0
        with pytest.raises(DirectoryInUse, match=r"in use by dicomweb verify"), attached(settings, "import"):
            pass
    with attached(settings, "import") as ready:
        assert _tables(ready.database_url) == 0


def test_with_a_server_the_command_shares_its_database_and_blobs(archive_directory: Path) -> None:
    blobs = archive_directory / "elsewhere"
    with running(archive_directory, {"DICOMWEB_BLOBS": str(blobs)}) as server:
        settings = replace(Settings(data=archive_directory), max_studies=7)
        with attached(settings, "verify") as ready:
            assert _tables(ready.database_url) == 0
            assert ready.blobs == str(blobs)
            assert ready.max_studies == 7
        assert server.postmaster() is not None
        assert server.process.poll() is None
