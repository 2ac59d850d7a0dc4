"""The statement that inserts instances: what is new goes in, what is there is named, all else is settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson

from dicomweb.catalog.columns import (
    InstanceColumns,
    NewInstance,
    SeriesColumns,
    StudyColumns,
    received_as,
)
from dicomweb.catalog.locks import LockedStudies
from dicomweb.catalog.pool import Connection


@dataclass(frozen=True, slots=True)
class Taken:
    """The current holder of a SOP Instance UID."""

    id: int
    digest: bytes
    transfer_syntax_uid: str
    series_row: int
    study_row: int
    is_damaged: bool
    received: str | None

    def is_same(self, one: NewInstance) -> bool:
        """Equal data set bytes in the same transfer syntax, as they are kept or as they came; wherever it was
        filed (S-25)."""
        kept = self.digest == one.digest and self.transfer_syntax_uid == one.transfer_syntax_uid
        return kept or one.received == (self.received or received_as(self.digest, self.transfer_syntax_uid))


# What a field of the column classes is in PostgreSQL.
_TYPES = {
    "str": "text",
    "str | None": "text",
    "int": "bigint",
    "int | None": "bigint",
    "float | None": "double precision",
    "list[str] | None": "text[]",
}


def _typed(columns: type) -> str:
    return ", ".join(f"{field.name} {_TYPES[str(field.type)]}" for field in fields(columns))


def _names(columns: type, *, prefix: str = "") -> str:
    return ", ".join(prefix + field.name for field in fields(columns))


def _assign(columns: type, source: str) -> str:
    return ", ".join(f"{field.name} = {source}.{field.name}" for field in fields(columns))


_CHANGED_STUDIES = f"""\
settled AS (
    SELECT study_row, array_agg(id) AS ids, array_agg(DISTINCT modality) AS modalities,
           count(*) FILTER (WHERE (SELECT o.id FROM series AS o WHERE o.id = e.id) IS NULL) AS created
      FROM changed_series AS e GROUP BY study_row
),
changed_study AS (
    INSERT INTO study (id, tenant_id, revision, attributes, number_of_instances, number_of_series,
                       modalities, sop_classes, {_names(StudyColumns)})
    OVERRIDING SYSTEM VALUE
    SELECT v.study_row, $1, revision.value, v.attributes,
           s.number_of_instances + f.instances,
           s.number_of_series + e.created,
           ARRAY (
               SELECT modality FROM series
                WHERE study_row = v.study_row AND modality IS NOT NULL AND id <> ALL (e.ids)
                UNION
               SELECT modality FROM unnest(e.modalities) AS modality WHERE modality IS NOT NULL
                ORDER BY 1),
           ARRAY (SELECT unnest(s.sop_classes) UNION SELECT unnest(f.sop_classes) ORDER BY 1),
           {_names(StudyColumns, prefix="v.")}
      FROM (SELECT study_row, count(*) AS instances, array_agg(DISTINCT sop_class_uid) AS sop_classes,
                   (array_agg(study_at ORDER BY position DESC))[1] AS last
              FROM fresh GROUP BY study_row) AS f
      JOIN settled AS e USING (study_row)
      JOIN study_variant AS v ON v.at = f.last,
           LATERAL (SELECT * FROM study WHERE id = v.study_row LIMIT 1) AS s, revision
        ON CONFLICT (id) DO UPDATE
       SET revision = EXCLUDED.revision, updated_at = clock_timestamp(), attributes = EXCLUDED.attributes,
           number_of_instances = EXCLUDED.number_of_instances, number_of_series = EXCLUDED.number_of_series,
           modalities = EXCLUDED.modalities, sop_classes = EXCLUDED.sop_classes,
           {_assign(StudyColumns, "EXCLUDED")}
),
"""  # noqa: S608  (made of the names of our own classes only)
# PostgreSQL types of its parameters.
INSERT_TYPES = (
    "integer", "bigint[]", "json", "bytea[]", "bigint[]", "json", "bytea[]", "integer[]", "integer[]", "json",
    *["bytea[]"] * 8, "text[]", "bigint[]",
)  # fmt: skip
# Every instance names its study and series by number: each variant of their attributes is sent
# once. The instances that are not there yet (`fresh`) are inserted, and of each study and series the
# variant of the last of them wins. All of it sees one snapshot, taken when the studies were locked.
# Lists of this statement are joined by hashing; tables are only met through an index, a row at a time, which
# is what the subqueries with LIMIT and the upsert of a study that is there are for: without statistics, the
# planner would rather read a whole table.
INSERT = f"""
WITH
revision AS MATERIALIZED (SELECT nextval('revision') AS value),
study_variant AS MATERIALIZED (
    SELECT * FROM ROWS FROM (
        unnest($2::bigint[]), json_to_recordset($3) AS ({_typed(StudyColumns)}), unnest($4::bytea[])
    ) WITH ORDINALITY AS n (study_row, {_names(StudyColumns)}, attributes, at)
),
series_variant AS MATERIALIZED (
    SELECT * FROM ROWS FROM (
        unnest($5::bigint[]), json_to_recordset($6) AS ({_typed(SeriesColumns)}), unnest($7::bytea[])
    ) WITH ORDINALITY AS n (study_row, {_names(SeriesColumns)}, attributes, at)
),
offered AS MATERIALIZED (
    SELECT * FROM ROWS FROM (
        unnest($8::int[]), unnest($9::int[]), json_to_recordset($10) AS ({_typed(InstanceColumns)}),
        unnest($11::bytea[]), unnest($12::bytea[]), unnest($13::bytea[]), unnest($14::bytea[]),
        unnest($15::bytea[]), unnest($16::bytea[]), unnest($17::bytea[]), unnest($18::bytea[])
    ) WITH ORDINALITY AS n (study_at, series_at, {_names(InstanceColumns)},
        attributes, digest, file_meta, preamble, pixel_layout, metadata, bulkdata, entries, position)
),
taken AS MATERIALIZED (
    SELECT i.id, i.sop_instance_uid, i.digest, i.transfer_syntax_uid, i.series_row, i.damaged_at,
           i.received
      FROM offered AS o, LATERAL (
          SELECT * FROM instance AS i
           WHERE i.tenant_id = $1 AND i.sop_instance_uid = o.sop_instance_uid AND i.superseded_at IS NULL
           LIMIT 1) AS i
),
fresh AS MATERIALIZED (
    SELECT nextval('instance_id_seq') AS id, v.study_row, v.series_instance_uid, o.*
      FROM offered AS o
      JOIN series_variant AS v ON v.at = o.series_at
     WHERE o.sop_instance_uid NOT IN (SELECT sop_instance_uid FROM taken)
),
new_blob AS (
    INSERT INTO blob AS b (blob_key, size, live)
    SELECT n.key, n.size, count(*)
      FROM (SELECT blob_key FROM fresh UNION ALL
            SELECT inflated_key FROM fresh WHERE inflated_key IS NOT NULL) AS used (key)
      JOIN unnest($19::text[], $20::bigint[]) AS n (key, size) USING (key)
     GROUP BY n.key, n.size
        ON CONFLICT (blob_key) DO UPDATE SET live = b.live + EXCLUDED.live, doomed_at = NULL
),
changed_series AS (
    INSERT INTO series AS e (study_row, tenant_id, revision, number_of_instances, attributes,
                             {_names(SeriesColumns)})
    SELECT v.study_row, $1, revision.value, f.instances, v.attributes, {_names(SeriesColumns, prefix="v.")}
      FROM (SELECT count(*) AS instances, (array_agg(series_at ORDER BY position DESC))[1] AS last
              FROM fresh GROUP BY study_row, series_instance_uid) AS f
      JOIN series_variant AS v ON v.at = f.last, revision
        ON CONFLICT (study_row, series_instance_uid) DO UPDATE
       SET revision = EXCLUDED.revision, updated_at = clock_timestamp(), attributes = EXCLUDED.attributes,
           number_of_instances = e.number_of_instances + EXCLUDED.number_of_instances,
           {_assign(SeriesColumns, "EXCLUDED")}
    RETURNING id, study_row, series_instance_uid, modality
),
new_instance AS (
    INSERT INTO instance (id, series_row, tenant_id, revision, attributes, digest, file_meta, preamble,
                          pixel_layout, {_names(InstanceColumns)})
    OVERRIDING SYSTEM VALUE
    SELECT f.id, e.id, $1, revision.value, f.attributes, f.digest, f.file_meta, f.preamble,
           f.pixel_layout, {_names(InstanceColumns, prefix="f.")}
      FROM fresh AS f JOIN changed_series AS e USING (study_row, series_instance_uid), revision
     ORDER BY f.sop_instance_uid
),
new_metadata AS (
    INSERT INTO instance_metadata (instance_row, metadata, bulkdata)
    SELECT id, metadata, bulkdata FROM fresh
),
new_frames AS (
    INSERT INTO instance_frames (instance_row, entries)
    SELECT id, entries FROM fresh WHERE entries <> ''
),
{_CHANGED_STUDIES}risen AS (
    DELETE FROM tombstone
     WHERE ctid = ANY (ARRAY (
         SELECT t.ctid
           FROM fresh AS f JOIN study_variant AS v ON v.at = f.study_at,
                LATERAL (VALUES ('', ''), (f.series_instance_uid, ''),
                                (f.series_instance_uid, f.sop_instance_uid))
                AS k (series_instance_uid, sop_instance_uid),
                LATERAL (SELECT ctid FROM tombstone AS t
                          WHERE t.tenant_id = $1 AND t.study_instance_uid = v.study_instance_uid
                            AND t.series_instance_uid = k.series_instance_uid
                            AND t.sop_instance_uid = k.sop_instance_uid LIMIT 1) AS t))
)
SELECT t.sop_instance_uid, t.id, t.digest, t.transfer_syntax_uid, t.series_row,
       (SELECT study_row FROM series WHERE id = t.series_row), t.damaged_at IS NOT NULL, t.received
  FROM taken AS t
