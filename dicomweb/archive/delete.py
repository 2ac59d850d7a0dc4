"""Deleting what a URL names (D-01)."""

from __future__ import annotations

from dicomweb.archive.archive import Archive
from dicomweb.catalog import delete as catalog
from dicomweb.dicom.target import Target


async def delete(archive: Archive, target: Target) -> int:
    """Hide a study, series or instance at once; returns how many instances went. Raises NotFound, Gone.

    The bytes go later (archive/upkeep.py), so that an answer that still reads them is not torn.
    """
    return await catalog.delete(archive.pool, archive.tenant_id, target)
