"""Searches of the catalog: a SearchQuery becomes SQL (pure), then rows (PS3.18 10.6; checklist Q-*).

A short page is one statement (search_pages.py). Of a long one the ids come first, thin, with those of up to
REMAINING_CAP matches beyond it; then the rows themselves by id, some at a time. Keys that have a column are
asked in SQL; the others of stored JSON in Python, row by row, within a budget.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace

import asyncpg
import orjson

from dicomweb.catalog.columns import decompress
from dicomweb.catalog.metadata import METADATA_BYTES, one_metadata
from dicomweb.catalog.pool import Connection, Pool, connection, lookup_connection
from dicomweb.catalog.search_columns import is_declared
from dicomweb.catalog.search_pages import COUNTED_STUDIES, page_statement, remaining_statement
from dicomweb.catalog.search_statements import candidates_statement, matching_statement, plan_of
from dicomweb.errors import TooLarge
from dicomweb.protocol.next_page import StudyPlace
from dicomweb.protocol.search_filter import Filter, compile_filter
from dicomweb.protocol.search_query import Level, SearchQuery
from dicomweb.protocol.search_response import REMAINING_CAP, Selection
from dicomweb.protocol.search_rows import InstanceRow, Row, SeriesRow, StudyRow

# --- which rows match ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Remaining:
    """Matches beyond a page: so many, or at least so many. More than REMAINING_CAP are not counted."""

    count: int = 0
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """All rows of a page in their order."""

    rows: Sequence[Row]
    remaining: Remaining


@dataclass(frozen=True, slots=True)
class Matches:
    """Ids of all rows of a page in their order. last: of studies, where the page ends if more follow.

    The place is of the moment of the ids: a study may go, or change its date, before its row is read.
    """

    ids: Sequence[int]
    remaining: Remaining
    last: StudyPlace | None = None


@dataclass(frozen=True, slots=True)
class SearchBudget:
    """What a search may cost: seconds, and rows whose stored JSON is asked for undeclared attributes."""

    rows: int
    seconds: float


async def find_page(
    pool: Pool, tenant_id: int, query: SearchQuery, selection: Selection, *, page: int, budget: SearchBudget
) -> Page | None:
    """The first `page` matches after the query's offset, None where they are more than a statement reads.

    Raises TooLarge when that needs more than the budget, Unavailable.
    """
    if not page or selection.metadata or not all(map(is_declared, query.keys)):
        return None
    statement = page_statement(query, selection, tenant_id, page=page)
    connected = lookup_connection if statement.planned_once else connection
    async with connected(pool) as db:
        try:
            found = await db.fetch(statement.sql, *statement.arguments, timeout=budget.seconds)
        except TimeoutError:
            raise _too_slow() from None
    if not found:
        return Page((), Remaining())
    known, counted = found[0]["known"], found[0]["counted"]
    if len(found) < min(known, page):
        return None
    rows = [_row(query.level, record) for record in found]
    if counted == 1 and known > page:
        return Page(rows, await _count_on(pool, tenant_id, query, rows[-1], budget))
    return Page(rows, _remaining(known - page, counted))


def _remaining(count: int, counted: int = REMAINING_CAP + 1) -> Remaining:
    """Of what was found beyond a page, below zero where the page is not full. counted: how many it may be."""
    return Remaining(min(max(count, 0), counted - 1), is_exact=count < counted)


async def _count_on(
    pool: Pool, tenant_id: int, query: SearchQuery, last: Row, budget: SearchBudget
) -> Remaining:
    """How many matches follow the last row of a page: there is one, and more are not looked for at length."""
    assert isinstance(last, StudyRow)
    statement = remaining_statement(query, tenant_id, last.place)
    async with connection(pool) as db:
        try:
            found = await db.fetch(statement.sql, *statement.arguments, timeout=budget.seconds)
        except TimeoutError:
            return Remaining(1, is_exact=False)
    ((matches, examined),) = found
    return Remaining(min(max(matches, 1), REMAINING_CAP), examined < COUNTED_STUDIES)


# Fields of StudyRow and of SeriesRow, as the columns of a page give them; two columns stand before them.
_OF_STUDY, _OF_SERIES = slice(2, 9), slice(9, 12)
_OF_INSTANCE = slice(12, None)


def _row(level: Level, record: asyncpg.Record) -> Row:
    study = StudyRow(*record[_OF_STUDY])
    if level == Level.STUDY:
        return study
    series = SeriesRow(study, *record[_OF_SERIES])
    return series if level == Level.SERIES else InstanceRow(series, *record[_OF_INSTANCE])


async def find_matches(
    pool: Pool, tenant_id: int, query: SearchQuery, *, page: int, budget: SearchBudget
) -> Matches:
    """Ids of the first `page` matches after the query's offset.

    Raises TooLarge when that needs more than the budget, Unavailable.
    """
    async with connection(pool) as db:
        if not all(map(is_declared, query.keys)):
            return await _find_by_filter(db, tenant_id, query, page, budget)
        statement = matching_statement(query, tenant_id, page=page, limit=page + REMAINING_CAP + 1)
        try:
            async with asyncio.timeout(budget.seconds):
                rows = await db.fetch(statement.sql, *statement.arguments)
        except TimeoutError:
            raise _too_slow() from None
    ((ids, *last),) = rows
    remaining = _remaining(len(ids[page:]))
    return Matches(ids[:page], remaining, StudyPlace(*last) if last and page and remaining.count else None)


def _too_slow() -> TooLarge:
    """Offsets of millions, or keys without an index that match next to nothing: refused (Q-48)."""
    return TooLarge(
        "The search takes longer than it may.",
        hint="Narrow the search, for instance by StudyDate or PatientID, or use a smaller offset.",
    )


# Rows read and asked at once: some 5 ms of work. Of large ones fewer, as those before let expect.
_BATCH = 200
_FIRST_BATCH = 25


async def _find_by_filter(
    db: Connection, tenant_id: int, query: SearchQuery, page: int, budget: SearchBudget
) -> Matches:
    """Ask the candidates batch by batch, until page and count are known or the budget is spent."""
    search = _FilterSearch(query, page)
    statement = candidates_statement(query, tenant_id, limit=budget.rows + 1)
    read, size = 0, _FIRST_BATCH
    try:
        async with asyncio.timeout(budget.seconds), db.transaction(readonly=True):
            cursor = await db.cursor(statement.sql, *statement.arguments)
            while not search.is_complete and (batch := await cursor.fetch(size)):
                await asyncio.get_running_loop().run_in_executor(None, search.ask, batch)
                read += len(batch)
                share = sum(len(metadata or b"") for *_, metadata in batch) // len(batch)
                size = max(1, min(_BATCH, 2 * size, METADATA_BYTES // max(share, 1)))
    except TimeoutError:
        read = budget.rows + 1
    if read > budget.rows and not search.page_is_full:
        raise _too_costly()
    return search.matches


def _too_costly() -> TooLarge:
    return TooLarge(
        "The search asks for attributes that are not indexed, of more objects than it may read.",
        hint="Add keys that are indexed (such as StudyDate, PatientID or StudyInstanceUID) to narrow the"
        " search, or ask the operator to raise search_rows and search_seconds.",
    )


class _FilterSearch:
    """The matches found so far by asking stored JSON; `ask` runs in a thread, one batch at a time."""

    def __init__(self, query: SearchQuery, page: int) -> None:
        plan = plan_of(query)
        self._questions = [_Question(compile_filter(plan.undeclared[level])) for level in Level]
        self._offset, self._page = query.offset, page
        self._ids: list[int] = []
        self._last: StudyPlace | None = None

    def ask(self, batch: Iterable[asyncpg.Record]) -> None:
        """Add the rows that match; rows of one result follow each other, and one of them is enough."""
        for result, study, series, started_from, uid, metadata in batch:
            if self._ids and self._ids[-1] == result:
                continue
            documents = (study, series, metadata and decompress(metadata))
            if all(map(_Question.ask, self._questions, documents)):
                self._ids.append(result)
                if len(self._ids) == self._offset + self._page:
                    self._last = StudyPlace(started_from, uid)

    @property
    def page_is_full(self) -> bool:
        """Whether every result of the answer is known."""
        return len(self._ids) >= self._offset + self._page

    @property
    def is_complete(self) -> bool:
        """Whether the count of what remains is known too, as far as it is counted."""
        return len(self._ids) > self._offset + self._page + REMAINING_CAP

    @property
    def matches(self) -> Matches:
        found = self._ids[self._offset :]
        remaining = _remaining(len(found[self._page :]))
        return Matches(found[: self._page], remaining, self._last if remaining.count else None)


class _Question:
    """The keys of one level. Rows of one study follow each other, so the last answer is often the next."""

    def __init__(self, keys: Filter) -> None:
        self._keys = keys
        self._last: tuple[bytes | None, bool] = (None, True)

    def ask(self, document: bytes | None) -> bool:
        """Whether stored JSON satisfies the keys; where there are none, there is no document."""
        if document != self._last[0]:
            self._last = (document, document is None or self._holds(document))
        return self._last[1]

    def _holds(self, document: bytes) -> bool:
        present = all(text in document for text in self._keys.needed)
        return present and self._keys.matches(orjson.loads(document))


# --- the rows of the answer ------------------------------------------------------------------------

_STUDIES = """
    SELECT id, study_instance_uid, modalities, sop_classes, number_of_series, number_of_instances,
           CASE WHEN $2 THEN attributes ELSE '{}' END AS attributes, started_from
      FROM study WHERE id = ANY($1::bigint[])
