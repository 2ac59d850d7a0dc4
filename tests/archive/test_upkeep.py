from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from dicomweb.archive import upkeep
from dicomweb.archive.archive import open_archive
from dicomweb.archive.ingest import Ingest
from dicomweb.catalog.delete import delete
from dicomweb.dicom.target import Target
from dicomweb.settings import Settings
from tests.builders import make_instance, new_uid


def test_a_running_server_gives_back_the_space_of_deleted_instances(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "_GRACE", timedelta(0))

    async def run() -> None:
        settings = Settings(data=tmp_path, database_url=database_url, min_free_bytes=0)
        async with open_archive(settings) as archive:
            study, kept = new_uid(), new_uid()
            for uid in (study, kept):
                ingest = Ingest(archive)
                await ingest.write(make_instance(study_instance_uid=uid))
                await ingest.end_part()
                await ingest.finish()
            assert len([entry async for entry in archive.blobs.entries()]) == 2
            await delete(archive.pool, archive.tenant_id, Target(study))
            async with upkeep.upkeep(archive):
                for _ in range(500):
                    await asyncio.sleep(0.01)
                    if len([entry async for entry in archive.blobs.entries()]) == 1:
                        break
            assert len([entry async for entry in archive.blobs.entries()]) == 1

    asyncio.run(run())
