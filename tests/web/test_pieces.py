"""Chunks as they go to the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists
from starlette.types import Message

from dicomweb.errors import ClientGone
from dicomweb.web.responses import _PIECE, _TURN, Streamed, _pieces


@given(lists(integers(0, 3 << 20), max_size=6))
def test_pieces_hold_the_same_bytes_in_sizes_worth_a_call(sizes: list[int]) -> None:
    chunks = [bytes([number]) * size for number, size in enumerate(sizes)]
    pieces = asyncio.run(_cut(chunks))
    assert b"".join(pieces) == b"".join(chunks)
    assert all(len(piece) >= _PIECE for piece in pieces[:-1])
    assert all(len(piece) < 2 * _PIECE for piece in pieces)


async def _cut(chunks: list[bytes]) -> list[bytes | bytearray]:
    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [piece async for piece in _pieces(source())]


def test_others_have_their_turn_while_a_fast_client_is_served() -> None:
    """Nothing here ever waits: neither the bytes, which are at hand, nor the client."""

    async def scenario() -> int:
        turns = 0

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield bytes(_PIECE)

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(_message: Message) -> None:
            pass

        beside = asyncio.create_task(other())
        await Streamed(200, {}, chunks(), 64 * _PIECE)({"method": "GET"}, receive, send)
        beside.cancel()
        return turns

    assert asyncio.run(scenario()) >= 64 * _PIECE // _TURN


def test_a_client_that_left_is_noticed_though_sending_to_it_never_waits() -> None:
    async def scenario() -> int:
        made = 0

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal made
            for _ in range(64):
                made += 1
                yield bytes(_PIECE)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(_message: Message) -> None:
            pass

        with pytest.raises(ClientGone):
            await Streamed(200, {}, chunks(), 64 * _PIECE)({"method": "GET"}, receive, send)
        return made

    assert asyncio.run(scenario()) <= 2 * _TURN // _PIECE
