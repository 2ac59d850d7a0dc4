"""Turns at a few workers: short work does not wait behind all the long work of others (B-06)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """So many may work at a time. Where both wait, one of the short comes, then one of the long, each in the
    order in which they asked: neither can keep the other from working. Use from one event loop."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {False: deque(), True: deque()}
        self._last_was_long = False

    @asynccontextmanager
    async def turn(self, *, long: bool) -> AsyncIterator[None]:
        """Work inside; waits until it may begin."""
        await self._come(long)
        try:
            yield
        finally:
            self._go_on()

    async def _come(self, long: bool) -> None:
        if self._free:
            self._free -= 1
            self._last_was_long = long
            return
        coming: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[long].append(coming)
        try:
            await coming
        except asyncio.CancelledError:
            if coming.done() and not coming.cancelled():  # its turn had come just before
                self._go_on()
            raise

    def _go_on(self) -> None:
        """Let the next begin; those that left while they waited are passed over."""
        for long in (not self._last_was_long, self._last_was_long):
            waiting = self._waiting[long]
            while waiting:
                coming = waiting.popleft()
                if not coming.done():
                    coming.set_result(None)
                    self._last_was_long = long
                    return
        self._free += 1
