"""Bare connections to one worker that serves the tiny application."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dicomweb.run.connection_counts import Counts, Place
from dicomweb.run.supervisor import Worker
from dicomweb.settings import Settings


@contextmanager
def running(settings: Settings) -> Iterator[tuple[tuple[str, int], int]]:
    """Address and process of a worker."""
    worker = Worker(Place(Counts.make(1), 0))
    with started(worker, settings) as address:
        assert worker.process is not None
        yield address, worker.process.pid
        assert worker.process.poll() is None, "the worker died"


@contextmanager
def started(worker: Worker, settings: Settings) -> Iterator[tuple[str, int]]:
    """Its address, while it is ready; the body may end the worker."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        worker.spawn(settings, listening, "tests.run.tiny_app:create_app")
        while not worker.ready:
            time.sleep(0.02)
            worker.listen()
        yield listening.getsockname()
        if worker.process is not None:
            worker.process.send_signal(signal.SIGTERM)
            worker.process.wait(20)
        worker.forget()


@contextmanager
def connected(address: tuple[str, int], *pieces: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        yield connection


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer[9:12])