"""  # noqa: S608  (made of the names and types of our own classes only)


# The same below the one study of all instances, which INSERT_STUDY has just made whole.
INSERT_BELOW = INSERT.replace(_CHANGED_STUDIES, "").replace("nextval('revision')", "currval('revision')")
# A new study, by its one variant and the one of its one series. The parameters are those of INSERT.
INSERT_STUDY = f"""
INSERT INTO study (tenant_id, revision, attributes, number_of_instances, number_of_series, modalities,
                   sop_classes, {_names(StudyColumns)})
SELECT $1, nextval('revision'), $4[1], cardinality($8), 1,
       ARRAY (SELECT modality FROM json_to_recordset($6) AS (modality text) WHERE modality IS NOT NULL),
       ARRAY (SELECT DISTINCT sop_class_uid FROM json_to_recordset($10) AS (sop_class_uid text) ORDER BY 1),
       {_names(StudyColumns, prefix="v.")}
  FROM json_to_recordset($3) AS v ({_typed(StudyColumns)})
    ON CONFLICT (tenant_id, study_instance_uid) DO NOTHING
RETURNING id
"""  # noqa: S608  (made of the names and types of our own classes only)


async def insert_instances(
    db: Connection,
    tenant_id: int,
    new: Sequence[NewInstance],
    studies: LockedStudies,
    blobs: Mapping[str, int],
) -> dict[str, Taken]:
    """Insert those of the instances whose UID is free; returns who holds the UIDs of the others."""
    offer = offered(new, blobs)
    study_rows = [studies.rows[uid] for uid in offer.studies]
    series_rows = [studies.rows[uid] for uid in offer.series_studies]
    rows = await db.fetch(INSERT, *offer.arguments(tenant_id, study_rows, series_rows))
    return {row["sop_instance_uid"]: Taken(*list(row.values())[1:]) for row in rows}


@dataclass(frozen=True, slots=True)
class Offer:
    """Values for INSERT, and the Study Instance UID of each variant of a study, and of a series."""

    studies: list[str]
    study_values: tuple[Any, ...]
    series_studies: list[str]
    series_values: tuple[Any, ...]
    instance_values: tuple[Any, ...]

    def arguments(
        self, tenant_id: int, study_rows: list[int] | None, series_rows: list[int] | None
    ) -> tuple[Any, ...]:
        """What INSERT takes; the rows are those of `studies` and `series_studies`."""
        by_study, by_series = (study_rows, *self.study_values), (series_rows, *self.series_values)
        return tenant_id, *by_study, *by_series, *self.instance_values


def offered(new: Sequence[NewInstance], blobs: Mapping[str, int]) -> Offer:
    """The instances as INSERT takes them."""
    study_variants, study_at = _variants([(one.study_instance_uid, one.study_attributes) for one in new])
    series_variants, series_at = _variants(
        [(one.study_instance_uid, one.series_instance_uid, one.series_attributes) for one in new]
    )
    by_study, by_series = [new[at] for at in study_variants], [new[at] for at in series_variants]
    return Offer(
        [one.study_instance_uid for one in by_study],
        (_json([one.study for one in by_study]), [one.study_attributes for one in by_study]),
        [one.study_instance_uid for one in by_series],
        (_json([one.series for one in by_series]), [one.series_attributes for one in by_series]),
        (
            study_at,
            series_at,
            _json([one.instance for one in new]),
            [one.instance_attributes for one in new],
            [one.digest for one in new],
            [one.file_meta for one in new],
            [one.preamble for one in new],
            [one.pixel_layout for one in new],
            [one.metadata for one in new],
            [one.bulkdata for one in new],
            [one.frame_entries for one in new],
            list(blobs.keys()),
            list(blobs.values()),
        ),
    )


def _variants(keys: Sequence[tuple[object, ...]]) -> tuple[list[int], list[int]]:
    """Where each distinct key is first met, and for every key the number (from 1) of its variant."""
    number: dict[tuple[object, ...], int] = {}
    first: list[int] = []
    for at, key in enumerate(keys):
        if number.setdefault(key, len(first) + 1) > len(first):
            first.append(at)
    return first, [number[key] for key in keys]


def _json(columns: Sequence[StudyColumns | SeriesColumns | InstanceColumns]) -> str:
    return orjson.dumps(columns).decode()
