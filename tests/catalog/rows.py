"""Instances as ingest hands them to the catalog, made without a file, and a catalog to put them in."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg
from blake3 import blake3

from dicomweb.catalog.columns import BlobPlace, NewInstance, new_instance
from dicomweb.catalog.instances import Added, State, add_instances
from dicomweb.catalog.pool import Pool, connection, create_pool
from dicomweb.dicom.frame_index import EncapsulatedFrame
from dicomweb.dicom.part10 import BulkValue, Scan
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"

_tenants = itertools.count(1)
_keys = itertools.count(1)

T = TypeVar("T")


def new_tenant() -> int:
    """Tests share a database; each has a tenant of its own."""
    return next(_tenants)


def in_catalog(url: str, scenario: Callable[[Pool], Awaitable[T]]) -> T:
    """Run a scenario with connections to the database."""

    async def run() -> T:
        pool = await create_pool(url)
        try:
            return await scenario(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


def make_scan(
    target: Target,
    *,
    content: bytes = b"",
    sop_class_uid: str = CT,
    transfer_syntax_uid: str = EXPLICIT_LITTLE,
    attributes: dict[str, Any] | None = None,
    frames: Sequence[EncapsulatedFrame] = (),
    bulkdata: tuple[BulkValue, ...] = (),
    layout: PixelLayout | None = None,
) -> Scan:
    """A scan that found these attributes (values or whole elements by tag) besides the four UIDs."""
    elements = {
        "00080016": _element("UI", sop_class_uid),
        "00080018": _element("UI", target.instance),
        "0020000D": _element("UI", target.study),
        "0020000E": _element("UI", target.series),
        **(attributes or {}),
    }
    return Scan(
        study_instance_uid=target.study,
        series_instance_uid=target.series,
        sop_instance_uid=target.instance,
        sop_class_uid=sop_class_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        file_meta=b"meta",
        preamble=None,
        dataset_offset=132,
        dataset_length=1000,
        digest=blake3(content or target.instance.encode()).digest(),
        attributes=dict(sorted(elements.items())),
        bulkdata=bulkdata,
        pixel_layout=layout,
        frame_entries=b"".join(frame.pack() for frame in frames),
        inflated_length=None,
        warnings=(),
    )


def _element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def make_instance(target: Target, *, key: str = "", inflated: str = "", **scanned: Any) -> NewInstance:
    """One instance in an object of its own, or in the object `key`."""
    place = BlobPlace(key or new_key(), 0, 1132)
    copy = BlobPlace(inflated, 0, 5000) if inflated else None
    return new_instance(make_scan(target, **scanned), place, inflated=copy)


def new_key() -> str:
    return f"object-{next(_keys)}"


def values(modality: str = "", number: int | None = None, **texts: str) -> dict[str, Any]:
    """Attributes that tests search and sort by. texts: tags as T00100010="..."."""
    found: dict[str, Any] = {tag[1:]: _element("LO", text) for tag, text in texts.items()}
    if modality:
        found["00080060"] = _element("CS", modality)
    if number is not None:
        found["00200013"] = _element("IS", number)
    return found


async def add(pool: Pool, tenant: int, *new: NewInstance, duplicates: str = "reject") -> list[State]:
    """Store instances; returns what became of each."""
    blobs = {key: 10_000 for one in new for key in one.blob_keys}
    added: list[Added] = await add_instances(pool, tenant, new, duplicates=duplicates, blobs=blobs)
    assert [one.sop_instance_uid for one in added] == [one.sop_instance_uid for one in new]
    return [one.state for one in added]


async def rows(pool: Pool, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """Look behind the catalog's functions."""
    async with connection(pool) as db:
        return list(await db.fetch(statement, *arguments))


async def study_row(pool: Pool, tenant: int, study: str) -> dict[str, Any] | None:
    """Everything that the catalog says of a study."""
    found = await rows(
        pool, "SELECT * FROM study WHERE tenant_id = $1 AND study_instance_uid = $2", tenant, study
    )
    return dict(found[0]) if found else None


async def assert_exact(pool: Pool, tenant: int) -> None:
    """Every derived number of the tenant is what counting says, and no row is without its kin."""
    wrong = await rows(pool, _WRONG_COUNTS, tenant)
    assert not wrong, [dict(row) for row in wrong]
    wrong = await rows(pool, _WRONG_BLOBS)
    assert not wrong, [dict(row) for row in wrong]
    assert not await rows(pool, _STRAY_DETAILS)


_WRONG_COUNTS = """
    WITH current AS (SELECT * FROM instance WHERE superseded_at IS NULL),
    counted AS (
        SELECT s.id, count(DISTINCT e.id) AS series, count(i.id) AS instances,
               coalesce(array_agg(DISTINCT e.modality ORDER BY e.modality)
                            FILTER (WHERE e.modality IS NOT NULL), '{}') AS modalities,
               array_agg(DISTINCT i.sop_class_uid ORDER BY i.sop_class_uid) AS sop_classes
          FROM study AS s LEFT JOIN series AS e ON e.study_row = s.id
                          LEFT JOIN current AS i ON i.series_row = e.id
         WHERE s.tenant_id = $1
         GROUP BY s.id)
    SELECT s.study_instance_uid, s.number_of_series, c.series, s.number_of_instances, c.instances,
           s.modalities, c.modalities, s.sop_classes, c.sop_classes
      FROM study AS s JOIN counted AS c USING (id)
     WHERE (s.number_of_series, s.number_of_instances, s.modalities, s.sop_classes)
           IS DISTINCT FROM (c.series, c.instances, c.modalities, c.sop_classes)
    UNION ALL
    SELECT e.series_instance_uid, 0, 0, e.number_of_instances, count(i.id), NULL, NULL, NULL, NULL
      FROM series AS e LEFT JOIN current AS i ON i.series_row = e.id
     WHERE e.tenant_id = $1
     GROUP BY e.id HAVING e.number_of_instances <> count(i.id) OR count(i.id) = 0
"""
_WRONG_BLOBS = """
    WITH pointed AS (
        SELECT key, count(*) AS rows
          FROM (SELECT blob_key FROM instance UNION ALL
                SELECT inflated_key FROM instance WHERE inflated_key IS NOT NULL) AS p (key)
         GROUP BY key)
    SELECT b.blob_key, b.live, b.doomed_at, p.rows
      FROM blob AS b LEFT JOIN pointed AS p ON p.key = b.blob_key
     WHERE b.live <> coalesce(p.rows, 0) OR (b.doomed_at IS NOT NULL) <> (p.rows IS NULL)
"""
_STRAY_DETAILS = """
    SELECT instance_row FROM instance_metadata WHERE instance_row NOT IN (SELECT id FROM instance)
    UNION ALL
    SELECT instance_row FROM instance_frames WHERE instance_row NOT IN (SELECT id FROM instance)
    UNION ALL
    SELECT id FROM instance WHERE id NOT IN (SELECT instance_row FROM instance_metadata)
"""
