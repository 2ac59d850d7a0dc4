"""Search: a parsed query becomes a page of results and the warnings that go with it (PS3.18 10.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from dicomweb.archive.archive import Archive
from dicomweb.archive.available_syntaxes import available_syntaxes
from dicomweb.archive.content_coding import coded, coder_of
from dicomweb.archive.reading import closing
from dicomweb.catalog.columns import decompress
from dicomweb.catalog.search import SearchBudget, find_matches, row_pages
from dicomweb.protocol.packing import Packing
from dicomweb.protocol.search_query import Level, SearchQuery
from dicomweb.protocol.search_response import ResultWriter, Selection, remaining_warning, select
from dicomweb.settings import Settings

# Results read at once.
_PAGE = 500
# Text of one piece: many results, or a large one.
_PIECE = 256 << 10
# Up to here writing costs less than the thread that would do it.
_INLINE = 25


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What a search found. Nothing can refuse the request any more.

    ids: of the page, in order. warnings: plain sentences. next_offset: of the first match beyond the page.
    """

    ids: Sequence[int]
    selection: Selection
    warnings: tuple[str, ...]
    next_offset: int | None = None


async def find(archive: Archive, query: SearchQuery) -> SearchAnswer:
    """Find the page that a query asks for. Raises TooLarge, Unavailable."""
    settings = archive.settings
    page = _page_size(settings, query)
    budget = SearchBudget(rows=settings.search_rows, seconds=settings.search_seconds)
    matches = await find_matches(archive.pool, archive.tenant_id, query, page=page, budget=budget)
    if not matches.remaining:
        return SearchAnswer(matches.ids, select(query), query.warnings)
    warnings = (remaining_warning(matches.remaining), *query.warnings)
    # A page that was asked to be empty has no next one.
    beyond = query.offset + len(matches.ids) if matches.ids else None
    return SearchAnswer(matches.ids, select(query), warnings, beyond)


def _page_size(settings: Settings, query: SearchQuery) -> int:
    """Q-45: the server's maximum, or less where the client asks for less."""
    maximum = settings.max_studies if query.level == Level.STUDY else settings.max_results
    return maximum if query.limit is None else min(query.limit, maximum)


async def results(
    archive: Archive, answer: SearchAnswer, *, packing: Packing, base: str, coding: str
) -> AsyncIterator[bytes]:
    """The results packed and content-coded, in pieces: memory does not grow with the page.

    Nothing at all where every result was deleted since it was found. coding: one of CODINGS, or identity.
    """
    writer = ResultWriter(answer.selection, base, inflate=decompress, available=available_syntaxes)
    coder = coder_of(coding)
    first = True
    for start in range(0, len(answer.ids), _PAGE):
        ids = answer.ids[start : start + _PAGE]
        pages = row_pages(archive.pool, answer.selection, ids)
        async with closing(pages):
            async for rows in pages:
                texts = _joined(packing.packed(map(writer.write, rows), first=first))
                if len(rows) <= _INLINE and not answer.selection.metadata:
                    yield coder.compress(b"".join(texts))
                else:
                    pieces = coded(texts, coder)
                    async with closing(pieces):
                        async for piece in pieces:
                            yield piece
                first = False
    if not first:
        yield coder.compress(packing.end(empty=False)) + coder.flush()


def _joined(texts: Iterator[bytes]) -> Iterator[bytes]:
    """The texts in pieces of about _PIECE."""
    held: list[bytes] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= _PIECE:
            yield _taken(held)
            size = 0
    if held:
        yield _taken(held)


def _taken(held: list[bytes]) -> bytes:
    """All of it in one, and nothing held any more."""
    text = b"".join(held)
    held.clear()
    return text
