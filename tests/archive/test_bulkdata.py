"""Bulkdata values on their way out, whatever pieces an object store gives them in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis.strategies import binary, lists, sampled_from

from dicomweb.archive.bulkdata import turned_words
from dicomweb.blobs.contract import put
from dicomweb.blobs.memory import MemoryBlobs
from dicomweb.pixels.transcode import swap_words


async def _each(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@given(chunks=lists(binary(max_size=30), max_size=8), bits=sampled_from([16, 32, 64]))
def test_words_are_turned_wherever_the_chunks_were_cut(chunks: list[bytes], bits: int) -> None:
    turned = asyncio.run(_whole(turned_words(_each(chunks), bits)))
    assert turned == swap_words(b"".join(chunks), bits)


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_a_large_big_endian_value_is_turned_whole_from_an_object_store(bits: int) -> None:
    data = bytes(range(251)) * 4096

    async def scenario() -> bytes:
        blobs = MemoryBlobs()
        key = await put(blobs, data)
        return await _whole(turned_words(blobs.stream(key, 0, len(data)), bits))

    assert asyncio.run(scenario()) == swap_words(data, bits)
