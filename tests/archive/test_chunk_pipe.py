from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis.strategies import binary, integers, lists

from dicomweb.archive.chunk_pipe import ChunkPipe, TornStream


@settings(max_examples=30)
@given(chunks=lists(binary(min_size=1, max_size=50), max_size=30), capacity=integers(1, 100))
def test_the_thread_reads_what_the_loop_wrote(chunks: list[bytes], capacity: int) -> None:
    async def run(executor: ThreadPoolExecutor) -> bytes:
        pipe = ChunkPipe(capacity=capacity)
        reader = asyncio.get_running_loop().run_in_executor(executor, lambda: b"".join(pipe))
        for chunk in chunks:
            await pipe.put(chunk)
        pipe.end()
        return await reader

    with ThreadPoolExecutor(1) as executor:
        assert asyncio.run(run(executor)) == b"".join(chunks)


def test_a_writer_waits_while_the_reader_is_behind_and_goes_on_when_the_reader_gives_up() -> None:
    async def run() -> None:
        pipe = ChunkPipe(capacity=10)
        await pipe.put(b"x" * 10)
        waiting = asyncio.ensure_future(pipe.put(b"y"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        pipe.abandon()
        await waiting
        await pipe.put(b"z" * 100)  # dropped at once: nobody reads

    asyncio.run(run())


def test_a_torn_upload_raises_in_the_reader() -> None:
    async def run(executor: ThreadPoolExecutor) -> None:
        pipe = ChunkPipe(capacity=10)
        reader = asyncio.get_running_loop().run_in_executor(executor, lambda: b"".join(pipe))
        await pipe.put(b"half")
        pipe.tear()
        with pytest.raises(TornStream):
            await reader

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(run(executor))
