"""Content codings of JSON answers, made while they stream (H-03)."""

from __future__ import annotations

from collections.abc import Callable
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
# What is offered to clients, the better one first.
CODINGS = tuple(name for name in _CODERS if name != "identity")


def coder_of(coding: str) -> Coder:
    """A coder for one answer. coding: one of CODINGS, or identity."""
    return _CODERS[coding]()
