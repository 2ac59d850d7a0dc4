"""Fragments that wait for their offset table: whole and in order on the disk, and then gone."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path

import pytest

from dicomweb.archive.archive import Archive
from dicomweb.archive.fragment_spool import fragment_spool
from dicomweb.archive.uploads import Uploads
from dicomweb.blobs.memory import MemoryBlobs
from dicomweb.dicom.fragments import fragment
from dicomweb.errors import Unavailable
from dicomweb.settings import Settings


def archive_at(directory: Path, *, min_free_bytes: int = 0) -> Archive:
    """A spool asks for settings and uploads, nothing else of an archive."""
    settings = Settings(data=directory, min_free_bytes=min_free_bytes)
    return Archive(settings, None, MemoryBlobs(), None, uploads=Uploads())  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 11, 3 << 20], ids=["empty", "small", "large"])
def test_fragments_come_back_in_order(tmp_path: Path, size: int) -> None:
    frames = [bytes([number]) * (size + number) for number in range(5)]
    archive = archive_at(tmp_path)
    free = archive.uploads.free

    async def run() -> bytes:
        async with fragment_spool(archive) as spool:
            for frame in frames:
                await spool.append(frame)
            assert list(spool.lengths) == [len(frame) for frame in frames]
            return b"".join([chunk async for chunk in spool.fragments()])

    assert asyncio.run(run()) == b"".join(map(fragment, frames))
    assert list(tmp_path.rglob("*")) == []
    assert archive.uploads.free == free


def test_a_nearly_full_disk_takes_none(tmp_path: Path) -> None:
    """As uploads leave min_free_bytes alone, so does what is made for an answer."""

    async def run() -> None:
        async with fragment_spool(archive_at(tmp_path, min_free_bytes=1 << 60)) as spool:
            await spool.append(b"frame" * 100_000)
            pytest.fail("there is no room")

    with pytest.raises(Unavailable):
        asyncio.run(run())


def test_who_leaves_while_it_writes_leaves_no_file(tmp_path: Path) -> None:
    """The thread may still write: the file goes with the last that holds it, and is no other's then."""
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0

    async def fill() -> None:
        async with fragment_spool(archive_at(tmp_path)) as spool:
            while True:
                await spool.append(bytes(8 << 20))

    async def run() -> None:
        task = asyncio.ensure_future(fill())
        await asyncio.wait([task], timeout=0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    gc.collect()
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before
    assert list(tmp_path.rglob("*")) == []
