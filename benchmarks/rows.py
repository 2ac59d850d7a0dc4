"""The rows of synthetic studies as COPY takes them: what the product writes for one study, with holes.

A marked study of each kind goes through the product's own scan and columns. Its rows are written as text of
COPY, every mark in them becomes a hole, and a study of that kind is that text with its own values in the
holes: some 60 microseconds instead of a scan.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from blake3 import blake3

from benchmarks import studies
from benchmarks.studies import Kind, Study
from dicomweb.archive.small_parts import scan_limits
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
)
from dicomweb.dicom import matching
from dicomweb.dicom.part10 import scan
from dicomweb.settings import DEFAULT_TENANT, Settings

_OF_STUDY = ("id", "tenant_id", "revision", "number_of_series", "number_of_instances")
_OF_SERIES = ("id", "study_row", "tenant_id", "revision", "number_of_instances", "attributes")
_OF_INSTANCE = ("id", "series_row", "tenant_id", "revision", "attributes", "digest", "file_meta")
COLUMNS: Mapping[str, Sequence[str]] = {
    "blob": ("blob_key", "size", "live"),
    "study": (*_OF_STUDY, "modalities", "sop_classes", "attributes", *StudyColumns.__slots__),
    "series": (*_OF_SERIES, *SeriesColumns.__slots__),
    "instance": (*_OF_INSTANCE, "preamble", "pixel_layout", *InstanceColumns.__slots__),
    "instance_metadata": ("instance_row", "metadata", "bulkdata"),
}
NUMBERED = ("study", "series", "instance")

# Values that occur nowhere else in the rows of a study.
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
_HOLES = {getattr(_MARKED, name).encode(): b"%%(%s)s" % name.encode() for name in _MARKS}
_HOLES |= {b'"Q"': b'"%(patient_sex)s"', b"%": b"%%"}
_KEYS = [(name.encode(), name) for name in (*_MARKS, "patient_sex")]
_MARK = re.compile(b"|".join(map(re.escape, _HOLES)))

# --- text of COPY ----------------------------------------------------------------------------------

_NOTHING = b"\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"})


class _Hole(bytes):
    """What is filled in later: a key of the values of a study."""


def _line(row: Mapping[str, Any], table: str) -> bytes:
    """The text of a row, with a hole for each mark."""
    return b"\t".join(_field(row[name]) for name in COLUMNS[table]) + b"\n"


def _field(value: Any) -> bytes:
    if isinstance(value, _Hole):
        return b"%%(%s)s" % value
    if value is None:
        return _NOTHING
    if isinstance(value, bytes):
        return _with_holes(_escaped_bytes(value))
    if isinstance(value, list | tuple):
        value = "{%s}" % ",".join(f'"{one}"' for one in value)  # noqa: UP031
    return _with_holes(str(value).translate(_ESCAPES).encode())


def _escaped_bytes(value: bytes) -> bytes:
    """bytea in its escape format, whose backslashes COPY wants doubled."""
    return b"".join(
        b"\\\\%03o" % one if one == 0x5C or not 0x20 <= one < 0x7F else b"%c" % one for one in value
    )


def _with_holes(text: bytes) -> bytes:
    return _MARK.sub(lambda mark: _HOLES[mark[0]], text)


# --- templates -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Template:
    """A kind of study. lines: text of all its rows by table. series: how many, an instance in each.

    metadata: the metadata of each instance, and the text of COPY that follows it in its row.
    """

    lines: Mapping[str, bytes]
    series: int
    metadata: Sequence[tuple[bytes, bytes]]


@cache
def _template(kind: Kind) -> _Template:
    limits = scan_limits(Settings.from_env({}))
    objects = [data for _, data in studies.instances(replace(_MARKED, kind=kind))]
    rows = [new_instance(scan([data], limits=limits), BlobPlace("", 0, len(data))) for data in objects]
    return _Template(
        lines={
            "blob": _line({"blob_key": _Hole(b"blob_key"), "size": 1 << 20, "live": len(rows)}, "blob"),
            "study": _line(_study_row(rows), "study"),
            "series": b"".join(_line(_series_row(row, at), "series") for at, row in enumerate(rows)),
            "instance": b"".join(_line(_instance_row(row, at), "instance") for at, row in enumerate(rows)),
        },
        series=len(rows),
        metadata=[(_with_holes(decompress(row.metadata)), _field(row.bulkdata)) for row in rows],
    )


def _study_row(rows: Sequence[NewInstance]) -> dict[str, Any]:
    """The last instance speaks for the study, as in a store (Q-60)."""
    derived = _derived_of(_MARKED)
    return _fields(rows[-1].study) | {
        **{name: _Hole(_key(name)) for name in StudyColumns.__slots__ if _key(name) in derived},
        "patient_sex": _Hole(b"patient_sex"),
        "id": _Hole(b"study"),
        "tenant_id": DEFAULT_TENANT,
        "revision": _Hole(b"revision"),
        "number_of_series": len(rows),
        "number_of_instances": len(rows),
        "modalities": sorted({row.series.modality for row in rows if row.series.modality}),
        "sop_classes": sorted({row.sop_class_uid for row in rows}),
        "attributes": rows[-1].study_attributes,
    }


def _series_row(row: NewInstance, at: int) -> dict[str, Any]:
    return _fields(row.series) | {
        "id": _Hole(b"series%d" % at),
        "study_row": _Hole(b"study"),
        "tenant_id": DEFAULT_TENANT,
        "revision": _Hole(b"revision"),
        "number_of_instances": 1,
        "attributes": row.series_attributes,
    }


def _instance_row(row: NewInstance, at: int) -> dict[str, Any]:
    return _fields(row.instance) | {
        "id": _Hole(b"instance%d" % at),
        "series_row": _Hole(b"series%d" % at),
        "tenant_id": DEFAULT_TENANT,
        "revision": _Hole(b"revision"),
        "blob_key": _Hole(b"blob_key"),
        "attributes": row.instance_attributes,
        "digest": _Hole(b"digest%d" % at),
        "file_meta": row.file_meta,
        "preamble": row.preamble,
        "pixel_layout": row.pixel_layout,
    }


def _fields(columns: Any) -> dict[str, Any]:
    return {name: getattr(columns, name) for name in columns.__slots__}


# --- what the product derives from a text, which holds no mark any more -----------------------------


def _derived_of(study: Study) -> dict[bytes, bytes]:
    """Columns of names, folded, and of date and time, counted; as values of a study."""
    return {
        **_of_name("patient_name", study.patient_name),
        **_of_name("referring_physician_name", study.referring_physician_name),
        **_of_moment(study.study_date, study.study_time),
    }


@lru_cache(maxsize=1 << 17)
def _of_name(column: str, name: str) -> Mapping[bytes, bytes]:
    alphabetic, groups = matching.name_groups([{"Alphabetic": name}])
    return {_key(column): _field(alphabetic), _key(f"{column}_groups"): _field(groups)}


def _of_moment(date: str, time: str) -> Mapping[bytes, bytes]:
    midnight, (first, last) = _midnight(date), _interval(time)
    columns = {
        "study_time_from": first,
        "study_time_to": last,
        "started_from": midnight + first,
        "started_to": midnight + last,
    }
    return {_key(name): b"%d" % value for name, value in columns.items()}


@cache
def _midnight(date: str) -> int:
    interval = matching.moment_interval(date, "000000")
    assert interval is not None
    return interval[0]


@cache
def _interval(time: str) -> tuple[int, int]:
    interval = matching.time_interval(time)
    assert interval is not None
    return interval


def _key(column: str) -> bytes:
    """Of a column's value among the values of a study."""
    return b"column " + column.encode()


