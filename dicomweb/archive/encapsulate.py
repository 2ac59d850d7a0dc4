"""An instance whose frames are encoded when it is asked for: head, offset table, fragments, tail (A.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from dicomweb.archive.archive import Archive
from dicomweb.archive.fragment_spool import fragment_spool
from dicomweb.archive.frames import first_codestream, transcoded_frames
from dicomweb.archive.reencode import explicit
from dicomweb.archive.sources import dataset_range, decoded_layout_of, frame_syntax_uid
from dicomweb.archive.subjects import Subject
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.element import UNDEFINED_LENGTH, element_header
from dicomweb.dicom.fragments import ITEM_HEADER, first_item, tables_of
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.transcode import encoded_attributes, native_length

_PIXEL_DATA = 0x7FE00010
_RATIO, _METHOD = "00282112", "00282114"


async def encapsulated(
    archive: Archive, source: InstanceSource, layout: PixelLayout, transfer_syntax_uid: str
) -> AsyncIterator[bytes]:
    """The data set in an encapsulated transfer syntax.

    Every frame is made before the first byte goes out: the offset table wants their lengths. They wait on the
    disk, and a few are in memory.
    """
    start, end = dataset_range(source)
    async with fragment_spool(archive) as spool:
        async with aclosing(transcoded_frames(archive, source, layout, transfer_syntax_uid)) as frames:
            async for frame in frames:
                await spool.append(frame)
        tables = await asyncio.to_thread(tables_of, spool.lengths)
        changes = await _changes(archive, source, layout, transfer_syntax_uid, sum(spool.lengths))
        if tables.offsets:
            changes |= {"7FE00001": tables.offsets, "7FE00002": tables.lengths}
        async for chunk in explicit(archive, source, start, layout.element_offset, changes):
            yield chunk
        yield element_header(_PIXEL_DATA, "OB", UNDEFINED_LENGTH)
        yield first_item(tables.basic)
        async for chunk in spool.fragments():
            yield chunk
    yield ITEM_HEADER.pack(0xFFFE, 0xE0DD, 0)
    if layout.element_end < end:
        async for chunk in explicit(archive, source, layout.element_end, end, after_pixels=True):
            yield chunk


async def _changes(
    archive: Archive, source: InstanceSource, layout: PixelLayout, transfer_syntax_uid: str, length: int
) -> dict[str, bytes | None]:
    """What the attributes around the frames say other than stored (W-13). length: of all encoded frames."""
    source_uid = frame_syntax_uid(layout, source.transfer_syntax_uid)
    header = None
    if layout.encapsulated:
        header = probe(await first_codestream(archive, source, layout), source_uid)
    native = decoded_layout_of(source, header) if layout.encapsulated else layout
    changes = partial(
        encoded_attributes,
        layout,
        source_uid,
        transfer_syntax_uid,
        header,
        ratio=native_length(native) / max(length, 1),
    )
    if _METHOD not in changes():
        return changes()
    ratio, method = await former_compressions(archive, source)
    return changes(stored_ratio=ratio, stored_method=method)


async def former_compressions(archive: Archive, source: InstanceSource) -> tuple[str, str]:
    """Values of Lossy Image Compression Ratio and Method as they are stored: this one is appended to them."""
    attributes = await Subject(archive, source).attributes()
    return _text(attributes, _RATIO), _text(attributes, _METHOD)


def _text(attributes: dict[str, Any], tag: str) -> str:
    values = attributes.get(tag, {}).get("Value") or []
    return "\\".join("" if value is None else str(value) for value in values)
