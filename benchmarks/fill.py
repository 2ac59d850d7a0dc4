"""`python -m benchmarks.fill --data DIRECTORY --studies N`: a large catalog without its pixels, in minutes.

Puts N more synthetic studies (studies.py) into the catalog of an archive, whose server may run or not: rows
by COPY, indexes made anew where most of the table is new. Every row is what the product writes for the same
study sent by STOW-RS: a template of each kind of study went through the product's own scan and columns, and
only what differs from study to study is put in its place. What the rows point to is not there: searches and
metadata answer, frames do not.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from blake3 import blake3

from benchmarks import studies
from benchmarks.studies import Kind, Study
from dicomweb.archive.ingest import scan_limits
from dicomweb.blobs.protocol import new_key
from dicomweb.catalog.columns import (
    BlobPlace,
    InstanceColumns,
    NewInstance,
    SeriesColumns,
    StudyColumns,
    compress,
    decompress,
    new_instance,
    study_columns,
)
from dicomweb.dicom.part10 import scan
from dicomweb.run.attach import attached
from dicomweb.settings import DEFAULT_TENANT, Settings

# Studies written together: some 15 MB of rows.
_BATCH = 5000

# What differs from study to study, as values that occur nowhere else in a template.
_MARKED = replace(
    studies.study(0),
    uid=studies.study_uid(899_999_999_999),
    patient_name="Marker^Patient",
    patient_id="MARKERID",
    patient_birth_date="17770707",
    patient_sex="Q",
    study_date="18880808",
    study_time="030303",
    accession_number="MARKERACCESSION",
    study_id="MARKERSTUDY",
    referring_physician_name="Marker^Referring",
)
_MARKS = (
    "uid",
    "patient_name",
    "patient_id",
    "patient_birth_date",
    "study_date",
    "study_time",
    "accession_number",
    "study_id",
    "referring_physician_name",
)
_MARK = re.compile(b"|".join(re.escape(getattr(_MARKED, name).encode()) for name in _MARKS) + b'|"Q"')
_PLACES = {getattr(_MARKED, name).encode(): at for at, name in enumerate(_MARKS)} | {b'"Q"': len(_MARKS)}

Values = Sequence[bytes]


def _values(study: Study) -> Values:
    """What takes the place of each mark."""
    return [*(getattr(study, name).encode() for name in _MARKS), b'"%s"' % study.patient_sex.encode()]


class _Text:
    """A text of a template, cut at its marks."""

    def __init__(self, text: bytes) -> None:
        self._between = _MARK.split(text)
        self._places = [_PLACES[mark] for mark in _MARK.findall(text)]

    def of(self, values: Values) -> bytes:
        """The text of a study."""
        pieces = [self._between[0]]
        for place, piece in zip(self._places, self._between[1:], strict=True):
            pieces += (values[place], piece)
        return b"".join(pieces)


class _InstanceTemplate:
    """An instance of a kind of study, as the product writes it."""

    def __init__(self, row: NewInstance) -> None:
        self.row = row
        self.uid = _Text(row.sop_instance_uid.encode())
        self.attributes = _Text(row.instance_attributes)
        self.file_meta = _Text(row.file_meta)
        self.metadata = _Text(decompress(row.metadata))


class _SeriesTemplate:
    """A series of a kind of study; the last instance speaks for it, as in a store (Q-60)."""

    def __init__(self, rows: Sequence[NewInstance]) -> None:
        self.columns = rows[-1].series
        self.uid = _Text(self.columns.series_instance_uid.encode())
        self.attributes = _Text(rows[-1].series_attributes)
        self.instances = [_InstanceTemplate(row) for row in rows]


class _StudyTemplate:
    """A kind of study, marked and stored as the product would."""

    def __init__(self, kind: Kind) -> None:
        limits = scan_limits(Settings.from_env({}))
        rows = [
            new_instance(scan([data], limits=limits), BlobPlace("", 0, len(data)))
            for _, data in studies.instances(replace(_MARKED, kind=kind))
        ]
        self.attributes = _Text(rows[-1].study_attributes)
        series = sorted({row.series_instance_uid for row in rows})
        self.series = [_SeriesTemplate([r for r in rows if r.series_instance_uid == uid]) for uid in series]
        self.modalities = sorted({row.series.modality for row in rows if row.series.modality})
        self.sop_classes = sorted({row.sop_class_uid for row in rows})
        self.instances = len(rows)


_template = cache(_StudyTemplate)


# --- rows ------------------------------------------------------------------------------------------

_OF_STUDY = ("id", "tenant_id", "revision", "number_of_series", "number_of_instances")
_OF_SERIES = ("id", "study_row", "tenant_id", "revision", "number_of_instances", "attributes")
_OF_INSTANCE = ("id", "series_row", "tenant_id", "revision", "attributes", "digest", "file_meta")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "blob": ("blob_key", "size", "live"),
    "study": (*_OF_STUDY, "modalities", "sop_classes", "attributes", *StudyColumns.__slots__),
    "series": (*_OF_SERIES, *SeriesColumns.__slots__),
    "instance": (*_OF_INSTANCE, "preamble", "pixel_layout", *InstanceColumns.__slots__),
    "instance_metadata": ("instance_row", "metadata", "bulkdata"),
}
_NUMBERED = ("study", "series", "instance")


@dataclass(slots=True)
class _Rows:
    """Rows of a batch by table. ids: the last that was given out of each table."""

    ids: dict[str, int]
    revision: int
    rows: dict[str, list[tuple[Any, ...]]]

    def add(self, study: Study) -> None:
        """All rows of a study, its objects in one pack."""
        template, values = _template(study.kind), _values(study)
        attributes = template.attributes.of(values)
        columns = study_columns(study.uid, orjson.loads(attributes))
        key = new_key()
        self.rows["blob"].append((key, 1 << 20, template.instances))
        row = self._next("study")
        counts = (len(template.series), template.instances)
        kinds = (template.modalities, template.sop_classes)
        fixed = (row, DEFAULT_TENANT, self.revision, *counts, *kinds, attributes)
        self.rows["study"].append(fixed + _fields(columns))
        for series in template.series:
            self._add_series(series, row, key, columns.study_date, values)

    def _add_series(
        self, template: _SeriesTemplate, study_row: int, key: str, date: int | None, values: Values
    ) -> None:
        row = self._next("series")
        columns = replace(template.columns, series_instance_uid=template.uid.of(values).decode())
        fixed = (row, study_row, DEFAULT_TENANT, self.revision, len(template.instances))
        self.rows["series"].append((*fixed, template.attributes.of(values), *_fields(columns)))
        for instance in template.instances:
            self._add_instance(instance, row, key, date, values)

    def _add_instance(
        self, template: _InstanceTemplate, series_row: int, key: str, date: int | None, values: Values
    ) -> None:
        row, given = self._next("instance"), template.row
        uid = template.uid.of(values)
        columns = replace(given.instance, sop_instance_uid=uid.decode(), content_date=date, blob_key=key)
        fixed = (row, series_row, DEFAULT_TENANT, self.revision, template.attributes.of(values))
        stored = (blake3(uid).digest(), template.file_meta.of(values), given.preamble, given.pixel_layout)
        self.rows["instance"].append((*fixed, *stored, *_fields(columns)))
        metadata = compress(template.metadata.of(values))
        self.rows["instance_metadata"].append((row, metadata, given.bulkdata))

    def _next(self, table: str) -> int:
        self.ids[table] += 1
        return self.ids[table]


def _fields(columns: Any) -> tuple[Any, ...]:
    return tuple(getattr(columns, name) for name in columns.__slots__)


# --- tables ----------------------------------------------------------------------------------------

_INDEXES = """
    SELECT i.relname AS name, pg_get_indexdef(x.indexrelid) AS definition
      FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
     WHERE x.indrelid = ANY ($1::regclass[])
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = x.indexrelid)
     ORDER BY 1
