"""What a request keeps on disk until it is whole."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dicomweb.archive.archive import Archive
from dicomweb.archive.spool import Spool
from dicomweb.archive.uploads import Uploads
from dicomweb.blobs.memory import MemoryBlobs
from dicomweb.errors import Unavailable
from dicomweb.settings import Settings

Scenario = Callable[[Archive], Awaitable[None]]


def run(directory: Path, scenario: Scenario, **options: Any) -> None:
    async def main() -> None:
        settings = Settings(data=directory, **{"min_free_bytes": 0, **options})
        # A spool asks for settings and uploads, nothing else of an archive.
        archive = Archive(settings, None, MemoryBlobs(), None, uploads=Uploads())  # type: ignore[arg-type]
        await scenario(archive)

    asyncio.run(main())


def test_what_is_written_is_read_by_place_and_leaves_no_name(tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        spool = await asyncio.to_thread(Spool, archive)
        pieces = [bytes([at]) * (at * 50_000) for at in range(12)]
        for piece in pieces:
            await spool.write(memoryview(piece))
        await spool.flush()
        whole = b"".join(pieces)
        assert spool.size == len(whole)
        assert spool.read(0, len(whole)) == whole
        assert spool.read(123_456, 1_000_000) == whole[123_456:1_123_456]
        assert not list(tmp_path.iterdir())
        spool.close()

    run(tmp_path, scenario)


def test_it_gives_back_memory_and_its_file(tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        free = archive.uploads.free
        spool = await asyncio.to_thread(Spool, archive)
        await spool.write(b"held" * 1000)
        assert archive.uploads.free < free
        spool.close()
        assert archive.uploads.free == free
        descriptor = spool._file.descriptor
        del spool
        await asyncio.sleep(0.01)  # the event loop lets go of what the thread gave it
        gc.collect()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)

    run(tmp_path, scenario)


def test_a_nearly_full_disk_and_one_that_is_away_are_told(tmp_path: Path) -> None:
    async def full(archive: Archive) -> None:
        spool = await asyncio.to_thread(Spool, archive)
        with pytest.raises(Unavailable):
            await spool.write(bytes(1 << 20))
        spool.close()

    async def away(archive: Archive) -> None:
        with pytest.raises(Unavailable):
            await asyncio.to_thread(Spool, archive)

    run(tmp_path, full, min_free_bytes=1 << 60)
    run(tmp_path / "away", away)
