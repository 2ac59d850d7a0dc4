"""Members of groups: who goes with whom, and who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import pytest

from dicomweb.archive.groups import Groups


@dataclass(frozen=True)
class _One:
    name: str
    kind: Hashable = None
    size: int = 1


class _Work:
    """Notes the groups that begin; each ends when it is told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gates: list[asyncio.Future[None]] = []

    async def __call__(self, group: Sequence[_One]) -> None:
        self.begun.append("".join(one.name for one in group))
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate

    async def end(self, error: Exception | None = None) -> None:
        """End the group that began first."""
        gate = self.gates.pop(0)
        if error is None:
            gate.set_result(None)
        else:
            gate.set_exception(error)
        await _turns()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _joined(groups: Groups[_One], work: _Work, members: Sequence[_One]) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(groups.join(one, work)) for one in members]
    await _turns()
    return tasks


def test_a_member_that_comes_alone_goes_at_once_and_later_ones_go_together() -> None:
    async def scenario() -> None:
        groups, work = Groups[_One](at_once=1, most=10, size=100), _Work()
        (first,) = await _joined(groups, work, [_One("a")])
        later = await _joined(groups, work, [_One("b"), _One("c"), _One("d")])
        assert work.begun == ["a"]
        await work.end()
        assert work.begun == ["a", "bcd"]
        assert first.done()
        assert not any(task.done() for task in later)
        await work.end()
        assert all(task.done() for task in later)
        await _joined(groups, work, [_One("e")])
        assert work.begun == ["a", "bcd", "e"]
        await work.end()

    asyncio.run(scenario())


def test_so_many_groups_work_side_by_side() -> None:
    async def scenario() -> None:
        groups, work = Groups[_One](at_once=2, most=10, size=100), _Work()
        for name in "abcd":
            await _joined(groups, work, [_One(name)])
        assert work.begun == ["a", "b"]
        await work.end()
        assert work.begun == ["a", "b", "cd"]
        for _ in range(2):
            await work.end()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([_One("b", 1), _One("c", 2), _One("d", 1)], ["a", "bd", "c"]),
        ([_One("b", size=60), _One("c", size=60), _One("d", size=40)], ["a", "bd", "c"]),
        ([_One("b", size=1000), _One("c")], ["a", "b", "c"]),
        ([_One(name) for name in "bcdef"], ["a", "bcd", "ef"]),
    ],
)
def test_a_group_is_of_one_kind_and_bounded(members: list[_One], expected: list[str]) -> None:
    async def scenario() -> None:
        groups, work = Groups[_One](at_once=1, most=3, size=100), _Work()
        tasks = await _joined(groups, work, [_One("a")]) + await _joined(groups, work, members)
        while not all(task.done() for task in tasks):
            await work.end()
        assert work.begun == expected

    asyncio.run(scenario())


def test_what_fails_a_group_fails_its_members_and_no_others() -> None:
    async def scenario() -> None:
        groups, work = Groups[_One](at_once=1, most=10, size=100), _Work()
        tasks = await _joined(groups, work, [_One("a")]) + await _joined(groups, work, [_One("b"), _One("c")])
        await work.end()
        tasks += await _joined(groups, work, [_One("d")])
        await work.end(LookupError())
        await work.end()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), LookupError, LookupError, type(None)]

    asyncio.run(scenario())


def test_who_is_cancelled_while_waiting_is_left_out() -> None:
    async def scenario() -> None:
        groups, work = Groups[_One](at_once=1, most=10, size=100), _Work()
        await _joined(groups, work, [_One("a")])
        waiting = await _joined(groups, work, [_One("b"), _One("c")])
        waiting[0].cancel()
        await _turns()
        await work.end()
        assert work.begun == ["a", "c"]
        waiting[1].cancel()
        await _turns()
        await work.end()
        (last,) = await _joined(groups, work, [_One("d")])
        await work.end()
        await last

    asyncio.run(scenario())


@pytest.mark.parametrize("at_once", [1, 2])
def test_who_comes_right_when_the_last_group_ends_is_not_forgotten(at_once: int) -> None:
    async def scenario() -> None:
        groups, work = Groups[_One](at_once=at_once, most=10, size=100), _Work()

        async def again() -> None:
            await groups.join(_One("a"), work)
            await groups.join(_One("c"), work)

        first = asyncio.create_task(again())
        await _turns()
        others = [task for name in "b" * (at_once - 1) for task in await _joined(groups, work, [_One(name)])]
        for gate in work.gates:
            gate.set_result(None)
        await _turns()
        assert work.begun[at_once:] == ["c"]
        work.gates[-1].set_result(None)
        await asyncio.gather(first, *others)

    asyncio.run(scenario())
