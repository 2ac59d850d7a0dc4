"""Finding what a URL names: where its bytes lie, and nothing that costs more than one index lookup.

An instance is found by the unique index over its SOP Instance UID; the UIDs of its parents are then
compared (W-09). What is not there answers 410 when it was deleted and 404 else (H-20).
"""

# ruff: noqa: S608 - the statements are put together from constants of this module only.

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from struct import Struct
from typing import NoReturn

import asyncpg

from dicomweb.catalog.pool import Pool, lookup_connection
from dicomweb.dicom.frame_index import ENTRY_SIZE, EncapsulatedFrame, unpack
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.target import Target
from dicomweb.errors import Gone, NotFound, Unavailable

# Rows held at once while a study is streamed.
_SOURCE_PAGE = 256

_ROW = Struct(">q")


@dataclass(frozen=True, slots=True)
class InstanceSource:
    """One stored instance: where its bytes lie and how they are to be read.

    instance_row: also names the version, for ETags: other content has another row.
    dataset_offset: counts from the start of the received bytes, which are blob_length bytes at blob_offset.
    inflated_*: the inflated copy of a deflated data set; 0 where there is none.
    pixel_layout: its offsets, like those of bulkdata and frames, count from the start of the inflated
    copy where there is one, else of the received bytes.
    stored_at: when it was stored, for Last-Modified; what a row says never changes.
    """

    target: Target
    instance_row: int
    revision: int
    sop_class_uid: str
    transfer_syntax_uid: str
    blob_key: str
    blob_offset: int
    blob_length: int
    dataset_offset: int
    digest: bytes
    file_meta: bytes
    preamble: bytes | None
    inflated_key: str | None
    inflated_offset: int
    inflated_length: int
    pixel_layout: PixelLayout | None
    is_damaged: bool
    stored_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FrameSource:
    """An instance and the index entries of the asked frames, in the order in which they were asked for.

    entries: empty for native pixel data; shorter than asked where a frame is beyond the index.
    """

    source: InstanceSource
    entries: tuple[EncapsulatedFrame, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """The instances of a target as they were at one moment, in W-64 order, and its revision then.

    modified: when that revision was made. rows: eight bytes an instance, so that even a study of a million
    stays small. What a row says never changes; of an instance that is deleted later, nothing is left to be
    read.
    """

    revision: int
    rows: bytes
    modified: datetime | None = None

    def __len__(self) -> int:
        return len(self.rows) // _ROW.size

    def pages(self, size: int) -> list[list[int]]:
        """The rows, `size` at a time."""
        step = size * _ROW.size
        return [
            [row for (row,) in _ROW.iter_unpack(self.rows[start : start + step])]
            for start in range(0, len(self.rows), step)
        ]


# --- instances -------------------------------------------------------------------------------------

SOURCE_COLUMNS = """
    s.study_instance_uid, e.series_instance_uid, i.sop_instance_uid, i.id, i.revision, i.sop_class_uid,
    i.transfer_syntax_uid, i.blob_key, i.blob_offset, i.blob_length, i.dataset_offset, i.digest,
    i.file_meta, i.preamble, i.inflated_key, i.inflated_offset, i.inflated_length, i.pixel_layout,
    i.damaged_at IS NOT NULL, i.stored_at
"""
SOURCE_FIELDS = 20
SOURCE_TABLES = (
    "FROM instance AS i JOIN series AS e ON e.id = i.series_row JOIN study AS s ON s.id = e.study_row"
)
# From the instance upwards and in no other order, whatever the planner believes: LIMIT keeps the steps apart.
ONE_INSTANCE = """
    FROM (SELECT * FROM instance
           WHERE tenant_id = $1 AND sop_instance_uid = $4 AND superseded_at IS NULL LIMIT 1) AS i,
         LATERAL (SELECT * FROM series WHERE id = i.series_row LIMIT 1) AS e,
         LATERAL (SELECT * FROM study WHERE id = e.study_row LIMIT 1) AS s
    WHERE e.series_instance_uid = $3 AND s.study_instance_uid = $2
"""
# And from the study downwards.
ONE_STUDY = """
    FROM (SELECT * FROM study WHERE tenant_id = $1 AND study_instance_uid = $2 LIMIT 1) AS s
"""
ONE_SERIES = f"""
    {ONE_STUDY}, LATERAL (
        SELECT * FROM series WHERE study_row = s.id AND series_instance_uid = $3 LIMIT 1) AS e
"""

_ONE_SOURCE = f"SELECT {SOURCE_COLUMNS} {ONE_INSTANCE}"
_SOURCES = f"SELECT {SOURCE_COLUMNS} {SOURCE_TABLES} WHERE i.id = ANY ($1::bigint[])"


async def instance_source(pool: Pool, tenant_id: int, target: Target) -> InstanceSource:
    """Locate one instance. Raises NotFound, Gone."""
    async with lookup_connection(pool) as db:
        row = await db.fetchrow(_ONE_SOURCE, tenant_id, target.study, target.series, target.instance)
    if row is None:
        await raise_missing(pool, tenant_id, target)
    return source_of(row)


async def instance_pages(
    pool: Pool, tenant_id: int, target: Target, *, found: Contents | None = None
) -> AsyncIterator[Sequence[InstanceSource]]:
    """The instances of a study or series in W-64 order, or the one instance, page by page.

    All are of one moment; `found` is that moment, when the caller has it already.
    Raises NotFound, Gone; also Gone or Unavailable when instances were deleted since: pages without them
    would pass for the whole target.
    """
    if target.instance and found is None:
        yield [await instance_source(pool, tenant_id, target)]
        return
    found = found or await contents(pool, tenant_id, target)
    for rows in found.pages(_SOURCE_PAGE):
        async with lookup_connection(pool) as db:
            sources = {
                source.instance_row: source for source in map(source_of, await db.fetch(_SOURCES, rows))
            }
        if len(sources) < len(rows):
            await raise_changed(pool, tenant_id, target)
        yield [sources[row] for row in rows]


# A viewer asks for an object frame by frame.
_layout_of = lru_cache(maxsize=1024)(PixelLayout.from_json)


def source_of(row: asyncpg.Record) -> InstanceSource:
    """A row that begins with SOURCE_COLUMNS."""
    (
        study, series, instance, row_id, revision, sop_class_uid, transfer_syntax_uid, blob_key, blob_offset,
        blob_length, dataset_offset, digest, file_meta, preamble, inflated_key, inflated_offset,
        inflated_length, layout, is_damaged, stored_at,
    ) = tuple(row)[:SOURCE_FIELDS]  # fmt: skip
    return InstanceSource(
        target=Target(study, series, instance),
        instance_row=row_id,
        revision=revision,
        sop_class_uid=sop_class_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        blob_key=blob_key,
        blob_offset=blob_offset,
        blob_length=blob_length,
        dataset_offset=dataset_offset,
        digest=digest,
        file_meta=file_meta,
        preamble=preamble,
        inflated_key=inflated_key,
        inflated_offset=inflated_offset or 0,
        inflated_length=inflated_length or 0,
        pixel_layout=_layout_of(layout) if layout is not None else None,
        is_damaged=is_damaged,
        stored_at=stored_at,
    )


# --- frames ----------------------------------------------------------------------------------------

# substring() fetches only the pieces of the value that hold the asked entries: it is stored uncompressed.
_ONE_FRAME_SOURCE = f"""
    SELECT {SOURCE_COLUMNS}, (
        SELECT string_agg(substring(f.entries FROM n.first FOR n.length), ''::bytea ORDER BY n.position)
          FROM instance_frames AS f,
               unnest($5::integer[], $6::integer[]) WITH ORDINALITY AS n (first, length, position)
         WHERE f.instance_row = i.id)
    {ONE_INSTANCE}
"""
_ENTRIES = "SELECT substring(entries FROM $2 FOR $3) FROM instance_frames WHERE instance_row = $1"


async def frame_source(
    pool: Pool, tenant_id: int, target: Target, frame_indices: Sequence[int]
) -> FrameSource:
    """Locate frames of one instance, in one query. frame_indices: from 0. Raises NotFound, Gone."""
    firsts, lengths = _stretches(frame_indices)
    async with lookup_connection(pool) as db:
        row = await db.fetchrow(
            _ONE_FRAME_SOURCE, tenant_id, target.study, target.series, target.instance, firsts, lengths
        )
    if row is None:
        await raise_missing(pool, tenant_id, target)
    return FrameSource(source_of(row), tuple(unpack(row[SOURCE_FIELDS] or b"")))


async def frame_entries(
    pool: Pool, instance_row: int, first_index: int, count: int
) -> list[EncapsulatedFrame]:
    """Index entries of `count` frames from `first_index` on; fewer where the index ends.

    Raises Unavailable when the instance was deleted since it was looked up.
    """
    async with lookup_connection(pool) as db:
        entries = await db.fetchval(_ENTRIES, instance_row, *_stretch(first_index, count))
    if entries is None:
        raise Unavailable("The instance was deleted while it was read.", retry_after=1)
    return list(unpack(entries))


def _stretches(frame_indices: Sequence[int]) -> tuple[list[int], list[int]]:
    """Neighbours among the asked frames share one substring; returns first bytes (from 1) and lengths."""
    runs: list[list[int]] = []
    for index in frame_indices:
        # An index beyond the largest value that PostgreSQL can hold is beyond any frame too.
        if ENTRY_SIZE * (index + 1) >= 1 << 30:
            continue
        if runs and index == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([index, 1])
    stretches = [_stretch(first, count) for first, count in runs]
    return [first for first, _ in stretches], [length for _, length in stretches]


def _stretch(first_index: int, count: int) -> tuple[int, int]:
    return 1 + ENTRY_SIZE * first_index, ENTRY_SIZE * count


# --- studies and series ----------------------------------------------------------------------------

# Series by number, instances by number, both then by UID; what has no number comes last (W-64).
_ORDERED_ROWS = """
    coalesce(string_agg(int8send(i.id), ''::bytea ORDER BY e.series_number, e.series_instance_uid,
                                                           i.instance_number, i.sop_instance_uid), '')
"""
# `superseded_at IS NULL` in words that no partial index answers to: without statistics the planner believes
# that few rows are current, and would read all of such an index to find those of one series.
CURRENT = "coalesce(i.superseded_at, 'infinity') = 'infinity'"
_STUDY_CONTENTS = f"""
    SELECT s.revision, (
        SELECT {_ORDERED_ROWS}
          FROM series AS e,
               LATERAL (SELECT * FROM instance AS i WHERE i.series_row = e.id AND {CURRENT} OFFSET 0) AS i
         WHERE e.study_row = s.id), s.updated_at
    {ONE_STUDY}
"""
_SERIES_CONTENTS = f"""
    SELECT e.revision, (
        SELECT {_ORDERED_ROWS} FROM instance AS i WHERE i.series_row = e.id AND {CURRENT}),
        e.updated_at
    {ONE_SERIES}
"""
_INSTANCE_CONTENTS = f"SELECT i.revision, int8send(i.id), i.stored_at {ONE_INSTANCE}"
_CONTENTS = {"study": _STUDY_CONTENTS, "series": _SERIES_CONTENTS, "instance": _INSTANCE_CONTENTS}


async def contents(pool: Pool, tenant_id: int, target: Target) -> Contents:
    """What the target holds now, and its revision, read in one snapshot. Raises NotFound, Gone."""
    async with lookup_connection(pool, large=not target.instance) as db:
        row = await db.fetchrow(_CONTENTS[target.level], tenant_id, *target.uids)
    if row is None:
        await raise_missing(pool, tenant_id, target)
    return Contents(*row)


# --- what is not there -----------------------------------------------------------------------------

_TOMBSTONE = """
    SELECT FROM (VALUES ('', ''), ($3::text, ''), ($3, $4::text)) AS k (series, instance), LATERAL (
               SELECT FROM tombstone
                WHERE tenant_id = $1 AND study_instance_uid = $2
                  AND series_instance_uid = k.series AND sop_instance_uid = k.instance
                LIMIT 1) AS t
     LIMIT 1
"""


async def raise_changed(pool: Pool, tenant_id: int, target: Target) -> NoReturn:
    """Instances went while their target was read: it is gone, or to be read again."""
    await contents(pool, tenant_id, target)
    raise Unavailable(f"The {target.level} was changed while it was read.", retry_after=1)


async def raise_missing(pool: Pool, tenant_id: int, target: Target) -> NoReturn:
    """410 for what was deleted, or lies below what was; 404 for what was never there."""
    async with lookup_connection(pool) as db:
        row = await db.fetchrow(_TOMBSTONE, tenant_id, target.study, target.series, target.instance)
    if row is not None:
        raise Gone(f"The {target.level} has been deleted.")
    raise NotFound(f"There is no such {target.level}.")
