"""A short page is one statement, and says the same as the ids and rows of a long one, however it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest

from dicomweb.catalog import search_beginnings
from dicomweb.catalog.delete import delete
from dicomweb.catalog.pool import Pool, connection, create_pool
from dicomweb.catalog.search import Page, Remaining, SearchBudget, find_matches, find_page, read_rows
from dicomweb.catalog.search_beginnings import beginning_of
from dicomweb.catalog.search_modalities import modalities_of
from dicomweb.catalog.search_names import name_ranges
from dicomweb.catalog.search_pages import SHORT_PAGE, page_statement
from dicomweb.dicom.target import Target
from dicomweb.protocol.search_query import Level, parse_search
from dicomweb.protocol.search_response import REMAINING_CAP, select
from dicomweb.protocol.search_rows import SeriesRow, StudyRow
from tests.catalog.rows import add, make_instance, new_tenant, values

TENANT = new_tenant()
STUDIES = 6000
BUDGET = SearchBudget(rows=10_000, seconds=60)

T = TypeVar("T")

# ruff: noqa: E501 - tables of SQL and of queries

# Names of which many, few or none begin alike, in every group; dates with ties, and studies without one; three
# modalities, of which one is rare.
_FILL = f"""
    INSERT INTO study (tenant_id, study_instance_uid, revision, number_of_series, number_of_instances,
                       modalities, started_from, started_to, patient_name, patient_name_groups, patient_id, accession_number,
                       patient_sex, study_description, attributes)
    SELECT {TENANT}, '1.' || n, n, 1, 1, kinds, day, day, name, groups, 'P' || n % 3, 'A' || n,
           (ARRAY['F', 'M', NULL])[1 + n % 3], (ARRAY['CT Thorax', 'thorax', 'Vaあ', 'THORAX', ''])[1 + n % 5], '{{}}'
      FROM (SELECT n, CASE WHEN n % 50 = 0 THEN NULL ELSE 63800000000000000 + (n % 700) * 86400000000 END AS day,
                   CASE WHEN n % 1500 = 699 THEN ARRAY['XA'] WHEN n % 7 = 0 THEN ARRAY['CT', 'PT']
                        ELSE ARRAY['CT'] END AS kinds,
                   CASE WHEN n % 3 = 0 THEN 'doe^john' WHEN n % 3 = 1 THEN 'doering^' || n
                        WHEN n % 40 = 2 THEN 'yamada^taro' WHEN n % 40 = 5 THEN '山田^太郎'
                        WHEN n % 40 = 8 THEN 'dodo' ELSE 'smith^' || n END AS name
              FROM generate_series(1, {STUDIES}) AS n) AS made,
           LATERAL (SELECT E'\\n' || name || CASE
                        WHEN n % 40 = 2 THEN E'\\n山田^太郎\\ndoe^kana' WHEN n % 400 = 8 THEN E'\\na\\nb\\nc\\ndoe^d'
                        ELSE '' END || E'\\n\\t' AS groups) AS named;
    INSERT INTO series (study_row, tenant_id, series_instance_uid, revision, number_of_instances, modality,
                        series_number, attributes)
    SELECT id, tenant_id, study_instance_uid || '.' || place, id, 1, modality, place % 2, '{{}}'
      FROM study, unnest(modalities) WITH ORDINALITY AS one (modality, place) WHERE tenant_id = {TENANT};
    ANALYZE study, study_modality, series;
