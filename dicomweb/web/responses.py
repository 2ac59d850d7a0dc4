"""Answers that stream: single parts with ranges, multipart/related, JSON in pieces (PS3.18 8.6, 8.7).

Raw ASGI: a short answer is one message, a long one goes out in pieces, and a client that left is noticed
(`send` does not raise then), so that the rest is not read for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from dicomweb.archive.archive import Archive
from dicomweb.archive.parts import Body, Literal, Part, Ready, Segment, body_length, cut, is_seekable
from dicomweb.archive.reading import Chunk, Resumed, close, closing, read_body, read_short, read_stream
from dicomweb.errors import ClientGone
from dicomweb.protocol import multipart, ranges

# An answer up to here is one message, made before its status is sent: an image of 512 by 512 words fits.
# From 1 MiB on malloc would ask the kernel for each, which cost half as much CPU again.
_SHORT = 768 << 10
# Pieces of others as they go to the socket: below, calls cost more than bytes; above, memory without speed.
_PIECE = 256 << 10
# A client as fast as we are never makes `send` wait: after so many bytes others have their turn.
_TURN = 1 << 20

_GONE = "The client closed the connection."
_LENGTH = "announced length differs from what was sent"

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Streamed:
    """An ASGI response from an iterator of chunks; the first chunk is at hand before the status is sent.

    length: bytes of the whole body, or None: then the transfer is chunked.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[Chunk]
    length: int | None

    async def begun(self) -> Streamed:
        """The same response, its first chunk made: what cannot be made fails here, where there is still
        another answer."""
        first = await anext(self.chunks, b"")
        return replace(self, chunks=Resumed(first, self.chunks))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with closing(self.chunks):
            await self._send(scope, receive, send)

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in self.headers.items()]
        if self.length is not None:
            headers.append((b"content-length", str(self.length).encode()))
        start = {"type": "http.response.start", "status": self.status, "headers": headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
        elif self.length is not None and self.length <= _SHORT:
            whole = await _joined(self.chunks, self.length)
            await send(start)
            await send({"type": "http.response.body", "body": whole})
        else:
            await self._send_pieces(start, receive, send)

    async def _send_pieces(self, start: Message, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_wait_for_disconnect(receive))
        pieces = _pieces(self.chunks)
        sent = 0
        try:
            piece = await _first_piece(pieces, gone)
            await send(start)
            while piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if sent // _TURN != (sent + len(piece)) // _TURN:
                    await asyncio.sleep(0)
                if gone.done():
                    raise ClientGone(_GONE)
                sent += len(piece)
                piece = await anext(pieces, b"")
            assert self.length in (None, sent), _LENGTH
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await close(pieces)


async def _joined(chunks: AsyncIterator[Chunk], length: int) -> Chunk:
    """All of a short body; one chunk of it as it is."""
    found = [chunk async for chunk in chunks]
    whole = found[0] if len(found) == 1 else b"".join(found)
    assert len(whole) == length, _LENGTH
    return whole


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_piece(pieces: AsyncIterator[Chunk], gone: asyncio.Future[None]) -> Chunk:
    """It may be long in the making: all frames of an object, before its offset table."""
    making: asyncio.Future[Chunk] = asyncio.ensure_future(anext(pieces, b""))
    try:
        either: set[asyncio.Future[Any]] = {making, gone}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not making.done():
            raise ClientGone(_GONE)
        return making.result()
    finally:
        if not making.done():
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)


