"""A PostgreSQL that hangs, as on a dying disk: its processes are there and say nothing (D-16)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from dicomweb.catalog import pool
from tests.builders import new_uid
from tests.web.conftest import Client

# Of a busy machine; below what a lookup has where nobody says otherwise.
_SOON = 8

_BACKENDS = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'dicomweb' AND pid <> pg_backend_pid()
"""


async def _backends(url: str) -> list[int]:
    db = await asyncpg.connect(url)
    try:
        return [row["pid"] for row in await db.fetch(_BACKENDS)]
    finally:
        await db.close()


@contextmanager
def _hanging(database_url: str) -> Iterator[None]:
    pids = asyncio.run(_backends(database_url))
    assert pids
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    except OSError:
        pytest.skip("the processes of this PostgreSQL are not ours to stop")
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _is_ready(client: Client) -> bool:
    return client.get("http://127.0.0.1:8080/health/ready").status_code == 200


def test_readiness_says_soon_that_the_catalog_is_down(client: Client, database_url: str) -> None:
    assert _is_ready(client)
    with _hanging(database_url):
        begun = time.monotonic()
        response = client.get("http://127.0.0.1:8080/health/ready")
        assert time.monotonic() - begun < _SOON
        assert response.status_code == 503
        assert response.json()["checks"] == {"catalog": "down", "blobs": "up"}
    assert _is_ready(client)


def test_a_lookup_is_refused_soon_and_the_next_one_works(
    client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_LOOKUP_SECONDS", 1.0)
    path = f"/studies/{new_uid()}/series/1.2/instances/1.3/metadata"
    assert client.get(path).status_code == 404
    with _hanging(database_url):
        begun = time.monotonic()
        response = client.get(path)
        assert time.monotonic() - begun < _SOON
        assert response.status_code == 503
        assert "retry-after" in response.headers
    assert client.get(path).status_code == 404


def test_a_search_gives_up_soon_after_its_time(make_client: Any, database_url: str) -> None:
    client: Client = make_client(search_seconds=1.0)
    assert client.get("/studies?PatientID=nobody").status_code == 204
    with _hanging(database_url):
        begun = time.monotonic()
        assert client.get("/studies?PatientID=nobody").status_code == 503
        assert time.monotonic() - begun < _SOON
    assert client.get("/studies?PatientID=nobody").status_code == 204
