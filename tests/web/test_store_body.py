"""The body of a store request as it comes: inflating it keeps nobody waiting."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.requests import Request

from dicomweb.errors import InvalidRequest, TooLarge
from dicomweb.web.store_body import store_body


def request(chunks: Iterable[bytes]) -> Request:
    messages: list[dict[str, Any]] = [
        *({"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks),
        {"type": "http.request", "body": b"", "more_body": False},
    ]
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    return Request({"type": "http", "headers": [(b"content-encoding", b"gzip")]}, receive)


async def inflated(chunks: Iterable[bytes], limit: int = 0, ratio: int = 2000) -> list[bytes]:
    return [piece async for piece in store_body(request(chunks), limit, inflate_ratio=ratio)]


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_members_are_one_body_whatever_the_chunks(step: int) -> None:
    parts = [b"", b"one", b"", bytes(3 << 20), b"two"]
    coded = b"".join(map(gzip.compress, parts))
    chunks = [coded[at : at + step] for at in range(0, len(coded), step)]
    assert b"".join(asyncio.run(inflated(chunks))) == b"".join(parts)
    with pytest.raises(InvalidRequest, match="cut off"):
        asyncio.run(inflated([coded[:-1]]))


def test_others_have_their_turn_while_a_bomb_inflates() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> list[bytes]:
        waiting = asyncio.create_task(others())
        pieces = await inflated([gzip.compress(bytes(32 << 20))])
        waiting.cancel()
        return pieces

    pieces = asyncio.run(both())
    assert sum(map(len, pieces)) == 32 << 20
    assert turns >= len(pieces) >= 32


def test_a_bomb_is_stopped_at_the_limit() -> None:
    with pytest.raises(TooLarge):
        asyncio.run(inflated([gzip.compress(bytes(32 << 20))], limit=2 << 20))


def test_a_bomb_is_stopped_at_the_ratio_for_deflated_data_sets() -> None:
    """After 64 MiB, as there: empty pixels deflate far (B-04)."""
    assert sum(map(len, asyncio.run(inflated([gzip.compress(bytes(64 << 20))], ratio=10)))) == 64 << 20
    with pytest.raises(TooLarge, match="inflates"):
        asyncio.run(inflated([gzip.compress(bytes(80 << 20))], ratio=250))
