"""JSON columns as objects."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from dicomweb.catalog.columns import decompress

# Stored bytes up to which reading them costs less than the thread that would do it.
_INLINE_BYTES = 8 << 10


async def read_stored(stored: bytes) -> Any:
    """What is stored as zstd of JSON; a long one does not hold up the event loop."""
    if len(stored) <= _INLINE_BYTES:
        return _read(stored)
    return await asyncio.to_thread(_read, stored)


def _read(stored: bytes) -> Any:
    return orjson.loads(decompress(stored))