async def _pieces(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """Small chunks joined to pieces worth a call; long ones cut."""
    held: list[Chunk] = []
    size = 0
    async for chunk in chunks:
        # A decoded frame in one call would be copied whole into the server's send buffer.
        for start in range(0, len(chunk), _PIECE):
            held.append(chunk[start : start + _PIECE] if len(chunk) > _PIECE else chunk)
            size += len(held[-1])
            if size >= _PIECE:
                yield b"".join(held) if len(held) > 1 else held[0]
                held, size = [], 0
    if held:
        yield b"".join(held)


def single_part(
    archive: Archive,
    part: Part,
    *,
    headers: Mapping[str, str],
    range_header: str = "",
    status: int = 200,
) -> Streamed:
    """One part as the whole body, or the ranges of it that were asked for (H-05).

    Raises RangeNotSatisfiable.
    """
    found = {**headers, "Content-Type": part.content_type}
    return _with_range(archive, part.body, found, range_header, status)


def _with_range(
    archive: Archive, body: Body, headers: dict[str, str], range_header: str, status: int
) -> Streamed:
    length = body_length(body)
    if length is None or not is_seekable(body):
        return Streamed(status, headers, read_body(archive, body), length)
    headers["Accept-Ranges"] = "bytes"
    wanted = ranges.parse_ranges(range_header, length) if range_header and status == 200 else ()
    if not wanted:
        return _ready(archive, body, headers, length, status)
    if len(wanted) > 1:
        return _byteranges(archive, body, headers, wanted, length)
    (one,) = wanted
    headers["Content-Range"] = ranges.content_range(one, length)
    return _ready(archive, cut(body, one.start, one.stop), headers, one.stop - one.start, 206)


def _byteranges(
    archive: Archive, body: Body, headers: dict[str, str], wanted: Sequence[slice], length: int
) -> Streamed:
    """Several ranges at once, as multipart/byteranges (RFC 9110 14.6)."""
    boundary = multipart.boundary_for(headers["Content-Type"].encode() + repr(wanted).encode())
    pieces: list[Ready] = []
    for one in wanted:
        part = [
            ("Content-Type", headers["Content-Type"]),
            ("Content-Range", ranges.content_range(one, length)),
        ]
        pieces.append(Literal(multipart.part_header(boundary, part, first=not pieces)))
        pieces += cut(body, one.start, one.stop)
    pieces.append(Literal(multipart.closing(boundary)))
    headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    return _ready(archive, pieces, headers, sum(piece.length for piece in pieces), 206)


def _ready(
    archive: Archive, body: Sequence[Ready], headers: Mapping[str, str], length: int, status: int
) -> Streamed:
    """An answer of bytes that need not be made."""
    chunks = read_short(archive, body, length) if length <= _SHORT else read_body(archive, body)
    return Streamed(status, headers, chunks, length)


def related(
    archive: Archive,
    parts: Sequence[Part],
    *,
    base: str,
    root_type: str,
    seed: bytes,
    headers: Mapping[str, str],
    range_header: str = "",
    status: int = 200,
) -> Streamed:
    """A multipart/related answer of parts that are all known.

    seed: what the boundary is derived from, so that ranges of two requests fit together (H-06).
    """
    boundary = multipart.boundary_for(seed)
    body: list[Segment] = []
    for part in parts:
        body.append(Literal(_part_header(boundary, part, base, first=not body)))
        body += part.body
    body.append(Literal(multipart.closing(boundary)))
    found = {**headers, "Content-Type": multipart.related_content_type(root_type, boundary)}
    return _with_range(archive, body, found, range_header, status)


def related_stream(
    archive: Archive,
    parts: AsyncIterator[Part],
    *,
    base: str,
    root_type: str,
    seed: bytes,
    headers: Mapping[str, str],
    status: int = 200,
) -> Streamed:
    """A multipart/related answer whose parts come page by page: chunked, memory flat."""
    boundary = multipart.boundary_for(seed)

    async def segments() -> AsyncIterator[Segment]:
        first = True
        async with closing(parts):
            async for part in parts:
                yield Literal(_part_header(boundary, part, base, first=first))
                first = False
                for segment in part.body:
                    yield segment
        yield Literal(multipart.closing(boundary))

    found = {**headers, "Content-Type": multipart.related_content_type(root_type, boundary)}
    return Streamed(status, found, read_stream(archive, segments()), None)


def _part_header(boundary: str, part: Part, base: str, *, first: bool) -> bytes:
    headers = [("Content-Type", part.content_type)]
    if part.location:
        headers.append(("Content-Location", base + part.location))
    if part.content_range:
        headers.append(("Content-Range", part.content_range))
    if part.length is not None:
        headers.append(("Content-Length", str(part.length)))
    return multipart.part_header(boundary, headers, first=first)
