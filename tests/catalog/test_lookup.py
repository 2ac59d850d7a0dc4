"""Lookups: what a URL names, what it does not name, and in which order a study comes."""

from __future__ import annotations

import asyncio

import orjson
import pytest
import zstandard

from dicomweb.catalog import lookup, metadata
from dicomweb.catalog.delete import delete
from dicomweb.catalog.pool import Pool
from dicomweb.dicom.frame_index import EncapsulatedFrame
from dicomweb.dicom.part10 import BulkValue
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.target import Target
from dicomweb.errors import Gone, NotFound
from tests.catalog.rows import add, in_catalog, make_instance, new_key, new_tenant, values

ONE = Target("1.2", "1.2.1", "1.2.1.1")
FRAMES = [EncapsulatedFrame(1000 + 100 * n, 90, 1 + n % 3) for n in range(5000)]
LAYOUT = PixelLayout(
    tag="7FE00010",
    vr="OB",
    element_offset=100,
    element_end=5000,
    value_offset=112,
    value_length=4888,
    encapsulated=True,
    frames=len(FRAMES),
    rows=512,
    columns=512,
    samples_per_pixel=1,
    bits_allocated=16,
    bits_stored=12,
    high_bit=11,
    pixel_representation=0,
    photometric_interpretation="MONOCHROME2",
    planar_configuration=0,
)


def test_a_source_says_all_that_reading_needs(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        new = make_instance(ONE, layout=LAYOUT, frames=FRAMES, inflated=new_key())
        await add(pool, tenant, new)
        source = await lookup.instance_source(pool, tenant, ONE)
        assert source.target == ONE
        assert (source.blob_key, source.blob_offset, source.blob_length) == (new.instance.blob_key, 0, 1132)
        assert (source.inflated_key, source.inflated_length) == (new.instance.inflated_key, 5000)
        assert (source.dataset_offset, source.file_meta, source.preamble) == (132, b"meta", None)
        assert (source.pixel_layout, source.is_damaged) == (LAYOUT, False)
        assert source.digest == new.digest

    in_catalog(database_url, scenario)


@pytest.mark.parametrize(
    "indices", [[0], [4999], [3, 1, 2], [0, 1, 2, 10, 11, 4998, 4999], list(range(5000)), [7, 7]]
)
def test_frames_come_in_the_order_they_were_asked_for(database_url: str, indices: list[int]) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(ONE, layout=LAYOUT, frames=FRAMES))
        found = await lookup.frame_source(pool, tenant, ONE, indices)
        assert found.entries == tuple(FRAMES[index] for index in indices)
        row = found.source.instance_row
        assert await lookup.frame_entries(pool, row, 4990, 100) == FRAMES[4990:]

    in_catalog(database_url, scenario)


def test_frames_beyond_the_index_are_not_there(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(ONE, layout=LAYOUT, frames=FRAMES))
        assert (await lookup.frame_source(pool, tenant, ONE, [5000, 10**12])).entries == ()

    in_catalog(database_url, scenario)


@pytest.mark.parametrize(
    "target",
    [
        Target("1.4"),
        Target("1.2", "1.3.1"),
        Target("1.3", "1.2.1"),
        Target("1.2", "1.2.1", "1.2.2.1"),
        Target("1.2", "1.2.2", "1.2.1.1"),
        Target("1.3", "1.2.1", "1.2.1.1"),
    ],
)
def test_parents_in_the_path_are_checked(database_url: str, target: Target) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(
            pool,
            tenant,
            make_instance(ONE),
            make_instance(Target("1.2", "1.2.2", "1.2.2.1")),
            make_instance(Target("1.3", "1.3.1", "1.3.1.1")),
        )
        with pytest.raises(NotFound):
            await lookup.contents(pool, tenant, target)
        with pytest.raises(NotFound):
            await anext(aiter(lookup.instance_pages(pool, tenant, target)))
        with pytest.raises(NotFound):
            await anext(aiter(metadata.metadata_pages(pool, tenant, target)))
        if target.instance:
            with pytest.raises(NotFound):
                await lookup.frame_source(pool, tenant, target, [0])
            with pytest.raises(NotFound):
                await metadata.bulkdata_place(pool, tenant, target, "7FE00010")

    in_catalog(database_url, scenario)


def _numbered(study: str) -> list[tuple[Target, int | None, int | None]]:
    """Instances in W-64 order: series number, instance number, UID; those without a number last."""
    return [
        (Target(study, f"{study}.{series_uid}", f"{study}.{series_uid}.{uid}"), series, number)
        for series, series_uid in ((2, "9"), (10, "1"), (None, "0"))
        for number, uid in ((1, "7"), (2, "3"), (2, "4"), (10, "2"), (None, "1"), (None, "5"))
    ]


