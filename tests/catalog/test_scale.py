"""A large archive: nothing that names what it wants reads more rows because there are more (design 3).

PostgreSQL itself counts the rows that a statement touches, in tables and their indexes; a plan that reads a
table, or walks an index in search of a few rows, shows at once, whatever the machine's speed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from dicomweb.catalog import audit, lookup
from dicomweb.catalog.delete import delete
from dicomweb.catalog.pool import Pool, indexed_connection
from dicomweb.catalog.search import SearchBudget, find_matches
from dicomweb.dicom.target import Target
from dicomweb.protocol.search_query import Level, parse_search
from tests.catalog.rows import add, assert_exact, in_catalog, make_instance, rows, values

TENANT = 1_000_000
STUDIES = 50_000
# A study as the synthetic archive has it: one series, two instances.
SOME = Target("1.33333", "1.33333.1", "1.33333.1.1")

_LOAD = f"""
INSERT INTO blob (blob_key, size, live) VALUES ('all', 1, {2 * STUDIES});
INSERT INTO study (tenant_id, study_instance_uid, revision, number_of_series, number_of_instances, modalities,
                   sop_classes, study_date, started_from, started_to, accession_number, study_id,
                   patient_name, patient_name_groups, patient_id, patient_birth_date, attributes)
SELECT {TENANT}, '1.' || n, n, 1, 2, ARRAY[(ARRAY['CT', 'MR', 'US'])[1 + n % 3]], '{{1.2.3}}',
       20000101 + n % 28 + 100 * (n % 12) + 10000 * (n % 24), 60000000000000 + n::bigint * 1000000,
       60000000000000 + n::bigint * 1000000, 'A' || n, 'S' || n % 1000,
       'name' || md5((n % 5000)::text) || '^first', E'\\nname' || md5((n % 5000)::text) || E'^first\\n',
       'P' || n / 2, 19000101 + n % 28 + 10000 * (n % 100), '{{}}'
  FROM generate_series(1, {STUDIES}) AS n;
INSERT INTO series (study_row, tenant_id, series_instance_uid, revision, number_of_instances, modality,
                    series_number, attributes)
SELECT id, {TENANT}, study_instance_uid || '.1', revision, 2, modalities[1], 1, '{{}}'
  FROM study WHERE tenant_id = {TENANT};
INSERT INTO instance (series_row, tenant_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
                      instance_number, revision, attributes, blob_key, blob_offset, blob_length,
                      dataset_offset, digest, file_meta)
SELECT id, {TENANT}, series_instance_uid || '.' || n, '1.2.3', '1.2.840.10008.1.2.1', n, revision, '{{}}',
       'all', 0, 1, 0, '', ''
  FROM series, generate_series(1, 2) AS n WHERE tenant_id = {TENANT};
INSERT INTO instance_metadata (instance_row, metadata)
SELECT id, '\\x28b52ffd20020100007b7d' FROM instance WHERE tenant_id = {TENANT};
"""

# Rows that PostgreSQL's tables gave up to a statement: read in a scan, or fetched by an index.
_TOUCHED = """
    SELECT coalesce(sum(seq_tup_read), 0)::bigint + coalesce(sum(idx_tup_fetch), 0)::bigint
      FROM pg_stat_user_tables
