"""The archive: catalog, object store and decode workers, opened together and closed together."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomweb.archive.derived import Derived, open_derived
from dicomweb.archive.groups import Groups
from dicomweb.archive.uploads import Uploads
from dicomweb.archive.volume_files import VolumeFiles
from dicomweb.archive.workers import PixelWorkers
from dicomweb.blobs import Blobs, open_blobs
from dicomweb.catalog.pool import Pool, create_pool
from dicomweb.settings import DEFAULT_TENANT, Settings

if TYPE_CHECKING:
    from dicomweb.archive.store_groups import HeldRequest

# Of small store requests: one waits for the disk while the other has the processor.
_STORE_GROUPS, _GROUP_REQUESTS, _GROUP_BYTES = 2, 1000, 32 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """All that a use case needs; holds no state but bounds of this process (design invariant 8)."""

    settings: Settings
    pool: Pool
    blobs: Blobs
    workers: PixelWorkers
    tenant_id: int = DEFAULT_TENANT
    uploads: Uploads = field(default_factory=Uploads)
    store_groups: Groups[HeldRequest] = field(
        default_factory=lambda: Groups(at_once=_STORE_GROUPS, most=_GROUP_REQUESTS, size=_GROUP_BYTES)
    )
    derived: Derived = field(default_factory=Derived)
    volumes: VolumeFiles = field(default_factory=VolumeFiles)


@asynccontextmanager
async def open_archive(settings: Settings) -> AsyncIterator[Archive]:
    """Open the archive that `settings` name. Raises Unavailable when the database cannot be reached."""
    async with AsyncExitStack() as stack:
        pool = await create_pool(settings.database_url, search_seconds=settings.search_seconds)
        stack.push_async_callback(pool.close)
        blobs = open_blobs(settings)
        stack.push_async_callback(blobs.close)
        workers = PixelWorkers(
            count=decode_worker_count(settings),
            seconds=settings.decode_seconds,
            memory_bytes=settings.decode_memory,
        )
        stack.push_async_callback(workers.close)
        kept = open_derived(settings)
        stack.push_async_callback(kept.close)
        volumes = VolumeFiles(keeps=settings.cache_bytes > 0)
        stack.callback(volumes.close)
        yield Archive(settings, pool, blobs, workers, derived=kept, volumes=volumes)


def decode_worker_count(settings: Settings) -> int:
    """Decode workers of one server process: together they fill the cores, and each has at least one."""
    return settings.decode_workers or max(1, (os.cpu_count() or 1) // settings.workers)
