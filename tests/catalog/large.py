"""A large archive made by PostgreSQL itself, and what its counters say that a statement touches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from dicomweb.catalog import audit, lookup, metadata
from dicomweb.catalog.columns import compress
from dicomweb.catalog.delete import delete
from dicomweb.catalog.pool import Pool, connection, indexed_connection
from dicomweb.dicom.target import Target
from tests.catalog.rows import add, make_instance, values

TENANT = 1_000_000
# A study as the synthetic archive has it: one series, two instances.
SOME = Target("1.2222", "1.2222.1", "1.2222.1.1")

_LOAD = """
INSERT INTO blob (blob_key, size, live) VALUES ('all', 1, {instances});
INSERT INTO study (tenant_id, study_instance_uid, revision, number_of_series, number_of_instances, modalities,
                   sop_classes, study_date, started_from, started_to, accession_number, study_id,
                   patient_name, patient_name_groups, patient_id, patient_birth_date, attributes)
SELECT {tenant}, '1.' || n, n, 1, 2, ARRAY[(ARRAY['CT', 'MR', 'US'])[1 + n % 3]], '{{1.2.3}}',
       20000101 + n % 28 + 100 * (n % 12) + 10000 * (n % 24), 60000000000000 + n::bigint * 1000000,
       60000000000000 + n::bigint * 1000000, 'A' || n, 'S' || n % 1000,
       'name' || md5((n % 5000)::text) || '^first', E'\\nname' || md5((n % 5000)::text) || E'^first\\n',
       'P' || n / 2, 19000101 + n % 28 + 10000 * (n % 100), '{{}}'
  FROM generate_series(1, {studies}) AS n;
INSERT INTO series (study_row, tenant_id, series_instance_uid, revision, number_of_instances, modality,
                    series_number, attributes)
SELECT id, {tenant}, study_instance_uid || '.1', revision, 2, modalities[1], 1, '{{}}'
  FROM study WHERE tenant_id = {tenant};
INSERT INTO instance (series_row, tenant_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
                      instance_number, revision, attributes, blob_key, blob_offset, blob_length,
                      dataset_offset, digest, file_meta)
SELECT id, {tenant}, series_instance_uid || '.' || n, '1.2.3', '1.2.840.10008.1.2.1', n, revision, '{{}}',
       'all', 0, 1, 0, '', ''
  FROM series, generate_series(1, 2) AS n WHERE tenant_id = {tenant};
INSERT INTO instance_metadata (instance_row, metadata)
SELECT id, '\\x{metadata}' FROM instance WHERE tenant_id = {tenant};
"""

# Rows that PostgreSQL's tables gave up to a statement: read in a scan, or fetched by an index.
_TOUCHED = """
    SELECT coalesce(sum(seq_tup_read), 0)::bigint + coalesce(sum(idx_tup_fetch), 0)::bigint
      FROM pg_stat_user_tables
"""
_INDEX_ENTRIES = "SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes"


def _load(studies: int) -> str:
    return _LOAD.format(studies=studies, instances=2 * studies, tenant=TENANT, metadata=compress(b"{}").hex())


async def load(pool: Pool, studies: int) -> None:
    """Fill the archive, and keep PostgreSQL from gathering statistics of it."""
    async with connection(pool) as db:
        for table in ("study", "series", "instance", "instance_metadata", "blob"):
            await db.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        await db.execute(_load(studies), timeout=250)


async def touched(pool: Pool) -> int:
    """Counters of all sessions so far; those of the idle ones are flushed first."""
    for lent in (indexed_connection(pool), connection(pool)):
        async with lent as db:
            await db.execute("SELECT pg_stat_force_next_flush()")
            await db.execute("SELECT 1")
    async with indexed_connection(pool) as db:
        await db.execute("SELECT pg_stat_clear_snapshot()")
        return int(await db.fetchval(_TOUCHED)) + int(await db.fetchval(_INDEX_ENTRIES))


async def _all(pages: Any) -> list[Any]:
    return [one async for page in pages for one in page]


LOOKUPS: dict[str, Callable[[Pool], Awaitable[Any]]] = {
    "instance": lambda pool: lookup.instance_source(pool, TENANT, SOME),
    "frame": lambda pool: lookup.frame_source(pool, TENANT, SOME, [0]),
    "contents of a study": lambda pool: lookup.contents(pool, TENANT, Target(SOME.study)),
    "contents of an instance": lambda pool: lookup.contents(pool, TENANT, SOME),
    "pages of a study": lambda pool: _all(lookup.instance_pages(pool, TENANT, Target(SOME.study))),
    "pages of a series": lambda pool: _all(
        lookup.instance_pages(pool, TENANT, Target(SOME.study, SOME.series))
    ),
    "metadata of a study": lambda pool: _all(metadata.metadata_pages(pool, TENANT, Target(SOME.study))),
    "metadata of an instance": lambda pool: _all(metadata.metadata_pages(pool, TENANT, SOME)),
    "known objects": lambda pool: audit.known_blobs(pool, ["all", "none"]),
}


async def store_and_delete(pool: Pool) -> None:
    """Everything that changes the archive, once in a study that is there and once in a new one."""
    for one in (Target(SOME.study, SOME.series, f"{SOME.series}.9"), Target("2.1", "2.1.1", "2.1.1.1")):
        assert await add(pool, TENANT, make_instance(one, attributes=values("CT"))) == ["stored"]
        assert await add(pool, TENANT, make_instance(one)) == ["identical"]
        again = make_instance(one, content=b"other", attributes=values("CT"))
        assert await add(pool, TENANT, again, duplicates="replace") == ["replaced"]
        assert await delete(pool, TENANT, one) == 1
