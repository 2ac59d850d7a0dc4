"""Metadata as it goes out: stored JSON with the base spliced in, as one JSON array or as XML documents, in
pieces (W-20 to W-26)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import zstandard

from dicomweb.archive.archive import Archive
from dicomweb.archive.content_coding import coded, coder_of
from dicomweb.archive.kept_answers import kept
from dicomweb.catalog.lookup import Contents, contents
from dicomweb.catalog.metadata import metadata_pages
from dicomweb.dicom.target import Target
from dicomweb.protocol.metadata_filter import MetadataFilter
from dicomweb.protocol.packing import JsonArray, Packing

# A key can stand in the text only as a key: inside a string its quotes would be escaped.
_BULKDATA_KEY = b'"BulkDataURI":"'
# Fewer instances cost less than their copy on the disk.
_WORTH_KEEPING = 50
# Text of one piece: many small instances, or a part of a large one.
_PIECE = 256 << 10


async def contents_of(archive: Archive, target: Target) -> Contents:
    """The target's instances and revision at one moment. Raises NotFound, Gone."""
    return await contents(archive.pool, archive.tenant_id, target)


@dataclass(frozen=True, slots=True)
class MetadataForm:
    """How metadata go out.

    base: what the stored BulkDataURI paths are put behind. coding: of content_coding.CODINGS, or identity.
    version: the entity tag, which names the revision and all of this.
    """

    packing: Packing
    wanted: MetadataFilter
    base: str
    coding: str
    version: str


def metadata_documents(
    archive: Archive, target: Target, found: Contents, form: MetadataForm
) -> AsyncIterator[bytes]:
    """The data set of every instance of the target, in W-64 order, packed and content-coded.

    found: which instances these are. What took some work is kept ready for the next who asks.
    """
    pieces = _documents(archive, target, found, form)
    if form.coding == "identity" or len(found) < _WORTH_KEEPING:
        return pieces
    # A revision is of one database only; with the moment it was made it is of no other.
    return kept(archive, [target.path, str(found.modified), form.version], pieces)


async def _documents(
    archive: Archive, target: Target, found: Contents, form: MetadataForm
) -> AsyncIterator[bytes]:
    """Threads inflate, splice and compress piece by piece; the event loop only moves the result."""
    packing, wanted, base = form.packing, form.wanted, form.base.encode()
    coder = coder_of(form.coding)
    first = True
    async for page in metadata_pages(archive.pool, archive.tenant_id, target, found=found):
        if isinstance(packing, JsonArray) and wanted.changes_nothing:
            texts = metadata_texts(page, packing.before(first=first), base)
        else:
            whole = whole_texts(page, base)
            texts = packing.packed(whole if wanted.changes_nothing else map(wanted.apply, whole), first=first)
        async for piece in coded(texts, coder):
            yield piece
        first = False
    yield coder.compress(packing.end(empty=first)) + coder.flush()


def whole_texts(page: Sequence[bytes], base: bytes) -> Iterator[bytes]:
    """The JSON objects of a page, one at a time, the base put before every bulkdata path."""
    spliced = _BULKDATA_KEY + base
    inflater = zstandard.ZstdDecompressor()
    for stored in page:
        yield inflater.decompress(stored).replace(_BULKDATA_KEY, spliced)


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
