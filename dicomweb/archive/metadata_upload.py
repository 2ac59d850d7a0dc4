"""The parts of a store request that are no Part 10: metadata, and the bulkdata of it (S-04, S-05).

Bulkdata comes after its metadata, one instance's or all of them, so everything is spooled until the body is
whole; then each instance is written as Part 10 and stored as such. What holds for those holds for these.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext

from dicomweb.archive.archive import Archive
from dicomweb.archive.assembly import Assembly, UploadedPart
from dicomweb.archive.ingest import Ingest, scan_limits
from dicomweb.archive.metadata_document import Document, documents, read_document
from dicomweb.archive.spool import Spool
from dicomweb.archive.through_thread import threaded
from dicomweb.dicom.received_model import Attributes, identified
from dicomweb.errors import InvalidDicom, TooLarge
from dicomweb.protocol.multipart import PARTS
from dicomweb.protocol.store_parts import PartHeader, PartKind, resolved

# URIs of all bulkdata parts of a request.
_LOCATION_BYTES = 32 << 20
# Parsed, metadata takes several times its size: larger ones wait for each other.
_LARGE_DOCUMENT = 1 << 20


class MetadataUpload:
    """Feed it parts, then `store`. base_url: what relative URIs are relative to."""

    def __init__(self, archive: Archive, *, base_url: str) -> None:
        self._archive = archive
        self._base_url = base_url
        self._spool: Spool | None = None
        self._header = PartHeader(PartKind.BULKDATA, "")
        self._begin = 0
        self._documents: list[Document] = []
        self._parts: dict[str, list[UploadedPart]] = defaultdict(list)
        self._location_bytes = 0
        self._used: set[str] = set()

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
        """The part is whole. Raises InvalidRequest for JSON that is none, TooLarge."""
        assert self._spool is not None
        header, begin, length = self._header, self._begin, self._spool.size - self._begin
        if header.kind is PartKind.BULKDATA:
            self._add(UploadedPart(header.media_type, header.transfer_syntax_uid, begin, length))
            return
        await self._spool.flush()
        await asyncio.to_thread(self._find_documents, self._spool, length)

    def _add(self, part: UploadedPart) -> None:
        location = resolved(self._header.location, self._base_url)
        self._location_bytes += 200 + len(location)
        if self._location_bytes > _LOCATION_BYTES:
            raise TooLarge("The body has too many bulkdata parts.", hint="Send it in several requests.")
        self._parts[location].append(part)

    def _find_documents(self, spool: Spool, length: int) -> None:
        for document in documents(spool, self._header, self._begin, length):
            self._documents.append(document)
            if len(self._documents) > PARTS:
                raise TooLarge("The metadata holds too many instances.", hint="Send several requests.")

    async def store(self, ingest: Ingest) -> None:
        """Hand every instance to the archive; one that cannot be made fails alone."""
        if self._spool is None:
            return
        await self._spool.flush()
        for document in self._documents:
            await self._store(ingest, self._spool, document)
        for location in self._parts.keys() - self._used:
            for _ in self._parts[location]:
                ingest.refuse_part(InvalidDicom("No metadata refers to a bulkdata part."))

    def close(self) -> None:
        """Nothing more is read of it."""
        if self._spool is not None:
            self._spool.close()

    async def _store(self, ingest: Ingest, spool: Spool, document: Document) -> None:
        attributes: Attributes = {}
        limits = scan_limits(self._archive.settings)
        try:
            async with self._turn(document):
                attributes, inline = await asyncio.to_thread(read_document, spool, document, limits)
                stated = document.header.transfer_syntax_uid
                assembly = Assembly(self._archive, spool, stated, self._find, inline)
                async for chunk in threaded(await assembly.part10(attributes)):
                    await ingest.write(chunk)
        except InvalidDicom as error:
            await ingest.fail_part(identified(error, attributes))
        else:
            await ingest.end_part()

    def _turn(self, document: Document) -> AbstractAsyncContextManager[None]:
        if document.held_bytes > _LARGE_DOCUMENT:
            return self._archive.uploads.large_documents
        return nullcontext()

    def _find(self, uri: str) -> list[UploadedPart]:
        """The parts that a BulkDataURI stands for: several are the frames of one value (S-07)."""
        location = resolved(uri, self._base_url)
        if location in self._parts:
            self._used.add(location)
            return self._parts[location]
        names = [name for _, name in sorted(self._frames_below(location))]
        self._used.update(names)
        return [part for name in names for part in self._parts[name]]

    def _frames_below(self, location: str) -> Iterator[tuple[int, str]]:
        """Frames that have URIs of their own below that of the value."""
        number = re.compile(re.escape(location.rstrip("/")) + r"(?:/frames)?/([0-9]{1,9})")
        for name in self._parts:
            if match := number.fullmatch(name):
                yield int(match[1]), name
