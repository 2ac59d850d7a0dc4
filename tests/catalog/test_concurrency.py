"""Many senders at once, and connections that die in the middle (users-ask C3, I1)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context

import asyncpg
import pytest

from dicomweb.catalog.delete import delete
from dicomweb.catalog.instances import add_instances
from dicomweb.catalog.locks import write_transaction
from dicomweb.catalog.lookup import instance_source
from dicomweb.catalog.pool import Pool, create_pool, indexed_connection
from dicomweb.dicom.target import Target
from dicomweb.errors import Gone, NotFound, Unavailable
from tests.catalog.rows import (
    add,
    assert_exact,
    in_catalog,
    make_instance,
    new_tenant,
    rows,
    study_row,
    values,
)

SENDERS = 16


def _study(study: str, series: int = 4, instances: int = 8) -> list[Target]:
    return [
        Target(study, f"{study}.{e}", f"{study}.{e}.{i}") for e in range(series) for i in range(instances)
    ]


async def _send(pool: Pool, tenant: int, targets: list[Target], seed: int, *, batch: int) -> Counter[str]:
    """Send the targets in random order, `batch` a request."""
    order = random.Random(seed)
    targets = order.sample(targets, len(targets))
    states: Counter[str] = Counter()
    for start in range(0, len(targets), batch):
        new = [
            make_instance(target, key=f"{tenant}-{seed}-{start}") for target in targets[start : start + batch]
        ]
        states.update(await add(pool, tenant, *new))
    return states


@pytest.mark.parametrize("batch", [1, 5, 32])
def test_sixteen_senders_of_one_study_in_random_order(database_url: str, batch: int) -> None:
    async def scenario(pool: Pool) -> None:
        tenant, targets = new_tenant(), _study("1.2")
        sent = await asyncio.gather(
            *(_send(pool, tenant, targets, seed, batch=batch) for seed in range(SENDERS))
        )
        total = sum(sent, Counter[str]())
        assert total == {"stored": len(targets), "identical": len(targets) * (SENDERS - 1)}
        await assert_exact(pool, tenant)
        study = await study_row(pool, tenant, "1.2")
        assert study is not None
        assert (study["number_of_series"], study["number_of_instances"]) == (4, 32)

    in_catalog(database_url, scenario)


def _send_from_a_process(url: str, tenant: int, seed: int) -> Counter[str]:
    async def scenario(pool: Pool) -> Counter[str]:
        studies = [_study(f"1.{number}", series=2, instances=3) for number in range(5)]
        targets = [target for study in studies for target in study]
        return await _send(pool, tenant, targets, seed, batch=4)

    return in_catalog(url, scenario)


def test_processes_that_send_several_studies_a_request(database_url: str) -> None:
    tenant = new_tenant()
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        jobs = [processes.submit(_send_from_a_process, database_url, tenant, seed) for seed in range(8)]
        total = sum((job.result() for job in jobs), Counter[str]())
    assert total == {"stored": 30, "identical": 30 * 7}
    in_catalog(database_url, lambda pool: assert_exact(pool, tenant))


@pytest.mark.parametrize("duplicates", ["reject", "keep", "replace"])
def test_the_same_uids_under_many_studies_at_once(database_url: str, duplicates: str) -> None:
    """Each study's senders contend for SOP Instance UIDs that only one of them can have."""

    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()

        async def sender(number: int) -> list[str]:
            order = random.Random(number)
            names = order.sample(range(6), 6)
            targets = [Target(f"1.{number}", f"1.{number}.1", f"2.{name}") for name in names]
            new = [make_instance(target, content=b"of %d" % number) for target in targets]
            return list(await add(pool, tenant, *new, duplicates=duplicates))

        states = Counter(state for sent in await asyncio.gather(*map(sender, range(8))) for state in sent)
        await assert_exact(pool, tenant)
        assert states["stored"] == 6
        assert sum(states.values()) == 48
        current = await rows(
            pool, "SELECT FROM instance WHERE tenant_id = $1 AND superseded_at IS NULL", tenant
        )
        assert len(current) == 6

    in_catalog(database_url, scenario)


