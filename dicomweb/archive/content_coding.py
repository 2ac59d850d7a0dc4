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


# Level 1 of both: JSON of DICOM shrinks to a tenth at next to no cost, and no level pays more.
_CODERS: dict[str, Callable[[], Coder]] = {
    "identity": _Identity,
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: isal_zlib.compressobj(level=1, wbits=31),
}
# Text that one call of a thread makes: worth the call, and little memory for each answer under way.
_TURN = 1 << 20
# What is offered to clients, the better one first.
CODINGS = tuple(name for name in _CODERS if name != "identity")


def coder_of(coding: str) -> Coder:
    """A coder for one answer. coding: one of CODINGS, or identity."""
    return _CODERS[coding]()


async def coded(texts: Iterator[bytes], coder: Coder) -> AsyncIterator[bytes]:
    """The texts, content-coded; a thread makes and codes them, some at a time."""
    more = True
    while more:
        pieces, more = await asyncio.get_running_loop().run_in_executor(None, _next_pieces, texts, coder)
        pieces.reverse()
        while pieces:
            yield pieces.pop()  # not held while the next ones are made


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
