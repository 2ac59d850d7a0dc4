"""One instance that is to be shown, and the bytes that its pictures are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from dicomweb.archive.archive import Archive
from dicomweb.archive.bulkdata import locate_value, value_parts
from dicomweb.archive.frames import FrameReader
from dicomweb.archive.parts import Body, cut, is_seekable
from dicomweb.archive.reading import read_body
from dicomweb.catalog.bulkdata_index import BulkdataIndex, bulkdata_indexes
from dicomweb.catalog.columns import decompress
from dicomweb.catalog.lookup import BulkdataPlace, InstanceSource, frame_entries, one_metadata
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.errors import DecodeFailed, NotFound, Unavailable
from dicomweb.pixels.codecs import DECODABLE
from dicomweb.protocol.media_types import OCTET_STREAM
from dicomweb.protocol.negotiate import Chosen
from dicomweb.protocol.rendered_forms import Rendering, rendering_of

# Lookup tables, overlays, waveforms and documents that one picture may need, together.
_MOST_BULK_BYTES = 256 << 20
_AS_BYTES = Chosen(OCTET_STREAM, "", True)


class Subject:
    """An instance as its pictures see it; its metadata is read once, when it is first needed."""

    def __init__(self, archive: Archive, source: InstanceSource) -> None:
        self.archive = archive
        self.source = source
        layout = source.pixel_layout
        self.frames = layout.frames if layout else 0
        self.rendering = rendering_of(
            source.sop_class_uid, source.transfer_syntax_uid, layout.frames if layout else None
        )
        self._metadata: bytes | None = None
        self._attributes: dict[str, Any] | None = None

    @property
    def layout(self) -> PixelLayout:
        """Of the pixels, where there are any."""
        assert self.source.pixel_layout is not None
        return self.source.pixel_layout

    @property
    def decodable(self) -> bool:
        """Whether a codec is there for its frames, if that is what is shown."""
        if self.rendering is not Rendering.IMAGE or not self.layout.encapsulated:
            return True
        return self.source.transfer_syntax_uid in DECODABLE

    @property
    def frame_syntax_uid(self) -> str:
        """Transfer syntax of what `frame` gives."""
        return self.source.transfer_syntax_uid if self.layout.encapsulated else EXPLICIT_LITTLE

    async def metadata(self) -> bytes:
        """The DICOM JSON of the instance, bulkdata by path. Raises Unavailable when it was just deleted."""
        if self._metadata is None:
            stored = await one_metadata(self.archive.pool, self.source.instance_row)
            if stored is None:
                raise Unavailable("The instance was deleted while it was read.", retry_after=1)
            self._metadata = await asyncio.to_thread(decompress, stored)
        return self._metadata

    async def attributes(self) -> dict[str, Any]:
        """The same, read."""
        if self._attributes is None:
            self._attributes = await asyncio.to_thread(orjson.loads, await self.metadata())
            assert self._attributes is not None
        return self._attributes

    async def frame(self, number: int) -> bytes:
        """A frame: its codestream as stored, or its native pixels in little endian. number: from 1."""
        layout = self.layout
        entries = {}
        if layout.encapsulated:
            (entry,) = await frame_entries(self.archive.pool, self.source.instance_row, number - 1, 1) or (
                None,
            )
            if entry is None:
                raise NotFound("The instance has no such frame.")
            entries = {number: entry}
        reader = FrameReader(self.archive, self.source, layout, entries, [number])
        return await self.read(reader.body(0, Chosen(OCTET_STREAM, self.frame_syntax_uid, True)))

    async def bulk_index(self) -> BulkdataIndex:
        """Where its bulkdata values lie: VR, offset and length by path."""
        indexes = await bulkdata_indexes(self.archive.pool, [self.source.instance_row])
        return indexes.get(self.source.instance_row, {})

    async def bulk(self, needs: Sequence[tuple[str, int | None]]) -> list[bytes]:
        """Bulkdata values in little endian; empty for one that the instance does not have.

        needs: paths, and how many bytes of each are enough, None for all. Raises DecodeFailed when it is
        more than one picture may take.
        """
        if not needs:
            return []
        index = await self.bulk_index()
        found: list[bytes] = []
        for path, most in needs:
            left = _MOST_BULK_BYTES - sum(map(len, found))
            if path in index and min(index[path][2], most or index[path][2]) > left:
                raise DecodeFailed("The picture needs more data than one picture may.")
            found.append(await self._bulk_value(path, index[path], most) if path in index else b"")
        return found

    async def _bulk_value(self, path: str, place: tuple[str, int, int], most: int | None) -> bytes:
        body = await self.bulk_body(path, place)
        if most is not None and is_seekable(body):
            body = cut(body, 0, most)
        return (await self.read(body))[:most]

    async def bulk_body(self, path: str, place: tuple[str, int, int]) -> Body:
        """The body of one bulkdata value. place: VR, offset and length, from the index."""
        value = await locate_value(self.archive, BulkdataPlace(self.source, *place), path)
        (part,) = [part async for part in value_parts(self.archive, value, _AS_BYTES)]
        return part.body

    async def read(self, body: Body) -> bytes:
        """The bytes of a body that is short enough to be held."""
        return b"".join([chunk async for chunk in read_body(self.archive, body)])
