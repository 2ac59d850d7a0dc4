"""How long a connection is waited for: until a head or body has come, and while its client takes nothing."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable

Action = Callable[[], None]


class Deadline:
    """One action at a time, done when its time has come.

    Its timer looks, when it rings, whether it is due yet: most deadlines are put off or dropped long before,
    and cost no timer of their own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.action: Action | None = None
        self._loop = loop
        self._due = 0.0
        self._rings_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, seconds: float, action: Action) -> None:
        """Do this after that time, unless something else is expected before."""
        self.action, self._due = action, self._loop.time() + seconds
        if self._timer is not None and self._rings_at > self._due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._ring_at_due()

    def drop(self) -> None:
        """Expect nothing."""
        self.action = None

    def end(self) -> None:
        """Expect nothing ever again."""
        self.drop()
        if self._timer is not None:
            self._timer.cancel()

    def _ring_at_due(self) -> None:
        self._rings_at, self._timer = self._due, self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self.action is None:
            return
        if self._loop.time() < self._due:
            self._ring_at_due()
            return
        action, self.action = self.action, None
        action()


class StallWatch:
    """Ends a connection whose client takes nothing: it would hold a database cursor and a file for ever."""

    def __init__(self, transport: asyncio.Transport, seconds: float, abort: Action) -> None:
        self._transport = transport
        self._seconds = seconds
        self._abort = abort
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Watch, as there is something to take."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look, self._unsent())

    def end(self) -> None:
        """All was taken."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, unsent_before: int) -> None:
        self._timer = None
        if self._unsent() >= unsent_before:
            self._abort()
        else:
            self.begin()

    def _unsent(self) -> int:
        """Bytes that the client has not taken, the kernel's queue included: it alone holds megabytes."""
        queue = bytearray(4)
        try:
            fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queue)
        except OSError:
            pass
        return self._transport.get_write_buffer_size() + int.from_bytes(queue, sys.byteorder)
