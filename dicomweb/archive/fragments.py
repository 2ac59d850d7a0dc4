"""Fragments of encapsulated pixel data, without the items around them (PS3.5 A.4; M-15, H-05)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from dicomweb.archive.archive import Archive
from dicomweb.archive.parts import Stretch
from dicomweb.archive.reading import closing
from dicomweb.archive.sources import indexed
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.encapsulation import FragmentReader
from dicomweb.dicom.fragments import ITEM_HEADER, ITEM_TAG

# Each costs a read. A video has one fragment, or one for every four gigabytes; few are cut finer.
_MOST_FRAGMENTS = 1024


async def fragment_stretches(
    archive: Archive, source: InstanceSource, offset: int, length: int
) -> list[Stretch] | None:
    """The fragments of a value that has no frames, a video, so that any range can be cut out.

    offset, length: of the value, which begins with the item of the offset table. None when there are too
    many to look for beforehand.
    """
    end = offset + length
    found: list[Stretch] = []
    items = 0
    while end - offset >= ITEM_HEADER.size and items <= _MOST_FRAGMENTS:
        header = indexed(source, offset, ITEM_HEADER.size)
        tag_and_length = await archive.blobs.read(header.key, header.offset, header.length)
        if tag_and_length[:4] != ITEM_TAG:
            break
        offset += ITEM_HEADER.size
        item_length = min(int.from_bytes(tag_and_length[4:], "little"), end - offset)
        if items and item_length:
            found.append(indexed(source, offset, item_length))
        offset += item_length
        items += 1
    return found if items <= _MOST_FRAGMENTS else None


async def bare_fragments(
    archive: Archive, source: InstanceSource, offset: int, length: int, *, skipped: int = 0
) -> AsyncIterator[bytes]:
    """The fragments of these bytes one after the other, as a stream; the first `skipped` items left out."""
    stretch, reader = indexed(source, offset, length), FragmentReader(skipped=skipped)
    chunks = archive.blobs.stream(stretch.key, stretch.offset, stretch.length)
    async with closing(chunks):
        async for chunk in chunks:
            yield await asyncio.to_thread(reader.feed, chunk)
