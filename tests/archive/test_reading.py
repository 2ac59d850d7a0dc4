"""What is read no further is ended at once, however far it had come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

import pytest

from dicomweb.archive.begun import begun, made_ahead
from dicomweb.archive.making import Made
from dicomweb.archive.parts import Flow, Literal, Part, Segment
from dicomweb.archive.reading import Resumed, closing, read_segments
from dicomweb.blobs.memory import MemoryBlobs
from dicomweb.errors import ArchiveError, DecodeFailed

T = TypeVar("T")


async def nobody(_instance_row: int) -> None:
    raise AssertionError("nothing is damaged")


class Watched:
    """A generator of anything, and whether it has ended."""

    def __init__(self) -> None:
        self.ended = False

    async def each(self, *items: T) -> AsyncIterator[T]:
        try:
            for item in items:
                yield item
        finally:
            self.ended = True


def test_segments_end_with_their_reader() -> None:
    async def run() -> None:
        watched = Watched()

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x"

        segments: AsyncIterator[Segment] = watched.each(Flow(endless), Literal(b"not read"))
        chunks = read_segments(MemoryBlobs(), segments, nobody)
        async with closing(chunks):
            assert await anext(chunks) == b"x"
        assert watched.ended

    asyncio.run(run())


@pytest.mark.parametrize("read", [0, 1, 2])
def test_what_was_begun_ends_even_when_nothing_is_read(read: int) -> None:
    async def run() -> None:
        watched = Watched()
        chunks = watched.each(b"1", b"2", b"3")
        resumed = Resumed(await anext(chunks), chunks)
        async with closing(resumed):
            assert [await anext(resumed) for _ in range(read)] == [b"1", b"2", b"3"][:read]
        assert watched.ended

    asyncio.run(run())


def test_what_makes_parts_ends_with_them() -> None:
    async def run() -> None:
        watched = Watched()

        async def make() -> Part:
            return await begun(Part("text/plain", [Literal(b"part")]), nobody)

        parts = made_ahead(watched.each(*[make] * 10))
        await anext(parts)
        await parts.aclose()
        assert watched.ended

    asyncio.run(run())


def test_the_rest_of_an_answer_ends_without_being_read() -> None:
    """HEAD: the first parts are made, for the status, and nobody asks for the others."""

    async def run() -> None:
        ended = False

        async def outcomes() -> AsyncGenerator[Part | ArchiveError, None]:
            nonlocal ended
            try:
                yield Part("text/plain", [])
                yield DecodeFailed("no")
            finally:
                ended = True

        rest = outcomes()
        assert isinstance(await anext(rest), Part)
        made = Made([Part("text/plain", [])], rest, True)
        made.all_parts()
        await made.close()
        assert ended

        again = Made([Part("text/plain", [])], outcomes(), True)
        with pytest.raises(DecodeFailed):
            [part async for part in again.all_parts()]

    asyncio.run(run())
