"""Chunks as they go to the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis.strategies import integers, lists

from dicomweb.web.responses import _PIECE, _pieces


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
