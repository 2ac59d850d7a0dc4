"""Metadata as it goes out: stored JSON with the base spliced in, as one JSON array or as XML documents, in
pieces (W-20 to W-26)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import zstandard

from dicomweb.archive.archive import Archive
from dicomweb.archive.content_coding import Coder, coded, coded_here, coder_of
from dicomweb.archive.kept_answers import Copying, Written, keeping, keeps, kept, whole
from dicomweb.archive.reading import Resumed, close, closing
from dicomweb.catalog import metadata as stored_metadata
from dicomweb.catalog.lookup import Contents, contents
from dicomweb.catalog.metadata import Version, metadata_pages
from dicomweb.dicom.target import Target
from dicomweb.protocol.metadata_filter import MetadataFilter
from dicomweb.protocol.packing import JsonArray, Packing

# A key can stand in the text only as a key: inside a string its quotes would be escaped.
_BULKDATA_KEY = b'"BulkDataURI":"'
# Fewer instances are made about as fast as their copy is read from the disk.
_WORTH_KEEPING = 16
# Text of one piece: many small instances, or a part of a large one.
_PIECE = 256 << 10

_Pages = AsyncIterator[Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class MetadataForm:
    """How metadata go out.

    base: what the stored BulkDataURI paths are put behind. coding: of content_coding.CODINGS, or IDENTITY.
    """

    packing: Packing
    wanted: MetadataFilter
    base: str
    coding: str

    @property
    def is_plain(self) -> bool:
        """Whether the stored text goes out as it is, but for the base."""
        return isinstance(self.packing, JsonArray) and self.wanted.changes_nothing


async def version_of(archive: Archive, target: Target) -> Version:
    """What identifies the target's metadata now. Raises NotFound, Gone."""
    return await stored_metadata.version_of(archive.pool, archive.tenant_id, target)


async def contents_of(archive: Archive, target: Target) -> Contents:
    """The target's instances and revision at one moment. Raises NotFound, Gone."""
    return await contents(archive.pool, archive.tenant_id, target)


async def ready_metadata(
    archive: Archive, target: Target, version: Version, form: MetadataForm
) -> Written | None:
    """The answer where the catalog need not be asked again: of one instance, or kept for this version."""
    if version.only is not None:
        return await _few(_page([version.only]), 1, form)
    if version.instances < _WORTH_KEEPING:
        return None
    return await kept(archive, _key(target, version, form), form.coding)


async def made_metadata(archive: Archive, target: Target, found: Contents, form: MetadataForm) -> Written:
    """The data set of every instance of the target, in W-64 order, packed and content-coded.

    found: which instances these are. What took some work is kept ready for the next who asks.
    Raises Gone, Unavailable, also while it is read.
    """
    pages = metadata_pages(archive.pool, archive.tenant_id, target, found=found)
    if len(found) < _WORTH_KEEPING or not keeps(archive):
        return await _few(pages, len(found), form)
    key, coder = _key(target, found, form), Copying(form.coding)
    return Written(keeping(archive, key, form.coding, _documents(pages, form, coder), coder), None)


def _key(target: Target, version: Version | Contents, form: MetadataForm) -> list[str]:
    """All that decides about the text. A revision is of one database only; with the moment it was made it is
    of no other."""
    of_this = f"{version.revision} {version.modified}"
    return [target.path, of_this, form.base, form.packing.content_type, form.wanted.key]


async def _page(page: Sequence[bytes]) -> _Pages:
    yield page


async def _few(pages: _Pages, instances: int, form: MetadataForm) -> Written:
    """All of them at once where that is little text, so that their length is known."""
    page = await anext(pages, ())
    coder = coder_of(form.coding)
    if len(page) == instances and form.is_plain and sum(map(zstandard.frame_content_size, page)) <= _PIECE:
        await close(pages)
        texts = [*_texts(page, form, first=True), form.packing.end(empty=not page)]
        return whole(coder.compress(b"".join(texts)) + coder.flush())
    return Written(_documents(Resumed(page, pages), form, coder), None)


async def _documents(pages: _Pages, form: MetadataForm, coder: Coder) -> AsyncIterator[bytes]:
    """Piece by piece; what is more than inflated and spliced is made in threads."""
    first = True
    write = coded_here if form.is_plain else coded
    async with closing(pages):
        async for page in pages:
            pieces = write(_texts(page, form, first=first), coder)
            async with closing(pieces):
                async for piece in pieces:
                    yield piece
            first = False
    yield coder.compress(form.packing.end(empty=first)) + coder.flush()


def _texts(page: Sequence[bytes], form: MetadataForm, *, first: bool) -> Iterator[bytes]:
    """What goes out of a page, in pieces. first: no page came before."""
    packing, wanted, base = form.packing, form.wanted, form.base.encode()
    if isinstance(packing, JsonArray) and wanted.changes_nothing:
        return metadata_texts(page, packing.before(first=first), base)
    texts = whole_texts(page, base)
    return packing.packed(texts if wanted.changes_nothing else map(wanted.apply, texts), first=first)


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