def test_a_study_comes_by_series_number_instance_number_and_uid(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant, wanted = new_tenant(), _numbered("1.2")
        for target, series, number in sorted(wanted, key=lambda one: one[0].instance[::-1]):
            attributes = values("CT", number)
            if series is not None:
                attributes["00200011"] = {"vr": "IS", "Value": [series]}
            await add(pool, tenant, make_instance(target, attributes=attributes))
        order = [target for target, _, _ in wanted]
        for target in (Target("1.2"), Target("1.2", "1.2.9"), order[0]):
            below = [one for one in order if one.path.startswith(target.path)]
            pages = [page async for page in lookup.instance_pages(pool, tenant, target)]
            assert [source.target for page in pages for source in page] == below
            texts = [text async for page in metadata.metadata_pages(pool, tenant, target) for text in page]
            uids = [orjson.loads(zstandard.decompress(text))["00080018"]["Value"][0] for text in texts]
            assert uids == [one.instance for one in below]

    in_catalog(database_url, scenario)


def test_what_is_stored_or_replaced_meanwhile_does_not_disturb_a_stream(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        targets = [Target("1.2", "1.2.1", f"1.2.1.{n:04}") for n in range(600)]
        pack = new_key()
        await add(pool, tenant, *(make_instance(target, key=pack) for target in targets))
        seen = []
        async for page in lookup.instance_pages(pool, tenant, Target("1.2")):
            seen += [source.target for source in page]
            if len(seen) < 300:
                await add(pool, tenant, make_instance(Target("1.2", "1.2.1", "1.2.1.0000.5")))
                await add(pool, tenant, make_instance(targets[400], content=b"new"), duplicates="replace")
        assert seen == targets

    in_catalog(database_url, scenario)


def test_a_revision_changes_with_what_is_below_it(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        other = Target("1.2", "1.2.2", "1.2.2.1")
        await add(pool, tenant, make_instance(ONE), make_instance(Target("1.2", "1.2.1", "1.2.1.2")))
        levels = [Target("1.2"), Target("1.2", "1.2.1"), ONE]

        async def revisions() -> list[int]:
            return [(await lookup.contents(pool, tenant, level)).revision for level in levels]

        before = await revisions()
        await add(pool, tenant, make_instance(other))
        after = await revisions()
        assert after[0] != before[0]
        assert after[1:] == before[1:]
        await delete(pool, tenant, Target("1.2", "1.2.1", "1.2.1.2"))
        last = await revisions()
        assert (last[0] != after[0], last[1] != after[1], last[2] != after[2]) == (True, True, False)

    in_catalog(database_url, scenario)


def test_bulkdata_is_found_by_its_path(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        bulkdata = (BulkValue("00091001/0/00091002", "OW", 400, 2000), BulkValue("7FE00010", "OB", 2412, 9))
        await add(pool, tenant, make_instance(ONE, bulkdata=bulkdata))
        place = await metadata.bulkdata_place(pool, tenant, ONE, "00091001/0/00091002")
        assert (place.vr, place.offset, place.length, place.source.target) == ("OW", 400, 2000, ONE)
        for path in ("00091001", "00091001/1/00091002", "", "vr"):
            with pytest.raises(NotFound):
                await metadata.bulkdata_place(pool, tenant, ONE, path)

    in_catalog(database_url, scenario)


def test_a_document_has_its_type_and_length(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        document = {
            "00420012": {"vr": "LO", "Value": ["application/pdf"]},
            "00420015": {"vr": "UL", "Value": [1233]},
        }
        plain = Target("1.2", "1.2.1", "1.2.1.2")
        await add(pool, tenant, make_instance(ONE, attributes=document), make_instance(plain))
        found = [(await lookup.instance_source(pool, tenant, one)).instance_row for one in (ONE, plain)]
        assert await metadata.document_properties(pool, found[0]) == ("application/pdf", 1233)
        assert await metadata.document_properties(pool, found[1]) == ("", None)

    in_catalog(database_url, scenario)


@pytest.mark.parametrize("deleted", [Target("1.2"), Target("1.2", "1.2.1"), ONE])
def test_what_was_deleted_is_gone_and_what_lay_below_it_too(database_url: str, deleted: Target) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(ONE))
        await delete(pool, tenant, deleted)
        # The only instance: its series and study vanished with it.
        for target in (Target("1.2"), Target("1.2", "1.2.1"), ONE):
            with pytest.raises(Gone):
                await lookup.contents(pool, tenant, target)
        with pytest.raises(NotFound):
            await lookup.contents(pool, tenant, Target("1.3", "1.2.1", ONE.instance))
        assert await add(pool, tenant, make_instance(ONE)) == ["stored"]
        assert len(await lookup.contents(pool, tenant, Target("1.2"))) == 1

    in_catalog(database_url, scenario)


def test_many_lookups_at_once_share_the_connections(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(ONE))
        found = await asyncio.gather(*(lookup.instance_source(pool, tenant, ONE) for _ in range(100)))
        assert {source.target for source in found} == {ONE}

    in_catalog(database_url, scenario)
