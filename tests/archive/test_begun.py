"""Parts made ahead: in order, a few at a time, and nothing left running or open for who left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial

import pytest

from dicomweb.archive.begun import Make, begun, made_ahead
from dicomweb.archive.parts import Flow, Literal, Part
from dicomweb.errors import BlobMissing, DecodeFailed


class Source:
    """Flows that count how many of them are open."""

    def __init__(self) -> None:
        self.made = 0
        self.open = 0

    async def chunks(self, chunks: list[bytes], failure: Exception | None = None) -> AsyncIterator[bytes]:
        self.made += 1
        self.open += 1
        try:
            if failure is not None:
                raise failure
            for chunk in chunks:
                yield chunk
        finally:
            self.open -= 1

    def part(self, *chunks: bytes, failure: Exception | None = None) -> Part:
        flow = Flow(partial(self.chunks, list(chunks), failure))
        return Part("text/plain", [Literal(b"head "), flow, Literal(b" tail")])


async def nobody(_instance_row: int) -> None:
    raise AssertionError("nothing is damaged")


async def text_of(part: Part) -> bytes:
    pieces = []
    for segment in part.body:
        if isinstance(segment, Literal):
            pieces.append(segment.data)
        elif isinstance(segment, Flow):
            pieces += [chunk async for chunk in segment.chunks()]
    return b"".join(pieces)


async def makes(count: int, make: Callable[[int], Make]) -> AsyncIterator[Make]:
    for number in range(count):
        yield make(number)


def test_what_was_begun_is_whole() -> None:
    async def run() -> None:
        source = Source()
        for chunks in ([b"one"], [b"one", b" two"], []):
            assert (
                await text_of(await begun(source.part(*chunks), nobody))
                == b"head " + b"".join(chunks) + b" tail"
            )
        assert source.open == 0

    asyncio.run(run())


def test_what_cannot_be_made_shows_before_the_part_is_there() -> None:
    async def run() -> None:
        source = Source()
        good = source.part(b"one", b"two").body
        bad = source.part(failure=DecodeFailed("no")).body
        with pytest.raises(DecodeFailed):
            await begun(Part("text/plain", [*good, *bad]), nobody)
        assert (source.made, source.open) == (2, 0)

    asyncio.run(run())


def test_damage_is_noted() -> None:
    async def run() -> None:
        noted: list[int] = []

        async def note(instance_row: int) -> None:
            noted.append(instance_row)

        flow = Flow(partial(Source().chunks, [], BlobMissing("gone")), None, 7)
        with pytest.raises(BlobMissing):
            await begun(Part("text/plain", [flow]), note)
        assert noted == [7]

    asyncio.run(run())


def test_parts_come_in_order_and_a_few_ahead() -> None:
    async def run() -> None:
        source = Source()

        def make(number: int) -> Make:
            return lambda: begun(source.part(b"%d" % number, b"!"), nobody)

        found = []
        async with aclosing(made_ahead(makes(10, make))) as parts:
            async for part in parts:
                found.append(await text_of(part))
                assert source.made - len(found) <= 2
        assert found == [b"head %d! tail" % number for number in range(10)]
        assert source.open == 0

    asyncio.run(run())


def test_who_stops_reading_leaves_nothing_open() -> None:
    async def run() -> None:
        source = Source()

        def make(number: int) -> Make:
            return lambda: begun(source.part(b"%d" % number, b"!"), nobody)

        async with aclosing(made_ahead(makes(10, make))) as parts:
            first = await anext(parts)
            await asyncio.sleep(0.01)
        assert source.made <= 3
        assert await text_of(first) == b"head 0! tail"
        assert source.open == 0

    asyncio.run(run())


def test_a_failure_ends_what_was_begun_behind_it() -> None:
    async def run() -> None:
        source = Source()

        def make(number: int) -> Make:
            failure = DecodeFailed("no") if number == 1 else None
            return lambda: begun(source.part(b"x", b"!", failure=failure), nobody)

        async with aclosing(made_ahead(makes(10, make))) as parts:
            await text_of(await anext(parts))
            with pytest.raises(DecodeFailed):
                await anext(parts)
        assert source.open == 0

    asyncio.run(run())
