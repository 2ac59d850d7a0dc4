"""Versions of metadata, and their pages: how much of what is stored is held at once."""

from __future__ import annotations

import random
from typing import Any

import pytest
import zstandard

from dicomweb.catalog import metadata
from dicomweb.catalog.delete import delete
from dicomweb.catalog.lookup import contents
from dicomweb.catalog.metadata import metadata_pages, version_of
from dicomweb.catalog.pool import Pool
from dicomweb.dicom.target import Target
from dicomweb.errors import Gone, NotFound
from tests.catalog.rows import add, in_catalog, make_instance, new_tenant

STUDY, SERIES, ONE = Target("1.2"), Target("1.2", "1.2.1"), Target("1.2", "1.2.1", "1.2.1.1")


def long_attributes(number: int) -> dict[str, Any]:
    """Some 20,000 bytes, stored."""
    noise = random.Random(number).randbytes(20_000).hex()
    return {"00111001": {"vr": "UT", "Value": [noise]}, "00200013": {"vr": "IS", "Value": [number]}}


def test_a_version_is_that_of_the_contents(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(ONE), make_instance(Target("1.2", "1.2.1", "1.2.1.2")))
        await add(pool, tenant, make_instance(Target("1.2", "1.2.2", "1.2.2.1")))
        for target, instances in ((STUDY, 3), (SERIES, 2), (ONE, 1)):
            version, found = await version_of(pool, tenant, target), await contents(pool, tenant, target)
            assert (version.revision, version.modified) == (found.revision, found.modified)
            assert version.instances == len(found) == instances

    in_catalog(database_url, scenario)


def test_a_version_of_one_instance_brings_what_is_stored_unless_that_is_long(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        long = Target("1.2", "1.2.1", "1.2.1.2")
        await add(pool, tenant, make_instance(ONE), make_instance(long, attributes=long_attributes(1)))
        version = await version_of(pool, tenant, ONE)
        assert [[version.only]] == [page async for page in metadata_pages(pool, tenant, ONE)]
        assert (await version_of(pool, tenant, long)).only is None
        assert (await version_of(pool, tenant, SERIES)).only is None

    in_catalog(database_url, scenario)


def test_a_version_of_what_is_not_there_says_whether_it_was(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(ONE))
        for target in (Target("1.3"), Target("1.2", "1.3"), Target("1.3", "1.2.1", ONE.instance)):
            with pytest.raises(NotFound):
                await version_of(pool, tenant, target)
        await delete(pool, tenant, STUDY)
        for target in (STUDY, SERIES, ONE):
            with pytest.raises(Gone):
                await version_of(pool, tenant, target)

    in_catalog(database_url, scenario)


def test_a_page_ends_before_it_is_too_long(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_METADATA_PAGE", 4)

    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        targets = [Target("1.2", "1.2.1", f"1.2.1.{number}") for number in range(1, 10)]
        is_long = [False, False, True, True, False, True, False, False, False]
        for number, (target, long) in enumerate(zip(targets, is_long, strict=True), 1):
            short = {"00200013": {"vr": "IS", "Value": [number]}}
            attributes = long_attributes(number) if long else short
            await add(pool, tenant, make_instance(target, attributes=attributes))
        whole = [one async for page in metadata_pages(pool, tenant, SERIES) for one in page]
        for limit, sizes in ((10_000, [2, 1, 1, 1, 1, 2, 1]), (1, [1] * 9), (1 << 20, [4, 4, 1])):
            monkeypatch.setattr(metadata, "_PAGE_BYTES", limit)
            pages = [page async for page in metadata_pages(pool, tenant, SERIES)]
            assert [len(page) for page in pages] == sizes
            assert [one for page in pages for one in page] == whole
        uids = [zstandard.decompress(one).decode().partition('"00080018"')[2] for one in whole]
        assert all(f'"{target.instance}"' in uid for target, uid in zip(targets, uids, strict=True))

    in_catalog(database_url, scenario)
