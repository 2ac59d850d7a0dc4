"""Whose word a study and a series go by: the latest stored instance, also after a later one went (Q-60)."""

# ruff: noqa: S608 - the statements are put together from constants of our modules only.

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

import orjson

from dicomweb.catalog.columns import (
    SeriesColumns,
    StudyColumns,
    decompress,
    level_attributes,
    series_columns,
    study_columns,
)
from dicomweb.catalog.lookup import CURRENT
from dicomweb.catalog.pool import Connection
from dicomweb.dicom import levels

# Rows count up as instances are stored. LIMIT and OFFSET fix the order of the steps, from the study down: the
# planner could else look for the largest row from the end of the whole table.
_LATEST_OF_STUDY = f"""
    SELECT s.study_instance_uid, m.metadata
      FROM study AS s, LATERAL (
               SELECT max(i.id) AS id FROM series AS e, LATERAL (
                   SELECT id FROM instance AS i WHERE i.series_row = e.id AND {CURRENT} OFFSET 0) AS i
                WHERE e.study_row = s.id) AS latest, LATERAL (
               SELECT metadata FROM instance_metadata WHERE instance_row = latest.id LIMIT 1) AS m
     WHERE s.id = $1
"""
_LATEST_OF_SERIES = f"""
    SELECT e.series_instance_uid, m.metadata
      FROM series AS e, LATERAL (
               SELECT max(i.id) AS id FROM (
                   SELECT id FROM instance AS i WHERE i.series_row = e.id AND {CURRENT} OFFSET 0) AS i
               ) AS latest, LATERAL (
               SELECT metadata FROM instance_metadata WHERE instance_row = latest.id LIMIT 1) AS m
     WHERE e.id = $1
"""


def _update(table: str, columns: type) -> str:
    """$1 is the row, then the columns in their order, then the attributes."""
    names = [field.name for field in fields(columns)] + ["attributes"]
    assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(names, start=2))
    return f"UPDATE {table} SET {assignments} WHERE id = $1"


_UPDATE_STUDY = _update("study", StudyColumns)
_UPDATE_SERIES = _update("series", SeriesColumns)


async def restate(db: Connection, study_row: int, series_rows: Collection[int]) -> None:
    """Let the latest instances speak for the study and for these series; those that are gone are passed over.

    The caller holds the row of the study.
    """
    for row in sorted(series_rows):
        if (found := await db.fetchrow(_LATEST_OF_SERIES, row)) is not None:
            stated = await asyncio.to_thread(_series_stated, *found)
            await db.execute(_UPDATE_SERIES, row, *stated.columns, stated.attributes)
    if (found := await db.fetchrow(_LATEST_OF_STUDY, study_row)) is not None:
        stated = await asyncio.to_thread(_study_stated, *found)
        await db.execute(_UPDATE_STUDY, study_row, *stated.columns, stated.attributes)


@dataclass(frozen=True, slots=True)
class _Stated:
    """What one instance says of its series or study: typed columns in their order, and stored JSON."""

    columns: tuple[Any, ...]
    attributes: bytes


def _study_stated(study_instance_uid: str, metadata: bytes) -> _Stated:
    attributes = orjson.loads(decompress(metadata))
    columns = study_columns(study_instance_uid, attributes)
    own = level_attributes(attributes, levels.STUDY, levels.REQUIRED_OF_STUDY)
    return _Stated(tuple(getattr(columns, field.name) for field in fields(columns)), orjson.dumps(own))


def _series_stated(series_instance_uid: str, metadata: bytes) -> _Stated:
    attributes = orjson.loads(decompress(metadata))
    columns = series_columns(series_instance_uid, attributes)
    own = level_attributes(attributes, levels.SERIES, levels.REQUIRED_OF_SERIES)
    return _Stated(tuple(getattr(columns, field.name) for field in fields(columns)), orjson.dumps(own))