"""


class Catalog:
    """The studies, and an event loop to ask them from plain tests."""

    def __init__(self, runner: asyncio.Runner, pool: Pool) -> None:
        self._runner, self.pool = runner, pool

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        async def go() -> T:
            return await call()

        return self._runner.run(go())

    def page(self, query: str, level: Level = Level.STUDY, page: int = 1000) -> Page | None:
        """The short page of a query."""
        parsed = parse_search(query.encode(), level)
        limit = page if parsed.limit is None else parsed.limit
        return self.run(
            lambda: find_page(self.pool, TENANT, parsed, select(parsed), page=limit, budget=BUDGET)
        )

    def long(self, query: str, level: Level = Level.STUDY, page: int = 1000) -> tuple[list[str], Remaining]:
        """UIDs of the same page, found and read like a long one."""
        parsed = parse_search(query.encode(), level)
        limit = page if parsed.limit is None else parsed.limit

        async def ask() -> tuple[list[str], Remaining]:
            found = await find_matches(self.pool, TENANT, parsed, page=limit, budget=BUDGET)
            rows = await read_rows(self.pool, select(parsed), found.ids)
            return uids(rows), found.remaining

        return self.run(ask)


def uids(rows: object) -> list[str]:
    assert isinstance(rows, list | tuple)
    return [
        row.series_instance_uid if isinstance(row, SeriesRow) else row.study_instance_uid
        for row in rows
        if isinstance(row, SeriesRow | StudyRow)
    ]


@pytest.fixture(scope="module")
def catalog(database_url: str) -> Iterator[Catalog]:
    with asyncio.Runner() as runner:
        pool = runner.run(create_pool(database_url))

        async def fill() -> None:
            async with connection(pool) as db:
                await db.execute(_FILL)

        runner.run(fill())
        yield Catalog(runner, pool)
        runner.run(pool.close())


_PLACES = ("", "&offset=3", "&offset=990", "&cursor=63830000000000000,1.5", "&cursor=,1.2", "&StudyDate=20230101-20230701",
           "&StudyDate=-20230701&cursor=63840000000000000,1.5")  # fmt: skip


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize(
    "key",
    [
        "PatientName=doe*", "PatientName=do*", "PatientName=doe^*", "PatientName=doe^john", "PatientName=dod*",
        "PatientName=doering^11*", "PatientName=%E5%B1%B1*", "PatientName=%E5%B1%B1%E7%94%B0^%E5%A4%AA%E9%83%8E",
        "PatientName=zz*", "PatientName=d*", "PatientName=a", "PatientName=smith*", "PatientName=yama*",
        "ModalitiesInStudy=CT", "ModalitiesInStudy=PT", "ModalitiesInStudy=XA", "ModalitiesInStudy=ZZ",
        "ModalitiesInStudy=PT,XA", "ModalitiesInStudy=CT%5CPT", "PatientID=P1", "PatientSex=M", "",
        "PatientID=P*", "PatientID=P1*", "PatientID=*2", "StudyDescription=*thorax*", "StudyDescription=*Thorax*",
        "StudyDescription=TH*", "StudyDescription=V?%E3%81%82", "StudyDescription=*thORax*",
    ],
)  # fmt: skip
def test_a_short_page_is_the_page_that_a_long_one_would_be(catalog: Catalog, key: str, place: str) -> None:
    query = f"{key}{place}&limit=10"
    short = catalog.page(query)
    assert short is not None
    expected, remaining = catalog.long(query)
    assert uids(short.rows) == expected
    assert bool(short.remaining.count) == bool(remaining.count)
    assert short.remaining.count <= remaining.count
    if short.remaining.is_exact:
        assert short.remaining == remaining


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize(
    "key", ["PatientID=P*", "PatientID=P2*", "PatientID=P%F4%8F%BF%BF*", "AccessionNumber=A1*"]
)
def test_a_beginning_that_is_too_common_to_sort_gives_the_same_page(
    catalog: Catalog, key: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_beginnings, "_MOST_SORTED", 500)
    test_a_short_page_is_the_page_that_a_long_one_would_be(catalog, key, place)


@pytest.mark.parametrize(
    "place", ["", "&offset=3", "&offset=990", "&offset=1200", "&StudyDate=20230101-20230701"]
)
@pytest.mark.parametrize(
    "key",
    [
        "PatientName=doe*", "PatientName=dodo", "PatientName=*11*", "PatientID=P1", "PatientSex=M", "Modality=PT",
        "Modality=CT,XA", "Modality=XA", "Modality=ZZ", "Modality=PT&PatientID=P2", "ModalitiesInStudy=PT",
        "Modality=CT&ModalitiesInStudy=PT", "Modality=P*", "SeriesNumber=0&PatientID=P2", "",
    ],
)  # fmt: skip
def test_series_are_those_of_a_long_page(catalog: Catalog, key: str, place: str) -> None:
    query = f"{key}{place}&limit=10"
    short = catalog.page(query, Level.SERIES)
    assert short is not None
    expected, remaining = catalog.long(query, Level.SERIES)
    assert uids(short.rows) == expected
    assert bool(short.remaining.count) == bool(remaining.count)
    assert short.remaining.count <= remaining.count
    if short.remaining.is_exact:
        assert short.remaining == remaining


@pytest.mark.parametrize("key", ["PatientName=doe*", "PatientName=dod*", "PatientID=P1", "ModalitiesInStudy=PT", "StudyDate=20230101-20230201"])  # fmt: skip
def test_what_remains_is_counted_up_to_the_cap_where_an_index_holds_it(catalog: Catalog, key: str) -> None:
    short = catalog.page(f"{key}&limit=10")
    assert short is not None
    assert short.remaining == catalog.long(f"{key}&limit=10")[1]
    assert short.remaining.is_exact or short.remaining.count == REMAINING_CAP


def test_what_remains_is_not_counted_at_any_price(catalog: Catalog) -> None:
    short = catalog.page("PatientSex=M&limit=10")
    assert short is not None
    assert not short.remaining.is_exact
    assert 1 < short.remaining.count < REMAINING_CAP


@pytest.mark.parametrize("key", ["", "PatientName=doe*", "ModalitiesInStudy=CT", "PatientSex=M"])
def test_pages_by_their_links_neither_overlap_nor_skip(catalog: Catalog, key: str) -> None:
    found: list[str] = []
    query, selection = parse_search(key.encode(), Level.STUDY), select(parse_search(b"", Level.STUDY))
    for _ in range(STUDIES):
        ask = partial(find_page, catalog.pool, TENANT, query, selection, page=97, budget=BUDGET)
        page = catalog.run(ask)
        assert page is not None
        found += uids(page.rows)
        if not page.remaining.count:
            break
        last = page.rows[-1]
        assert isinstance(last, StudyRow)
        query = replace(query, after=last.place)
    assert found == catalog.long(key, page=STUDIES)[0]


def test_a_page_that_is_no_short_one_is_left_to_others(catalog: Catalog) -> None:
    assert catalog.page("limit=101") is None
    assert catalog.page("limit=0") is None
    assert catalog.page("KVP=77&limit=1") is None
    short = catalog.page(f"limit={SHORT_PAGE}")
    assert short is not None
    assert len(short.rows) == SHORT_PAGE


def test_a_study_is_in_the_list_of_its_modalities_whatever_happens_to_it(catalog: Catalog) -> None:
    listed = """
        SELECT count(*) FROM (
            SELECT study_row, modality, started_from FROM study_modality
            EXCEPT ALL
            SELECT id, modality, coalesce(started_from, -1) FROM study, unnest(modalities) AS modality) AS a
    """
    missing = """
        SELECT count(*) FROM (
            SELECT id, modality, coalesce(started_from, -1) FROM study, unnest(modalities) AS modality
            EXCEPT ALL
            SELECT study_row, modality, started_from FROM study_modality) AS a
    """

    async def differences() -> list[int]:
        async with connection(catalog.pool) as db:
            return [await db.fetchval(sql) for sql in (listed, missing)]

    tenant, study = new_tenant(), "2.16.1"

    async def store(number: int, modality: str, date: str, content: bytes = b"") -> None:
        attributes = values(modality) | {"00080020": {"vr": "DA", "Value": [date]}}
        target = Target(study, f"{study}.{number}", f"{study}.{number}.1")
        instance = make_instance(target, attributes=attributes, content=content)
        await add(catalog.pool, tenant, instance, duplicates="replace")

    async def modalities() -> list[tuple[str, int]]:
        async with connection(catalog.pool) as db:
            sql = "SELECT modality, started_from FROM study_modality WHERE tenant_id = $1 ORDER BY 1"
            return [tuple(row) for row in await db.fetch(sql, tenant)]

    async def scenario() -> None:
        await store(1, "CT", "20240101")
        await store(2, "MR", "20240101")
        first = await modalities()
        assert [name for name, _ in first] == ["CT", "MR"]
        await store(1, "PT", "20250101", b"other")
        assert [name for name, _ in await modalities()] == ["MR", "PT"]
        assert {start for _, start in await modalities()}.isdisjoint(start for _, start in first)
        assert await differences() == [0, 0]
        await delete(catalog.pool, tenant, Target(study, f"{study}.2"))
        assert [name for name, _ in await modalities()] == ["PT"]
        await delete(catalog.pool, tenant, Target(study))
        assert await modalities() == []
        assert await differences() == [0, 0]

    catalog.run(scenario)


@pytest.mark.parametrize(
    ("query", "is_range"),
    [
        ("PatientName=doe*", True), ("PatientName=doe", True), ("PatientName=doe*&StudyDate=20240101-", True),
        ("PatientName=x", True), ("PatientName=d*", False), ("PatientName=*doe", False),
        ("PatientName=d?e*", False), ("PatientName=doe*&PatientSex=M", False), ("PatientName=a%3Db", False),
        ("PatientName=doe&fuzzymatching=true", False), ("PatientName=doe*&offset=1001", False),
        ("PatientName=doe*&StudyTime=10-12&StudyDate=20240101-20240102", False), ("PatientID=x", False), ("PatientName=%F4%8F%BF%BF%F4%8F%BF%BF*", False),
    ],
)  # fmt: skip
def test_names_are_taken_as_ranges_where_they_are_ranges(query: str, is_range: bool) -> None:
    assert bool(name_ranges(parse_search(query.encode(), Level.STUDY))) == is_range
    assert not name_ranges(parse_search(query.encode(), Level.SERIES))


@pytest.mark.parametrize("prefix", ["do", "d\ud7ff", "d\U0010ffff", "d\U0010ffff\U0010ffff", "äö"])
def test_a_range_ends_behind_all_that_begin_so(prefix: str) -> None:
    (found,) = name_ranges(parse_search(f"PatientName={prefix}*".encode(), Level.STUDY))
    inside = [found.first, found.first + "\x01", found.first + "\U0010ffff" * 3]
    assert all(found.first.encode() <= text.encode() < found.end.encode() for text in inside)


@pytest.mark.parametrize(
    ("query", "is_beginning"),
    [
        ("PatientID=P1*", True), ("AccessionNumber=A*&StudyDate=20240101-", True), ("PatientID=P1", False),
        ("PatientID=*1", False), ("PatientID=P?1*", False), ("PatientID=P1*&PatientSex=M", False),
        ("PatientID=P1*&offset=1001", False), ("StudyID=1*", False), ("PatientID=%F4%8F%BF%BF*", False),
    ],
)  # fmt: skip
def test_beginnings_are_taken_as_ranges_where_an_index_holds_their_order(
    query: str, is_beginning: bool
) -> None:
    assert bool(beginning_of(parse_search(query.encode(), Level.STUDY))) == is_beginning
    assert not beginning_of(parse_search(query.encode(), Level.SERIES))


def test_other_searches_for_modalities_go_the_usual_way() -> None:
    def asked(query: str, level: Level = Level.STUDY) -> tuple[str, ...]:
        return modalities_of(parse_search(query.encode(), level))

    assert asked("ModalitiesInStudy=CT,MR") == ("CT", "MR")
    assert asked("ModalitiesInStudy=CT&StudyDate=20240101-") == ("CT",)
    assert not asked("ModalitiesInStudy=CT&PatientID=1")
    assert not asked("ModalitiesInStudy=C*")
    assert not asked("ModalitiesInStudy=A,B,C,D,E,F")
    assert not asked("ModalitiesInStudy=CT", Level.SERIES)
    assert not asked("ModalitiesInStudy=CT%5CMR&multiplevaluematching=true")


@pytest.mark.parametrize(
    "query",
    [
        "PatientName=x'y*&StudyDate=19870615-19880615&cursor=777,1.77", "ModalitiesInStudy=x'y,CT7&limit=77",
        "PatientID=x'y&offset=77", "PatientSex=x'y", "StudyDescription=*x'y*",
    ],
)  # fmt: skip
def test_no_text_of_a_client_enters_the_statement(query: str) -> None:
    parsed = parse_search(query.encode(), Level.STUDY)
    sql = page_statement(parsed, select(parsed), TENANT, page=77).sql
    assert "x'y" not in sql
    assert not any(text in sql for text in ("77", "1987", "1988"))


@pytest.mark.parametrize("key", ["PatientSex=M&limit=101", "KVP=120&limit=2", "limit=101"])
def test_a_long_page_ends_where_it_ended_when_it_was_found(catalog: Catalog, key: str) -> None:
    """Its last study may go, or change its date, before anything else is read of it."""
    tenant = TENANT if "KVP" not in key else new_tenant()
    query = parse_search(key.encode(), Level.STUDY)

    async def scenario() -> None:
        for number in range(3 if tenant != TENANT else 0):
            target = Target(f"2.17.{number}", f"2.17.{number}.1", f"2.17.{number}.1.1")
            attributes = values(T00180060="120") | {
                "00080020": {"vr": "DA", "Value": [f"2024010{number + 1}"]}
            }
            await add(catalog.pool, tenant, make_instance(target, attributes=attributes))
        limit = query.limit or 0
        found = await find_matches(catalog.pool, tenant, query, page=limit, budget=BUDGET)
        selection = select(query)
        last = (await read_rows(catalog.pool, selection, found.ids))[-1]
        assert isinstance(last, StudyRow)
        assert found.last == last.place
        # Nothing follows, or nothing is asked for: then there is no place to go on from.
        for page in (STUDIES, 0):
            assert (await find_matches(catalog.pool, tenant, query, page=page, budget=BUDGET)).last is None

    catalog.run(scenario)
