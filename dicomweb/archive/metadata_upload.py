"""The parts of a store request that are no Part 10: metadata, and the bulkdata of it (S-04, S-05).

Bulkdata comes after its metadata, one instance's or all of them, so everything is spooled until the body is
whole; then each instance is written as Part 10 and stored as such. What holds for those holds for these.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from dicomweb.archive.archive import Archive
from dicomweb.archive.assembly import Assembly
from dicomweb.archive.growth import Growth
from dicomweb.archive.ingest import Ingest
from dicomweb.archive.metadata_document import Document, documents, read_document
from dicomweb.archive.small_parts import scan_limits
from dicomweb.archive.spool import Spool
from dicomweb.archive.through_thread import threaded
from dicomweb.archive.uploaded_parts import UploadedPart, UploadedParts
from dicomweb.dicom.received_model import Attributes, identified
from dicomweb.errors import InvalidDicom, InvalidRequest, TooLarge
from dicomweb.protocol.multipart import PARTS
from dicomweb.protocol.store_parts import PartHeader, PartKind

# Parsed, metadata takes several times its size: larger ones wait for each other.
_LARGE_DOCUMENT = 1 << 20
_REFUSED_AT_ONCE = 1000


class MetadataUpload:
    """Feed it parts, then `store`. base_url: what relative URIs are relative to."""

    def __init__(self, archive: Archive, *, base_url: str) -> None:
        self._archive = archive
        self._spool: Spool | None = None
        self._header = PartHeader(PartKind.BULKDATA, "")
        self._begin = 0
        self._documents: list[Document] = []
        self._unreadable: list[InvalidRequest] = []
        self._parts = UploadedParts(base_url)

    async def begin(self, header: PartHeader) -> None:
        """A part begins that is metadata or bulkdata."""
        if self._spool is None:
            self._spool = await asyncio.to_thread(Spool, self._archive)
        self._header, self._begin = header, self._spool.size

    async def write(self, data: bytes | memoryview) -> None:
        """The next bytes of the part. Raises Unavailable."""
        assert self._spool is not None
        await self._spool.write(data)

    async def end(self) -> None:
        """The part is whole. Raises TooLarge."""
        assert self._spool is not None
        header, begin, length = self._header, self._begin, self._spool.size - self._begin
        if header.kind is PartKind.BULKDATA:
            part = UploadedPart(header.media_type, header.transfer_syntax_uid, begin, length)
            self._parts.add(header.location, part)
            return
        await self._spool.flush()
        try:
            self._documents += await asyncio.to_thread(self._found, self._spool, length)
        except InvalidRequest as error:
            self._unreadable.append(error)

    def _found(self, spool: Spool, length: int) -> list[Document]:
        """The instances of a part: none of one that is cut off."""
        found: list[Document] = []
        for document in documents(spool, self._header, self._begin, length):
            found.append(document)
            if len(self._documents) + len(found) > PARTS:
                raise TooLarge("The metadata holds too many instances.", hint="Send several requests.")
        return found

    async def store(self, ingest: Ingest, *, alone: bool = True) -> None:
        """Hand every instance to the archive; one that cannot be made fails alone (S-15).

        alone: there is nothing else in the request. Raises InvalidRequest where no part of it can be read.
        """
        if self._spool is None:
            return
        if self._unreadable and alone and not self._documents:
            raise self._unreadable[0]
        for error in self._unreadable:
            ingest.refuse_part(InvalidDicom(error.message))
        await self._spool.flush()
        growth = Growth(self._spool.size, self._archive.settings.inflate_ratio)
        for document in self._documents:
            await self._store(ingest, self._spool, document, growth)
        for index in range(self._parts.unused()):
            ingest.refuse_part(InvalidDicom("No metadata refers to a bulkdata part."))
            if index % _REFUSED_AT_ONCE == 0:
                await asyncio.sleep(0)  # others have their turn

    def close(self) -> None:
        """Nothing more is read of it."""
        if self._spool is not None:
            self._spool.close()

    async def _store(self, ingest: Ingest, spool: Spool, document: Document, growth: Growth) -> None:
        attributes: Attributes = {}
        limits = scan_limits(self._archive.settings)
        try:
            async with AsyncExitStack() as turns:
                if document.held_bytes > _LARGE_DOCUMENT:
                    await turns.enter_async_context(self._archive.uploads.large_documents)
                attributes, inline = await asyncio.to_thread(read_document, spool, document, limits)
                stated = document.header.transfer_syntax_uid
                assembly = Assembly(
                    self._archive, spool, growth, find=self._parts.find, inline=inline, stated_uid=stated
                )
                async for chunk in threaded(await assembly.part10(attributes, turns)):
                    await ingest.write(chunk)
                for sentence in assembly.warnings:
                    ingest.warn(sentence)
        except InvalidDicom as error:
            await ingest.fail_part(identified(error, attributes))
        else:
            await ingest.end_part()
