"""The forms that one stored instance can be sent in as Part 10 (PS3.18 8.7.3; checklist W-10..W-16).

What is sent as stored is a stretch of a blob; what must be re-encoded or transcoded is a flow, made while it
is sent. What cannot be made fails before the first byte of a flow, as far as its first frame shows.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.encapsulate import encapsulated
from dicomweb.archive.frames import all_frames, first_codestream
from dicomweb.archive.parts import Body, Flow, Literal
from dicomweb.archive.reading import closing, read_body
from dicomweb.archive.reencode import explicit
from dicomweb.archive.single_frame import is_single, single_frame
from dicomweb.archive.sources import dataset_range, decoded_layout_of, indexed, received_dataset, syntax_of
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import DEFLATED_EXPLICIT_LITTLE, EXPLICIT_LITTLE
from dicomweb.dicom.write import PREAMBLE, with_transfer_syntax
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.transcode import decoded_attributes

# Pixels deflate badly at any level, and the fastest costs a third.
_DEFLATE_LEVEL = 1


def part10(
    archive: Archive,
    source: InstanceSource,
    *,
    as_stored: bool,
    transfer_syntax_uid: str = EXPLICIT_LITTLE,
) -> Body:
    """The instance as a PS3.10 file: as stored, or in the transfer syntax of this UID."""
    if as_stored:
        # The received data set, bit for bit (invariant 2).
        return [_head(source, source.file_meta), received_dataset(source)]
    head = _head(source, with_transfer_syntax(source.file_meta, transfer_syntax_uid))
    return [head, *_dataset(archive, source, transfer_syntax_uid)]


def _dataset(archive: Archive, source: InstanceSource, transfer_syntax_uid: str) -> Body:
    layout, syntax = source.pixel_layout, syntax_of(source)
    if transfer_syntax_uid == DEFLATED_EXPLICIT_LITTLE:
        plain = _dataset(archive, source, EXPLICIT_LITTLE)
        return [Flow(partial(_deflated, archive, plain), None, source.instance_row)]
    transcoded = transfer_syntax_uid != EXPLICIT_LITTLE or (layout is not None and layout.encapsulated)
    if transcoded and layout is not None and is_single(source, layout):
        flow = partial(single_frame, archive, source, layout, transfer_syntax_uid)
        return [Flow(flow, None, source.instance_row)]
    if transfer_syntax_uid != EXPLICIT_LITTLE:
        assert layout is not None, "what has no pixels is not offered in a syntax of pixels"
        flow = partial(encapsulated, archive, source, layout, transfer_syntax_uid)
        return [Flow(flow, None, source.instance_row)]
    if layout is not None and layout.encapsulated:
        return [Flow(partial(_decoded, archive, source, layout), None, source.instance_row)]
    start, end = dataset_range(source)
    if syntax.explicit and syntax.little:
        return [indexed(source, start, end - start)]
    return [Flow(partial(explicit, archive, source, start, end), None, source.instance_row)]


def _head(source: InstanceSource, file_meta: bytes) -> Literal:
    """Preamble, prefix and group 2. A preamble is kept only where it makes the file a TIFF too (S-30)."""
    return Literal((source.preamble or PREAMBLE) + b"DICM" + file_meta)


async def _deflated(archive: Archive, plain: Body) -> AsyncIterator[bytes]:
    """PS3.5 A.5: a bare deflate stream over all of the data set, padded to an even length."""
    deflater = zlib.compressobj(_DEFLATE_LEVEL, wbits=-zlib.MAX_WBITS)
    length = 0
    chunks = read_body(archive, plain)
    async with closing(chunks):
        async for chunk in chunks:
            piece = await asyncio.to_thread(deflater.compress, chunk)
            length += len(piece)
            if piece:
                yield piece
    rest = deflater.flush()
    yield rest + bytes((length + len(rest)) % 2)


async def _decoded(archive: Archive, source: InstanceSource, layout: PixelLayout) -> AsyncIterator[bytes]:
    """Head, decoded pixel data, tail; a few frames in memory, never the object."""
    start, end = dataset_range(source)
    uid = source.transfer_syntax_uid
    header = probe(await first_codestream(archive, source, layout), uid)
    native = decoded_layout_of(source, header)
    changes = decoded_attributes(layout, uid, header)
    async with aclosing(all_frames(archive, source, layout)) as frames:
        first = await anext(frames)
        async for chunk in explicit(archive, source, start, layout.element_offset, changes):
            yield chunk
        yield _pixel_data_header(native)
        yield first
        async for frame in frames:
            yield frame
    yield b"\0" * (native.value_length % 2)
    if layout.element_end < end:
        async for chunk in explicit(archive, source, layout.element_end, end, after_pixels=True):
            yield chunk


def _pixel_data_header(native: PixelLayout) -> bytes:
    """Tag, VR and 32-bit length of native Pixel Data, its length even."""
    length = native.value_length + native.value_length % 2
    return struct.pack("<HH2sHI", 0x7FE0, 0x0010, native.vr.encode(), 0, length)