# --- rows ------------------------------------------------------------------------------------------


class Rows:
    """Numbers the rows. ids: the last that was given out of each table."""

    def __init__(self, ids: Mapping[str, int], revision: int) -> None:
        self.ids = dict(ids)
        self._revision = b"%d" % revision

    def of(self, numbers: Sequence[int]) -> dict[str, bytes]:
        """Text of COPY of each table for the studies of these numbers."""
        texts: dict[str, list[bytes]] = {table: [] for table in COLUMNS}
        for number in numbers:
            self._add(studies.study(number), texts)
        return {table: b"".join(pieces) for table, pieces in texts.items()}

    def _add(self, study: Study, texts: Mapping[str, list[bytes]]) -> None:
        template, row = _template(study.kind), self._next("study")
        values: dict[bytes, Any] = {key: getattr(study, name).encode() for key, name in _KEYS}
        values |= _derived_of(study)
        values |= {b"study": row, b"blob_key": new_key().encode(), b"revision": self._revision}
        for at in range(template.series):
            values[b"series%d" % at] = self._next("series")
            values[b"instance%d" % at] = self._next("instance")
            digest = blake3(study.instance_uid(at + 1, 1).encode()).hexdigest()
            values[b"digest%d" % at] = b"\\\\x" + digest.encode()
        for table, lines in template.lines.items():
            texts[table].append(lines % values)
        for at, (metadata, rest) in enumerate(template.metadata):
            stored = compress(metadata % values).hex().encode()
            texts["instance_metadata"].append(
                b"%b\t\\\\x%b\t%b\n" % (values[b"instance%d" % at], stored, rest)
            )

    def _next(self, table: str) -> bytes:
        self.ids[table] += 1
        return b"%d" % self.ids[table]
