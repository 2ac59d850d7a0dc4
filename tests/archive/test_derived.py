"""Derived bytes: made once for all who ask at a time, kept on disk, and asked for by all that decides."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from dicomweb.archive import derived as module
from dicomweb.archive.derived import Derived, derived, open_derived
from dicomweb.archive.disk_cache import DiskCache
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.target import Target
from dicomweb.errors import DecodeFailed, Unavailable
from dicomweb.settings import Settings

SOURCE = InstanceSource(
    Target("1", "2", "3"), 7, 1, "", "", "", 0, 0, 0, b"digest", b"", None, None, 0, 0, None, False
)


P = ParamSpec("P")


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Archive:
    """The two things that derived() needs of an archive."""

    def __init__(self, kept: Derived, tenant_id: int = 1) -> None:
        self.derived = kept
        self.tenant_id = tenant_id


def archive_of(directory: Path, tenant_id: int = 1, **options: Any) -> Any:
    return Archive(open_derived(Settings(data=directory, min_free_bytes=0, **options)), tenant_id)


class Maker:
    """Makes different bytes each time, slowly."""

    def __init__(self) -> None:
        self.begun = 0
        self.working = asyncio.Event()
        self.ended = 0
        self.failure: Exception | None = None

    async def __call__(self) -> bytes:
        self.begun += 1
        number = self.begun
        self.working.set()
        await asyncio.sleep(0.02)
        if self.failure is not None:
            raise self.failure
        self.ended += 1
        return b"made %d" % number


@on_a_loop
async def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    make = Maker()
    archive = archive_of(tmp_path)
    first = await derived(archive, (SOURCE, 1, "png"), make)
    assert await derived(archive, (SOURCE, 1, "png"), make) == first == b"made 1"
    await archive.derived.close()
    assert await derived(archive, (SOURCE, 1, "png"), make) == first
    assert await derived(archive_of(tmp_path), (SOURCE, 1, "png"), make) == first


@on_a_loop
async def test_a_slow_disk_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = threading.Event()
    monkeypatch.setattr(DiskCache, "put", lambda *_: slow.wait(30))
    make, archive = Maker(), archive_of(tmp_path)
    found = await asyncio.gather(*(derived(archive, (number,), make) for number in range(40)))
    assert len(set(found)) == 40
    slow.set()
    await archive.derived.close()


@on_a_loop
async def test_without_a_cache_only_what_is_in_flight_is_shared(tmp_path: Path) -> None:
    make, archive = Maker(), archive_of(tmp_path, cache_bytes=0)
    assert set(await asyncio.gather(*(derived(archive, (SOURCE,), make) for _ in range(9)))) == {b"made 1"}
    assert await derived(archive, (SOURCE,), make) == b"made 2"
    assert not (tmp_path / "cache").exists()


@on_a_loop
async def test_everything_in_the_key_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Maker()
    keys: list[list[Any]] = [
        [SOURCE, 1, "png"],
        [SOURCE, "1", "png"],
        [SOURCE, 1, "png", ""],
        [SOURCE, "1\n'png'"],
        [replace(SOURCE, instance_row=8), 1, "png"],
        [replace(SOURCE, digest=b"other database"), 1, "png"],
    ]
    archive, other = archive_of(tmp_path), archive_of(tmp_path, tenant_id=2)
    made = {await derived(archive, key, make) for key in keys}
    made.add(await derived(other, keys[0], make))
    await archive.derived.close()
    monkeypatch.setattr(module, "makers", lambda: "other versions")
    made.add(await derived(archive, keys[0], make))
    assert len(made) == len(keys) + 2


@on_a_loop
async def test_a_failure_reaches_all_who_wait_and_is_not_kept(tmp_path: Path) -> None:
    make, archive = Maker(), archive_of(tmp_path)
    make.failure = DecodeFailed("no")
    found = await asyncio.gather(*(derived(archive, (1,), make) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [DecodeFailed] * 3
    make.failure = None
    assert await derived(archive, (1,), make) == b"made 2"


@on_a_loop
async def test_work_ends_when_the_last_who_waits_leaves(tmp_path: Path) -> None:
    make, archive = Maker(), archive_of(tmp_path)
    first = asyncio.ensure_future(derived(archive, (1,), make))
    second = asyncio.ensure_future(derived(archive, (1,), make))
    await make.working.wait()
    first.cancel()
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    # Who comes right after does not inherit what is being ended.
    assert await derived(archive, (1,), make) == b"made 2"
    assert (make.begun, make.ended) == (2, 1)


@on_a_loop
async def test_who_leaves_as_the_work_is_ended_has_left(tmp_path: Path) -> None:
    """Its own cancellation must not become an error of the archive: who cancelled it waits for its end."""
    make, archive = Maker(), archive_of(tmp_path)
    waiter = asyncio.ensure_future(derived(archive, (1,), make))
    await make.working.wait()
    (making,) = archive.derived._in_flight.values()
    making.task.cancel()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter


@on_a_loop
async def test_who_waits_for_work_that_is_ended_is_told(tmp_path: Path) -> None:
    make, archive = Maker(), archive_of(tmp_path)
    waiter = asyncio.ensure_future(derived(archive, (1,), make))
    await make.working.wait()
    (making,) = archive.derived._in_flight.values()
    making.task.cancel()
    with pytest.raises(Unavailable):
        await waiter


@on_a_loop
async def test_who_leaves_does_not_end_the_work_of_the_others(tmp_path: Path) -> None:
    make, archive = Maker(), archive_of(tmp_path)
    first = asyncio.ensure_future(derived(archive, (1,), make))
    second = asyncio.ensure_future(derived(archive, (1,), make))
    await make.working.wait()
    first.cancel()
    assert await second == b"made 1"
    assert first.cancelled()
