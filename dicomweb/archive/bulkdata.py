"""Bulkdata values by the path that metadata names (W-04, W-38, W-39, W-41; M-15..M-17)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.frames import FrameReader, all_frames
from dicomweb.archive.parts import Body, Flow, Part
from dicomweb.archive.sources import decoded_layout_of, indexed, stored_form, syntax_of
from dicomweb.catalog.lookup import BulkdataPlace, bulkdata_place, document_properties, frame_entries
from dicomweb.dicom.explicit import pixel_word_bits
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.target import Target
from dicomweb.pixels.transcode import swap_words
from dicomweb.protocol.negotiate import Acceptable, Answer, Chosen, Stored, negotiate

ENCAPSULATED_DOCUMENT = "00420011"
# Bits of a word of each VR whose bytes swap in big endian; the others are bytes or text.
_WORD_BITS = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 16),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 32),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 64),
}
_ITEM_HEADER_SIZE = 8
_ITEM = b"\xfe\xff\x00\xe0"


@dataclass(frozen=True, slots=True)
class BulkdataPlan:
    """What answers a bulkdata request. version: identifies the instance's version, for the ETag."""

    answer: Answer
    parts: Sequence[Part]
    version: int


async def plan_bulkdata(archive: Archive, target: Target, path: str, accept: Acceptable) -> BulkdataPlan:
    """Locate a value and choose its form. Raises NotFound, Gone, NotAcceptable."""
    place = await bulkdata_place(archive.pool, archive.tenant_id, target, path)
    value = await locate_value(archive, place, path)
    answer = negotiate(accept, [value.form], single_item=True)
    chosen = answer.parts[0]
    assert chosen is not None, "negotiate raises when the only part cannot be given"
    return BulkdataPlan(answer, await value_parts(archive, value, chosen), place.source.instance_row)


@dataclass(frozen=True, slots=True)
class Value:
    """One bulkdata value. length: without a document's pad byte. form: for negotiation."""

    place: BulkdataPlace
    path: str
    length: int
    form: Stored

    @property
    def is_pixel_data(self) -> bool:
        """Whether this is the value that the pixel layout describes."""
        layout = self.place.source.pixel_layout
        return layout is not None and self.path == layout.tag


async def locate_value(archive: Archive, place: BulkdataPlace, path: str) -> Value:
    """What the value at this path is."""
    layout = place.source.pixel_layout
    if layout is not None and path == layout.tag:
        codestreams = layout.frames or 1 if layout.encapsulated else 1
        return Value(place, path, place.length, stored_form(place.source, codestreams=codestreams))
    if path != ENCAPSULATED_DOCUMENT:
        return Value(place, path, place.length, Stored.value())
    document_type, length = await document_properties(archive.pool, place.source.instance_row)
    if length is None or not 0 <= place.length - length <= 1:
        length = place.length
    return Value(place, path, length, Stored.value(document_type))


async def value_parts(archive: Archive, value: Value, chosen: Chosen) -> list[Part]:
    """The value in the chosen form; several parts only for the codestreams of frames."""
    place, layout = value.place, value.place.source.pixel_layout
    if value.is_pixel_data and layout is not None:
        bodies = await _pixel_bodies(archive, place, layout, chosen)
    else:
        bodies = [_value_body(archive, place, value.length, _WORD_BITS.get(place.vr, 8))]
    location = f"{place.source.target.path}/bulkdata/{value.path}"
    return [Part(chosen.content_type, body, location) for body in bodies]


async def _pixel_bodies(
    archive: Archive, place: BulkdataPlace, layout: PixelLayout, chosen: Chosen
) -> list[Body]:
    """One body of native pixels; of stored codestreams one a frame, or one for a whole video (M-16)."""
    source = place.source
    if not layout.encapsulated:
        return [_value_body(archive, place, place.length, pixel_word_bits(layout.vr, layout.bits_allocated))]
    if not chosen.as_stored:
        length = decoded_layout_of(source).value_length
        return [[Flow(partial(all_frames, archive, source, layout), length, source.instance_row)]]
    if layout.frames == 0:
        return [[Flow(partial(_joined_fragments, archive, place), None, source.instance_row)]]
    numbers = range(1, layout.frames + 1)
    entries = await frame_entries(archive.pool, source.instance_row, 0, layout.frames)
    reader = FrameReader(archive, source, layout, dict(zip(numbers, entries, strict=True)), numbers)
    return [reader.body(position, chosen) for position in range(len(numbers))]


def _value_body(archive: Archive, place: BulkdataPlace, length: int, word_bits: int) -> Body:
    """The value in little endian."""
    stretch = indexed(place.source, place.offset, length)
    if syntax_of(place.source).little or word_bits == 8:
        return [stretch]

    def swapped() -> AsyncIterator[bytes]:
        stored = archive.blobs.stream(stretch.key, stretch.offset, stretch.length)
        return turned_words(stored, word_bits)

    return [Flow(swapped, length, place.source.instance_row)]


async def turned_words(chunks: AsyncIterator[bytes], word_bits: int) -> AsyncIterator[bytes]:
    """Words turned from big to little endian, wherever the chunks were cut; an incomplete last one stays."""
    size = word_bits // 8
    held = b""
    async for chunk in chunks:
        data = held + chunk
        whole = len(data) - len(data) % size
        held = data[whole:]
        yield await asyncio.to_thread(swap_words, data[:whole], word_bits)
    yield held


async def _joined_fragments(archive: Archive, place: BulkdataPlace) -> AsyncIterator[bytes]:
    """The fragments of an encapsulated value without their item headers and the offset table."""
    stretch = indexed(place.source, place.offset, place.length)
    held = b""
    left = 0  # bytes of the current item still to come
    items = 0
    async for chunk in archive.blobs.stream(stretch.key, stretch.offset, stretch.length):
        data = held + chunk
        position = 0
        while position < len(data):
            if left:
                piece = data[position : position + left]
                position += len(piece)
                left -= len(piece)
                if items > 1:
                    yield piece
            elif len(data) - position < _ITEM_HEADER_SIZE or data[position : position + 4] != _ITEM:
                break
            else:
                left = int.from_bytes(data[position + 4 : position + 8], "little")
                position += _ITEM_HEADER_SIZE
                items += 1
        held = data[position:]
