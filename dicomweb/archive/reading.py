"""Reading the bodies of answers: small stretches together, large ones as a stream, a little ahead.

An answer of a thousand frames would else cost a thousand requests to an object store, one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from dicomweb.archive.archive import Archive
from dicomweb.archive.damage import note_damage
from dicomweb.archive.parts import Body, Flow, Literal, Segment, Stretch
from dicomweb.blobs import Blobs
from dicomweb.errors import BlobMissing

# Stretches up to here are read together; a longer one has a request of its own anyway.
_SMALL = 1 << 20
# Bytes and segments of one batch. Two batches are in memory for each answer that is being sent.
_BATCH_BYTES = 2 << 20
_BATCH_SEGMENTS = 1024

OnDamage = Callable[[int], Awaitable[None]]
_Batch = list[Literal | Stretch]


def read_body(archive: Archive, body: Body) -> AsyncIterator[bytes]:
    """The bytes of a body; damage is noted on the instance. Raises BlobMissing, DecodeFailed."""
    return read_segments(archive.blobs, _each(body), partial(note_damage, archive))


def read_stream(archive: Archive, segments: AsyncIterator[Segment]) -> AsyncIterator[bytes]:
    """As read_body, of segments that come one by one."""
    return read_segments(archive.blobs, segments, partial(note_damage, archive))


async def _each(body: Body) -> AsyncIterator[Segment]:
    for segment in body:
        yield segment


async def read_segments(
    blobs: Blobs, segments: AsyncIterator[Segment], on_damage: OnDamage
) -> AsyncIterator[bytes]:
    """The bytes of all segments in order.

    on_damage: told the instance whose bytes were found missing, so that the next request knows (W-60).
    """
    ahead: asyncio.Task[bytes] | None = None
    try:
        groups = _groups(segments)
        async with closing(groups):
            async for group in groups:
                begun = None
                if isinstance(group, list):
                    begun = asyncio.ensure_future(_read_batch(blobs, group, on_damage))
                if ahead is not None:
                    yield await ahead
                ahead = begun
                if not isinstance(group, list):
                    chunks = _read_one(blobs, group, on_damage)
                    async with closing(chunks):
                        async for chunk in chunks:
                            yield chunk
        if ahead is not None:
            yield await ahead
    finally:
        if ahead is not None and not ahead.done():
            ahead.cancel()
            with suppress(asyncio.CancelledError, BlobMissing):
                await ahead


async def _groups(segments: AsyncIterator[Segment]) -> AsyncIterator[_Batch | Stretch | Flow]:
    """Runs of what is small, and each large segment by itself."""
    batch: _Batch = []
    size = 0
    async with closing(segments):
        async for segment in segments:
            small = isinstance(segment, Literal) or (
                isinstance(segment, Stretch) and segment.length <= _SMALL
            )
            if batch and (not small or size >= _BATCH_BYTES or len(batch) >= _BATCH_SEGMENTS):
                yield batch
                batch, size = [], 0
            if isinstance(segment, Flow) or not small:
                assert not isinstance(segment, Literal)
                yield segment
            else:
                batch.append(segment)
                size += segment.length
    if batch:
        yield batch


async def _read_batch(blobs: Blobs, batch: _Batch, on_damage: OnDamage) -> bytes:
    """Literals and small stretches, with one request for each blob that they lie in."""
    by_key: dict[str, list[Stretch]] = {}
    for segment in batch:
        if isinstance(segment, Stretch):
            by_key.setdefault(segment.key, []).append(segment)
    read = await asyncio.gather(
        *(_read_stretches(blobs, key, stretches, on_damage) for key, stretches in by_key.items())
    )
    pieces = {key: iter(found) for key, found in zip(by_key, read, strict=True)}
    return b"".join(
        segment.data if isinstance(segment, Literal) else next(pieces[segment.key]) for segment in batch
    )


async def _read_stretches(
    blobs: Blobs, key: str, stretches: Sequence[Stretch], on_damage: OnDamage
) -> list[bytes]:
    try:
        return await blobs.read_many(key, [(one.offset, one.length) for one in stretches])
    except BlobMissing:
        await _find_damage(blobs, stretches, on_damage)
        raise


async def _find_damage(blobs: Blobs, stretches: Iterable[Stretch], on_damage: OnDamage) -> None:
    """Tell which of the instances it was: in a pack that is cut short the others are whole."""
    for row, stretch in {one.instance_row: one for one in stretches}.items():
        try:
            await blobs.read(stretch.key, stretch.offset, stretch.length)
        except BlobMissing:
            await on_damage(row)


async def _read_one(blobs: Blobs, segment: Stretch | Flow, on_damage: OnDamage) -> AsyncIterator[bytes]:
    chunks = (
        segment.chunks()
        if isinstance(segment, Flow)
        else blobs.stream(segment.key, segment.offset, segment.length)
    )
    try:
        async with closing(chunks):
            async for chunk in chunks:
                yield chunk
    except BlobMissing:
        await on_damage(segment.instance_row)
        raise


@asynccontextmanager
async def closing(items: AsyncIterator[Any]) -> AsyncIterator[None]:
    """End the making of what is not read any more now, not when the garbage collector comes by."""
    try:
        yield
    finally:
        await close(items)


async def close(items: AsyncIterator[Any]) -> None:
    """End the making of what will not be read."""
    if isinstance(items, AsyncGenerator | Resumed):
        await items.aclose()


class Resumed:
    """Chunks whose first is at hand already. Closing it ends the rest, even where nothing was read of it: of
    a generator that was never begun, no `finally` is run."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self._first: bytes | None = first
        self._rest = rest

    def __aiter__(self) -> Resumed:
        return self

    async def __anext__(self) -> bytes:
        if self._first is None:
            return await anext(self._rest)
        first, self._first = self._first, None
        return first

    async def aclose(self) -> None:
        """End what is behind it."""
        await close(self._rest)
