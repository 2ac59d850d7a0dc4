"""Removing bytes that nothing needs: deleted instances, uploads that never got a row, torn files.

Safe beside a running server, and when several sweeps run at once: a key is never used again, so what had no
row for longer than any request lasts will never have one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dicomweb.archive.archive import Archive
from dicomweb.blobs.protocol import BlobEntry
from dicomweb.catalog.audit import all_blobs, doomed_blobs, forget_blobs, known_blobs

# Longer than an upload or an answer can take.
DEFAULT_GRACE = timedelta(hours=24)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """How much went, or would go. deleted: objects whose instances were deleted.
    strays: objects without a row. unfinished: files of writers that died."""

    deleted: int
    strays: int
    unfinished: int


async def sweep(archive: Archive, *, grace: timedelta = DEFAULT_GRACE, dry_run: bool = False) -> Swept:
    """Remove all that nothing has needed for longer than `grace`; dry_run: only count. Raises Unavailable."""
    before = datetime.now(UTC) - grace
    deleted = await (_count_doomed(archive, before) if dry_run else remove_doomed(archive, grace))
    strays = 0
    async for batch in _batches(archive.blobs.entries()):
        strays += await _sweep_strays(archive, [e.key for e in batch if e.modified < before], dry_run)
    unfinished = await archive.blobs.sweep_unfinished(before=before, dry_run=dry_run)
    return Swept(deleted, strays, unfinished)


async def remove_doomed(archive: Archive, grace: timedelta) -> int:
    """Objects first, then their rows: a sweep that dies between leaves rows that the next one takes again."""
    removed = 0
    while keys := await doomed_blobs(archive.pool, grace=grace):
        for key in keys:
            await archive.blobs.delete(key)
        await forget_blobs(archive.pool, keys)
        removed += len(keys)
    return removed


async def _count_doomed(archive: Archive, before: datetime) -> int:
    return sum(
        [
            sum(row.live <= 0 and row.doomed_at is not None and row.doomed_at < before for row in page)
            async for page in all_blobs(archive.pool)
        ]
    )


async def _sweep_strays(archive: Archive, keys: list[str], dry_run: bool) -> int:
    strays = set(keys) - await known_blobs(archive.pool, keys) if keys else set()
    if not dry_run:
        for key in strays:
            await archive.blobs.delete(key)
    return len(strays)


async def _batches(entries: AsyncIterator[BlobEntry]) -> AsyncIterator[list[BlobEntry]]:
    batch: list[BlobEntry] = []
    async for entry in entries:
        batch.append(entry)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
