"""Storing through a real catalog and real files, with bounds so small that a few parts meet them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, integers, lists, tuples

from dicomweb.archive import ingest as ingest_module
from dicomweb.archive import small_parts, store_groups
from dicomweb.archive.archive import Archive, open_archive
from dicomweb.archive.ingest import Ingest
from dicomweb.archive.through_thread import through_thread
from dicomweb.archive.uploads import Share, Uploads
from dicomweb.archive.verify import Verification
from dicomweb.catalog.columns import NewInstance
from dicomweb.catalog.instances import Added, add_instances
from dicomweb.catalog.pool import connection
from dicomweb.dicom.part10 import Scan, scan
from dicomweb.dicom.transfer_syntax import DEFLATED_EXPLICIT_LITTLE
from dicomweb.errors import TooLarge, Unavailable
from dicomweb.protocol.store_report import StoreOutcome
from dicomweb.settings import Settings
from tests.archive.real import empty
from tests.builders import make_instance, new_uid

_SMALL = 2000
_LARGE = make_instance(rows=64, columns=64)
_NO_BOUND = Uploads()


def _run(
    database_url: str,
    directory: Path,
    scenario: Callable[[Archive], Awaitable[None]],
    *,
    uploads: Uploads = _NO_BOUND,
    **options: Any,
) -> None:
    """Run a scenario, after which every byte belongs to a row, and every row has its bytes."""
    given_options = {"small_part_bytes": _SMALL, **options}
    settings = Settings(data=directory, database_url=database_url, min_free_bytes=0, **given_options)

    async def opened() -> None:
        async with open_archive(settings) as archive:
            archive = replace(archive, uploads=uploads)
            await empty(archive)
            free = uploads.free
            await scenario(archive)
            assert uploads.free == free
            assert _unfinished(archive) == 0
            verification = Verification(archive, grace=timedelta(0))
            assert [finding async for finding in verification.findings()] == []

    asyncio.run(opened())


def _unfinished(archive: Archive) -> int:
    return len(list((Path(archive.settings.blobs_location) / ".incoming").iterdir()))


async def _blobs(archive: Archive) -> list[int]:
    return [entry.size async for entry in archive.blobs.entries()]


async def _value(archive: Archive, statement: str) -> int:
    async with connection(archive.pool) as db:
        value: int = await db.fetchval(statement)
        return value


async def _instances(archive: Archive) -> int:
    return await _value(archive, "SELECT count(*) FROM instance WHERE superseded_at IS NULL")


async def _feed(ingest: Ingest, parts: Iterable[bytes], *, step: int = 1000) -> None:
    for part in parts:
        for begin in range(0, len(part), step):
            await ingest.write(part[begin : begin + step])
        await ingest.end_part()


async def _store(archive: Archive, parts: Iterable[bytes]) -> Sequence[StoreOutcome]:
    ingest = Ingest(archive)
    try:
        await _feed(ingest, parts)
        return await ingest.finish()
    except BaseException:
        await ingest.abort()
        raise


async def _begin(archive: Archive, data: bytes) -> Ingest:
    """An upload whose client has gone quiet in the middle of a part."""
    ingest = Ingest(archive)
    await ingest.write(data)
    return ingest


async def _abort(ingests: Iterable[Ingest]) -> None:
    for ingest in ingests:
        await ingest.abort()


def _large(study: str) -> bytes:
    return make_instance(study_instance_uid=study, rows=64, columns=64)


# --- clients that are slow -------------------------------------------------------------------------


def test_slow_uploads_keep_no_other_request_waiting(database_url: str, tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"stored"

    def same(chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield from chunks

    async def scenario(archive: Archive) -> None:
        slow = [await _begin(archive, _LARGE[:-100]) for _ in range(40)]
        async with asyncio.timeout(20):
            assert [step async for step in through_thread(same, pieces())] == [b"stored"]
            assert len(await _store(archive, [_large(new_uid())])) == 1
        await _abort(slow)
        assert await _instances(archive) == 1

    _run(database_url, tmp_path, scenario)


def test_large_uploads_beyond_the_bound_are_told_to_come_back(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        slow = [await _begin(archive, _LARGE[:-100]) for _ in range(2)]
        with pytest.raises(Unavailable):
            await _store(archive, [make_instance(), _large(new_uid())])
        assert await _instances(archive) == 0
        assert await _blobs(archive) == []
        await _abort(slow[:1])
        assert len(await _store(archive, [_large(new_uid()), _large(new_uid())])) == 2
        await _abort(slow[1:])

    _run(database_url, tmp_path, scenario, uploads=Uploads(large_parts=2, wait_seconds=0.05))


def test_an_upload_that_waits_goes_on_when_another_ends(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        slow = await _begin(archive, _LARGE[:-100])
        waiting = asyncio.create_task(_store(archive, [_large(new_uid())]))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await slow.write(_LARGE[-100:])
        await slow.end_part()
        assert len(await waiting) == 1
        assert len(await slow.finish()) == 1

    _run(database_url, tmp_path, scenario, uploads=Uploads(large_parts=1, wait_seconds=30))


@pytest.mark.parametrize("deflated", [False, True])
def test_an_upload_that_is_cancelled_anywhere_leaves_nothing(
    database_url: str, tmp_path: Path, deflated: bool
) -> None:
    syntax: dict[str, Any] = {"transfer_syntax_uid": DEFLATED_EXPLICIT_LITTLE} if deflated else {}
    parts = [make_instance(rows=64, columns=64, **syntax) for _ in range(3)] + [make_instance(**syntax)]

    async def scenario(archive: Archive) -> None:
        for turns in range(0, 60, 2):
            ingest = Ingest(archive)
            feeding = asyncio.create_task(_feed(ingest, parts))
            for _ in range(turns):
                await asyncio.sleep(0.0002)
            feeding.cancel()
            with suppress(asyncio.CancelledError):
                await feeding
            await ingest.abort()
            assert await _blobs(archive) == []
            assert _unfinished(archive) == 0
        assert len(await _store(archive, parts)) == 4

    _run(database_url, tmp_path, scenario, uploads=Uploads(large_parts=1, wait_seconds=1))


# --- memory ----------------------------------------------------------------------------------------


@given(
    total=integers(1, 1000),
    steps=lists(tuples(integers(0, 5), integers(0, 400), booleans()), max_size=60),
)
def test_shares_never_exceed_the_whole_and_always_leave_some(
    total: int, steps: list[tuple[int, int, bool]]
) -> None:
    uploads = Uploads(memory_bytes=total)
    shares = [Share(uploads) for _ in range(6)]
    for at, more, end in steps:
        before = uploads.free
        if shares[at].take(more):
            assert uploads.free == before - more
            assert shares[at].held <= uploads.free
        if end:
            shares[at].close()
        assert uploads.free + sum(share.held for share in shares) == total
        assert uploads.free >= 0
    for share in shares:
        share.close()
    assert uploads.free == total


def test_parts_that_memory_has_no_room_for_are_spooled(database_url: str, tmp_path: Path) -> None:
    uploads = Uploads(memory_bytes=100_000)
    part = make_instance(rows=100, columns=100)

    async def scenario(archive: Archive) -> None:
        slow = [await _begin(archive, part[:-100]) for _ in range(20)]
        assert 0 < uploads.free < 100_000
        assert 15 <= len([one for one in slow if one._large is not None]) < 20
        for ingest in slow:
            await ingest.write(part[-100:])
            await ingest.end_part()
            (outcome,) = await ingest.finish()
            assert outcome.failure_reason is None
        # With all gone, there is room to hold a part again.
        (again,) = [await _begin(archive, part[:-100])]
        assert again._large is None
        await again.abort()

    _run(database_url, tmp_path, scenario, uploads=uploads, small_part_bytes=1 << 20)


def test_a_full_memory_makes_requests_slower_and_nothing_else(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        requests = [[make_instance(rows=20, columns=20) for _ in range(6)] for _ in range(8)]
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(_store(archive, parts) for parts in requests))
        assert [one.failure_reason for outcomes in answers for one in outcomes] == [None] * 48
        assert await _instances(archive) == 48

    uploads = Uploads(memory_bytes=1500, large_parts=2, wait_seconds=60)
    _run(database_url, tmp_path, scenario, uploads=uploads, small_part_bytes=1 << 20)


def test_requests_that_stop_after_small_parts_do_not_fill_the_memory(
    database_url: str, tmp_path: Path
) -> None:
    """What a pack's writer gathers is counted too: a request beyond its share is committed in steps."""
    uploads = Uploads(memory_bytes=400_000)

    async def scenario(archive: Archive) -> None:
        waiting = [Ingest(archive) for _ in range(10)]
        for _ in range(4):
            for ingest in waiting:
                await _feed(ingest, [make_instance(rows=100, columns=100)])
                packs = [one._pack.held_bytes for one in waiting]
                parts = [part.size for one in waiting for part in one._small]
                assert sum(packs) + sum(parts) <= 420_000
        for ingest in waiting:
            assert len(await ingest.finish()) == 4
        assert await _instances(archive) == 40

    _run(database_url, tmp_path, scenario, uploads=uploads, small_part_bytes=1 << 20)


