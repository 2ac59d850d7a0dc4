"""The forms that one stored instance can be sent in as Part 10 (PS3.18 8.7.3; checklist W-10..W-16).

What is sent as stored is a stretch of a blob; what must be re-encoded or decoded is a flow, made while it
is sent.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.frames import all_frames, first_codestream
from dicomweb.archive.parts import Body, Flow, Literal
from dicomweb.archive.sources import dataset_range, decoded_layout_of, indexed, received_dataset, syntax_of
from dicomweb.archive.through_thread import through_thread
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.explicit import explicit_elements
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.dicom.write import PREAMBLE, with_transfer_syntax
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.transcode import decoded_attributes


def part10(archive: Archive, source: InstanceSource, *, as_stored: bool) -> Body:
    """The instance as a PS3.10 file: as stored, or in Explicit VR Little Endian."""
    if as_stored:
        # The received data set, bit for bit (invariant 2).
        return [_head(source, source.file_meta), received_dataset(source)]
    head = _head(source, with_transfer_syntax(source.file_meta, EXPLICIT_LITTLE))
    layout, syntax = source.pixel_layout, syntax_of(source)
    if layout is not None and layout.encapsulated:
        return [head, Flow(partial(_decoded, archive, source, layout), None, source.instance_row)]
    start, end = dataset_range(source)
    if syntax.explicit and syntax.little:
        return [head, indexed(source, start, end - start)]
    return [head, Flow(partial(_explicit, archive, source, start, end), None, source.instance_row)]


def _head(source: InstanceSource, file_meta: bytes) -> Literal:
    """Preamble, prefix and group 2. A preamble is kept only where it makes the file a TIFF too (S-30)."""
    return Literal((source.preamble or PREAMBLE) + b"DICM" + file_meta)


def _explicit(
    archive: Archive,
    source: InstanceSource,
    start: int,
    end: int,
    changes: Mapping[str, bytes | None] = {},
    *,
    after_pixels: bool = False,
) -> AsyncIterator[bytes]:
    """The elements from `start` to `end` in Explicit VR Little Endian."""
    syntax, layout = syntax_of(source), source.pixel_layout

    def transform(chunks: Iterator[bytes]) -> Iterator[bytes]:
        return explicit_elements(
            chunks,
            implicit=not syntax.explicit,
            little=syntax.little,
            changes=changes,
            pixel_representation=layout.pixel_representation if layout else 0,
            bits_allocated=layout.bits_allocated if layout else 16,
            after_pixels=after_pixels,
        )

    stretch = indexed(source, start, end - start)
    return through_thread(transform, archive.blobs.stream(stretch.key, stretch.offset, stretch.length))


async def _decoded(archive: Archive, source: InstanceSource, layout: PixelLayout) -> AsyncIterator[bytes]:
    """Head, decoded pixel data, tail; a few frames in memory, never the object."""
    start, end = dataset_range(source)
    uid = source.transfer_syntax_uid
    header = probe(await first_codestream(archive, source, layout), uid)
    native = decoded_layout_of(source, header)
    changes = decoded_attributes(layout, uid, header)
    async for chunk in _explicit(archive, source, start, layout.element_offset, changes):
        yield chunk
    yield _pixel_data_header(native)
    async for frame in all_frames(archive, source, layout):
        yield frame
    yield b"\0" * (native.value_length % 2)
    if layout.element_end < end:
        async for chunk in _explicit(archive, source, layout.element_end, end, after_pixels=True):
            yield chunk


def _pixel_data_header(native: PixelLayout) -> bytes:
    """Tag, VR and 32-bit length of native Pixel Data, its length even."""
    length = native.value_length + native.value_length % 2
    return struct.pack("<HH2sHI", 0x7FE0, 0x0010, native.vr.encode(), 0, length)
