"""Fixtures that need a real part: a PostgreSQL server, a migrated database, the shared test data."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from hypothesis import settings

from dicomweb.catalog.migrate import migrate
from dicomweb.run.postgres import EmbeddedPostgres

# A shared machine is at times too slow for a deadline of 200 ms an example, and no test here is about time.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

_ROOT = Path(__file__).resolve().parent.parent
_SCRATCH_NAMES = (f"test_{os.getpid()}_{number}" for number in itertools.count())
# Durability is not what these tests ask about; tests/run has its own server with the real options.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The shared test data; tests that need it are skipped where it is not there."""
    directory = Path(os.environ.get("DICOMWEB_TEST_DATA") or _ROOT.parent / "shared" / "data")
    if not directory.is_dir():
        pytest.skip("no test data: set DICOMWEB_TEST_DATA")
    return directory


@pytest.fixture
def archive_directory() -> Iterator[Path]:
    """A fresh directory for an archive. Not tmp_path: as root, the database's account cannot enter that."""
    directory = make_archive_directory()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def make_archive_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="dicomweb-test-"))
    directory.chmod(0o711)
    return directory


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server with rights to create databases: DICOMWEB_TEST_DATABASE_URL, or an embedded one."""
    given = os.environ.get("DICOMWEB_TEST_DATABASE_URL")
    if given:
        yield given
        return
    directory = make_archive_directory()
    try:
        with EmbeddedPostgres(directory, options=_FAST) as server:
            yield server.url
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A database without tables, for tests of migrations in order; shared by the session."""
    yield from _scratch_database(postgres_url, template="template0")


@pytest.fixture(scope="session")
def _migrated_template(postgres_url: str) -> Iterator[str]:
    """Name of a database with every migration applied, to be cloned (70 ms)."""
    for url in _scratch_database(postgres_url, template="template0"):
        asyncio.run(migrate(url))
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture(scope="module")
def database_url(postgres_url: str, _migrated_template: str) -> Iterator[str]:
    """A migrated, empty database of the module's own."""
    yield from _scratch_database(postgres_url, template=_migrated_template)


def _scratch_database(server_url: str, *, template: str) -> Iterator[str]:
    name = next(_SCRATCH_NAMES)
    asyncio.run(_execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield urlunsplit(urlsplit(server_url)._replace(path="/" + name))
    asyncio.run(_execute(server_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
