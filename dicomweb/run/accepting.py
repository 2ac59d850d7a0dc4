"""Accepting connections so that all workers have equally many.

The workers accept from one socket, and the kernel wakes whom it likes: without a rule one of two often gets
all connections of a client that opens a few. So each worker tells the others how many it has, in memory that
they share, and one that has more than another lets it come first for a moment. Nobody waits for long: a
worker that is busy or stuck loses its turn.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from dicomweb.run.connection_counts import Place

_log = logging.getLogger("dicomweb.run")

# So long may a worker with fewer connections take to come; one that sleeps needs a tenth of it.
_TURN_SECONDS = 0.002
# One more among so many makes no difference: in a burst of hundreds they are taken by the dozen.
_TOLERANCE = 8
# Then what was accepted has its turn.
_AT_ONCE = 64
# Without descriptors or memory the connection stays in the queue, and trying at once would fail again.
_REST_SECONDS = 0.5


class Connections(set[Any]):
    """The open connections of a server, which says when their number changes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._changed()

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._changed()


class Acceptor:
    """Takes connections from a listening socket that other workers have, too."""

    def __init__(
        self, listening: socket.socket, place: Place, make_protocol: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self.connections = Connections(self._changed)
        self._loop = asyncio.get_running_loop()
        listening.setblocking(False)
        self._listening = listening
        self._place = place
        self._make_protocol = make_protocol
        self._accepts = False
        self._yields = False
        self._timer: asyncio.TimerHandle | None = None  # there while we do not watch the socket
        self._opening = set[asyncio.Task[None]]()

    def start(self) -> None:
        """Accept, and say so to the others."""
        self._accepts = True
        self._tell()
        self._watch()

    async def stop(self) -> None:
        """Accept no more; what was accepted is in connections, with its transport."""
        self._unwatch()
        self._accepts = False
        self._tell()
        if self._opening:
            await asyncio.wait(self._opening)

    def _tell(self) -> None:
        if self._accepts:
            self._place.tell(len(self.connections))
        else:
            self._place.clear()

    def _changed(self) -> None:
        self._tell()
        if self._yields and self._is_our_turn():
            self._watch()

    def _watch(self) -> None:
        self._unwatch()
        self._loop.add_reader(self._listening, self._readable)

    def _unwatch(self) -> None:
        self._yields = False
        if self._timer is None:
            self._loop.remove_reader(self._listening)
        else:
            self._timer.cancel()
            self._timer = None

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        self._unwatch()
        self._timer = self._loop.call_later(seconds, then)

    def _readable(self) -> None:
        if not self._is_our_turn():
            self._pause(_TURN_SECONDS, self._take_what_nobody_took)
            self._yields = True
            return
        for _ in range(_AT_ONCE):
            if not (self._accept() and self._is_our_turn()):
                return

    def _is_our_turn(self) -> bool:
        fewest, ours = self._place.fewest_elsewhere(), len(self.connections)
        return fewest is None or ours <= fewest + ours // _TOLERANCE

    def _take_what_nobody_took(self) -> None:
        self._watch()
        for _ in range(1 + len(self.connections) // _TOLERANCE):
            if not self._accept():
                return

    def _accept(self) -> bool:
        """Take one; False when there is none or none can be taken now."""
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            _log.warning("No connection can be accepted for a moment: %s", os.strerror(error.errno or 0))
            self._accepts = False
            self._tell()
            self._pause(_REST_SECONDS, self.start)
            return False
        connection.setblocking(False)
        protocol = self._make_protocol()
        self.connections.add(protocol)  # at once, for the next turn
        task = self._loop.create_task(self._open(connection, protocol))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connection: socket.socket, protocol: asyncio.BaseProtocol) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # the client left again
            connection.close()
            self.connections.discard(protocol)
