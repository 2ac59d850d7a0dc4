"""The walks of verify, sweep and export."""

from __future__ import annotations

from dicomweb.catalog import audit
from dicomweb.catalog.delete import delete
from dicomweb.catalog.pool import Pool
from dicomweb.dicom.target import Target
from tests.catalog.rows import add, in_catalog, make_instance, new_key, new_tenant, rows

COUNT = 1200


async def _store(pool: Pool, tenant: int, pack: str) -> list[Target]:
    targets = [Target(f"1.{n:04}", f"1.{n:04}.1", f"1.{n:04}.1.1") for n in range(COUNT)]
    await add(pool, tenant, *(make_instance(target, key=pack) for target in targets))
    return targets


def test_every_instance_is_walked_once_and_the_walk_can_be_resumed(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant, pack = new_tenant(), new_key()
        targets = await _store(pool, tenant, pack)
        await add(pool, tenant, make_instance(targets[3], content=b"new"), duplicates="replace")
        pages = [page async for page in audit.all_instances(pool)]
        walked = [source.instance_row for page in pages for source in page]
        assert len(pages) > 1
        assert walked == sorted(set(walked))
        found = await rows(pool, "SELECT id FROM instance")
        assert set(walked) == {row["id"] for row in found}
        rest = [
            source.instance_row
            async for page in audit.all_instances(pool, after_row=walked[99])
            for source in page
        ]
        assert rest == walked[100:]

    in_catalog(database_url, scenario)


def test_every_object_is_walked_with_the_rows_that_hold_it(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant, pack, copy = new_tenant(), new_key(), new_key()
        targets = await _store(pool, tenant, pack)
        await delete(pool, tenant, targets[0])
        await add(pool, tenant, make_instance(Target("1.1", "1.1.1", "1.1.1.9"), inflated=copy))
        found = {row.blob_key: row async for page in audit.all_blobs(pool) for row in page}
        assert (found[pack].live, found[pack].rows, found[pack].doomed_at) == (COUNT - 1, COUNT - 1, None)
        assert (found[copy].live, found[copy].rows, found[copy].size) == (1, 1, 10_000)
        assert await audit.known_blobs(pool, [pack, copy, "stray"]) == {pack, copy}

    in_catalog(database_url, scenario)


def test_damage_is_noted_and_taken_back(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(Target("1.2", "1.2.1", "1.2.1.1")))
        row = (await rows(pool, "SELECT id FROM instance WHERE tenant_id = $1", tenant))[0]["id"]
        for mark, is_damaged in ((audit.mark_damaged, True), (audit.mark_intact, False)):
            await mark(pool, [row])
            pages = [page async for page in audit.all_instances(pool, after_row=row - 1)]
            assert pages[0][0].is_damaged is is_damaged

    in_catalog(database_url, scenario)


def test_studies_are_walked_in_order(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        targets = await _store(pool, tenant, new_key())
        found = [uid async for page in audit.all_studies(pool, tenant) for uid in page]
        assert found == [target.study for target in targets]

    in_catalog(database_url, scenario)
