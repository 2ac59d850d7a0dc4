"""Whether the archive's dependencies answer."""

from __future__ import annotations

from dicomweb.archive.archive import Archive
from dicomweb.archive.request_blobs import check_free_space


async def check_catalog(archive: Archive) -> None:
    """Raises when PostgreSQL does not answer a query."""
    await archive.pool.fetchval("SELECT 1")


async def check_blobs(archive: Archive) -> None:
    """Raises when the object store cannot be reached or has no room left."""
    await archive.blobs.check()
    await check_free_space(archive)
