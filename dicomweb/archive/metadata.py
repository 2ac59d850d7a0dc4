"""Metadata as it goes out: stored JSON with the base spliced in, one array, in pieces (W-20..W-24)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import zstandard

from dicomweb.archive.archive import Archive
from dicomweb.archive.content_coding import coded, coder_of
from dicomweb.catalog.lookup import Contents, contents, metadata_pages
from dicomweb.dicom.target import Target

# A key can stand in the text only as a key: inside a string its quotes would be escaped.
_BULKDATA_KEY = b'"BulkDataURI":"'
# Text of one piece: many small instances, or a part of a large one.
_PIECE = 256 << 10


async def contents_of(archive: Archive, target: Target) -> Contents:
    """The target's instances and revision at one moment. Raises NotFound, Gone."""
    return await contents(archive.pool, archive.tenant_id, target)


async def metadata_json(
    archive: Archive, target: Target, found: Contents, *, base: str, coding: str
) -> AsyncIterator[bytes]:
    """The DICOM JSON array of every instance of the target, in W-64 order, content-coded.

    found: which instances these are. base: what the stored BulkDataURI paths are put behind.
    coding: of content_coding.CODINGS, or identity.
    Threads decompress, splice and compress piece by piece; the event loop only moves the result.
    """
    coder = coder_of(coding)
    before = b"["
    async for page in metadata_pages(archive.pool, archive.tenant_id, target, found=found):
        async for piece in coded(metadata_texts(page, before, base.encode()), coder):
            yield piece
        before = b",\n"
    yield coder.compress(b"]") + coder.flush()


def metadata_texts(page: Sequence[bytes], before: bytes, base: bytes) -> Iterator[bytes]:
    """The JSON objects of a page, the base put before every bulkdata path, in pieces of about _PIECE.

    page: zstd of an object each. before: what stands before the first; a comma stands before the others.
    """
    spliced = _BULKDATA_KEY + base
    inflater = zstandard.ZstdDecompressor()
    held: list[bytes] = []
    size = 0
    for stored in page:
        held.append(before)
        length = zstandard.frame_content_size(stored)
        if length <= _PIECE:
            held.append(inflater.decompress(stored))
            size += length
        if length > _PIECE or size >= _PIECE:
            yield b"".join(held).replace(_BULKDATA_KEY, spliced)
            held, size = [], 0
        if length > _PIECE:
            yield from _large_text(inflater.read_to_iter(stored, write_size=_PIECE), spliced)
        before = b",\n"
    if held:
        yield b"".join(held).replace(_BULKDATA_KEY, spliced)


def _large_text(chunks: Iterable[bytes], spliced: bytes) -> Iterator[bytes]:
    """The text of one object, cut anywhere, also through a key."""
    held = b""
    for chunk in chunks:
        text = held + chunk
        held = _begun_key(text)
        yield text[: len(text) - len(held)].replace(_BULKDATA_KEY, spliced)
    yield held.replace(_BULKDATA_KEY, spliced)


def _begun_key(text: bytes) -> bytes:
    """The end of the text that may be the beginning of a key, or all of it."""
    for length in range(len(_BULKDATA_KEY), 0, -1):
        if text.endswith(_BULKDATA_KEY[:length]):
            return _BULKDATA_KEY[:length]
    return b""
