"""What the catalog keeps of one instance, made from its scan: pure, and called in a thread.

Text columns hold values as search compares them (dicomweb/dicom/matching.py). Whatever an instance
carries, what comes out of here can be stored: nothing is too long for an index, out of a column's range or
unfit for PostgreSQL's text.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import zstandard

from dicomweb.catalog.matched_values import (
    LONGEST_LIST,
    Attributes,
    first_number,
    first_text,
    items,
    person_name,
    texts,
)
from dicomweb.dicom import levels, matching
from dicomweb.dicom.part10 import BulkValue, Scan
from dicomweb.dicom.target import Target

_LARGEST_INTEGER = (1 << 31) - 1
# Level 1 is the fastest; metadata is mostly keys and compresses nearly as well as at any other.
_ZSTD_LEVEL = 1


@dataclass(frozen=True, slots=True)
class BlobPlace:
    """`length` bytes at `offset` of the object `key`."""

    key: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class StudyColumns:
    """Typed columns of a study as this instance states them; see schemas/sql for their normal forms."""

    study_instance_uid: str
    study_date: int | None
    study_time_from: int | None
    study_time_to: int | None
    started_from: int | None
    started_to: int | None
    accession_number: str | None
    study_id: str | None
    study_description: str | None
    referring_physician_name: str | None
    referring_physician_name_groups: str | None
    patient_name: str | None
    patient_name_groups: str | None
    patient_id: str | None
    issuer_of_patient_id: str | None
    other_patient_ids: list[str] | None
    patient_birth_date: int | None
    patient_sex: str | None


@dataclass(frozen=True, slots=True)
class SeriesColumns:
    """Typed columns of a series as this instance states them."""

    series_instance_uid: str
    modality: str | None
    series_number: float | None
    series_description: str | None
    body_part_examined: str | None
    institution_name: str | None
    manufacturer: str | None
    manufacturer_model_name: str | None
    station_name: str | None
    performed_procedure_step_start_date: int | None
    performed_procedure_step_start_time_from: int | None
    performed_procedure_step_start_time_to: int | None
    scheduled_procedure_step_ids: list[str] | None
    requested_procedure_ids: list[str] | None


@dataclass(frozen=True, slots=True)
class InstanceColumns:
    """Columns of an instance that are not bytes.

    received: as received_as writes it, where what is kept is encoded otherwise than what came.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: float | None
    content_date: int | None
    number_of_frames: int
    blob_key: str
    blob_offset: int
    blob_length: int
    dataset_offset: int
    inflated_key: str | None
    inflated_offset: int | None
    inflated_length: int | None
    received: str | None


@dataclass(frozen=True, slots=True)
class NewInstance:
    """All rows of one instance, ready to be written.

    *_attributes: the level's own attributes, a DICOM JSON object, tags ascending.
    metadata, bulkdata: zstd, as instance_metadata keeps them. frame_entries: b'' for native pixel data.
    """

    study: StudyColumns
    series: SeriesColumns
    instance: InstanceColumns
    study_attributes: bytes
    series_attributes: bytes
    instance_attributes: bytes
    digest: bytes
    file_meta: bytes
    preamble: bytes | None
    pixel_layout: bytes | None
    metadata: bytes
    bulkdata: bytes | None
    frame_entries: bytes

    @property
    def study_instance_uid(self) -> str:
        return self.study.study_instance_uid

    @property
    def series_instance_uid(self) -> str:
        return self.series.series_instance_uid

    @property
    def sop_instance_uid(self) -> str:
        return self.instance.sop_instance_uid

    @property
    def sop_class_uid(self) -> str:
        return self.instance.sop_class_uid

    @property
    def transfer_syntax_uid(self) -> str:
        return self.instance.transfer_syntax_uid

    @property
    def received(self) -> str:
        """What came, whatever is kept of it."""
        return self.instance.received or received_as(self.digest, self.transfer_syntax_uid)

    @property
    def blob_keys(self) -> tuple[str, ...]:
        """Objects that the row of this instance points to."""
        keys = (self.instance.blob_key, self.instance.inflated_key)
        return tuple(key for key in keys if key is not None)


