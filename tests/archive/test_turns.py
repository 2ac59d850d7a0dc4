"""Turns at workers: in order, fair between short and long work, none lost when who waits leaves."""

from __future__ import annotations

import asyncio

import pytest

from dicomweb.archive.turns import Turns


async def _work(turns: Turns, name: str, done: list[str]) -> None:
    async with turns.turn(long=name.startswith("long")):
        await asyncio.sleep(0)
        done.append(name)


async def _done(names: list[str], count: int = 1) -> list[str]:
    turns, done = Turns(count), list[str]()
    await asyncio.gather(*(_work(turns, name, done) for name in names))
    return done


def test_work_of_one_kind_is_done_in_its_order() -> None:
    names = [f"long {number}" for number in range(9)]
    assert asyncio.run(_done(names)) == names
    assert asyncio.run(_done(names, count=3)) == names


def test_short_work_waits_for_one_long_one() -> None:
    names = ["long 0", "long 1", "long 2", "long 3", "short 0", "short 1"]
    assert asyncio.run(_done(names)) == ["long 0", "short 0", "long 1", "short 1", "long 2", "long 3"]


def test_long_work_waits_for_one_short_one() -> None:
    names = ["short 0", "short 1", "short 2", "long 0"]
    assert asyncio.run(_done(names)) == ["short 0", "long 0", "short 1", "short 2"]


@pytest.mark.parametrize("pauses", range(4))
def test_who_leaves_takes_no_turn_along(pauses: int) -> None:
    async def leave() -> None:
        turns, done = Turns(1), list[str]()
        tasks = [asyncio.ensure_future(_work(turns, f"long {number}", done)) for number in range(4)]
        for _ in range(pauses):
            await asyncio.sleep(0)
        for task in tasks[:3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait_for(_work(turns, "short", done), 5)
        assert done[-2:] == ["long 3", "short"]

    asyncio.run(leave())
