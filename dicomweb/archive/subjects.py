"""One instance that is to be shown, and the bytes that its pictures are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, ParamSpec, TypeVar

import orjson
import zstandard

from dicomweb.archive.archive import Archive
from dicomweb.archive.bulkdata import locate_value, value_parts
from dicomweb.archive.damage import note_damage
from dicomweb.archive.derived import derived
from dicomweb.archive.frames import FrameReader
from dicomweb.archive.parts import Body, cut, is_seekable
from dicomweb.archive.reading import read_body
from dicomweb.catalog.bulkdata_index import BulkdataIndex, bulkdata_indexes
from dicomweb.catalog.columns import decompress
from dicomweb.catalog.lookup import InstanceSource, frame_entries
from dicomweb.catalog.metadata import BulkdataPlace, one_metadata
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.errors import BlobMissing, DecodeFailed, NotFound, Unavailable
from dicomweb.pixels.codecs import DECODABLE
from dicomweb.pixels.rendering.display import Display, display_of
from dicomweb.protocol.media_types import OCTET_STREAM
from dicomweb.protocol.negotiate import Chosen
from dicomweb.protocol.rendered_forms import Rendering, rendering_of

# Lookup tables, overlays, waveforms and documents that one picture may need, together.
_MOST_BULK_BYTES = 256 << 20
# Of JSON text; what Python makes of it takes ten times that. Longer ones are read in a worker.
_LONG_METADATA = 2 << 20
# Of JSON text that is read on the event loop: a fifth of a millisecond.
_SHORT_METADATA = 64 << 10
# Frames whose displays are read and kept together.
_DISPLAYS_PAGE = 128
# Packages of the extras [pdf] and [video], by what they draw the beginning of.
_DRAWN_BY = {Rendering.PDF: "pypdfium2", Rendering.VIDEO: "av"}
_AS_BYTES = Chosen(OCTET_STREAM, "", True)

P = ParamSpec("P")
T = TypeVar("T")


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
        self._stored: bytes | None = None
        self._attributes: dict[str, Any] | None = None
        self._displays: dict[int, list[Display]] = {}

    @property
    def layout(self) -> PixelLayout:
        """Of the pixels, where there are any."""
        assert self.source.pixel_layout is not None
        return self.source.pixel_layout

    @property
    def decodable(self) -> bool:
        """Whether what makes its pictures is there: a codec for its frames, a package for its pages."""
        if self.rendering in _DRAWN_BY:
            return _is_installed(_DRAWN_BY[self.rendering])
        if self.rendering is not Rendering.IMAGE or not self.layout.encapsulated:
            return True
        return self.source.transfer_syntax_uid in DECODABLE

    @property
    def frame_syntax_uid(self) -> str:
        """Transfer syntax of what `frame` gives."""
        return self.source.transfer_syntax_uid if self.layout.encapsulated else EXPLICIT_LITTLE

    async def metadata(self) -> bytes:
        """The DICOM JSON of the instance, bulkdata by path. Raises Unavailable when it was just deleted."""
        stored = await self._stored_metadata()
        return await self._read(decompress, stored)

    async def _stored_metadata(self) -> bytes:
        """zstd of the same."""
        if self._stored is None:
            self._stored = await one_metadata(self.archive.pool, self.source.instance_row)
        if self._stored is None:
            raise Unavailable("The instance was deleted while it was read.", retry_after=1)
        return self._stored

    async def _has_long_metadata(self) -> bool:
        return await self._metadata_length() > _LONG_METADATA and self.frames > 1

    async def _metadata_length(self) -> int:
        length: int = zstandard.frame_content_size(await self._stored_metadata())
        return length

    async def _read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What is read out of the metadata: in a thread where that takes longer than the way there."""
        if await self._metadata_length() <= _SHORT_METADATA:
            return function(*args, **kwargs)
        return await asyncio.to_thread(function, *args, **kwargs)

    async def attributes(self) -> dict[str, Any]:
        """The metadata as objects; of a long one, without what each frame has of its own."""
        if self._attributes is None:
            if await self._has_long_metadata():
                text = await self._kept("outline", {})
            else:
                text = await self.metadata()
            self._attributes = await self._read(orjson.loads, text)
            assert self._attributes is not None
        return self._attributes

    async def display(self, number: int) -> Display:
        """What the picture of a frame needs of the metadata. number: from 1."""
        if not await self._has_long_metadata():
            return await self._read(display_of, await self.attributes(), number - 1)
        page, place = divmod(number - 1, _DISPLAYS_PAGE)
        if page not in self._displays:
            frames = {"first": page * _DISPLAYS_PAGE, "last": min((page + 1) * _DISPLAYS_PAGE, self.frames)}
            self._displays = {page: orjson.loads(await self._kept("displays", frames))}
        return self._displays[page][place]

    async def _kept(self, job: str, parameters: dict[str, int]) -> bytes:
        """What a job makes of the metadata, from the cache if it was made before."""

        async def make() -> bytes:
            return await self.archive.workers.run(job, parameters, [await self._stored_metadata()])

        return await derived(self.archive, (self.source, job, *parameters.values()), make)

    async def frame(self, number: int) -> bytes:
        """A frame: its codestream as stored, or its native pixels in little endian. number: from 1.

        Raises DecodeFailed, before it is read, when it is more than a worker's memory holds.
        """
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
        try:
            (frame,) = await reader.stored(number)
        except BlobMissing:
            await note_damage(self.archive, self.source.instance_row)
            raise
        return frame

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


@cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None