def new_instance(scan: Scan, place: BlobPlace, *, inflated: BlobPlace | None = None) -> NewInstance:
    """Everything the catalog keeps of a scanned instance.

    place: the received bytes. inflated: the inflated copy of a deflated data set.
    """
    target = Target(scan.study_instance_uid, scan.series_instance_uid, scan.sop_instance_uid)
    text = _Writer(target)
    attributes = scan.attributes
    layout = scan.pixel_layout
    return NewInstance(
        study=study_columns(scan.study_instance_uid, attributes),
        series=series_columns(scan.series_instance_uid, attributes),
        instance=instance_columns(scan, place, inflated),
        study_attributes=text.level(attributes, levels.STUDY, levels.REQUIRED_OF_STUDY),
        series_attributes=text.level(attributes, levels.SERIES, levels.REQUIRED_OF_SERIES),
        instance_attributes=text.level(attributes, levels.INSTANCE, levels.REQUIRED_OF_INSTANCE),
        digest=scan.digest,
        file_meta=scan.file_meta,
        preamble=scan.preamble,
        pixel_layout=layout.to_json() if layout is not None else None,
        metadata=compress(text.whole(attributes)),
        bulkdata=compress(bulkdata_index(scan.bulkdata)) if scan.bulkdata else None,
        frame_entries=scan.frame_entries,
    )


# --- typed columns ---------------------------------------------------------------------------------


def study_columns(study_instance_uid: str, attributes: Attributes) -> StudyColumns:
    """Keys of Table 10.6.1-5 (study level), each normalised for how it is matched."""
    date, time = first_text(attributes, "00080020") or "", first_text(attributes, "00080030") or ""
    times = matching.time_interval(time) or (None, None)
    started = matching.moment_interval(date, time) or (None, None)
    referring, referring_groups = person_name(attributes, "00080090")
    patient, patient_groups = person_name(attributes, "00100010")
    return StudyColumns(
        study_instance_uid=study_instance_uid,
        study_date=matching.date_number(date),
        study_time_from=times[0],
        study_time_to=times[1],
        started_from=started[0],
        started_to=started[1],
        accession_number=first_text(attributes, "00080050"),
        study_id=first_text(attributes, "00200010"),
        study_description=first_text(attributes, "00081030"),
        referring_physician_name=referring,
        referring_physician_name_groups=referring_groups,
        patient_name=patient,
        patient_name_groups=patient_groups,
        patient_id=first_text(attributes, "00100020"),
        issuer_of_patient_id=first_text(attributes, "00100021"),
        other_patient_ids=_other_patient_ids(attributes),
        patient_birth_date=matching.date_number(first_text(attributes, "00100030") or ""),
        patient_sex=first_text(attributes, "00100040"),
    )


def series_columns(series_instance_uid: str, attributes: Attributes) -> SeriesColumns:
    """Keys of Table 10.6.1-5 (series level) and the equipment keys that clients search by."""
    times = matching.time_interval(first_text(attributes, "00400245") or "") or (None, None)
    scheduled, requested = _requests(attributes)
    return SeriesColumns(
        series_instance_uid=series_instance_uid,
        modality=first_text(attributes, "00080060"),
        series_number=first_number(attributes, "00200011"),
        series_description=first_text(attributes, "0008103E"),
        body_part_examined=first_text(attributes, "00180015"),
        institution_name=first_text(attributes, "00080080"),
        manufacturer=first_text(attributes, "00080070"),
        manufacturer_model_name=first_text(attributes, "00081090"),
        station_name=first_text(attributes, "00081010"),
        performed_procedure_step_start_date=matching.date_number(first_text(attributes, "00400244") or ""),
        performed_procedure_step_start_time_from=times[0],
        performed_procedure_step_start_time_to=times[1],
        scheduled_procedure_step_ids=scheduled,
        requested_procedure_ids=requested,
    )


