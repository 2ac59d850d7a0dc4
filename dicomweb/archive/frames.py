"""Frames of one instance: located by the index, read by range, transcoded in the workers (W-30..W-37)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import derived, identity_of
from dicomweb.archive.fragments import bare_fragments
from dicomweb.archive.parts import Body, Flow, Part
from dicomweb.archive.reading import closing
from dicomweb.archive.sources import decoded_layout_of, frame_syntax_uid, indexed, stored_form, syntax_of
from dicomweb.catalog.lookup import InstanceSource, frame_entries, frame_source
from dicomweb.dicom.encapsulation import FragmentReader
from dicomweb.dicom.frame_index import EncapsulatedFrame
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import ENCAPSULATED_UNCOMPRESSED, EXPLICIT_LITTLE
from dicomweb.errors import NotAcceptable, NotFound
from dicomweb.pixels.codecs import decoded_length
from dicomweb.pixels.transcode import FrameJoiner, frame_window, join_fragments, native_frame
from dicomweb.protocol.negotiate import Acceptable, Answer, Chosen, negotiate

# Frames transcoded ahead of the one that is being sent: enough to keep a second core busy.
_AHEAD = 2
_UNCOMPRESSED = frozenset({EXPLICIT_LITTLE, ENCAPSULATED_UNCOMPRESSED})
# Of a frame whose header is looked for: before it only metadata may stand, such as an ICC profile.
_HEADER_BYTES = 1 << 20
# Index entries fetched at a time when all frames of an object are read.
_PAGE = 512


@dataclass(frozen=True, slots=True)
class FramesPlan:
    """What answers a frames request. forms: identify what goes out. version: identifies the instance's
    version, for the ETag. modified: when that was stored."""

    answer: Answer
    parts: Sequence[Part]
    forms: Sequence[str]
    version: int
    modified: datetime | None


async def plan_frames(
    archive: Archive, target: Target, numbers: Sequence[int], accept: Acceptable
) -> FramesPlan:
    """Locate the frames and choose their form: one catalog query, no byte of pixels.

    numbers: from 1, in the order of the answer. Raises NotFound, Gone, NotAcceptable.
    """
    found = await located(archive, target, numbers)
    source = found.source
    answer = negotiate(accept, [stored_form(source)] * len(numbers), single_item=len(numbers) == 1)
    reader = FrameReader(archive, source, found.layout, found.entries, numbers, keep_decoded=True)
    parts = [
        Part(chosen.content_type, reader.body(position, chosen), f"{target.path}/frames/{number}")
        for position, (number, chosen) in enumerate(zip(numbers, answer.parts, strict=True))
        if chosen is not None
    ]
    return FramesPlan(answer, parts, identity_of(answer.parts), source.instance_row, source.stored_at)


@dataclass(frozen=True, slots=True)
class Located:
    """Where frames of an instance lie. entries: of encapsulated ones, by frame number."""

    source: InstanceSource
    layout: PixelLayout
    entries: dict[int, EncapsulatedFrame]


async def located(archive: Archive, target: Target, numbers: Sequence[int]) -> Located:
    """Find frames by their numbers: one catalog query. Raises NotFound, Gone, NotAcceptable."""
    found = await frame_source(archive.pool, archive.tenant_id, target, [number - 1 for number in numbers])
    layout = _framed(found.source)
    if max(numbers) > layout.frames:
        raise NotFound(f"The instance has {layout.frames} frames; a higher frame number was asked for.")
    return Located(found.source, layout, dict(zip(numbers, found.entries, strict=False)))


def _framed(source: InstanceSource) -> PixelLayout:
    layout = source.pixel_layout
    if layout is None:
        raise NotFound("The instance has no pixel data, so it has no frames.")
    if layout.frames == 0:
        raise NotAcceptable(
            "The pixel data of the instance is not divided into frames that can be sent one by one.",
            available=["application/octet-stream"],
            hint="Get it whole: its BulkDataURI is in the metadata.",
        )
    return layout


class FrameReader:
    """Reads frames of one instance in an order that is known beforehand, transcoding a little ahead."""

    def __init__(
        self,
        archive: Archive,
        source: InstanceSource,
        layout: PixelLayout,
        entries: dict[int, EncapsulatedFrame],
        numbers: Sequence[int],
        *,
        keep_decoded: bool = False,
    ) -> None:
        """entries: of encapsulated frames, by frame number; empty for native pixel data.

        keep_decoded: decoded frames go into the disk cache, as encoded ones do. They are many times larger:
        those of whole objects would push out everything else.
        """
        self._archive = archive
        self._source = source
        self._layout = layout
        self._entries = entries
        self._numbers = numbers
        self._keep_decoded = keep_decoded
        self._native_length = decoded_length(layout, source.transfer_syntax_uid)
        self._tasks: dict[int, asyncio.Task[bytes]] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def body(self, position: int, chosen: Chosen) -> Body:
        """The frame at this position of the request, in the chosen form."""
        number, uid = self._numbers[position], chosen.transfer_syntax_uid
        if not chosen.as_stored and uid != EXPLICIT_LITTLE:
            return [Flow(partial(self.made, position, uid), None, self._source.instance_row)]
        if not self._layout.encapsulated:
            return self._native_body(number)
        if not chosen.as_stored:
            made = partial(self.made, position, EXPLICIT_LITTLE)
            return [Flow(made, self._native_length, self._source.instance_row)]
        entry = self._entries[number]
        if entry.fragments == 1:
            # A native frame in a fragment has no pad byte of its own (W-32).
            native = syntax_of(self._source).uid == ENCAPSULATED_UNCOMPRESSED
            span = min(entry.span, self._native_length) if native else entry.span
            return [indexed(self._source, entry.offset, span)]
        bare = partial(bare_fragments, self._archive, self._source, *entry.items)
        return [Flow(bare, entry.length, self._source.instance_row)]

    def _native_body(self, number: int) -> Body:
        bits = self._layout.frame_bits
        if bits % 8 == 0 and syntax_of(self._source).little:
            length = bits // 8
            return [indexed(self._source, self._layout.value_offset + (number - 1) * length, length)]
        return [
            Flow(partial(_once, partial(self._native, number)), (bits + 7) // 8, self._source.instance_row)
        ]

    async def _native(self, number: int) -> bytes:
        """A frame in little endian from bit 0, wherever it begins."""
        little = syntax_of(self._source).little
        start, stop = frame_window(self._layout, number - 1, little=little)
        data = await self._read(self._layout.value_offset + start, stop - start)
        if little and self._layout.frame_bits % 8 == 0:
            return data
        cut_out = partial(native_frame, data, self._layout, number - 1, little=little)
        return await asyncio.to_thread(cut_out)

    async def codestream(self, number: int) -> bytes:
        """The frame as stored, bare (M-15)."""
        entry = self._entries[number]
        if entry.fragments == 1:
            return await self._read(entry.offset, entry.span)
        return await asyncio.to_thread(join_fragments, await self._read(*entry.items), entry)

    async def beginning(self, number: int, most: int = _HEADER_BYTES) -> bytes:
        """The first bytes of the codestream: by default as many as surely hold its header."""
        entry = self._entries[number]
        if entry.fragments == 1:
            return await self._read(entry.offset, min(entry.span, most))
        offset, length = entry.items
        items = await self._read(offset, min(length, most))
        return await asyncio.to_thread(FragmentReader().feed, items)

    async def _read(self, offset: int, length: int) -> bytes:
        """Bytes that are worked on whole. Raises DecodeFailed where they and a frame are more than may be."""
        self._archive.workers.refuse_beyond_memory(self._native_length + length)
        stretch = indexed(self._source, offset, length)
        return await self._archive.blobs.read(stretch.key, stretch.offset, stretch.length)

    async def stored(self, number: int) -> list[bytes]:
        """What a worker makes something of: the codestream, or a native frame in little endian."""
        encapsulated = self._layout.encapsulated
        return [await (self.codestream(number) if encapsulated else self._native(number))]

    async def _make(self, number: int, transfer_syntax_uid: str) -> bytes:
        """A frame in another transfer syntax. Frames that wait for a worker are not read yet."""
        source = self._source
        make = partial(
            self._archive.workers.transcode,
            partial(self.stored, number),
            self._layout,
            frame_syntax_uid(self._layout, source.transfer_syntax_uid),
            transfer_syntax_uid,
            key=(source.instance_row, number),
        )
        if transfer_syntax_uid in _UNCOMPRESSED and not self._keep_decoded:
            return await make()
        return await derived(self._archive, (source, number, "frame", transfer_syntax_uid), make)

    async def made(self, position: int, transfer_syntax_uid: str) -> AsyncGenerator[bytes, None]:
        """Transcode the frame at this position, and start those that come next. One syntax for a reader.

        None while every worker is busy: it would be no sooner, and frames held for many fill the memory.
        """
        for ahead in range(position, min(position + 1 + _AHEAD, len(self._numbers))):
            if ahead > position and self._archive.workers.is_busy:
                break
            if ahead not in self._tasks:
                make = self._make(self._numbers[ahead], transfer_syntax_uid)
                self._tasks[ahead] = asyncio.ensure_future(make)
                self._tasks[ahead].add_done_callback(_observe)
        try:
            yield await self._tasks[position]
        except BaseException:
            # The client left, or this frame cannot be had: nobody will ask for the next ones.
            self._forget()
            raise
        del self._tasks[position]

    def _forget(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()


def _observe(task: asyncio.Task[bytes]) -> None:
    """Look at the error of a frame made ahead for a client that left: else asyncio would log it."""
    if not task.cancelled():
        task.exception()


async def _once(make: partial[Coroutine[None, None, bytes]]) -> AsyncIterator[bytes]:
    yield await make()


async def all_frames(
    archive: Archive, source: InstanceSource, layout: PixelLayout
) -> AsyncGenerator[bytes, None]:
    """Every frame decoded, in order, packed as one native value (M-16, M-18)."""
    joiner = FrameJoiner(decoded_layout_of(source).frame_bits)
    frames = transcoded_frames(archive, source, layout, EXPLICIT_LITTLE)
    async with aclosing(frames):
        async for frame in frames:
            yield joiner.feed(frame)
    yield joiner.finish()


async def transcoded_frames(
    archive: Archive, source: InstanceSource, layout: PixelLayout, transfer_syntax_uid: str
) -> AsyncGenerator[bytes, None]:
    """Every frame in another transfer syntax, in order.

    A page of the index and a few frames are in memory, never the object.
    """
    pages = frame_pages(archive, source, layout)
    async with closing(pages):
        async for reader in pages:
            for position in range(len(reader)):
                async with aclosing(reader.made(position, transfer_syntax_uid)) as frames:
                    async for frame in frames:
                        yield frame


async def frame_pages(
    archive: Archive, source: InstanceSource, layout: PixelLayout
) -> AsyncIterator[FrameReader]:
    """Readers of all frames in order, each of one page of the index."""
    for start in range(0, layout.frames, _PAGE):
        numbers = range(start + 1, min(start + _PAGE, layout.frames) + 1)
        entries: dict[int, EncapsulatedFrame] = {}
        if layout.encapsulated:
            found = await frame_entries(archive.pool, source.instance_row, start, len(numbers))
            entries = dict(zip(numbers, found, strict=True))
        yield FrameReader(archive, source, layout, entries, numbers)


async def first_codestream(archive: Archive, source: InstanceSource, layout: PixelLayout) -> bytes:
    """The beginning of the first frame as stored: its header tells what decoding will change."""
    entries = await frame_entries(archive.pool, source.instance_row, 0, 1)
    return await FrameReader(archive, source, layout, dict(enumerate(entries, 1)), [1]).beginning(1)
