"""What nothing needs goes after its grace; what anything needs stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from dicomweb.archive.archive import Archive
from dicomweb.archive.sweep import Swept, sweep
from dicomweb.archive.verify import Verification
from dicomweb.blobs import new_key
from dicomweb.blobs.contract import listing, put
from dicomweb.catalog.delete import delete
from dicomweb.dicom.target import Target
from tests.archive.real import empty, run, store
from tests.builders import make_instance, new_uid

# Clocks of the store and ours tick in different steps.
NOW, LATER = timedelta(seconds=-1), timedelta(hours=1)


def test_only_what_is_not_needed_goes_and_only_after_its_grace(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        study, kept = new_uid(), new_uid()
        await store(archive, make_instance(study_instance_uid=study), make_instance(study_instance_uid=study))
        await store(archive, make_instance(study_instance_uid=kept))
        # A pack that still holds one living instance stays whole.
        half = new_uid()
        await store(archive, make_instance(study_instance_uid=half), make_instance(study_instance_uid=kept))
        await delete(archive.pool, archive.tenant_id, Target(study))
        await delete(archive.pool, archive.tenant_id, Target(half))
        await put(archive.blobs, b"an upload that died before its row")
        dead = await archive.blobs.create(new_key())
        await dead.write(bytes(2 << 20))

        assert await sweep(archive, grace=LATER) == Swept(0, 0, 0)
        expected = Swept(deleted=1, strays=1, unfinished=1)
        assert await sweep(archive, grace=NOW, dry_run=True) == expected
        assert len(await listing(archive.blobs)) == 4
        assert await sweep(archive, grace=NOW) == expected
        assert await sweep(archive, grace=NOW) == Swept(0, 0, 0)

        assert len(await listing(archive.blobs)) == 2
        check = Verification(archive, grace=timedelta(0))
        assert [finding async for finding in check.findings()] == []
        assert (check.tally.instances, check.tally.blobs) == (2, 2)

    run(database_url, tmp_path, scenario)


def test_a_sweep_that_died_halfway_is_finished_by_the_next(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        study = new_uid()
        await store(archive, make_instance(study_instance_uid=study))
        await delete(archive.pool, archive.tenant_id, Target(study))
        (key,) = await listing(archive.blobs)
        await archive.blobs.delete(key)
        check = Verification(archive, grace=timedelta(0))
        assert [finding async for finding in check.findings()] == []
        assert await sweep(archive, grace=NOW) == Swept(1, 0, 0)
        assert await sweep(archive, grace=NOW) == Swept(0, 0, 0)

    run(database_url, tmp_path, scenario)
