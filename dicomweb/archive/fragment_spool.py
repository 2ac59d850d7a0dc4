"""Frames of one object while the rest of them is made: the offset table goes out before the first of them."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dicomweb.archive.archive import Archive
from dicomweb.archive.spool import Spool
from dicomweb.dicom.fragments import fragment

_CHUNK = 1 << 20


class FragmentSpool:
    """Fragments in order, on the disk. Opened by `fragment_spool`."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.lengths = array("Q")

    async def append(self, frame: bytes) -> None:
        """The next frame. Raises Unavailable when the disk takes no more."""
        await self._spool.write(fragment(frame))
        self.lengths.append(len(frame))

    async def fragments(self) -> AsyncIterator[bytes]:
        """All fragments with their item headers, in chunks."""
        await self._spool.flush()
        for offset in range(0, self._spool.size, _CHUNK):
            length = min(_CHUNK, self._spool.size - offset)
            yield await asyncio.to_thread(self._spool.read, offset, length)


@asynccontextmanager
async def fragment_spool(archive: Archive) -> AsyncIterator[FragmentSpool]:
    """An empty one; nothing is left after it. Raises Unavailable when the disk takes no more."""
    spool = await asyncio.to_thread(Spool, archive)
    try:
        yield FragmentSpool(spool)
    finally:
        spool.close()
