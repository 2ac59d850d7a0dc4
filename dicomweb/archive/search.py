"""Search: a parsed query becomes a page of results and the warnings that go with it (PS3.18 10.6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

from dicomweb.archive.archive import Archive
from dicomweb.archive.available_syntaxes import available_syntaxes
from dicomweb.archive.content_coding import coded, coder_of
from dicomweb.archive.reading import closing
from dicomweb.catalog.columns import decompress
from dicomweb.catalog.search import Remaining, SearchBudget, find_matches, find_page, row_pages
from dicomweb.protocol.next_page import StudyPlace
from dicomweb.protocol.packing import Packing
from dicomweb.protocol.search_query import Level, SearchQuery
from dicomweb.protocol.search_response import ResultWriter, Selection, remaining_warning, select
from dicomweb.protocol.search_rows import Row, StudyRow, target_of
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

    rows: of a short page. ids: of a long one, whose rows are read while they are written.
    warnings: plain sentences. following: where the page behind this one begins, None at the last one.
    """

    selection: Selection
    rows: Sequence[Row] = ()
    ids: Sequence[int] = ()
    warnings: tuple[str, ...] = ()
    following: StudyPlace | int | None = None

    @property
    def count(self) -> int:
        """How many results it has."""
        return len(self.rows) or len(self.ids)

    @property
    def key(self) -> tuple[object, ...]:
        """Tells it from other answers to the same question."""
        if self.rows:
            return (len(self.rows), target_of(self.rows[0]), target_of(self.rows[-1]))
        return tuple(self.ids)


async def find(archive: Archive, query: SearchQuery) -> SearchAnswer:
    """Find the page that a query asks for. Raises TooLarge, Unavailable."""
    settings, pool, tenant_id = archive.settings, archive.pool, archive.tenant_id
    page = _page_size(settings, query)
    budget = SearchBudget(rows=settings.search_rows, seconds=settings.search_seconds)
    selection = select(query)
    short = await find_page(pool, tenant_id, query, selection, page=page, budget=budget)
    if short is not None:
        last = short.rows[-1] if short.rows else None
        place = last.place if isinstance(last, StudyRow) else None
        return _answer(query, SearchAnswer(selection, rows=short.rows), short.remaining, place)
    matches = await find_matches(pool, tenant_id, query, page=page, budget=budget)
    place = matches.last if query.level == Level.STUDY else None
    return _answer(query, SearchAnswer(selection, ids=matches.ids), matches.remaining, place)


def _answer(
    query: SearchQuery, found: SearchAnswer, remaining: Remaining, last: StudyPlace | None
) -> SearchAnswer:
    """With what is to be said of the rest. last: where the page ends, as far as that can be said."""
    if not remaining.count:
        return replace(found, warnings=query.warnings)
    warning = remaining_warning(remaining.count, is_exact=remaining.is_exact)
    # A page that was asked to be empty has no next one.
    following = (last or query.offset + found.count) if found.count else None
    return replace(found, warnings=(warning, *query.warnings), following=following)


def _page_size(settings: Settings, query: SearchQuery) -> int:
    """Q-45: the server's maximum, or less where the client asks for less."""
    maximum = settings.max_studies if query.level == Level.STUDY else settings.max_results
    return maximum if query.limit is None else min(query.limit, maximum)


async def short_results(answer: SearchAnswer, *, packing: Packing, base: str, coding: str) -> bytes:
    """The results of a short page, packed and content-coded."""
    if len(answer.rows) <= _INLINE:
        return _short_results(answer, packing, base, coding)
    return await asyncio.to_thread(_short_results, answer, packing, base, coding)


def _short_results(answer: SearchAnswer, packing: Packing, base: str, coding: str) -> bytes:
    writer = ResultWriter(answer.selection, base, available=available_syntaxes)
    text = b"".join(packing.packed(map(writer.write, answer.rows), first=True)) + packing.end(empty=False)
    coder = coder_of(coding)
    return coder.compress(text) + coder.flush()


async def results(
    archive: Archive, answer: SearchAnswer, *, packing: Packing, base: str, coding: str
) -> AsyncIterator[bytes]:
    """The results of a long page packed and content-coded, in pieces: memory does not grow with the page.

    Nothing at all where every result was deleted since it was found. coding: one of CODINGS, or identity.
    """
    writer = ResultWriter(answer.selection, base, inflate=decompress, available=available_syntaxes)
    coder = coder_of(coding)
    first = True
    for start in range(0, len(answer.ids), _PAGE):
        pages = row_pages(archive.pool, answer.selection, answer.ids[start : start + _PAGE])
        async with closing(pages):
            async for rows in pages:
                pieces = coded(_joined(packing.packed(map(writer.write, rows), first=first)), coder)
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
