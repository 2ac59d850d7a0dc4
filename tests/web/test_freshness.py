"""No cache ever serves what is not there any more, whichever process is asked, whatever its policy."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.archive import metadata
from tests.freshness import Process, check_histories
from tests.web.conftest import Client


def _process(client: Client, duplicates: str) -> Process:
    def send(method: str, path: str, headers: dict[str, str], content: bytes) -> Any:
        return client.request(method, path, headers=headers, content=content)

    return Process(send, duplicates)


def test_no_answer_shows_what_is_not_there_now(make_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications over one archive share what processes share: the database, and files."""
    monkeypatch.setattr(metadata, "_WORTH_KEEPING", 2)
    policies = ("reject", "keep", "replace", "replace")
    check_histories(
        [_process(make_client(duplicates=policy, decode_workers=1), policy) for policy in policies]
    )
