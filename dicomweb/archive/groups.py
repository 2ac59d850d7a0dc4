"""Who comes while others are at work waits, and then goes together with all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar


class Member(Protocol):
    """kind: only members of one kind go together. size: what of a group is bounded."""

    @property
    def kind(self) -> Hashable: ...

    @property
    def size(self) -> int: ...


T = TypeVar("T", bound=Member)


class Groups(Generic[T]):
    """A few groups work side by side; a member that comes alone waits for nobody."""

    def __init__(self, *, at_once: int, most: int, size: int) -> None:
        """at_once: groups. most, size: members of a group, and their sizes together."""
        self._at_once = at_once
        self._most = most
        self._size = size
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._working: set[asyncio.Task[None]] = set()

    async def join(self, member: T, work: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        """Return when `work` has been done for a group with this member; raises what it raised.

        A member whose caller is cancelled before is left out.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((member, done))
        # Not their number: one that has ended is taken off a turn later, and takes no one with it any more.
        if sum(not task.done() for task in self._working) < self._at_once:
            task = asyncio.create_task(self._work(work))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        await done

    async def _work(self, work: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        while group := self._next():
            try:
                await work([member for member, _ in group])
            except BaseException as error:
                for _, done in group:
                    if not done.done():
                        done.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            for _, done in group:
                if not done.done():
                    done.set_result(None)

    def _next(self) -> list[tuple[T, asyncio.Future[None]]]:
        """Who goes next: the first who waits, and others of its kind, in the order they came."""
        group: list[tuple[T, asyncio.Future[None]]] = []
        left: list[tuple[T, asyncio.Future[None]]] = []
        size = 0
        for member, done in self._waiting:
            if done.cancelled():
                continue
            fits = len(group) < self._most and size + member.size <= self._size
            if not group or (fits and member.kind == group[0][0].kind):
                group.append((member, done))
                size += member.size
            else:
                left.append((member, done))
        self._waiting = left
        return group
