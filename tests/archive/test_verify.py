"""Damage of every kind is found, named exactly once, and nothing else is."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from unittest.mock import ANY

from dicomweb.archive.archive import Archive
from dicomweb.archive.verify import Finding, Tally, Verification
from dicomweb.blobs import new_key
from dicomweb.blobs.contract import put
from dicomweb.catalog.audit import all_instances, doomed_blobs, forget_blobs
from dicomweb.catalog.delete import delete
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.catalog.pool import connection
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import DEFLATED_EXPLICIT_LITTLE
from tests.archive.real import empty, run, store
from tests.builders import make_instance, new_uid

NO_GRACE, GRACE = timedelta(0), timedelta(hours=1)


async def verified(
    archive: Archive, *, grace: timedelta = NO_GRACE, checksums: bool = True
) -> tuple[list[Finding], Tally]:
    check = Verification(archive, grace=grace, checksums=checksums)
    return [finding async for finding in check.findings()], check.tally


async def kinds(archive: Archive, *, grace: timedelta = NO_GRACE, checksums: bool = True) -> list[str]:
    found, _ = await verified(archive, grace=grace, checksums=checksums)
    return sorted(finding.kind for finding in found)


async def sources(archive: Archive) -> list[InstanceSource]:
    return [source async for page in all_instances(archive.pool) for source in page]


def blob_path(directory: Path, key: str) -> Path:
    return directory / "blobs" / key


def test_an_empty_archive_is_well(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        assert await verified(archive) == ([], Tally())

    run(database_url, tmp_path, scenario)


def test_what_was_stored_is_well(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        large = make_instance(rows=2000, columns=2000)
        deflated = make_instance(transfer_syntax_uid=DEFLATED_EXPLICIT_LITTLE)
        await store(archive, *(make_instance() for _ in range(20)), large, deflated)
        found, tally = await verified(archive)
        assert found == []
        assert (tally.instances, tally.recent, tally.doomed) == (22, 0, 0)
        assert tally.bytes > 2000 * 2000 * 2

    run(database_url, tmp_path, scenario)


def test_fifty_missing_and_fifty_strays_are_reported_exactly(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        for _ in range(70):
            await store(archive, make_instance())
        stored = await sources(archive)
        for source in stored[:50]:
            blob_path(tmp_path, source.blob_key).unlink()
        strays = {await put(archive.blobs, b"stray") for _ in range(50)}

        found, tally = await verified(archive)
        by_kind: dict[str, set[str]] = {}
        for finding in found:
            by_kind.setdefault(finding.kind, set()).add(finding.place)
        assert by_kind == {
            "stray blob": strays,
            "missing blob": {source.blob_key for source in stored[:50]},
            "missing bytes": {source.target.path for source in stored[:50]},
        }
        assert len(found) == 150
        assert (tally.blobs, tally.instances) == (70, 70)

    run(database_url, tmp_path, scenario)


def test_one_flipped_bit_is_found_and_noted_until_it_is_mended(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        await store(archive, make_instance(), make_instance(), make_instance())
        source = (await sources(archive))[1]
        path = blob_path(tmp_path, source.blob_key)
        place = source.blob_offset + source.blob_length - 1
        whole = path.read_bytes()
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])

        found, _ = await verified(archive)
        assert [(finding.kind, finding.place) for finding in found] == [
            ("wrong checksum", source.target.path)
        ]
        assert [one.is_damaged for one in await sources(archive)] == [False, True, False]
        assert await kinds(archive, checksums=False) == []

        path.write_bytes(whole)
        assert await kinds(archive) == []
        assert not any(one.is_damaged for one in await sources(archive))

    run(database_url, tmp_path, scenario)


def test_a_short_object_is_found_without_reading_checksums(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        await store(archive, make_instance(), make_instance())
        (key,) = {source.blob_key for source in await sources(archive)}
        os.truncate(blob_path(tmp_path, key), (await archive.blobs.size(key)) - 1)
        expected = ["missing bytes", "wrong size"]
        assert await kinds(archive, checksums=False) == expected
        assert await kinds(archive) == expected

    run(database_url, tmp_path, scenario)


def test_a_missing_inflated_copy_is_found(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        await store(archive, make_instance(transfer_syntax_uid=DEFLATED_EXPLICIT_LITTLE))
        (source,) = await sources(archive)
        assert source.inflated_key is not None
        blob_path(tmp_path, source.inflated_key).unlink()
        assert await kinds(archive) == ["missing blob", "missing bytes"]

    run(database_url, tmp_path, scenario)


def test_a_wrong_count_of_users_is_found(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        await store(archive, make_instance())
        async with connection(archive.pool) as db:
            await db.execute("UPDATE blob SET live = live - 1")
        assert await kinds(archive) == ["wrong count"]

    run(database_url, tmp_path, scenario)


def test_uploads_under_way_and_deleted_instances_are_no_damage(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await empty(archive)
        study = new_uid()
        await store(archive, make_instance(study_instance_uid=study))
        await delete(archive.pool, archive.tenant_id, Target(study))
        await put(archive.blobs, b"its row comes with the next transaction")
        unfinished = await archive.blobs.create(new_key())
        await unfinished.write(bytes(2 << 20))
        found, tally = await verified(archive, grace=GRACE)
        assert found == []
        assert (tally.recent, tally.doomed) == (1, 1)
        await unfinished.abort()

    run(database_url, tmp_path, scenario)


def test_an_archive_in_use_is_well(database_url: str, tmp_path: Path) -> None:
    """Stored, deleted, swept and verified at the same time: nothing of that is damage."""

    async def scenario(archive: Archive) -> None:
        await empty(archive)
        done = False

        async def store_and_delete() -> None:
            for _ in range(15):
                study = new_uid()
                await store(archive, make_instance(study_instance_uid=study), make_instance())
                await delete(archive.pool, archive.tenant_id, Target(study))
                gone = new_uid()
                await store(archive, make_instance(study_instance_uid=gone))
                await delete(archive.pool, archive.tenant_id, Target(gone))

        async def sweep_doomed() -> None:
            while not done:
                while keys := await doomed_blobs(archive.pool, grace=timedelta(seconds=-1)):
                    for key in keys:
                        await archive.blobs.delete(key)
                    await forget_blobs(archive.pool, keys)
                await asyncio.sleep(0.01)

        async def verify() -> None:
            while not done:
                assert await verified(archive, grace=GRACE) == ([], ANY)

        background = [asyncio.create_task(sweep_doomed()), asyncio.create_task(verify())]
        await asyncio.gather(*(store_and_delete() for _ in range(4)))
        done = True
        await asyncio.gather(*background)
        found, tally = await verified(archive)
        assert (found, tally.instances) == ([], 60)

    run(database_url, tmp_path, scenario)
