from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers, lists

from dicomweb.archive.parts import Flow, Literal, Segment, Stretch, body_length, cut, is_seekable
from dicomweb.archive.reading import read_segments
from dicomweb.blobs import BlobReader, Blobs
from dicomweb.blobs.memory import MemoryBlobs
from dicomweb.errors import BlobMissing


async def _blob(blobs: MemoryBlobs, data: bytes) -> None:
    writer = await blobs.create("one")
    await writer.write(data)
    await writer.commit()


async def _undamaged(_instance_row: int) -> None:
    raise AssertionError


async def _each(body: Sequence[Segment]) -> AsyncIterator[Segment]:
    for segment in body:
        yield segment


async def _read(blobs: Blobs, body: Sequence[Segment]) -> bytes:
    return b"".join([chunk async for chunk in read_segments(blobs, _each(body), _undamaged)])


@given(pieces=lists(binary(max_size=20), max_size=6), start=integers(0, 130), size=integers(0, 130))
def test_a_cut_body_holds_the_same_bytes_as_the_whole_one_cut(
    pieces: list[bytes], start: int, size: int
) -> None:
    """Every other segment is a stretch of a blob, so that both kinds are cut."""

    async def check() -> None:
        blobs = MemoryBlobs()
        await _blob(blobs, b"".join(pieces))
        body: list[Segment] = []
        offset = 0
        for number, piece in enumerate(pieces):
            body.append(Stretch("one", offset, len(piece)) if number % 2 else Literal(piece))
            offset += len(piece)
        whole = b"".join(pieces)
        assert body_length(body) == len(whole)
        assert await _read(blobs, body) == whole
        assert await _read(blobs, cut(body, start, start + size)) == whole[start : start + size]

    asyncio.run(check())


class _Away(MemoryBlobs):
    """Some of what it holds must be waited for, as from a disk; all of it, as from a bucket."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self._every, self._asked = every, 0

    def reader(self, key: str) -> BlobReader:
        reader, away = super().reader(key), self

        class Reader:
            def fill_now(self, offset: int, buffer: memoryview) -> bool:
                away._asked += 1
                return away._asked % away._every != 0 and reader.fill_now(offset, buffer)

            async def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
                await asyncio.sleep(0)
                return await reader.read_many(ranges)

        return Reader()


@given(sizes=lists(integers(0, 3), max_size=12), seed=integers(0, 9), every=integers(1, 5))
def test_small_and_large_stretches_flows_and_literals_come_in_order(
    sizes: list[int], seed: int, every: int
) -> None:
    """Sizes of several pieces and a bit, so that pieces end in every way."""

    async def check() -> None:
        blobs = _Away(every)
        data = bytes(range(251)) * 20000
        await _blob(blobs, data)
        body: list[Segment] = []
        want = []
        for number, size in enumerate(sizes):
            offset, length = 17 * number + seed, size * 700_001 + number
            piece = data[offset : offset + length]
            want.append(piece)

            async def flow(piece: bytes = piece) -> AsyncIterator[bytes]:
                yield piece

            kinds: list[Segment] = [
                Literal(piece),
                Stretch("one", offset, length, number),
                Flow(flow, length),
            ]
            body.append(kinds[(number + seed) % 3])
        assert await _read(blobs, body) == b"".join(want)

    asyncio.run(check())


@given(lengths=lists(integers(0, 70), max_size=30), size=integers(1, 64))
def test_pieces_are_of_one_size_whatever_the_segments(lengths: list[int], size: int) -> None:
    async def check() -> None:
        blobs = MemoryBlobs()
        blobs.piece_bytes = size
        await _blob(blobs, bytes(range(70)))
        body = [Stretch("one", 0, length) if length % 2 else Literal(bytes(length)) for length in lengths]
        found = [len(chunk) async for chunk in read_segments(blobs, _each(body), _undamaged)]
        whole, rest = divmod(sum(lengths), size)
        assert found == [size] * whole + [rest] * (rest > 0)

    asyncio.run(check())


def test_what_is_missing_is_told_by_its_instance() -> None:
    async def check() -> None:
        blobs = MemoryBlobs()
        await _blob(blobs, b"0123456789")
        told: list[int] = []

        async def note(row: int) -> None:
            told.append(row)

        body: list[Segment] = [Stretch("one", 0, 5, 7), Stretch("one", 5, 50, 8), Stretch("one", 6, 2, 9)]
        with pytest.raises(BlobMissing):
            async for _ in read_segments(blobs, _each(body), note):
                pass
        assert told == [8]

    asyncio.run(check())


def test_a_flow_without_length_leaves_the_body_without_one() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"

    flow = Flow(chunks)
    assert body_length([Literal(b"x"), flow]) is None
    assert body_length([Literal(b"x"), Flow(chunks, 3)]) == 4
    assert not is_seekable([Literal(b"x"), flow])
    assert asyncio.run(_read(MemoryBlobs(), [Literal(b"x"), flow])) == b"xabc"


def test_a_flow_cannot_be_cut() -> None:
    with pytest.raises(AssertionError):
        cut([Flow(lambda: None)], 0, 1)  # type: ignore[arg-type,return-value]