def test_each_large_part_is_durable_when_it_ends_and_gone_when_the_request_is_torn(
    database_url: str, tmp_path: Path
) -> None:
    study = new_uid()

    async def scenario(archive: Archive) -> None:
        ingest = Ingest(archive)
        for count in range(1, 30):
            await _feed(ingest, [_large(study)])
            assert _unfinished(archive) == 0
            assert len(await _blobs(archive)) == count
        assert await _instances(archive) == 0
        await ingest.write(_LARGE[:-100])
        await ingest.abort()
        assert await _blobs(archive) == []

    _run(database_url, tmp_path, scenario)


def test_large_parts_that_are_refused_or_there_already_leave_no_blob(
    database_url: str, tmp_path: Path
) -> None:
    there, other = _large(new_uid()), _large(new_uid())

    async def scenario(archive: Archive) -> None:
        await _store(archive, [there])
        outcomes = await _store(archive, [there, b"no DICOM" * 1000, other, other, other[:-50]])
        assert sorted(one.failure_reason or 0 for one in outcomes) == [0, 0, 0, 0xC000, 0xC000]
        assert len(await _blobs(archive)) == 2

    _run(database_url, tmp_path, scenario)


def test_what_waits_for_a_transaction_is_bounded_in_bytes(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "_STEP_BYTES", 40_000)
    monkeypatch.setattr(ingest_module, "_BATCH_BYTES", 1)
    study = new_uid()

    async def scenario(archive: Archive) -> None:
        ingest = Ingest(archive)
        await _feed(ingest, [make_instance(study_instance_uid=study) for _ in range(20)])
        assert 10 <= await _instances(archive) < 20
        assert len(await ingest.finish()) == 20
        assert await _instances(archive) == 20

    _run(database_url, tmp_path, scenario)