def instance_columns(scan: Scan, place: BlobPlace, inflated: BlobPlace | None) -> InstanceColumns:
    """Identity, place and order of the instance."""
    attributes = scan.attributes
    return InstanceColumns(
        sop_instance_uid=scan.sop_instance_uid,
        sop_class_uid=scan.sop_class_uid,
        transfer_syntax_uid=scan.transfer_syntax_uid,
        instance_number=first_number(attributes, "00200013"),
        content_date=matching.date_number(first_text(attributes, "00080023") or ""),
        number_of_frames=_frames(scan),
        blob_key=place.key,
        blob_offset=place.offset,
        blob_length=place.length,
        dataset_offset=scan.dataset_offset,
        inflated_key=inflated.key if inflated else None,
        inflated_offset=inflated.offset if inflated else None,
        inflated_length=inflated.length if inflated else None,
        received=scan.received or None,
    )


def received_as(digest: bytes, transfer_syntax_uid: str) -> str:
    """A received data set, in the words of the column of that name.

    digest: BLAKE3 of its bytes, to be recognised when it is sent again (S-25).
    """
    return f"{transfer_syntax_uid} {digest.hex()}"


def _frames(scan: Scan) -> int:
    """Number of Frames as the instance states it; one when it has pixels and says nothing, else none."""
    stated = first_number(scan.attributes, "00280008")
    if stated is None:
        return 1 if scan.pixel_layout is not None else 0
    return int(min(max(stated, 0), _LARGEST_INTEGER))


def _other_patient_ids(attributes: Attributes) -> list[str] | None:
    """Other Patient IDs, the retired text and the sequence that replaced it."""
    found = [*texts(attributes, "00101000")]
    for item in items(attributes, "00101002"):
        found += texts(item, "00100020")
    return list(dict.fromkeys(found))[:LONGEST_LIST] or None


def _requests(attributes: Attributes) -> tuple[list[str] | None, list[str] | None]:
    """Scheduled Procedure Step IDs and Requested Procedure IDs of Request Attributes Sequence, in step."""
    requests = list(items(attributes, "00400275"))[:LONGEST_LIST]
    if not requests:
        return None, None
    return (
        [first_text(item, "00400009") or "" for item in requests],
        [first_text(item, "00401001") or "" for item in requests],
    )


# --- stored JSON -----------------------------------------------------------------------------------


class _Writer:
    """DICOM JSON of one instance with its bulkdata paths spelled out from `/studies/` on.

    The scan leaves the bare path in BulkDataURI. It is prefixed in the text, where that is one pass of C
    however deep the sequences are; a text value can never look like that key, since its quotes are escaped.
    """

    _KEY = b'"BulkDataURI":"'

    def __init__(self, target: Target) -> None:
        self._prefixed = self._KEY + f"{target.path}/bulkdata/".encode()

    def whole(self, attributes: Attributes) -> bytes:
        return orjson.dumps(attributes).replace(self._KEY, self._prefixed)

    def level(self, attributes: Attributes, tags: tuple[str, ...], required: Mapping[str, str]) -> bytes:
        return self.whole(level_attributes(attributes, tags, required))


def level_attributes(
    attributes: Attributes, tags: tuple[str, ...], required: Mapping[str, str]
) -> dict[str, Any]:
    """The attributes of one level; required ones that are missing are there without a value (Q-55)."""
    found: dict[str, Any] = {}
    for tag in tags:
        element = attributes.get(tag)
        if element is not None:
            found[tag] = element
        elif tag in required:
            found[tag] = {"vr": required[tag]}
    return found


def bulkdata_index(bulkdata: tuple[BulkValue, ...]) -> bytes:
    """Where each bulkdata value lies: JSON {path: [vr, offset, length]}."""
    return orjson.dumps({value.path: (value.vr, value.offset, value.length) for value in bulkdata})


# Compression contexts are not for use by two threads at once, and are dear to make.
_contexts = threading.local()


def compress(text: bytes) -> bytes:
    """zstd with the size in its header, so that `decompress` allocates once."""
    context: zstandard.ZstdCompressor | None = getattr(_contexts, "compressor", None)
    if context is None:
        context = _contexts.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
    return context.compress(text)


def decompress(stored: bytes) -> bytes:
    """What compress was given."""
    context: zstandard.ZstdDecompressor | None = getattr(_contexts, "decompressor", None)
    if context is None:
        context = _contexts.decompressor = zstandard.ZstdDecompressor()
    return context.decompress(stored)
