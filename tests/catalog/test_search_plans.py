"""A search touches rows in proportion to its answer, not to the archive (design section 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.plans import explained
from dicomweb.catalog.pool import Pool, connection, create_pool, lookup_connection
from dicomweb.catalog.search_pages import page_statement
from dicomweb.protocol.search_query import Level, parse_search
from dicomweb.protocol.search_response import select

TENANT = 1
STUDIES = 40_000
# A page and the count beyond it are some 1,100 rows; an intersection of trigrams reads a few times as many.
MOST_ROWS = 6_000

# Spread over forty years, names of two hashed words, two studies a patient; no two hashes begin alike.
_FILL = f"""
    INSERT INTO study (tenant_id, study_instance_uid, revision, number_of_series, number_of_instances,
                       modalities, study_date, started_from, started_to, accession_number, study_id,
                       patient_id, patient_name, patient_name_groups, study_description, attributes)
    SELECT 1, '1.2.' || n, n, 1, 1, ARRAY[CASE WHEN n % 500 = 0 THEN 'PT' ELSE 'CT' END], 20200101,
           day * 86400000000, day * 86400000000, 'A' || n, 'S' || n, 'P' || n / 2, name,
           E'\\n' || name || E'\\n\\t' || replace(name, '^', E'\\t') || E'\\t',
           'description ' || md5(n::text), '{{}}'
      FROM (SELECT n, md5('a' || n) || '^' || md5('b' || n) AS name,
                   (735000 + n * 7919 % 14600)::bigint AS day
              FROM generate_series(1, {STUDIES}) AS n) AS made;
    INSERT INTO series (study_row, tenant_id, series_instance_uid, revision, number_of_instances, modality,
                        series_number, attributes)
    SELECT id, 1, study_instance_uid || '.1', id, 1, modalities[1], 1, '{{}}' FROM study;
    INSERT INTO blob (blob_key, size, live) VALUES ('blob', 1, {STUDIES});
    INSERT INTO instance (series_row, tenant_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
                          instance_number, revision, attributes, blob_key, blob_offset, blob_length,
                          dataset_offset, digest, file_meta)
    SELECT id, 1, series_instance_uid || '.1', '1.2.3', '1.2.840.10008.1.2.1', 1, id, '{{}}', 'blob', 0, 1,
           0, '', ''
      FROM series;
    ANALYZE;
"""


@pytest.fixture(scope="module")
def plans(database_url: str) -> Iterator[Plans]:
    with asyncio.Runner() as runner:
        pool = runner.run(create_pool(database_url))
        runner.run(_execute(pool, _FILL))
        yield Plans(runner, pool)
        runner.run(pool.close())


async def _execute(pool: Pool, sql: str) -> None:
    async with connection(pool) as db:
        await db.execute(sql, timeout=300)  # a busy machine takes its time


class Plans:
    """Asks PostgreSQL what a search does."""

    def __init__(self, runner: asyncio.Runner, pool: Pool) -> None:
        self._runner, self._pool = runner, pool

    def rows_touched(self, query: str, level: Level) -> int:
        """Rows that the scans of a search read, those they drop included."""
        parsed = parse_search(query.encode(), level)
        statement = page_statement(parsed, select(parsed), TENANT, page=100)
        connected = lookup_connection if statement.planned_once else connection

        async def explain() -> Any:
            async with connected(self._pool) as db:
                return await explained(db, statement.sql, statement.arguments)

        return _touched(self._runner.run(explain())["Plan"])


def _touched(node: dict[str, Any]) -> int:
    below = sum(_touched(child) for child in node.get("Plans", ()))
    if not {"Index Name", "Relation Name"} & node.keys() or node["Node Type"] == "Bitmap Index Scan":
        return below
    dropped = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows = node["Actual Rows"] + sum(node.get(name, 0) for name in dropped)
    return below + int(rows * node["Actual Loops"])


@pytest.mark.parametrize(
    "query",
    [
        "", "limit=101", "StudyInstanceUID=1.2.77", "StudyInstanceUID=1.2.77,1.2.78,9.9", "PatientID=P77",
        "PatientID=nobody", "PatientID=P777*", "AccessionNumber=A77", "StudyID=S77", "StudyDate=20300101",
        "cursor=64000000000000000,1.2", "PatientSex=F", "PatientSex=O", "IssuerOfPatientID=none",
        "StudyDate=20300101-20300105", "StudyDate=20300101-20300105&StudyTime=10-12", "ModalitiesInStudy=PT",
        "ModalitiesInStudy=XX", "ModalitiesInStudy=CT,PT", "PatientName=abcd*", "PatientName=zzz*",
        "PatientName=*abcde*", "StudyDescription=*abcde*", "ReferringPhysicianName=abcd*",
        "PatientName=a*", "PatientName=ab*", "PatientName=abcd*&StudyDate=20300101-20300105",
        "PatientName=abcd&fuzzymatching=true", "PatientName=a?cd*",
        "SOPInstanceUID=1.2.77.1.1", "SeriesInstanceUID=1.2.77.1",
    ],
)  # fmt: skip
def test_a_search_of_studies_touches_no_more_than_its_answer(plans: Plans, query: str) -> None:
    assert plans.rows_touched(query, Level.STUDY) <= MOST_ROWS


@pytest.mark.parametrize(
    ("query", "level"),
    [
        ("", Level.SERIES), ("SeriesInstanceUID=1.2.77.1", Level.SERIES), ("Modality=PT", Level.SERIES),
        ("Modality=XX", Level.SERIES), ("PatientID=P77", Level.SERIES), ("", Level.INSTANCE),
        ("SOPInstanceUID=1.2.77.1.1", Level.INSTANCE), ("StudyInstanceUID=1.2.77", Level.INSTANCE),
        ("SOPClassUID=1.9", Level.INSTANCE), ("PatientID=P77", Level.INSTANCE),
    ],
)  # fmt: skip
def test_a_search_below_studies_touches_no_more_than_its_answer(
    plans: Plans, query: str, level: Level
) -> None:
    assert plans.rows_touched(query, level) <= 3 * MOST_ROWS
