"""Reading the bodies of answers: in pieces, at once what the store has at hand, else a piece ahead.

What lies in the page cache is read into the buffer that is sent, on the event loop: no thread, no task, no
copy. Anything else is asked for a whole piece at a time, all stretches of one blob together: an answer of a
thousand frames would else cost a thousand requests to an object store, one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from dicomweb.archive.archive import Archive
from dicomweb.archive.damage import note_damage
from dicomweb.archive.parts import Body, Flow, Literal, Ready, Segment, Stretch, part_of
from dicomweb.blobs import BlobReader, Blobs
from dicomweb.errors import BlobMissing

# Segments of one piece, whose bytes the store bounds: a range of a request costs memory too. One is held for
# each answer that is being sent, two where they must be waited for.
_PIECE_SEGMENTS = 1024

# A bytearray where the bytes were read into their place.
Chunk: TypeAlias = bytes | bytearray
_T = TypeVar("_T")
OnDamage = Callable[[int], Awaitable[None]]
_Piece = list[Ready]
_Readers = dict[str, BlobReader]


def read_body(archive: Archive, body: Body) -> AsyncIterator[Chunk]:
    """The bytes of a body; damage is noted on the instance. Raises BlobMissing, DecodeFailed."""
    return read_segments(archive.blobs, _each(body), partial(note_damage, archive))


def read_stream(archive: Archive, segments: AsyncIterator[Segment]) -> AsyncIterator[Chunk]:
    """As read_body, of segments that come one by one."""
    return read_segments(archive.blobs, segments, partial(note_damage, archive))


async def read_short(archive: Archive, body: Sequence[Ready], length: int) -> AsyncIterator[Chunk]:
    """As read_body, of a short body without flows, in one chunk. length: of the body."""
    readers = _readers(archive.blobs, body, {})
    data = _at_hand(readers, body, length)
    yield data if data is not None else await _read_piece(readers, body, partial(note_damage, archive))


async def _each(body: Body) -> AsyncIterator[Segment]:
    for segment in body:
        yield segment


async def read_segments(
    blobs: Blobs, segments: AsyncIterator[Segment], on_damage: OnDamage
) -> AsyncIterator[Chunk]:
    """The bytes of all segments in order.

    on_damage: told the instance whose bytes were found missing, so that the next request knows (W-60).
    """
    ahead: asyncio.Task[bytes] | None = None
    readers: _Readers = {}
    try:
        pieces = _pieces(segments, blobs.piece_bytes)
        async with closing(pieces):
            async for piece, length in pieces:
                now, begun = None, None
                if not isinstance(piece, Flow):
                    readers = _readers(blobs, piece, readers)
                    now = _at_hand(readers, piece, length)
                    if now is None:
                        begun = asyncio.ensure_future(_read_piece(readers, piece, on_damage))
                if ahead is not None:
                    yield await ahead
                ahead = begun
                if now is not None:
                    yield now
                elif isinstance(piece, Flow):
                    chunks = _made(piece, on_damage)
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


async def _pieces(
    segments: AsyncIterator[Segment], size: int
) -> AsyncIterator[tuple[_Piece, int] | tuple[Flow, int]]:
    """What is read together, `size` bytes each but for the last before a flow, with its length."""
    piece: _Piece = []
    held = 0
    async with closing(segments):
        async for segment in segments:
            if isinstance(segment, Flow):
                if piece:
                    yield piece, held
                    piece, held = [], 0
                yield segment, 0
                continue
            start = 0
            while start < segment.length:
                stop = min(segment.length, start + size - held)
                piece.append(part_of(segment, start, stop))
                held += stop - start
                start = stop
                if held == size or len(piece) == _PIECE_SEGMENTS:
                    yield piece, held
                    piece, held = [], 0
    if piece:
        yield piece, held


def _readers(blobs: Blobs, piece: Sequence[Ready], before: _Readers) -> _Readers:
    """Of every blob of a piece. What the piece before began to read is read on, though it be deleted."""
    keys = {segment.key for segment in piece if isinstance(segment, Stretch)}
    return {key: before.get(key) or blobs.reader(key) for key in keys}


def _at_hand(readers: _Readers, piece: Sequence[Ready], length: int) -> bytearray | None:
    """The bytes of a piece, if the store can give them without waiting."""
    data = bytearray(length)
    view, position = memoryview(data), 0
    for segment in piece:
        end = position + segment.length
        if isinstance(segment, Literal):
            view[position:end] = segment.data
        elif not readers[segment.key].fill_now(segment.offset, view[position:end]):
            return None
        position = end
    return data


async def _read_piece(readers: _Readers, piece: Sequence[Ready], on_damage: OnDamage) -> bytes:
    """The same, with one request for each blob that the piece lies in."""
    by_key: dict[str, list[Stretch]] = {}
    for segment in piece:
        if isinstance(segment, Stretch):
            by_key.setdefault(segment.key, []).append(segment)
    read = await asyncio.gather(
        *(_read_stretches(readers[key], stretches, on_damage) for key, stretches in by_key.items())
    )
    found = {key: iter(pieces) for key, pieces in zip(by_key, read, strict=True)}
    return b"".join(
        segment.data if isinstance(segment, Literal) else next(found[segment.key]) for segment in piece
    )


async def _read_stretches(
    reader: BlobReader, stretches: Sequence[Stretch], on_damage: OnDamage
) -> list[bytes]:
    try:
        return await reader.read_many([(one.offset, one.length) for one in stretches])
    except BlobMissing:
        await _find_damage(reader, stretches, on_damage)
        raise


async def _find_damage(reader: BlobReader, stretches: Iterable[Stretch], on_damage: OnDamage) -> None:
    """Tell which of the instances it was: in a pack that is cut short the others are whole."""
    for row, stretch in {one.instance_row: one for one in stretches}.items():
        try:
            await reader.read_many([(stretch.offset, stretch.length)])
        except BlobMissing:
            await on_damage(row)


async def _made(flow: Flow, on_damage: OnDamage) -> AsyncIterator[bytes]:
    chunks = flow.chunks()
    try:
        async with closing(chunks):
            async for chunk in chunks:
                yield chunk
    except BlobMissing:
        await on_damage(flow.instance_row)
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


class Resumed(Generic[_T]):
    """Chunks whose first is at hand already. Closing it ends the rest, even where nothing was read of it: of
    a generator that was never begun, no `finally` is run."""

    def __init__(self, first: _T, rest: AsyncIterator[_T]) -> None:
        self._first: _T | None = first
        self._rest = rest

    def __aiter__(self) -> Resumed[_T]:
        return self

    async def __anext__(self) -> _T:
        if self._first is None:
            return await anext(self._rest)
        first, self._first = self._first, None
        return first

    async def aclose(self) -> None:
        """End what is behind it."""
        await close(self._rest)
