"""Metadata as it goes out: stored JSON with the base spliced in, one array, in pieces (W-20..W-24)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import zstandard
from isal import isal_zlib

from dicomweb.archive.archive import Archive
from dicomweb.catalog.lookup import Contents, metadata_pages
from dicomweb.dicom.target import Target

# A key can stand in the text only as a key: inside a string its quotes would be escaped.
_BULKDATA_KEY = b'"BulkDataURI":"'


class Coder(Protocol):
    """Content coding of one answer."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Identity:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


_CODERS: dict[str, Callable[[], Coder]] = {
    "identity": _Identity,
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: isal_zlib.compressobj(level=1, wbits=31),
}
# What is offered to clients, the better one first.
CODINGS = tuple(name for name in _CODERS if name != "identity")


async def metadata_json(
    archive: Archive, target: Target, found: Contents, *, base: str, coding: str
) -> AsyncIterator[bytes]:
    """The DICOM JSON array of every instance of the target, in W-64 order, content-coded.

    found: which instances these are. base: what the stored BulkDataURI paths are put behind.
    coding: one of CODINGS, or identity.
    Threads decompress, splice and compress page by page; the event loop only moves the result.
    """
    loop = asyncio.get_running_loop()
    coder = _CODERS[coding]()
    before = b"["
    async for page in metadata_pages(archive.pool, archive.tenant_id, target, found=found):
        if page:  # a page can be empty when its instances were deleted meanwhile
            yield await loop.run_in_executor(None, _encode, page, before, base.encode(), coder)
            before = b",\n"
    yield coder.compress(b"]" if before != b"[" else b"[]") + coder.flush()


def _encode(page: Sequence[bytes], before: bytes, base: bytes, coder: Coder) -> bytes:
    inflater = zstandard.ZstdDecompressor()
    text = b",\n".join(inflater.decompress(stored) for stored in page)
    spliced = text.replace(_BULKDATA_KEY, _BULKDATA_KEY + base)
    return coder.compress(before + spliced)
