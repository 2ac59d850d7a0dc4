"""Bulkdata values by the path that metadata names (W-04, W-38, W-39, W-41; M-15..M-17)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.begun import begun
from dicomweb.archive.damage import note_damage
from dicomweb.archive.derived import identity_of
from dicomweb.archive.fragments import bare_fragments, fragment_stretches
from dicomweb.archive.frames import all_frames, frame_pages
from dicomweb.archive.parts import Body, Flow, Part
from dicomweb.archive.reading import closing
from dicomweb.archive.sources import decoded_layout_of, indexed, stored_form, syntax_of
from dicomweb.catalog.metadata import BulkdataPlace, bulkdata_place, document_properties
from dicomweb.dicom.explicit import pixel_word_bits
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, TRANSFER_SYNTAXES
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.transcode import swap_words
from dicomweb.protocol.negotiate import Acceptable, Answer, Chosen, Stored, negotiate

ENCAPSULATED_DOCUMENT = "00420011"
# Parts up to here are made before the answer begins, so that its length is known and ranges work.
_HELD_PARTS = 2048


@dataclass(frozen=True, slots=True)
class BulkdataPlan:
    """What answers a bulkdata request.

    chosen: the form of the value; forms identify it. parts: None where they are very many; then `stream`
    gives them one by one. version: identifies the instance's version, for the ETag. modified: when that was
    stored.
    """

    answer: Answer
    chosen: Chosen
    forms: Sequence[str]
    parts: Sequence[Part] | None
    stream: Callable[[], AsyncIterator[Part]]
    version: int
    modified: datetime | None


async def plan_bulkdata(
    archive: Archive, target: Target, path: str, accept: Acceptable, *, decode: bool = True
) -> BulkdataPlan:
    """Locate a value and choose its form. Raises NotFound, Gone, NotAcceptable.

    decode: False when the codestreams turned out to be such as no codec takes: they go as stored then.
    """
    place = await bulkdata_place(archive.pool, archive.tenant_id, target, path)
    value = await locate_value(archive, place, path)
    form = value.form if decode else replace(value.form, decodable=False, encodable=frozenset())
    answer = negotiate(accept, [form], single_item=True)
    chosen = answer.parts[0]
    assert chosen is not None, "negotiate raises when the only part cannot be given"
    stream = partial(value_parts, archive, value, chosen)
    held = not _is_encoded(chosen) or value.frames <= _HELD_PARTS
    parts = [part async for part in stream()] if held else None
    source = place.source
    return BulkdataPlan(
        answer, chosen, identity_of([chosen]), parts, stream, source.instance_row, source.stored_at
    )


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

    @property
    def frames(self) -> int:
        """How many parts its codestreams make."""
        layout = self.place.source.pixel_layout
        return max(layout.frames, 1) if layout is not None and self.is_pixel_data else 1


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


async def value_parts(archive: Archive, value: Value, chosen: Chosen) -> AsyncIterator[Part]:
    """The value in the chosen form; several parts only for the codestreams of frames."""
    place, layout = value.place, value.place.source.pixel_layout
    location = f"{place.source.target.path}/bulkdata/{value.path}"
    in_frames = layout is not None and (layout.encapsulated or _is_encoded(chosen))
    if value.is_pixel_data and layout is not None and in_frames:
        bodies = _encapsulated_bodies(archive, place, layout, chosen)
        async with closing(bodies):
            async for body in bodies:
                yield Part(chosen.content_type, body, location)
        return
    known = VALUE_REPRESENTATIONS.get(place.vr)
    word_bits = 8 * known.word if known else 8
    if value.is_pixel_data and layout is not None:
        word_bits = pixel_word_bits(layout.vr, layout.bits_allocated)
    yield Part(chosen.content_type, _value_body(archive, place, value.length, word_bits), location)


async def readable_parts(archive: Archive, value: Value, chosen: Chosen) -> AsyncIterator[Part]:
    """As value_parts; what no codec takes comes as stored: one bad value must not cost the others."""
    first = True
    parts = value_parts(archive, value, chosen)
    try:
        async with closing(parts):
            async for part in parts:
                begins = first and not chosen.as_stored
                yield await begun(part, partial(note_damage, archive)) if begins else part
                first = False
        return
    except DecodeFailed:
        uid = value.place.source.transfer_syntax_uid
        if not first or uid not in TRANSFER_SYNTAXES or not TRANSFER_SYNTAXES[uid].encapsulated:
            raise
    parts = value_parts(archive, value, Chosen(TRANSFER_SYNTAXES[uid].media_type, uid, True))
    async with closing(parts):
        async for part in parts:
            yield part


def _is_encoded(chosen: Chosen) -> bool:
    return chosen.transfer_syntax_uid not in ("", EXPLICIT_LITTLE)


async def _encapsulated_bodies(
    archive: Archive, place: BulkdataPlace, layout: PixelLayout, chosen: Chosen
) -> AsyncIterator[Body]:
    """One body of decoded pixels; of codestreams one a frame, or one for a whole video (M-16)."""
    source = place.source
    if not chosen.as_stored and not _is_encoded(chosen):
        length = decoded_layout_of(source).value_length
        yield [Flow(partial(all_frames, archive, source, layout), length, source.instance_row)]
    elif layout.frames == 0:
        stretches = await fragment_stretches(archive, source, place.offset, place.length)
        bare = partial(bare_fragments, archive, source, place.offset, place.length, skipped=1)
        joined = Flow(bare, None, source.instance_row)
        yield [joined] if stretches is None else stretches
    else:
        pages = frame_pages(archive, source, layout)
        async with closing(pages):
            async for reader in pages:
                for position in range(len(reader)):
                    yield reader.body(position, chosen)


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
    async with closing(chunks):
        async for chunk in chunks:
            data = held + chunk
            whole = len(data) - len(data) % size
            held = data[whole:]
            yield await asyncio.to_thread(swap_words, data[:whole], word_bits)
    yield held