"""
_INDEX_ENTRIES = "SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes"


@dataclass(frozen=True)
class Archive:
    """The large archive. analyzed: PostgreSQL has statistics of it, or none, as in a first bulk import."""

    url: str
    analyzed: bool = field(default=False)

    def touched(self, scenario: Callable[[Pool], Awaitable[Any]]) -> int:
        """Rows and index entries that a scenario touches once its connections are warm."""

        async def measure(pool: Pool) -> int:
            await scenario(pool)
            before = await _touched(pool)
            await scenario(pool)
            return await _touched(pool) - before

        return in_catalog(self.url, measure)


async def _touched(pool: Pool) -> int:
    """Counters of all sessions so far; those of the idle ones are flushed first."""
    for connections in (pool.indexed, pool.searches):
        async with connections.acquire() as db:
            await db.execute("SELECT pg_stat_force_next_flush()")
            await db.execute("SELECT 1")
    async with indexed_connection(pool) as db:
        await db.execute("SELECT pg_stat_clear_snapshot()")
        return int(await db.fetchval(_TOUCHED)) + int(await db.fetchval(_INDEX_ENTRIES))


@pytest.fixture(scope="module", params=[False, True], ids=["without statistics", "with statistics"])
def archive(request: pytest.FixtureRequest, database_url: str) -> Archive:
    async def load(pool: Pool) -> None:
        async with indexed_connection(pool) as db:
            if not request.param:
                # As if the autovacuum had not come round yet.
                for table in ("study", "series", "instance", "instance_metadata", "blob"):
                    await db.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
                await db.execute(_LOAD, timeout=250)
            else:
                await db.execute("VACUUM ANALYZE", timeout=100)

    in_catalog(database_url, load)
    return Archive(database_url, request.param)


async def _all(pages: Any) -> list[Any]:
    return [one async for page in pages for one in page]


_LOOKUPS: dict[str, Callable[[Pool], Awaitable[Any]]] = {
    "instance": lambda pool: lookup.instance_source(pool, TENANT, SOME),
    "frame": lambda pool: lookup.frame_source(pool, TENANT, SOME, [0]),
    "revision of a study": lambda pool: lookup.revision(pool, TENANT, Target(SOME.study)),
    "revision of a series": lambda pool: lookup.revision(pool, TENANT, Target(SOME.study, SOME.series)),
    "revision of an instance": lambda pool: lookup.revision(pool, TENANT, SOME),
    "pages of a study": lambda pool: _all(lookup.instance_pages(pool, TENANT, Target(SOME.study))),
    "pages of a series": lambda pool: _all(
        lookup.instance_pages(pool, TENANT, Target(SOME.study, SOME.series))
    ),
    "metadata of a study": lambda pool: _all(lookup.metadata_pages(pool, TENANT, Target(SOME.study))),
    "metadata of an instance": lambda pool: _all(lookup.metadata_pages(pool, TENANT, SOME)),
    "known objects": lambda pool: audit.known_blobs(pool, ["all", "none"]),
}


@pytest.mark.parametrize("name", _LOOKUPS)
def test_a_lookup_touches_a_handful_of_rows(archive: Archive, name: str) -> None:
    assert archive.touched(_LOOKUPS[name]) <= 40


def test_storing_and_deleting_touch_a_handful_of_rows(archive: Archive) -> None:
    async def scenario(pool: Pool) -> None:
        target = Target("1.33333", "1.33333.1", "1.33333.1.9")
        new = Target("2.1", "2.1.1", "2.1.1.1")
        for one in (target, new):
            assert await add(pool, TENANT, make_instance(one, attributes=values("CT"))) == ["stored"]
            assert await add(pool, TENANT, make_instance(one)) == ["identical"]
            again = make_instance(one, content=b"other", attributes=values("CT"))
            assert await add(pool, TENANT, again, duplicates="replace") == ["replaced"]
            assert await delete(pool, TENANT, one) == 1

    assert archive.touched(scenario) <= 600


@pytest.mark.parametrize(
    ("query", "rows_touched"),
    [
        ("StudyInstanceUID=1.33333", 20),
        ("StudyInstanceUID=1.33333,1.5,1.6", 40),
        ("PatientID=P777", 20),
        ("AccessionNumber=A777", 20),
        ("PatientName=nobody*", 20),
        ("PatientName=*nobodyatall*", 20),
        ("PatientName=namec81e728d9d4c2f636f067f89cc14862c^first", 500),
        ("limit=1", 3000),
        ("StudyDate=20000101&PatientID=P777", 40),
        ("ModalitiesInStudy=CT&limit=1", 8000),
    ],
)
def test_a_search_touches_what_it_answers_and_counts(archive: Archive, query: str, rows_touched: int) -> None:
    parsed = parse_search(query.encode(), Level.STUDY)

    async def scenario(pool: Pool) -> None:
        await find_matches(pool, TENANT, parsed, page=10, budget=SearchBudget(rows=1000, seconds=60))

    if archive.analyzed:
        assert archive.touched(scenario) <= rows_touched


def test_the_synthetic_archive_is_as_large_as_it_says(archive: Archive) -> None:
    async def scenario(pool: Pool) -> None:
        found = await rows(pool, "SELECT count(*) FROM instance WHERE tenant_id = $1", TENANT)
        assert found[0][0] == 2 * STUDIES
        if archive.analyzed:
            await assert_exact(pool, TENANT)

    in_catalog(archive.url, scenario)
