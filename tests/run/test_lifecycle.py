"""Start, stop and kill a server's real processes: it comes back, or all of it goes."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from tests.conftest import make_archive_directory
from tests.run.connections import answer_of, connected
from tests.run.processes import (
    ROOT,
    RunningServer,
    alive,
    environment,
    proportional_memory,
    running,
    start,
    wait_until,
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="processes are watched in /proc"
)


@pytest.fixture(scope="module")
def shared_directory() -> Iterator[Path]:
    """One archive directory for all tests here: initdb takes a second, and a used one is the harder case."""
    directory = make_archive_directory()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def _get(server: RunningServer, path: str) -> str:
    return httpx.get(server.url + path, timeout=20).raise_for_status().text


def _serves(server: RunningServer) -> bool:
    try:
        return bool(_get(server, "/pid"))
    except httpx.HTTPError:
        return False


def _sql(url: str, statement: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def _database_answers(url: str) -> bool:
    try:
        return _sql(url, "SELECT 1") == 1
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


def _socket_directory(url: str) -> Path:
    return Path(url.partition("host=")[2])


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything(shared_directory: Path, sent: signal.Signals) -> None:
    with running(shared_directory) as server:
        database = _get(server, "/database")
        processes = server.descendants()
        assert len(server.workers()) == 2
        assert server.postmaster() is not None
        assert server.stop(sent) == 0
        assert not [pid for pid in processes if alive(pid)]
        assert not _socket_directory(database).exists()
        assert not (shared_directory / "owner.json").exists()


def test_a_killed_worker_is_replaced_while_the_other_serves(shared_directory: Path) -> None:
    with running(shared_directory) as server:
        victim, other = server.workers()
        os.kill(victim, signal.SIGKILL)
        assert _serves(server)
        wait_until(lambda: len(server.workers()) == 2 and victim not in server.workers())
        assert other in server.workers()


def test_killed_postgres_comes_back_at_the_same_address(shared_directory: Path) -> None:
    with running(shared_directory) as server:
        database, victim = _get(server, "/database"), server.postmaster()
        assert victim is not None
        workers = server.workers()
        _sql(database, "CREATE TABLE IF NOT EXISTS kept (number integer)")
        _sql(database, "INSERT INTO kept VALUES (1)")
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: _database_answers(database))
        assert server.postmaster() not in (None, victim)
        assert server.workers() == workers
        assert _sql(database, "SELECT count(*) FROM kept") == 1
        _sql(database, "DROP TABLE kept")


def test_a_killed_parent_takes_all_with_it_and_the_next_one_finds_the_data(shared_directory: Path) -> None:
    with running(shared_directory) as server:
        database, port = _get(server, "/database"), server.url.rpartition(":")[2]
        processes = server.descendants()
        _sql(database, "CREATE TABLE kept (number integer)")
        server.process.kill()
        with running(
            shared_directory, {"DICOMWEB_PORT": port}
        ) as successor:  # at once: no waiting for the dead
            assert not [pid for pid in processes if alive(pid)]
            assert _sql(_get(successor, "/database"), "SELECT count(*) FROM kept") == 0
            _sql(_get(successor, "/database"), "DROP TABLE kept")
            assert not _socket_directory(database).exists()


def test_everything_killed_at_once_leaves_nothing_in_the_way(shared_directory: Path) -> None:
    with running(shared_directory) as server:
        victims = [server.pid, *server.descendants()]
        for pid in victims:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
    with running(shared_directory) as successor:
        assert _serves(successor)


def test_a_stop_lets_requests_in_flight_finish(shared_directory: Path) -> None:
    with running(shared_directory) as server:
        answers = list[str]()
        request = threading.Thread(target=lambda: answers.append(_get(server, "/slow")))
        request.start()
        time.sleep(0.5)
        assert server.stop() == 0
        request.join()
        assert answers == ["late"]


def test_an_answer_that_a_stop_waits_for_says_that_its_connection_ends(shared_directory: Path) -> None:
    with running(shared_directory) as server:
        url = urlsplit(server.url)
        address = (url.hostname or "", url.port or 0)
        with connected(address, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n") as client:
            time.sleep(0.5)
            assert server.stop() == 0
            answer = answer_of(client)
    assert b"\r\nconnection: close\r\n" in answer
    assert b"late" in answer


def test_a_directory_has_one_server(shared_directory: Path) -> None:
    with running(shared_directory) as server:
        second = start(shared_directory)
        said, _ = second.communicate(timeout=60)
        assert second.returncode == 1
        assert f"is in use by dicomweb serve (process {server.pid})" in said
        assert _serves(server)


def test_a_taken_port_is_said_plainly(shared_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(shared_directory, {"DICOMWEB_PORT": str(port)})
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {port}: another program does." in said
    assert "Traceback" not in said


def test_beyond_loopback_only_when_the_operator_says_so(shared_directory: Path) -> None:
    process = start(shared_directory, {"DICOMWEB_HOST": "0.0.0.0"})
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "DICOMWEB_ALLOW_OPEN=yes" in said
    with running(shared_directory, {"DICOMWEB_HOST": "0.0.0.0", "DICOMWEB_ALLOW_OPEN": "yes"}) as server:
        assert _serves(server)


def test_a_bad_setting_ends_the_start(archive_directory: Path) -> None:
    process = start(archive_directory, {"DICOMWEB_WORKERS": "many"})
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said == "dicomweb: DICOMWEB_WORKERS must be a whole number from 1 to 256.\n"
    assert not list(archive_directory.iterdir())


def test_an_application_that_refuses_ends_the_start(shared_directory: Path) -> None:
    process = start(shared_directory, command=["tests.run.tiny_server", "refusing_app"])
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "The archive cannot be opened." in said
    assert "Traceback" not in said


def test_an_unreachable_database_is_said_plainly(archive_directory: Path) -> None:
    process = start(archive_directory, {"DICOMWEB_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in said


def test_an_external_database_needs_no_embedded_one(archive_directory: Path, database_url: str) -> None:
    with running(archive_directory, {"DICOMWEB_DATABASE_URL": database_url}) as server:
        assert server.postmaster() is None
        assert _get(server, "/database") == database_url


def _interpreter_for(popen: dict[str, Any], environment: dict[str, str]) -> str:
    """A Python that the account can run with our packages; ours may lie below /root."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            asked = subprocess.run(
                [python, "-c", "import asyncpg, uvloop"], env=environment, cwd="/", **popen
            )
        except OSError:
            continue
        if asked.returncode == 0:
            return python
    pytest.skip("no Python of this version that another user can run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_normal_user_can_run_it() -> None:
    directory = make_archive_directory()
    account = pwd.getpwnam("daemon")
    os.chown(directory, account.pw_uid, account.pw_gid)
    popen: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    packages = os.pathsep.join([str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))])
    extra = {"HOME": str(directory), "PYTHONPATH": packages}
    python = _interpreter_for(popen, environment(directory, extra))
    with running(directory, extra, python=python, **popen) as server:
        assert _serves(server)
        assert server.stop() == 0
    shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="root lends the database another account")
def test_root_can_keep_its_archive_where_the_database_account_cannot_pass(archive_directory: Path) -> None:
    closed = archive_directory / "closed"
    closed.mkdir(mode=0o700)
    data = closed / "data"
    with running(data) as server:
        database = _get(server, "/database")
        assert _serves(server)
        server.process.kill()
        with running(data) as successor:
            assert _serves(successor)
            assert not _socket_directory(database).exists()
    assert data.stat().st_mode & 0o777 == 0o700


def test_the_processes_stay_small(shared_directory: Path) -> None:
    """Parent and workers without the archive's own modules; the whole is measured in benchmarks/."""
    with running(shared_directory) as server:
        assert proportional_memory([server.pid]) < 25 << 20
        assert proportional_memory([server.pid, *server.workers()]) < 100 << 20


def test_it_is_ready_within_seconds(shared_directory: Path) -> None:
    begun = time.monotonic()
    with running(shared_directory):
        assert time.monotonic() - begun < 10