"""
_LAST = """
    SELECT max(study_instance_uid) FROM study
     WHERE tenant_id = $1 AND study_instance_uid BETWEEN $2 AND $3
"""


async def next_number(db: asyncpg.Connection[asyncpg.Record]) -> int:
    """The number of the first study that is not there yet, where fill alone made them."""
    last = await db.fetchval(_LAST, DEFAULT_TENANT, *studies.UID_BOUNDS)
    number = studies.number_of(last) if last else None
    return 0 if number is None else number + 1


async def fill(url: str, count: int, *, tell: Callable[[str], None] = lambda _: None) -> None:
    """Add the next `count` studies in one transaction, which a running server waits for."""
    db = await asyncpg.connect(url, command_timeout=None)
    try:
        async with db.transaction():
            await _fill(db, count, tell)
        tell("statistics")
        for table in _COLUMNS:
            await db.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        await db.close()


async def fill_up(url: str, studies: int) -> None:
    """Bring the catalog to so many studies."""
    db = await asyncpg.connect(url)
    try:
        missing = studies - await next_number(db)
    finally:
        await db.close()
    if missing > 0:
        await fill(url, missing)


async def _fill(db: asyncpg.Connection[asyncpg.Record], count: int, tell: Callable[[str], None]) -> None:
    tables = ", ".join(_COLUMNS)
    await db.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
    # Foreign keys hold by construction; a check of each would cost more than the row. Needs a superuser, as
    # the embedded database's account is.
    await db.execute("SET LOCAL session_replication_role = replica; SET LOCAL maintenance_work_mem = '512MB'")
    first = await next_number(db)
    async with _without_indexes(db, drop=count > first, tell=tell):
        ids = {table: await db.fetchval(f"SELECT coalesce(max(id), 0) FROM {table}") for table in _NUMBERED}
        revision = await db.fetchval("SELECT nextval('revision')")
        for start in range(first, first + count, _BATCH):
            rows = _Rows(ids, revision, {table: [] for table in _COLUMNS})
            for number in range(start, min(start + _BATCH, first + count)):
                rows.add(studies.study(number))
            await _copy(db, rows)
            tell(f"{start + _BATCH - first} studies")
        for table, last in ids.items():
            await db.execute("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)", table, max(last, 1))


async def _copy(db: asyncpg.Connection[asyncpg.Record], rows: _Rows) -> None:
    for table, columns in _COLUMNS.items():
        await db.copy_records_to_table(table, records=rows.rows[table], columns=columns)


@asynccontextmanager
async def _without_indexes(
    db: asyncpg.Connection[asyncpg.Record], *, drop: bool, tell: Callable[[str], None]
) -> AsyncIterator[None]:
    """Leave out indexes while the block runs, but those of constraints, whose keys come in their order."""
    indexes = await db.fetch(_INDEXES, list(_COLUMNS)) if drop else []
    for name, _ in indexes:
        await db.execute(f"DROP INDEX {name}")
    yield
    for name, definition in indexes:
        tell(f"index {name}")
        await db.execute(definition)


# --- command ---------------------------------------------------------------------------------------


def main() -> int:
    """Fill the archive of a data directory."""
    parser = argparse.ArgumentParser(prog="benchmarks.fill", description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", metavar="DIRECTORY", type=Path, required=True, help="of the archive")
    parser.add_argument("--studies", metavar="N", type=int, required=True, help="how many to add")
    options = parser.parse_args()
    begin = time.monotonic()
    with attached(replace(Settings.from_env({}), data=options.data), "fill") as settings:
        asyncio.run(fill(settings.database_url, options.studies, tell=_teller(begin)))
    seconds = time.monotonic() - begin
    print(f"{options.studies} studies in {seconds:.0f} s")
    return 0


def _teller(begin: float) -> Callable[[str], None]:
    return lambda what: print(f"{time.monotonic() - begin:7.1f} s  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
