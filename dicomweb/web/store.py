"""STOW-RS: store instances (PS3.18 10.5)."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.ingest import Ingest
from dicomweb.dicom.uid import is_uid
from dicomweb.errors import (
    ArchiveError,
    ClientGone,
    InvalidDicom,
    InvalidRequest,
    TooLarge,
    UnsupportedMediaType,
)
from dicomweb.protocol import negotiate
from dicomweb.protocol.media_types import parse_media_type
from dicomweb.protocol.multipart import PartBegin, PartData, RelatedReader, related_body_of
from dicomweb.protocol.store_report import store_report
from dicomweb.web.targets import acceptable, base_url

_DICOM = "application/dicom"
# The most bytes that one received chunk may inflate to at a time: a bomb is written piece by piece,
# and the body limit and the disk watermark see each.
_INFLATE_STEP = 1 << 20
_GZIP = 31  # window bits of zlib that demand a gzip header


async def store(request: Request) -> Response:
    """Store the instances of the body; the answer lists each one (PS3.18 10.5.3, Annex I)."""
    archive: Archive = request.state.archive
    study = request.path_params.get("study")
    if study is not None and not is_uid(study, strict=archive.settings.strict_uids):
        raise InvalidRequest("The Study Instance UID in the URL is not a UID.")
    acceptable(request, negotiate.Resource.STORE_RESPONSE)
    intake = _intake(request, archive)
    ingest = Ingest(archive, study=study)
    try:
        async for chunk in _body(request, archive.settings.body_bytes):
            await intake.feed(ingest, chunk)
        await intake.close(ingest)
        outcomes = await ingest.finish()
    except BaseException:
        await ingest.abort()
        raise
    report = store_report(outcomes, base_url(request), study)
    response = Response(orjson.dumps(report.attributes), report.status, media_type="application/dicom+json")
    if report.retrieve_url:
        response.headers["Content-Location"] = report.retrieve_url  # S-46
    for warning in report.warnings:
        response.headers.append("Warning", warning)
    return response


class _Intake(Protocol):
    """Turns the bytes of a request body into parts of an Ingest."""

    async def feed(self, ingest: Ingest, chunk: bytes) -> None: ...

    async def close(self, ingest: Ingest, /) -> None: ...


class _Single:
    """The body is one Part 10 stream (S-03)."""

    async def feed(self, ingest: Ingest, chunk: bytes) -> None:
        await ingest.write(chunk)

    async def close(self, ingest: Ingest) -> None:
        await ingest.end_part()


class _Related:
    """The body is multipart/related with one Part 10 stream a part (S-02)."""

    def __init__(self, boundary: str, *, part_header_bytes: int) -> None:
        self._reader = RelatedReader(boundary, part_header_bytes=part_header_bytes)
        self._skipping = False
        self._parts = 0

    async def feed(self, ingest: Ingest, chunk: bytes) -> None:
        for event in self._reader.feed(chunk):
            if isinstance(event, PartBegin):
                self._begin(ingest, event)
            elif isinstance(event, PartData):
                if not self._skipping:
                    await ingest.write(event.data)
            elif not self._skipping:
                await ingest.end_part()

    def _begin(self, ingest: Ingest, event: PartBegin) -> None:
        self._parts += 1
        media_type = event.headers.get("content-type", _DICOM).partition(";")[0].strip().lower()
        defect = event.defect
        # Senders label Part 10 loosely; only what is plainly something else is refused by its label.
        if not defect and media_type not in (_DICOM, "application/octet-stream", ""):
            defect = "The Content-Type of the part is not application/dicom."
        self._skipping = bool(defect)
        if defect:
            ingest.refuse_part(InvalidDicom(defect))

    async def close(self, _ingest: Ingest) -> None:
        self._reader.close()
        if self._parts == 0:
            raise InvalidRequest("The multipart body holds no part.")


def _intake(request: Request, archive: Archive) -> _Intake:
    """By Content-Type. Raises UnsupportedMediaType, InvalidRequest (no boundary)."""
    try:
        media_type = parse_media_type(request.headers.get("content-type", ""))
    except InvalidRequest as error:
        raise _unsupported() from error
    if media_type.essence == _DICOM:
        return _Single()
    if media_type.essence != "multipart/related":
        raise _unsupported()
    body = related_body_of(media_type)
    if body.root_type not in (_DICOM, ""):
        raise _unsupported()
    return _Related(body.boundary, part_header_bytes=archive.settings.part_header_bytes)


def _unsupported() -> UnsupportedMediaType:
    return UnsupportedMediaType(
        "The body must be multipart/related with type application/dicom, or application/dicom itself."
    )


async def _body(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The request body without its Content-Encoding, bounded. Raises TooLarge, ClientGone."""
    declared = request.headers.get("content-length", "")
    if limit and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise UnsupportedMediaType("The Content-Encoding of the request is not one of: gzip, identity.")
    chunks = _received(request)
    if encoding.endswith("gzip"):
        chunks = _inflated(chunks)
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if limit and total > limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit: int) -> ArchiveError:
    return TooLarge(
        f"The request body is larger than this server's limit of {limit} bytes.",
        hint="Send the instances in several requests.",
    )


async def _received(request: Request) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("The client closed the connection before the request was whole.")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def _inflated(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Undo gzip in bounded steps; a stream may have several members, one after the other (RFC 1952)."""
    inflater = zlib.decompressobj(wbits=_GZIP)
    try:
        async for chunk in chunks:
            waiting = chunk
            while waiting:
                if inflater.eof:
                    inflater = zlib.decompressobj(wbits=_GZIP)
                piece = inflater.decompress(waiting, _INFLATE_STEP)
                waiting = inflater.unconsumed_tail or inflater.unused_data
                if piece:
                    yield piece
    except zlib.error as error:
        raise InvalidRequest("The request body is not the gzip stream that its header announces.") from error
    if not inflater.eof:
        raise InvalidRequest("The gzip stream of the request body is cut off.")
