"""Answers that stream: single parts with ranges, multipart/related, JSON in pieces (PS3.18 8.6, 8.7).

Raw ASGI: a short answer is one message, a long one goes out in pieces, and a client that left is noticed
(`send` does not raise then), so that the rest is not read for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.types import Receive, Scope, Send

from dicomweb.archive.archive import Archive
from dicomweb.archive.parts import Body, Literal, Part, Segment, body_length, cut, is_seekable
from dicomweb.archive.reading import Resumed, closing, read_body, read_stream
from dicomweb.errors import ClientGone
from dicomweb.protocol import multipart, ranges

# Pieces as they go to the socket: below, calls cost more than bytes; above, memory without speed.
_PIECE = 256 << 10
# Pieces of long chunks; at 1 MiB malloc would ask the kernel for each, which cost half as much CPU again.
_LONGEST = 256 << 10

_GONE = "The client closed the connection."

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Streamed:
    """An ASGI response from an iterator of chunks; the first chunk is at hand before the status is sent.

    length: bytes of the whole body, or None: then the transfer is chunked.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
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
        pieces = _pieces(self.chunks)
        headers: Headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in self.headers.items()]
        if self.length is not None:
            headers.append((b"content-length", str(self.length).encode()))
        start = {"type": "http.response.start", "status": self.status, "headers": headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        first = await anext(pieces, b"") if self.length is not None else None
        if first is not None and len(first) == self.length:
            await send(start)
            await send({"type": "http.response.body", "body": first})
            return
        gone = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            if first is None:
                first = await _first_piece(pieces, gone)
            await send(start)
            await self._send_rest(first, pieces, gone, send)
        finally:
            gone.cancel()

    async def _send_rest(
        self, first: bytes, pieces: AsyncIterator[bytes], gone: asyncio.Future[None], send: Send
    ) -> None:
        await send({"type": "http.response.body", "body": first, "more_body": True})
        sent = len(first)
        async for piece in pieces:
            if gone.done():
                raise ClientGone(_GONE)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += len(piece)
        assert self.length is None or sent == self.length, "announced length differs from what was sent"
        await send({"type": "http.response.body", "body": b""})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_piece(pieces: AsyncIterator[bytes], gone: asyncio.Future[None]) -> bytes:
    """What has no length yet may be long in the making: all frames of an object, before its offset table."""
    making: asyncio.Future[bytes] = asyncio.ensure_future(anext(pieces, b""))
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


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Small chunks joined to pieces worth a call; long ones cut."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        # A decoded frame in one call would be copied whole into the server's send buffer.
        for start in range(0, len(chunk), _LONGEST):
            held.append(chunk[start : start + _LONGEST])
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
        return Streamed(status, headers, read_body(archive, body), length)
    if len(wanted) > 1:
        return _byteranges(archive, body, headers, wanted, length)
    (one,) = wanted
    headers["Content-Range"] = ranges.content_range(one, length)
    pieces = cut(body, one.start, one.stop)
    return Streamed(206, headers, read_body(archive, pieces), one.stop - one.start)


def _byteranges(
    archive: Archive, body: Body, headers: dict[str, str], wanted: Sequence[slice], length: int
) -> Streamed:
    """Several ranges at once, as multipart/byteranges (RFC 9110 14.6)."""
    boundary = multipart.boundary_for(headers["Content-Type"].encode() + repr(wanted).encode())
    pieces: list[Segment] = []
    for one in wanted:
        part = [
            ("Content-Type", headers["Content-Type"]),
            ("Content-Range", ranges.content_range(one, length)),
        ]
        pieces.append(Literal(multipart.part_header(boundary, part, first=not pieces)))
        pieces += cut(body, one.start, one.stop)
    pieces.append(Literal(multipart.closing(boundary)))
    headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    return Streamed(206, headers, read_body(archive, pieces), body_length(pieces))


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
