"""Adding instances: states, policies and derived values; concurrency has a module of its own."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dicomweb.catalog.audit import mark_damaged
from dicomweb.catalog.insert_new import insert_new
from dicomweb.catalog.lookup import instance_source
from dicomweb.catalog.pool import Connection, Pool, connection, indexed_connection
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import IMPLICIT_LITTLE
from dicomweb.errors import NotFound
from tests.catalog.rows import (
    CT,
    MR,
    add,
    assert_exact,
    in_catalog,
    make_instance,
    new_key,
    new_tenant,
    rows,
    study_row,
    values,
)

ONE = Target("1.2", "1.2.1", "1.2.1.1")


def test_a_request_over_studies_and_series_is_counted_exactly(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant, pack = new_tenant(), new_key()
        new = [
            make_instance(
                Target(f"1.{study}", f"1.{study}.{series}", f"1.{study}.{series}.{number}"),
                key=pack,
                sop_class_uid=(CT, MR)[series % 2],
                attributes=values(("CT", "MR")[series % 2]),
            )
            for study in range(3)
            for series in range(4)
            for number in range(5)
        ]
        assert await add(pool, tenant, *new) == ["stored"] * 60
        await assert_exact(pool, tenant)
        study = await study_row(pool, tenant, "1.0")
        assert study is not None
        assert (study["number_of_series"], study["number_of_instances"]) == (4, 20)
        assert (study["modalities"], study["sop_classes"]) == (["CT", "MR"], [CT, MR])

    in_catalog(database_url, scenario)


def test_identical_content_changes_nothing(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(ONE))
        before = await study_row(pool, tenant, ONE.study)
        for duplicates in ("reject", "keep", "replace"):
            assert await add(pool, tenant, make_instance(ONE), duplicates=duplicates) == ["identical"]
        assert await study_row(pool, tenant, ONE.study) == before
        await assert_exact(pool, tenant)

    in_catalog(database_url, scenario)


@pytest.mark.parametrize(("duplicates", "state"), [("reject", "conflict"), ("keep", "kept")])
def test_other_content_is_refused_and_changes_nothing(database_url: str, duplicates: str, state: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        first = make_instance(ONE)
        await add(pool, tenant, first)
        before = await study_row(pool, tenant, ONE.study)
        again = make_instance(ONE, content=b"other", attributes=values("MR"))
        assert await add(pool, tenant, again, duplicates=duplicates) == [state]
        assert await study_row(pool, tenant, ONE.study) == before
        source = await instance_source(pool, tenant, ONE)
        assert (source.blob_key, source.digest) == (first.instance.blob_key, first.digest)
        assert not await rows(pool, "SELECT FROM blob WHERE blob_key = $1", again.instance.blob_key)

    in_catalog(database_url, scenario)


def test_the_same_bytes_in_another_transfer_syntax_are_other_content(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(ONE))
        assert await add(pool, tenant, make_instance(ONE, transfer_syntax_uid=IMPLICIT_LITTLE)) == [
            "conflict"
        ]

    in_catalog(database_url, scenario)


@pytest.mark.parametrize(
    ("duplicates", "states"),
    [
        ("reject", ["stored", "identical", "conflict", "identical"]),
        ("keep", ["stored", "identical", "kept", "identical"]),
        ("replace", ["stored", "identical", "replaced", "replaced"]),
    ],
)
def test_one_uid_many_times_in_one_request(database_url: str, duplicates: str, states: list[str]) -> None:
    async def scenario(pool: Pool) -> None:
        tenant, pack = new_tenant(), new_key()
        new = [make_instance(ONE, content=content, key=pack) for content in (b"a", b"a", b"b", b"a")]
        assert await add(pool, tenant, *new, duplicates=duplicates) == states
        await assert_exact(pool, tenant)
        study = await study_row(pool, tenant, ONE.study)
        assert study is not None
        assert study["number_of_instances"] == 1

    in_catalog(database_url, scenario)


@pytest.mark.parametrize("duplicates", ["reject", "keep"])
def test_a_uid_known_in_another_study_leaves_no_empty_study(database_url: str, duplicates: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        elsewhere = Target("1.9", "1.9.1", ONE.instance)
        await add(pool, tenant, make_instance(ONE))
        await add(pool, tenant, make_instance(elsewhere, content=b"other"), duplicates=duplicates)
        assert await study_row(pool, tenant, "1.9") is None
        # Identical bytes carry the same study, so this is a lie of the scan; still no second copy.
        assert await add(pool, tenant, make_instance(elsewhere)) == ["identical"]
        assert await study_row(pool, tenant, "1.9") is None
        await assert_exact(pool, tenant)

    in_catalog(database_url, scenario)


def test_a_replaced_version_is_kept_with_its_pixels_and_not_counted(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        old = make_instance(ONE, attributes=values("CT"))
        new = make_instance(ONE, content=b"other", sop_class_uid=MR, attributes=values("MR"))
        await add(
            pool, tenant, old, make_instance(Target("1.2", "1.2.1", "1.2.1.2"), attributes=values("CT"))
        )
        assert await add(pool, tenant, new, duplicates="replace") == ["replaced"]
        await assert_exact(pool, tenant)
        assert (await instance_source(pool, tenant, ONE)).blob_key == new.instance.blob_key
        versions = await rows(pool, "SELECT * FROM instance WHERE blob_key = $1", old.instance.blob_key)
        assert [row["superseded_at"] is not None for row in versions] == [True]
        study = await study_row(pool, tenant, ONE.study)
        assert study is not None
        assert (study["number_of_instances"], study["modalities"]) == (2, ["MR"])
        assert study["sop_classes"] == [CT, MR]

    in_catalog(database_url, scenario)


def test_replacing_into_another_study_empties_the_old_one(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        moved = Target("1.1", "1.1.1", ONE.instance)
        await add(pool, tenant, make_instance(ONE))
        assert await add(pool, tenant, make_instance(moved, content=b"b"), duplicates="replace") == [
            "replaced"
        ]
        await assert_exact(pool, tenant)
        assert await study_row(pool, tenant, ONE.study) is None
        with pytest.raises(NotFound):
            await instance_source(pool, tenant, ONE)
        assert (await instance_source(pool, tenant, moved)).target == moved
        assert len(await rows(pool, "SELECT FROM instance WHERE tenant_id = $1", tenant)) == 2

    in_catalog(database_url, scenario)


def test_a_study_that_an_instance_left_goes_by_the_latest_of_the_others(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        stays, goes = Target("1.2", "1.2.1", "1.2.1.1"), Target("1.2", "1.2.1", "1.2.1.2")
        await add(pool, tenant, make_instance(stays, attributes=values("CT", T00100020="A")))
        await add(pool, tenant, make_instance(goes, attributes=values("MR", T00100020="B")))
        moved = make_instance(Target("1.3", "1.3.1", goes.instance), content=b"other")
        assert await add(pool, tenant, moved, duplicates="replace") == ["replaced"]
        study = await study_row(pool, tenant, "1.2")
        assert study is not None
        assert (study["patient_id"], study["modalities"]) == ("A", ["CT"])
        await assert_exact(pool, tenant)

    in_catalog(database_url, scenario)


def test_the_attributes_of_the_latest_stored_instance_win(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        targets = [Target("1.2", "1.2.1", f"1.2.1.{n}") for n in range(6)]
        first, second, conflicting = (values("CT", T00100020=name) for name in ("A", "B", "C"))
        await add(pool, tenant, make_instance(targets[0], attributes=first))
        # Within a request the last new one wins, whatever its UID; a refused one never does.
        await add(
            pool,
            tenant,
            make_instance(targets[5], attributes=first),
            make_instance(targets[3], attributes=second),
            make_instance(targets[0], content=b"other", attributes=conflicting),
        )
        study = await study_row(pool, tenant, "1.2")
        assert study is not None
        assert study["patient_id"] == "B"
        assert b'"B"' in study["attributes"]

    in_catalog(database_url, scenario)


def test_a_changed_modality_leaves_the_study(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        for number, modality in enumerate(("CT", "MR", "CT", "PT")):
            target = Target("1.2", "1.2.1", f"1.2.1.{number}")
            await add(pool, tenant, make_instance(target, attributes=values(modality)))
            await assert_exact(pool, tenant)
        study = await study_row(pool, tenant, "1.2")
        assert study is not None
        assert study["modalities"] == ["PT"]

    in_catalog(database_url, scenario)


def test_every_change_gives_study_and_series_a_revision_never_seen_before(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        seen = []
        for number in range(4):
            await add(pool, tenant, make_instance(Target("1.2", "1.2.1", f"1.2.1.{number}")))
            study = await study_row(pool, tenant, "1.2")
            assert study is not None
            seen.append(study["revision"])
        assert seen == sorted(set(seen))

    in_catalog(database_url, scenario)


def test_tenants_do_not_see_each_other(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        first, second = new_tenant(), new_tenant()
        await add(pool, first, make_instance(ONE))
        assert await add(pool, second, make_instance(ONE, content=b"other")) == ["stored"]
        await assert_exact(pool, first)
        await assert_exact(pool, second)

    in_catalog(database_url, scenario)


def test_damaged_content_that_is_sent_again_is_healed(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(ONE, inflated=new_key()))
        await mark_damaged(pool, [(await instance_source(pool, tenant, ONE)).instance_row])
        assert (await instance_source(pool, tenant, ONE)).is_damaged
        assert await add(pool, tenant, make_instance(ONE, content=b"other")) == ["conflict"]
        again = make_instance(ONE)
        assert await add(pool, tenant, again) == ["stored"]
        source = await instance_source(pool, tenant, ONE)
        assert (source.is_damaged, source.blob_key) == (False, again.instance.blob_key)
        await assert_exact(pool, tenant)
        assert len(await rows(pool, "SELECT FROM instance WHERE tenant_id = $1", tenant)) == 1

    in_catalog(database_url, scenario)


# --- the short way: one function of the connection ----------------------------------------------------


_CALLED = "SELECT oid FROM pg_proc WHERE proname = 'insert_new' AND pronamespace = pg_my_temp_schema()"


def test_new_instances_are_added_by_the_function_that_a_connection_makes_once(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        made = []
        for number in range(3):
            assert await add(pool, tenant, make_instance(Target("1.2", "1.2.1", f"1.2.1.{number}"))) == [
                "stored"
            ]
            async with indexed_connection(pool) as db:
                made.append([row["oid"] for row in await db.fetch(_CALLED)])
        assert len(made[0]) == 1
        assert made[0] == made[1] == made[2]
        await assert_exact(pool, tenant)

    in_catalog(database_url, scenario)


_CHANCE = {"id", "tenant_id", "revision", "created_at", "updated_at"}


@pytest.mark.parametrize("modality", ["CT", ""])
def test_a_study_made_whole_is_as_one_that_was_made_to_be_locked_and_then_filled(
    database_url: str, modality: str
) -> None:
    async def scenario(pool: Pool) -> None:
        named = values(modality, T00100010="Doe^Jane", T00100020="4711", T00080050="A1", T00081030="Head")
        several = [
            make_instance(Target("1.2", "1.2.1", f"1.2.1.{number}"), sop_class_uid=uid, attributes=named)
            for number, uid in enumerate((MR, CT, MR))
        ]
        found = []
        for others in ([], [make_instance(Target("1.9", "1.9.1", "1.9.1.1"))]):
            tenant = new_tenant()
            await add(pool, tenant, *several, *others)
            await assert_exact(pool, tenant)
            study = await study_row(pool, tenant, "1.2")
            assert study is not None
            series = await rows(pool, "SELECT revision FROM series WHERE study_row = $1", study["id"])
            assert [row["revision"] for row in series] == [study["revision"]]
            found.append({name: value for name, value in study.items() if name not in _CHANCE})
        assert found[0] == found[1]
        assert (found[0]["number_of_instances"], found[0]["sop_classes"]) == (3, [CT, MR])
        assert found[0]["modalities"] == ([modality] if modality else [])

    in_catalog(database_url, scenario)


def test_studies_that_are_there_and_studies_that_are_not_come_in_one_request(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        await add(pool, tenant, make_instance(Target("1.5", "1.5.1", "1.5.1.1")))
        new = [make_instance(Target(f"1.{at}", f"1.{at}.1", f"1.{at}.1.2")) for at in range(9)]
        assert await add(pool, tenant, *new) == ["stored"] * 9
        await assert_exact(pool, tenant)

    in_catalog(database_url, scenario)


def test_an_account_that_may_make_nothing_temporary_stores_all_the_same(database_url: str) -> None:
    role = "dicomweb_limited"
    limited = re.sub(r"//[^@/]*@", f"//{role}@", database_url)

    async def restrict(pool: Pool) -> None:
        async with connection(pool) as db:
            name = await db.fetchval("SELECT current_database()")
            await db.execute(
                f"""
                DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN;
                REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC;
                GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
                GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role};
                """
            )

    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        new = make_instance(Target("1.2", "1.2.1", "1.2.1.1"))
        assert await add(pool, tenant, new, make_instance(ONE, key=new_key())) == ["stored", "identical"]
        assert await add(pool, tenant, new) == ["identical"]
        await assert_exact(pool, tenant)

    async def forget(pool: Pool) -> None:
        async with connection(pool) as db:
            await db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")

    in_catalog(database_url, restrict)
    in_catalog(limited, scenario)
    in_catalog(database_url, forget)


class _Pooler:
    """As a pooler between us and the database is, where a session lasts for a transaction: the function is
    made in one, and called in another."""

    def __init__(self, making: Connection, calling: Connection) -> None:
        self.execute = making.execute
        self.fetch = calling.fetch


def test_behind_a_pooler_of_transactions_the_long_way_is_taken(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant, new = new_tenant(), make_instance(ONE)
        sizes = dict.fromkeys(new.blob_keys, new.instance.blob_length)
        async with indexed_connection(pool) as making, indexed_connection(pool) as calling:
            pooled: Any = _Pooler(making, calling)
            for _ in range(2):
                assert await insert_new(pooled, tenant, [new], sizes) is None
        assert await study_row(pool, tenant, ONE.study) is None

    in_catalog(database_url, scenario)
