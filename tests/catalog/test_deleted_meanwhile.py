"""What is deleted while it is read must not pass for the whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dicomweb.archive.archive import open_archive
from dicomweb.archive.ingest import Ingest
from dicomweb.catalog import lookup, metadata
from dicomweb.catalog.delete import delete
from dicomweb.dicom.target import Target
from dicomweb.errors import Gone, Unavailable
from dicomweb.settings import Settings
from tests.builders import make_instance, new_uid


@pytest.mark.parametrize("pages", [lookup.instance_pages, metadata.metadata_pages])
@pytest.mark.parametrize(("whole", "error"), [(True, Gone), (False, Unavailable)])
def test_pages_of_a_target_that_lost_instances_are_refused(
    database_url: str, tmp_path: Path, pages: object, whole: bool, error: type[Exception]
) -> None:
    async def run() -> None:
        settings = Settings(data=tmp_path, database_url=database_url, min_free_bytes=0)
        async with open_archive(settings) as archive:
            study, series, one = new_uid(), new_uid(), new_uid()
            ingest = Ingest(archive)
            for uid in (one, new_uid()):
                await ingest.write(
                    make_instance(study_instance_uid=study, series_instance_uid=series, sop_instance_uid=uid)
                )
                await ingest.end_part()
            await ingest.finish()
            pool, tenant = archive.pool, archive.tenant_id
            found = await lookup.contents(pool, tenant, Target(study))
            await delete(pool, tenant, Target(study) if whole else Target(study, series, one))
            with pytest.raises(error):
                async for _ in pages(pool, tenant, Target(study), found=found):  # type: ignore[operator]
                    pass

    asyncio.run(run())
