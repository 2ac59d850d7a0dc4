"""The body of a store request without its transfer and content codings, bounded while it is read (S-12)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from dicomweb.errors import ArchiveError, ClientGone, InvalidRequest, TooLarge, UnsupportedMediaType

# The most bytes that one received chunk may inflate to at a time: a bomb is written piece by piece,
# and the body limit and the disk watermark see each.
_INFLATE_STEP = 1 << 20
# As for deflated data sets: empty pixels deflate far, so a bomb is only judged after this many bytes.
_RATIO_FREE_BYTES = 64 << 20
_GZIP = 31  # window bits of zlib that demand a gzip header


async def store_body(request: Request, limit: int, *, inflate_ratio: int) -> AsyncIterator[bytes]:
    """The request body without its Content-Encoding, bounded. Raises TooLarge, ClientGone.

    limit: its most bytes, 0 for no limit. inflate_ratio: most bytes that one byte of a gzip body may become.
    """
    declared = request.headers.get("content-length", "")
    if limit and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise UnsupportedMediaType("The Content-Encoding of the request is not one of: gzip, identity.")
    chunks = _received(request)
    if encoding.endswith("gzip"):
        chunks = _inflated(chunks, inflate_ratio)
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


async def _inflated(chunks: AsyncIterator[bytes], ratio: int) -> AsyncIterator[bytes]:
    """Undo gzip in bounded steps, each in a thread: a chunk of a bomb takes many, and waits for nothing."""
    members = _Members()
    received = inflated = 0
    try:
        async for chunk in chunks:
            members.waiting += chunk
            received += len(chunk)
            while members.waiting:
                piece = await asyncio.to_thread(members.inflate)
                inflated += len(piece)
                if inflated > max(_RATIO_FREE_BYTES, received * ratio):
                    raise TooLarge("The request body inflates beyond this server's limit.")
                if piece:
                    yield piece
    except zlib.error as error:
        raise InvalidRequest("The request body is not the gzip stream that its header announces.") from error
    if not members.at_end:
        raise InvalidRequest("The gzip stream of the request body is cut off.")


class _Members:
    """A gzip stream, which may have several members, one after the other (RFC 1952).

    waiting: what came and is not inflated yet.
    """

    def __init__(self) -> None:
        self.waiting = b""
        self._inflater = zlib.decompressobj(wbits=_GZIP)

    @property
    def at_end(self) -> bool:
        """Whether the last member is whole."""
        return self._inflater.eof

    def inflate(self) -> bytes:
        """The next bytes, empty when more has to come. Raises zlib.error."""
        piece = b""
        while self.waiting and not piece:
            if self._inflater.eof:
                self._inflater = zlib.decompressobj(wbits=_GZIP)
            piece = self._inflater.decompress(self.waiting, _INFLATE_STEP)
            self.waiting = self._inflater.unconsumed_tail or self._inflater.unused_data
        return piece
