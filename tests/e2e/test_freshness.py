"""No cache ever serves what is not there any more: two real server processes behind one address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.served import Served
from tests.freshness import Process, check_histories

_SETTINGS = {
    "DICOMWEB_MIN_FREE_BYTES": "0",
    "DICOMWEB_WORKERS": "2",
    "DICOMWEB_DUPLICATES": "replace",
    "DICOMWEB_DECODE_WORKERS": "1",
}


@pytest.fixture
def replacing(archive_directory: Path) -> Iterator[Served]:
    with Served(archive_directory, _SETTINGS) as running:
        yield running


def test_no_answer_of_two_processes_shows_what_is_not_there_now(replacing: Served) -> None:
    """Each request comes by a connection of its own, which either process may take."""

    with httpx.Client(timeout=60, headers={"Connection": "close"}) as client:

        def send(method: str, path: str, headers: dict[str, str], content: bytes) -> httpx.Response:
            return client.request(method, replacing.base + path, headers=headers, content=content)

        check_histories([Process(send, "replace")])
