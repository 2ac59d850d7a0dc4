"""Which worker takes a connection, and that every one is taken."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from dicomweb.run.accepting import Acceptor
from dicomweb.run.connection_counts import Counts, Place
from dicomweb.run.supervisor import Worker
from dicomweb.settings import Settings
from tests.run.connections import answer_of, connected, started, status_of
from tests.run.processes import wait_until

_GET = b"GET /pid HTTP/1.1\r\nhost: localhost\r\n\r\n"
_LAST_GET = b"GET /pid HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


# One socket, as two workers have it.
Listening = tuple[socket.socket, socket.socket]


class _Connection(asyncio.Protocol):
    """Stays until the client leaves."""

    def __init__(self) -> None:
        self.transport: asyncio.BaseTransport | None = None
        self.of: set[Any] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.of.discard(self)


def _acceptor(listening: Listening, counts: Counts, index: int) -> Acceptor:
    def make_connection() -> _Connection:
        connection = _Connection()
        connection.of = acceptor.connections
        return connection

    acceptor = Acceptor(listening[index], Place(counts, index), make_connection)
    return acceptor


@pytest.fixture
def listening() -> Iterator[Listening]:
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening, listening.dup() as same:
        yield listening, same


async def _until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 -- what it looks at sets no event
            await asyncio.sleep(0.001)


def _connect(stack: ExitStack, listening: Listening) -> socket.socket:
    return stack.enter_context(socket.create_connection(listening[0].getsockname(), timeout=20))


async def _taken(acceptors: list[Acceptor], number: int) -> list[int]:
    await _until(lambda: sum(len(acceptor.connections) for acceptor in acceptors) == number)
    return sorted(len(acceptor.connections) for acceptor in acceptors)


@pytest.mark.parametrize(("clients", "apart"), [(2, 0), (8, 0), (9, 1)])
def test_connections_are_spread_evenly(listening: Listening, clients: int, apart: int) -> None:
    async def run() -> None:
        counts = Counts.make(2)
        acceptors = [_acceptor(listening, counts, index) for index in range(2)]
        for acceptor in acceptors:
            acceptor.start()
        with ExitStack() as stack:
            for number in range(1, clients + 1):
                _connect(stack, listening)
                await _taken(acceptors, number)
            few, many = await _taken(acceptors, clients)
            assert many - few == apart
        await _taken(acceptors, 0)
        for acceptor in acceptors:
            await acceptor.stop()

    asyncio.run(run())


def test_the_worker_that_was_left_comes_first(listening: Listening) -> None:
    async def run() -> None:
        counts = Counts.make(2)
        acceptors = [_acceptor(listening, counts, index) for index in range(2)]
        with ExitStack() as first, ExitStack() as later:
            acceptors[0].start()
            for _ in range(3):
                _connect(first, listening)
            assert await _taken(acceptors[:1], 3) == [3]
            acceptors[1].start()
            for number in (4, 5, 6):
                _connect(later, listening)
                await _taken(acceptors, number)
            assert await _taken(acceptors, 6) == [3, 3]
            first.close()
            await _taken(acceptors, 3)
            for number in (4, 5, 6):
                _connect(later, listening)
                await _taken(acceptors, number)
            assert await _taken(acceptors, 6) == [3, 3]
        for acceptor in acceptors:
            await acceptor.stop()

    asyncio.run(run())


def test_a_worker_that_is_stuck_holds_nobody_up(listening: Listening) -> None:
    async def run() -> None:
        counts = Counts.make(2)
        Place(counts, 1).tell(0)
        acceptor = _acceptor(listening, counts, 0)
        acceptor.start()
        with ExitStack() as stack:
            for _ in range(100):
                _connect(stack, listening)
            assert await _taken([acceptor], 100) == [100]
            await acceptor.stop()

    asyncio.run(run())


def test_after_a_stop_nothing_is_taken_and_nothing_is_lost(listening: Listening) -> None:
    async def run() -> None:
        counts = Counts.make(2)
        acceptor, other = (_acceptor(listening, counts, index) for index in range(2))
        acceptor.start()
        with ExitStack() as stack:
            _connect(stack, listening)
            await _until(lambda: acceptor.connections)
            await acceptor.stop()
            assert [connection.transport is not None for connection in acceptor.connections] == [True]
            assert Place(counts, 1).fewest_elsewhere() is None
            _connect(stack, listening)
            other.start()
            assert await _taken([other], 1) == [1]
            assert len(acceptor.connections) == 1
            await other.stop()

    asyncio.run(run())


def test_the_count_of_a_killed_worker_does_not_count() -> None:
    counts = Counts.make(2)
    worker, here = Worker(Place(counts, 0)), Place(counts, 1)
    with started(worker, Settings()) as address:
        assert here.fewest_elsewhere() == 0
        with connected(address, _GET) as connection:
            assert status_of(connection.recv(65536)) == 200
            assert here.fewest_elsewhere() == 1
            assert worker.process is not None
            worker.process.kill()
            wait_until(lambda: worker.ended() is not None)
            assert here.fewest_elsewhere() is None


def test_clients_that_leave_at_once_are_not_counted() -> None:
    counts = Counts.make(2)
    worker, here = Worker(Place(counts, 0)), Place(counts, 1)
    with started(worker, Settings()) as address:
        for _ in range(50):
            with closing(socket.create_connection(address)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with connected(address, _LAST_GET) as connection:
            assert status_of(answer_of(connection)) == 200
        wait_until(lambda: here.fewest_elsewhere() == 0)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process are set on Linux")
def test_a_worker_without_descriptors_accepts_again_when_it_has_some() -> None:
    counts = Counts.make(2)
    worker, here = Worker(Place(counts, 0)), Place(counts, 1)
    with started(worker, Settings()) as address:
        assert worker.process is not None
        pid = worker.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        most = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
        with ExitStack() as stack:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most + 1, before[1]))
            connections = [stack.enter_context(connected(address, _LAST_GET)) for _ in range(most + 1)]
            wait_until(lambda: here.fewest_elsewhere() is None)  # the others need not wait for it
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            assert {status_of(answer_of(connection)) for connection in connections} == {200}
        assert worker.process.poll() is None
