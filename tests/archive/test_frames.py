"""Frames as they are read: within the memory of a worker, in pieces, and their headers alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from pydicom.encaps import encapsulate

from dicomweb.archive import subjects
from dicomweb.archive.frames import FrameReader
from dicomweb.archive.parts import Flow
from dicomweb.archive.subjects import Subject
from dicomweb.archive.workers import PixelWorkers
from dicomweb.blobs.memory import MemoryBlobs
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.frame_index import EncapsulatedFrame
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import EXPLICIT_BIG, EXPLICIT_LITTLE
from dicomweb.errors import DecodeFailed
from dicomweb.protocol.negotiate import Chosen
from tests.pixels.samples import make_layout

T = TypeVar("T")
J2K = "1.2.840.10008.1.2.4.90"
MEMORY = 64 << 20


class Counted(MemoryBlobs):
    """Blobs that know how much of them was read at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths: list[int] = []

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        assert length is not None
        self.lengths.append(length)
        assert length < MEMORY
        return await super().read(key, offset, length)

    async def stream(self, key: str, offset: int, length: int, *, chunk: int = 100) -> AsyncIterator[bytes]:
        for start in range(offset, offset + length, chunk):
            yield await self.read(key, start, min(chunk, offset + length - start))


def run(
    entry: EncapsulatedFrame | None,
    scenario: Callable[[FrameReader, Counted], Awaitable[T]],
    *,
    data: bytes = b"",
    layout: Any = None,
    uid: str = J2K,
) -> T:
    blobs = Counted()
    blobs.stored["key"] = data, None  # type: ignore[assignment]
    layout = layout or make_layout(16, 16)
    source = InstanceSource(
        Target("1", "2", "3"), 7, 1, "", uid, "key", 0, 0, 0, b"", b"", None, None, 0, 0, layout, False
    )

    async def with_workers() -> T:
        workers = PixelWorkers(count=1, seconds=20, memory_bytes=MEMORY)
        archive: Any = SimpleNamespace(blobs=blobs, workers=workers)
        try:
            return await scenario(
                FrameReader(archive, source, layout, {1: entry} if entry else {}, [1]), blobs
            )
        finally:
            await workers.close()

    return asyncio.run(with_workers())


async def bytes_of(chunks: AsyncIterator[bytes]) -> list[bytes]:
    return [chunk async for chunk in chunks]


@pytest.mark.parametrize("fragments", [1, 2])
def test_a_codestream_beyond_the_memory_of_a_worker_is_not_read(fragments: int) -> None:
    """8 GiB that claim to be 16 x 16 pixels."""

    async def scenario(reader: FrameReader, blobs: Counted) -> None:
        with pytest.raises(DecodeFailed, match="memory"):
            await bytes_of(reader.made(0, EXPLICIT_LITTLE))
        assert blobs.lengths == []

    run(EncapsulatedFrame(8, 8 << 30, fragments), scenario)


def test_a_native_frame_to_be_turned_is_not_read_beyond_it_either() -> None:
    layout = make_layout(8192, 8192, bits=16, encapsulated=False)

    async def scenario(reader: FrameReader, blobs: Counted) -> None:
        (flow,) = reader.body(0, Chosen("application/octet-stream", EXPLICIT_LITTLE, True))
        assert isinstance(flow, Flow)
        with pytest.raises(DecodeFailed, match="memory"):
            await bytes_of(flow.chunks())
        assert blobs.lengths == []

    run(None, scenario, layout=layout, uid=EXPLICIT_BIG)


def test_a_frame_for_a_picture_is_not_read_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EncapsulatedFrame(8, 8 << 30, 1)

    async def entries(*_of: object) -> tuple[EncapsulatedFrame]:
        return (entry,)

    monkeypatch.setattr(subjects, "frame_entries", entries)

    async def scenario(reader: FrameReader, blobs: Counted) -> None:
        archive: Any = reader._archive
        archive.pool = None
        with pytest.raises(DecodeFailed, match="memory"):
            await Subject(archive, reader._source).frame(1)
        assert blobs.lengths == []

    run(entry, scenario)


def fragmented(fragments: Sequence[bytes]) -> tuple[bytes, EncapsulatedFrame]:
    """The items, and the frame that they make."""
    data = encapsulate(list(fragments), has_bot=False)[8:]
    return data, EncapsulatedFrame(8, len(data) - 8, len(fragments))


def test_a_frame_of_several_fragments_comes_in_pieces() -> None:
    fragments = [b"ab" * 500, b"ef", b"cd" * 299]
    data, entry = fragmented(fragments)

    async def scenario(reader: FrameReader, blobs: Counted) -> None:
        (flow,) = reader.body(0, Chosen("image/jp2", J2K, True))
        assert isinstance(flow, Flow)
        assert flow.length == 1600
        assert b"".join(await bytes_of(flow.chunks())) == b"".join(fragments)
        assert max(blobs.lengths) == 100

    run(entry, scenario, data=data)


@pytest.mark.parametrize("fragments", [[b"a" * 3_000_000], [b"a" * 1_000_000, b"b" * 1_000_000]])
def test_for_the_header_only_the_beginning_is_read(fragments: list[bytes]) -> None:
    data, entry = fragmented(fragments)

    async def scenario(reader: FrameReader, blobs: Counted) -> bytes:
        found = await reader.beginning(1)
        assert sum(blobs.lengths) <= (1 << 20) + 8
        return found

    found = run(entry, scenario, data=data)
    assert b"".join(fragments).startswith(found)
    assert len(found) > 1_000_000


def test_a_short_frame_is_its_own_beginning() -> None:
    data, entry = fragmented([b"ab", b"cd"])

    async def scenario(reader: FrameReader, _blobs: Counted) -> bytes:
        return await reader.beginning(1)

    assert run(entry, scenario, data=data) == b"abcd"
    assert run(replace(entry, fragments=1, span=2), scenario, data=data) == b"ab"
