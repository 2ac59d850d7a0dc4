"""Content-coded answers kept ready on disk: every viewer asks for the metadata of a series (W-24)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence

from dicomweb.archive.archive import Archive
from dicomweb.archive.reading import closing

# To be raised when our own code writes other bytes of the same data than before.
_GENERATION = 1
# Coded, some 50,000 instances. It is held in memory while it is sent.
_LARGEST = 4 << 20


async def kept(archive: Archive, key: Sequence[str], pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, from the disk cache where they are kept there; else they are kept when the last has gone.

    key: all that decides about the bytes, of this database and no other. What has failed, or was not taken to
    its end, is not kept.
    """
    cache = archive.derived.cache
    async with closing(pieces):
        if cache is None:
            async for piece in pieces:
                yield piece
            return
        name = _name(archive.tenant_id, key)
        ready = await asyncio.to_thread(cache.get, name)
        if ready is not None:
            yield ready
            return
        held: list[bytes] = []
        size = 0
        async for piece in pieces:
            size += len(piece)
            if size <= _LARGEST:
                held.append(piece)
            else:
                held.clear()
            yield piece
        if size <= _LARGEST:
            await asyncio.to_thread(cache.put, name, b"".join(held))


def _name(tenant_id: int, key: Sequence[str]) -> str:
    words = ["answer", str(_GENERATION), str(tenant_id), *key]
    return hashlib.blake2b("\n".join(words).encode(), digest_size=20).hexdigest()
