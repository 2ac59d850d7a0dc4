"""Metadata as it goes out: stored JSON with the base spliced in, one array, in pieces (W-20..W-24)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import zstandard

from dicomweb.archive.archive import Archive
from dicomweb.archive.content_coding import Coder, coder_of
from dicomweb.catalog.lookup import Contents, contents, metadata_pages
from dicomweb.dicom.target import Target

# A key can stand in the text only as a key: inside a string its quotes would be escaped.
_BULKDATA_KEY = b'"BulkDataURI":"'


async def contents_of(archive: Archive, target: Target) -> Contents:
    """The target's instances and revision at one moment. Raises NotFound, Gone."""
    return await contents(archive.pool, archive.tenant_id, target)


async def metadata_json(
    archive: Archive, target: Target, found: Contents, *, base: str, coding: str
) -> AsyncIterator[bytes]:
    """The DICOM JSON array of every instance of the target, in W-64 order, content-coded.

    found: which instances these are. base: what the stored BulkDataURI paths are put behind.
    coding: of content_coding.CODINGS, or identity.
    Threads decompress, splice and compress page by page; the event loop only moves the result.
    """
    loop = asyncio.get_running_loop()
    coder = coder_of(coding)
    before = b"["
    async for page in metadata_pages(archive.pool, archive.tenant_id, target, found=found):
        yield await loop.run_in_executor(None, _encode, page, before, base.encode(), coder)
        before = b",\n"
    yield coder.compress(b"]") + coder.flush()


def _encode(page: Sequence[bytes], before: bytes, base: bytes, coder: Coder) -> bytes:
    inflater = zstandard.ZstdDecompressor()
    text = b",\n".join(inflater.decompress(stored) for stored in page)
    spliced = text.replace(_BULKDATA_KEY, _BULKDATA_KEY + base)
    return coder.compress(before + spliced)