def test_senders_and_deleters_of_the_same_studies(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        targets = _study("1.2", 2, 4) + _study("1.3", 2, 4)

        async def deleter(seed: int) -> None:
            order = random.Random(seed)
            for _ in range(12):
                target = order.choice(targets)
                level = order.choice([Target(target.study), Target(target.study, target.series), target])
                with suppress(NotFound, Gone):
                    await delete(pool, tenant, level)

        await asyncio.gather(
            *(_send(pool, tenant, targets, seed, batch=3) for seed in range(8)), *map(deleter, range(8))
        )
        await assert_exact(pool, tenant)

    in_catalog(database_url, scenario)


def test_two_clients_that_delete_the_same_study(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant, targets = new_tenant(), _study("1.2")
        await _send(pool, tenant, targets, 0, batch=32)
        done = await asyncio.gather(
            *(delete(pool, tenant, Target("1.2")) for _ in range(2)), return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in done) == ["Gone", "int"]
        await assert_exact(pool, tenant)

    in_catalog(database_url, scenario)


def test_a_connection_killed_at_any_moment_leaves_all_or_nothing(database_url: str) -> None:
    """Acknowledged is there; what was not acknowledged is whole or absent, and can be sent again."""

    async def scenario(pool: Pool) -> None:
        tenant, stopped = new_tenant(), asyncio.Event()
        killer = asyncio.create_task(_kill_others(database_url, stopped))
        acknowledged, refused = [], []
        for number in range(150):
            target = Target("1.2", f"1.2.{number % 3}", f"1.2.3.{number}")
            try:
                await add(pool, tenant, make_instance(target))
                acknowledged.append(target)
            except Unavailable:
                refused.append(target)
        stopped.set()
        await killer
        await asyncio.sleep(0.2)  # until the pool has heard that its idle connections are gone
        assert refused, "the killer never hit"
        for target in acknowledged:
            assert (await instance_source(pool, tenant, target)).target == target
        await assert_exact(pool, tenant)
        for target in refused:
            assert (await add(pool, tenant, make_instance(target)))[0] in ("stored", "identical")
        await assert_exact(pool, tenant)

    in_catalog(database_url, scenario)


async def _kill_others(url: str, stopped: asyncio.Event) -> None:
    """Terminate the connections of this database again and again, at random moments."""
    db = await asyncpg.connect(url)
    order = random.Random(7)
    while not stopped.is_set():
        await asyncio.sleep(order.random() / 50)
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'dicomweb'"
        )
    await db.close()


def test_a_commit_whose_answer_is_lost_is_never_reported_as_success(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(Unavailable):
            await _in_transaction(pool, "SELECT pg_terminate_backend(pg_backend_pid())")

    in_catalog(database_url, scenario)


def test_a_transaction_that_broke_inside_does_not_commit_quietly(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(Unavailable):
            await _in_transaction(pool, "SELECT 1 / 0")

    in_catalog(database_url, scenario)


async def _in_transaction(pool: Pool, statement: str) -> None:
    """Run a statement, look away from what it says, and commit."""
    async with indexed_connection(pool) as db, write_transaction(db):
        with suppress(asyncpg.PostgresError):
            await db.execute(statement)


def test_a_cancelled_sender_leaves_no_lock_behind(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tenant = new_tenant()
        for delay in range(12):
            target = Target("1.2", "1.2.1", f"1.2.1.{delay}")
            new = make_instance(target, attributes=values("CT"))
            task = asyncio.create_task(
                add_instances(pool, tenant, [new], duplicates="reject", blobs={new.instance.blob_key: 1})
            )
            await asyncio.sleep(delay / 4000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await asyncio.wait_for(add(pool, tenant, make_instance(Target("1.2", "1.2.1", "1.2.9"))), 5)
        await assert_exact(pool, tenant)

    in_catalog(database_url, scenario)


def test_no_server_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        asyncio.run(create_pool("postgresql://nobody@127.0.0.1:1/none"))
