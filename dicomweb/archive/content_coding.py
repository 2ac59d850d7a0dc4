"""Content codings of JSON answers, made while they stream (H-03)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

import zstandard
from isal import isal_zlib


class Coder(Protocol):
    """Content coding of one answer."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Identity:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


IDENTITY = "identity"
# Level 1 of both: JSON of DICOM shrinks to a tenth at next to no cost, and no level pays more.
_CODERS: dict[str, Callable[[], Coder]] = {
    IDENTITY: _Identity,
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: isal_zlib.compressobj(level=1, wbits=31),
}
# Text that one call of a thread makes: worth the call, and little memory for each answer under way.
_TURN = 1 << 20
# What is offered to clients, the better one first.
CODINGS = tuple(name for name in _CODERS if name != IDENTITY)


def coder_of(coding: str) -> Coder:
    """A coder for one answer. coding: one of CODINGS, or IDENTITY."""
    return _CODERS[coding]()


async def coded(texts: Iterator[bytes], coder: Coder) -> AsyncIterator[bytes]:
    """The texts, content-coded; a thread makes and codes them, some at a time."""
    more = True
    while more:
        pieces, more = await asyncio.get_running_loop().run_in_executor(None, _next_pieces, texts, coder)
        pieces.reverse()
        while pieces:
            yield pieces.pop()  # not held while the next ones are made


async def coded_here(texts: Iterator[bytes], coder: Coder) -> AsyncIterator[bytes]:
    """The texts, content-coded on the event loop: each is made in a fraction of a millisecond.

    A thread would do it no sooner, as it would hold the interpreter too, and hand it over and back for each
    of the many short calls.
    """
    for text in texts:
        yield coder.compress(text)
        await asyncio.sleep(0)


def _next_pieces(texts: Iterator[bytes], coder: Coder) -> tuple[list[bytes], bool]:
    """The next coded texts, and whether there may be more."""
    pieces: list[bytes] = []
    size = 0
    for text in texts:
        pieces.append(coder.compress(text))
        size += len(text)
        if size >= _TURN:
            return pieces, True
    return pieces, False
