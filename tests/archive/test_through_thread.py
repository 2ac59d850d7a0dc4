from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from dicomweb.archive.through_thread import through_thread


async def _numbers(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * 1000


def test_the_transform_runs_in_a_thread_and_sees_every_chunk_in_order() -> None:
    threads: set[int] = set()

    def double(chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            threads.add(threading.get_ident())
            yield chunk * 2

    async def run() -> bytes:
        return b"".join([step async for step in through_thread(double, _numbers(700))])

    assert asyncio.run(run()) == b"".join(bytes([n % 256]) * 2000 for n in range(700))
    assert threading.get_ident() not in threads


def test_an_error_of_source_or_transform_reaches_the_consumer() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise KeyError("source")

    def same(chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield from chunks

    def refusing(_chunks: Iterator[bytes]) -> Iterator[bytes]:
        raise ValueError("transform")
        yield b""

    async def drain(transform: object, source: AsyncIterator[bytes]) -> None:
        async for _ in through_thread(transform, source):  # type: ignore[arg-type]
            pass

    with pytest.raises(KeyError):
        asyncio.run(drain(same, broken()))
    with pytest.raises(ValueError, match="transform"):
        asyncio.run(drain(refusing, _numbers(3)))
