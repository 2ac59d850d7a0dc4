"""Comparing catalog and object store in both directions, while the archive is in use.

Objects: the listing of the store is merged with the catalog's, both in the order of keys. Instances: the
received bytes of each are read and their checksum compared. What looks wrong is looked at once more before
it is said, because an upload, a deletion or a sweep may have come between two looks. Memory does not grow
with the archive: findings are given out as they are made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from blake3 import blake3

from dicomweb.archive.archive import Archive
from dicomweb.archive.sources import received_dataset
from dicomweb.blobs.protocol import BlobEntry
from dicomweb.catalog.audit import (
    BlobRow,
    all_blobs,
    all_instances,
    is_needed,
    known_blobs,
    mark_damaged,
    mark_intact,
)
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.errors import BlobMissing

# Instances that are read at once: enough to hide an object store's latency.
_AT_ONCE = 8
_CHUNK = 1 << 20

Kind = Literal["missing blob", "wrong size", "wrong count", "stray blob", "missing bytes", "wrong checksum"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    place: the key of an object, or the path of an instance below the DICOMweb base.
    """

    kind: Kind
    place: str
    sentence: str


@dataclass(slots=True)
class Tally:
    """What was looked at. recent: objects without a row that are young enough to be uploads under way.
    doomed: objects that nothing points to any more, and that wait for the sweeper."""

    blobs: int = 0
    instances: int = 0
    bytes: int = 0
    recent: int = 0
    doomed: int = 0


class Verification:
    """One run. grace: age up to which an object without a row is no finding. checksums: read the bytes;
    else only see that the objects are there and large enough."""

    def __init__(
        self,
        archive: Archive,
        *,
        grace: timedelta,
        checksums: bool = True,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._archive = archive
        self._pool, self._blobs = archive.pool, archive.blobs
        self._strays_before = datetime.now(UTC) - grace
        self._checksums = checksums
        self._advance = advance
        self.tally = Tally()

    async def findings(self) -> AsyncIterator[Finding]:
        """Objects first, then instances. Raises Unavailable."""
        async for row, entry in _side_by_side(_flat(all_blobs(self._pool)), self._blobs.entries()):
            found = await self._compare(row, entry)
            if found is not None:
                yield found
        after = 0
        async for page in all_instances(self._pool):
            for found in await self._check_page(page, after):
                yield found
            after = page[-1].instance_row

    # --- objects -----------------------------------------------------------------------------------

    async def _compare(self, row: BlobRow | None, entry: BlobEntry | None) -> Finding | None:
        if row is None:
            assert entry is not None, "one side has it"
            return await self._without_row(entry)
        self.tally.blobs += 1
        if row.doomed_at is not None and row.rows == 0:
            self.tally.doomed += 1
            return None
        if row.live != row.rows:
            sentence = f"The catalog counts {row.live} users of an object that has {row.rows}."
            return Finding("wrong count", row.blob_key, sentence)
        return await self._with_row(row, entry)

    async def _with_row(self, row: BlobRow, entry: BlobEntry | None) -> Finding | None:
        size = entry.size if entry is not None else await self._size(row.blob_key)
        if size == row.size:
            return None
        if not await is_needed(self._pool, row.blob_key):
            return None  # deleted, and perhaps swept, since the catalog was asked
        if size is None:
            return Finding("missing blob", row.blob_key, "The object store does not have the object.")
        sentence = f"The object has {size} bytes and should have {row.size}."
        return Finding("wrong size", row.blob_key, sentence)

    async def _without_row(self, entry: BlobEntry) -> Finding | None:
        if entry.modified > self._strays_before:
            self.tally.recent += 1
            return None
        if await known_blobs(self._pool, [entry.key]) or await self._size(entry.key) is None:
            return None
        sentence = "Nothing in the catalog points to the object: `dicomweb sweep` removes it."
        return Finding("stray blob", entry.key, sentence)

    async def _size(self, key: str) -> int | None:
        try:
            return await self._blobs.size(key)
        except BlobMissing:
            return None

    # --- instances ---------------------------------------------------------------------------------

    async def _check_page(self, page: Sequence[InstanceSource], after: int) -> list[Finding]:
        """Check the instances of one page; `after` is the row before it. Damage is noted in the catalog."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def check(source: InstanceSource) -> Finding | None:
            async with turns:
                found = await self._check(source)
            self._advance(1)
            return found

        results = dict(zip(page, await asyncio.gather(*map(check, page)), strict=True))
        self.tally.instances += len(page)
        healed = [source.instance_row for source, found in results.items() if not found and source.is_damaged]
        if healed and self._checksums:
            await mark_intact(self._pool, healed)
        suspects = {source.instance_row: found for source, found in results.items() if found}
        if not suspects:
            return []
        return await self._confirmed(suspects, after)

    async def _confirmed(self, suspects: dict[int, Finding], after: int) -> list[Finding]:
        """Those of the suspects that have not been deleted meanwhile."""
        async for page in all_instances(self._pool, after_row=after):
            still = [source.instance_row for source in page if source.instance_row in suspects]
            await mark_damaged(self._pool, still)
            return [suspects[row] for row in still]
        return []

    async def _check(self, source: InstanceSource) -> Finding | None:
        place = source.target.path
        try:
            intact = await (self._digest_is_right(source) if self._checksums else self._fits(source))
            await self._check_inflated(source)
        except BlobMissing:
            return Finding(
                "missing bytes", place, "The object store does not have the bytes of the instance."
            )
        if not intact:
            return Finding("wrong checksum", place, "The stored bytes are not those that were received.")
        return None

    async def _digest_is_right(self, source: InstanceSource) -> bool:
        stretch = received_dataset(source)
        hasher = blake3()
        async for chunk in self._blobs.stream(stretch.key, stretch.offset, stretch.length, chunk=_CHUNK):
            hasher.update(chunk)
            self.tally.bytes += len(chunk)
        return hasher.digest() == source.digest

    async def _fits(self, source: InstanceSource) -> bool:
        if await self._blobs.size(source.blob_key) < source.blob_offset + source.blob_length:
            raise BlobMissing("The object ends before the instance does.")
        return True

    async def _check_inflated(self, source: InstanceSource) -> None:
        """The inflated copy has no checksum of its own: it must be there and long enough."""
        if source.inflated_key is None:
            return
        if await self._blobs.size(source.inflated_key) < source.inflated_offset + source.inflated_length:
            raise BlobMissing("The inflated copy ends early.")


async def _flat(pages: AsyncIterator[Sequence[BlobRow]]) -> AsyncIterator[BlobRow]:
    async for page in pages:
        for row in page:
            yield row


async def _side_by_side(
    rows: AsyncIterator[BlobRow], entries: AsyncIterator[BlobEntry]
) -> AsyncIterator[tuple[BlobRow | None, BlobEntry | None]]:
    """Both listings merged by key: each key once, with what either side has of it."""
    row, entry = await anext(rows, None), await anext(entries, None)
    while row is not None or entry is not None:
        if entry is None or (row is not None and row.blob_key < entry.key):
            yield row, None
            row = await anext(rows, None)
        elif row is None or entry.key < row.blob_key:
            yield None, entry
            entry = await anext(entries, None)
        else:
            yield row, entry
            row, entry = await anext(rows, None), await anext(entries, None)
