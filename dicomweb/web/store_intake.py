"""From the bytes of a store request to the instances in it, by the media type of the body (PS3.18 10.5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dicomweb.archive.archive import Archive
from dicomweb.archive.ingest import Ingest
from dicomweb.archive.metadata_upload import MetadataUpload
from dicomweb.archive.zip_upload import ZipUpload
from dicomweb.errors import InvalidDicom, InvalidRequest, UnsupportedMediaType
from dicomweb.protocol.media_types import (
    APPLICATION_DICOM,
    DICOM_JSON,
    DICOM_XML,
    LEGACY_NAMES,
    parse_media_type,
)
from dicomweb.protocol.multipart import PartBegin, PartData, RelatedBody, RelatedReader, related_body_of
from dicomweb.protocol.store_parts import METADATA_TYPES, ZIP, PartKind, part_header

_ZIPS = frozenset({ZIP, "application/x-zip-compressed", "application/x-zip"})
_ROOTS = frozenset({APPLICATION_DICOM, DICOM_JSON, DICOM_XML, ""})


class Intake(Protocol):
    """Turns the bytes of a request body into parts of an Ingest."""

    async def feed(self, chunk: bytes) -> None:
        """The next bytes of the body."""

    async def close(self) -> None:
        """The body is whole. Raises InvalidRequest where that shows to be wrong."""

    def drop(self) -> None:
        """Let go of what is held, whatever became of the request."""


def intake_of(archive: Archive, ingest: Ingest, content_type: str, base_url: str) -> Intake:
    """By Content-Type. Raises UnsupportedMediaType, InvalidRequest (no boundary)."""
    try:
        media_type = parse_media_type(content_type)
    except InvalidRequest as error:
        raise _unsupported() from error
    name = LEGACY_NAMES.get(media_type.essence, media_type.essence)
    metadata = MetadataUpload(archive, base_url=base_url)
    if name == APPLICATION_DICOM:
        return _Part10(ingest)
    if name in METADATA_TYPES:
        return _Metadata(ingest, metadata, name, content_type)
    if name in _ZIPS:
        return _Zip(ingest, ZipUpload(archive))
    if name != "multipart/related":
        raise _unsupported()
    body = related_body_of(media_type)
    if LEGACY_NAMES.get(body.root_type, body.root_type) not in _ROOTS:
        raise _unsupported()
    return _Related(ingest, metadata, body, part_header_bytes=archive.settings.part_header_bytes)


def _unsupported() -> UnsupportedMediaType:
    return UnsupportedMediaType(
        "The body must be multipart/related with type application/dicom, application/dicom+json or "
        "application/dicom+xml, one of these itself, or application/zip."
    )


class _Part10:
    """The body is one Part 10 stream (S-03)."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def feed(self, chunk: bytes) -> None:
        await self._ingest.write(chunk)

    async def close(self) -> None:
        await self._ingest.end_part()

    def drop(self) -> None:
        """The ingest holds everything."""


class _Zip:
    """The body is a zip file (S-14)."""

    def __init__(self, ingest: Ingest, upload: ZipUpload) -> None:
        self._ingest = ingest
        self._upload = upload

    async def feed(self, chunk: bytes) -> None:
        await self._upload.write(chunk)

    async def close(self) -> None:
        await self._upload.store(self._ingest)

    def drop(self) -> None:
        self._upload.close()


class _Metadata:
    """The body is metadata whose bulkdata is inline."""

    def __init__(self, ingest: Ingest, upload: MetadataUpload, root_type: str, content_type: str) -> None:
        self._ingest = ingest
        self._upload = upload
        self._header = part_header({"content-type": content_type}, root_type)
        self._begun = False

    async def feed(self, chunk: bytes) -> None:
        await self._begin()
        await self._upload.write(chunk)

    async def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            await self._upload.begin(self._header)

    async def close(self) -> None:
        await self._begin()
        await self._upload.end()
        await self._upload.store(self._ingest)

    def drop(self) -> None:
        self._upload.close()


class _Related:
    """The body is multipart/related: Part 10 streams (S-02), or metadata and bulkdata (S-04)."""

    def __init__(
        self, ingest: Ingest, metadata: MetadataUpload, body: RelatedBody, *, part_header_bytes: int
    ) -> None:
        self._ingest = ingest
        self._metadata = metadata
        self._root_type = LEGACY_NAMES.get(body.root_type, body.root_type)
        self._reader = RelatedReader(body.boundary, part_header_bytes=part_header_bytes)
        self._into: Ingest | MetadataUpload | None = None
        self._parts = 0
        self._instances = 0

    async def feed(self, chunk: bytes) -> None:
        for event in self._reader.feed(chunk):
            if isinstance(event, PartBegin):
                await self._begin(event)
            elif self._into is None:
                continue
            elif isinstance(event, PartData):
                await self._into.write(event.data)
            else:
                await self._end()

    async def _begin(self, event: PartBegin) -> None:
        self._parts += 1
        self._into = None
        if event.defect:
            self._ingest.refuse_part(InvalidDicom(event.defect))
            return
        try:
            self._into = await self._target(event.headers)
        except InvalidRequest as error:  # S-15: this part alone
            self._ingest.refuse_part(InvalidDicom(error.message))

    async def _target(self, headers: Mapping[str, str]) -> Ingest | MetadataUpload:
        header = part_header(headers, self._root_type)
        if header.kind is PartKind.PART10:
            self._instances += 1
            return self._ingest
        if self._root_type not in METADATA_TYPES:  # not stated (V-15): from here on it is known
            self._root_type = header.media_type
        await self._metadata.begin(header)
        return self._metadata

    async def _end(self) -> None:
        if isinstance(self._into, Ingest):
            await self._into.end_part()
        elif self._into is not None:
            await self._into.end()
        self._into = None

    async def close(self) -> None:
        self._reader.close()
        if self._parts == 0:
            raise InvalidRequest("The multipart body holds no part.")
        await self._metadata.store(self._ingest, alone=not self._instances)

    def drop(self) -> None:
        self._metadata.close()