"""
_SERIES = """
    SELECT id, study_row, series_instance_uid, number_of_instances,
           CASE WHEN $2 THEN attributes ELSE '{}' END AS attributes
      FROM series WHERE id = ANY($1::bigint[])
"""
_INSTANCES = """
    SELECT id, series_row, sop_instance_uid, transfer_syntax_uid, sop_class_uid, pixel_layout,
           attributes, NULL::bytea AS metadata
      FROM instance WHERE id = ANY($1::bigint[])
"""
_INSTANCES_WITH_METADATA = """
    SELECT id, series_row, sop_instance_uid, transfer_syntax_uid, sop_class_uid, pixel_layout,
           ''::bytea AS attributes,
           CASE WHEN octet_length(metadata) <= $2 THEN metadata END AS metadata
      FROM instance JOIN instance_metadata ON instance_row = id WHERE id = ANY($1::bigint[])
"""


async def read_rows(pool: Pool, selection: Selection, ids: Sequence[int]) -> list[Row]:
    """The rows of these results in this order, with the levels above them.

    A row that was deleted since its id was found is left out.
    """
    return [row async for rows in row_pages(pool, selection, ids) for row in rows]


async def row_pages(pool: Pool, selection: Selection, ids: Sequence[int]) -> AsyncIterator[list[Row]]:
    """The same rows, one whose metadata are longer than its share by itself: so memory has a bound."""
    found = await _rows(pool, selection, ids)
    page: list[Row] = []
    for row_id in ids:
        row = found.pop(row_id, None)
        if selection.metadata and isinstance(row, InstanceRow) and row.metadata is None:
            if page:
                yield page
                page = []
            large = await one_metadata(pool, row_id)
            row = replace(row, metadata=large) if large is not None else None
            if row is not None:
                yield [row]
        elif row is not None:
            page.append(row)
    if page:
        yield page


async def _rows(pool: Pool, selection: Selection, ids: Sequence[int]) -> dict[int, Row]:
    async with lookup_connection(pool) as db:
        found: dict[int, Row] = {}
        if selection.level == Level.STUDY:
            found.update(await _studies(db, selection, ids))
        elif selection.level == Level.SERIES:
            found.update(await _series(db, selection, ids))
        else:
            found.update(await _instances(db, selection, ids))
    return found


async def _studies(db: Connection, selection: Selection, ids: Iterable[int]) -> dict[int, StudyRow]:
    rows = await db.fetch(_STUDIES, list(ids), selection.needs(Level.STUDY))
    return {
        row["id"]: StudyRow(
            study_instance_uid=row["study_instance_uid"],
            modalities=tuple(row["modalities"]),
            sop_classes=tuple(row["sop_classes"]),
            number_of_series=row["number_of_series"],
            number_of_instances=row["number_of_instances"],
            attributes=row["attributes"],
            started_from=row["started_from"],
        )
        for row in rows
    }


async def _series(db: Connection, selection: Selection, ids: Iterable[int]) -> dict[int, SeriesRow]:
    rows = await db.fetch(_SERIES, list(ids), selection.needs(Level.SERIES))
    studies = await _studies(db, selection, {row["study_row"] for row in rows})
    return {
        row["id"]: SeriesRow(
            study=studies[row["study_row"]],
            series_instance_uid=row["series_instance_uid"],
            number_of_instances=row["number_of_instances"],
            attributes=row["attributes"],
        )
        for row in rows
        if row["study_row"] in studies
    }


async def _instances(db: Connection, selection: Selection, ids: Sequence[int]) -> dict[int, InstanceRow]:
    if selection.metadata:
        rows = await db.fetch(_INSTANCES_WITH_METADATA, list(ids), METADATA_BYTES // max(len(ids), 1))
    else:
        rows = await db.fetch(_INSTANCES, list(ids))
    series = await _series(db, selection, {row["series_row"] for row in rows})
    return {
        row["id"]: InstanceRow(
            series=series[row["series_row"]],
            sop_instance_uid=row["sop_instance_uid"],
            transfer_syntax_uid=row["transfer_syntax_uid"],
            attributes=row["attributes"],
            metadata=row["metadata"],
            sop_class_uid=row["sop_class_uid"],
            pixel_layout=row["pixel_layout"],
        )
        for row in rows
        if row["series_row"] in series
    }