def test_small_deflated_instances_share_two_blobs(database_url: str, tmp_path: Path) -> None:
    parts = [make_instance(transfer_syntax_uid=DEFLATED_EXPLICIT_LITTLE) for _ in range(30)]

    async def scenario(archive: Archive) -> None:
        outcomes = await _store(archive, [*parts, parts[0][:-20], make_instance()])
        assert sorted(one.failure_reason or 0 for one in outcomes) == [0] * 31 + [0xC000]
        assert len(await _blobs(archive)) == 2
        assert sum(map(len, parts)) < max(await _blobs(archive))

    _run(database_url, tmp_path, scenario)


def test_inflated_copies_in_memory_are_bounded(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deflated zeros: each part is small, and its copy is not; copies that may be held are, a few at once."""
    monkeypatch.setattr(small_parts, "_INFLATED_BYTES", 10_000)
    deflated: dict[str, Any] = {"transfer_syntax_uid": DEFLATED_EXPLICIT_LITTLE}
    middle = [make_instance(rows=40, columns=40, pixels=bytes(3200), **deflated) for _ in range(12)]
    far = [make_instance(rows=100, columns=100, pixels=bytes(20_000), **deflated) for _ in range(3)]

    async def scenario(archive: Archive) -> None:
        outcomes = await _store(archive, [*middle, far[0], *middle, *far[1:]])
        assert [one.failure_reason for one in outcomes] == [None] * 27
        assert len(await _blobs(archive)) == 2 + 2 * 3
        assert await _instances(archive) == 15

    _run(database_url, tmp_path, scenario, small_part_bytes=5000)


# --- repeats ---------------------------------------------------------------------------------------


def _contents(count: int) -> list[bytes]:
    """Instances that differ in content only."""
    names = ("study_instance_uid", "series_instance_uid", "sop_instance_uid")
    uids: dict[str, Any] = {name: new_uid() for name in names}
    return [make_instance(**uids, attributes={"PatientID": f"ID{at}"}) for at in range(count)]


def test_copies_in_one_request_cost_one_row_and_one_transaction(database_url: str, tmp_path: Path) -> None:
    (one,) = _contents(1)
    (large,) = [_large(new_uid())]

    async def scenario(archive: Archive) -> None:
        revision = await _value(archive, "SELECT nextval('revision')")
        outcomes = await _store(archive, [one] * 50 + [large] * 3)
        assert [outcome.failure_reason for outcome in outcomes] == [None] * 53
        assert await _value(archive, "SELECT nextval('revision')") == revision + 2
        assert sorted(await _blobs(archive)) == [len(one), len(large)]

    _run(database_url, tmp_path, scenario)


_CONFLICT, _KEPT = (0x0111, None), (None, 0xB006)
_DONE = (None, None)


@pytest.mark.parametrize(
    ("policy", "sent", "answers", "last"),
    [
        ("reject", "00101", [_DONE, _DONE, _DONE, _CONFLICT, _CONFLICT], "ID0"),
        ("reject", "22", [_DONE, _DONE], "ID2"),
        ("keep", "00101", [_DONE, _DONE, _DONE, _KEPT, _KEPT], "ID0"),
        ("replace", "001101", [_DONE] * 6, "ID1"),
        ("replace", "0110", [_DONE] * 4, "ID0"),
    ],
)
def test_every_repeat_is_told_what_became_of_its_content(
    database_url: str,
    tmp_path: Path,
    policy: str,
    sent: str,
    answers: list[tuple[int | None, int | None]],
    last: str,
) -> None:
    contents = _contents(3)

    async def scenario(archive: Archive) -> None:
        outcomes = await _store(archive, [contents[int(digit)] for digit in sent])
        found = [(one.failure_reason, one.warning_reason) for one in outcomes]
        assert sorted(found, key=str) == sorted(answers, key=str)
        assert len({one.retrieve_path for one in outcomes}) == 1
        async with connection(archive.pool) as db:
            assert await db.fetchval("SELECT patient_id FROM study") == last
        assert await _instances(archive) == 1

    _run(database_url, tmp_path, scenario, duplicates=policy)


def test_repeats_of_refused_content_are_refused_each(database_url: str, tmp_path: Path) -> None:
    there, other = _contents(2)

    async def scenario(archive: Archive) -> None:
        await _store(archive, [there])
        outcomes = await _store(archive, [other, there, other, other])
        assert sorted(one.failure_reason or 0 for one in outcomes) == [0, 0x0111, 0x0111, 0x0111]

    _run(database_url, tmp_path, scenario)


# --- requests that end together ----------------------------------------------------------------------


async def _together(archive: Archive, requests: Iterable[Iterable[bytes]]) -> list[Any]:
    return await asyncio.gather(*(_store(archive, parts) for parts in requests), return_exceptions=True)


def test_requests_that_end_together_share_a_blob_and_their_outcomes_stay_apart(
    database_url: str, tmp_path: Path
) -> None:
    there = make_instance()

    async def scenario(archive: Archive) -> None:
        await _store(archive, [there])
        requests = [[make_instance(), make_instance()] for _ in range(20)]
        # A resend, one part refused of two, nothing that can be stored, and the same new instance twice.
        new = make_instance()
        others = [[there], [make_instance(), b"no DICOM"], [b"neither"], [new], [new]]
        answers = await _together(archive, [*requests, *others])
        reasons = [sorted(one.failure_reason or 0 for one in outcomes) for outcomes in answers]
        assert reasons == [[0, 0]] * 20 + [[0], [0, 0xC000], [0xC000], [0], [0]]
        assert await _instances(archive) == 1 + 40 + 1 + 1
        assert len(await _blobs(archive)) < 20

    _run(database_url, tmp_path, scenario)


def test_policies_are_not_mixed_in_a_group(database_url: str, tmp_path: Path) -> None:
    uids = [new_uid() for _ in range(6)]

    async def scenario(archive: Archive) -> None:
        await _store(archive, [make_instance(sop_instance_uid=uid) for uid in uids])

        async def other(at: int) -> int | None:
            ingest = Ingest(archive, duplicates="replace" if at % 2 else "reject")
            await _feed(ingest, [make_instance(sop_instance_uid=uids[at])])
            (outcome,) = await ingest.finish()
            return outcome.failure_reason

        found = await asyncio.gather(*(other(at) for at in range(6)))
        assert found == [0x0111, None] * 3
        assert await _instances(archive) == 6

    _run(database_url, tmp_path, scenario)


def test_deflated_instances_among_others_are_stored_too(database_url: str, tmp_path: Path) -> None:
    deflated: dict[str, Any] = {"transfer_syntax_uid": DEFLATED_EXPLICIT_LITTLE}
    far = make_instance(rows=100, columns=100, pixels=bytes(20_000), **deflated)

    async def scenario(archive: Archive) -> None:
        requests = [[make_instance()], [make_instance(**deflated), make_instance()], [far], [make_instance()]]
        answers = await _together(archive, requests)
        assert [one.failure_reason for outcomes in answers for one in outcomes] == [None] * 5
        assert await _instances(archive) == 5

    _run(database_url, tmp_path, scenario)


def test_what_the_catalog_does_not_take_fails_one_request_of_a_group(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = new_uid()

    async def refuses_one(pool: Any, tenant: int, new: Sequence[NewInstance], **options: Any) -> list[Added]:
        if any(one.sop_instance_uid == uid for one in new):
            raise TooLarge("The request is more than the archive's database takes at once.")
        return await add_instances(pool, tenant, new, **options)

    monkeypatch.setattr(store_groups, "add_instances", refuses_one)

    async def scenario(archive: Archive) -> None:
        requests = [[make_instance()] for _ in range(10)]
        requests.insert(4, [make_instance(sop_instance_uid=uid)])
        answers = await _together(archive, requests)
        assert isinstance(answers.pop(4), TooLarge)
        assert [outcome.failure_reason for (outcome,) in answers] == [None] * 10
        assert await _instances(archive) == 10

    _run(database_url, tmp_path, scenario)


def test_a_fault_of_ours_in_a_scan_fails_one_request_of_a_group(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = make_instance()

    def fails(pieces: Iterable[bytes], **options: Any) -> Scan:
        whole = b"".join(pieces)
        if whole == bad:
            raise LookupError
        return scan([whole], **options)

    monkeypatch.setattr(small_parts, "scan", fails)

    async def scenario(archive: Archive) -> None:
        answers = await _together(archive, [[make_instance()], [make_instance(), bad], [make_instance()]])
        assert isinstance(answers[1], LookupError)
        assert await _instances(archive) == 2

    _run(database_url, tmp_path, scenario)


@given(pieces=lists(integers(0, 40_000), max_size=12))
def test_a_part_is_held_as_it_came_and_in_few_pieces(pieces: list[int]) -> None:
    held = small_parts.PartBytes()
    sent = [bytes([at]) * size for at, size in enumerate(pieces)]
    for piece in sent:
        held.add(piece)
    assert b"".join(held.pieces()) == b"".join(sent)
    assert held.size == sum(pieces)
    assert len(held.pieces()) <= 2 * held.size // (16 << 10) + 1


def test_single_bytes_are_held_in_one_piece() -> None:
    held = small_parts.PartBytes()
    for _ in range(1000):
        held.add(b"x")
    assert held.pieces() == [b"x" * 1000]
