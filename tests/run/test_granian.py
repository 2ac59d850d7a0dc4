"""The optional server keeps the same promises at its own edges."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from dicomweb.run.connection_counts import Counts, Place
from dicomweb.run.supervisor import Worker
from dicomweb.settings import Settings
from tests.run.processes import running, wait_until

_SETTINGS = Settings(server="granian", head_seconds=1.0, body_idle_seconds=1.5, head_bytes=16384)


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    worker = Worker(Place(Counts.make(1), 0))
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        worker.spawn(_SETTINGS, listening, "tests.run.tiny_app:create_app")
        while not worker.ready:
            time.sleep(0.02)
            worker.listen()
        assert worker.process is not None
        yield listening.getsockname()
        assert worker.process.poll() is None, "the worker died"
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(20) == 0
        worker.forget()


def _get(address: tuple[str, int], path: str) -> httpx.Response:
    return httpx.get(f"http://{address[0]}:{address[1]}{path}", timeout=20)


def test_unfinished_heads_are_closed_and_do_not_stop_others(address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        heads = [stack.enter_context(socket.create_connection(address, timeout=20)) for _ in range(60)]
        for head in heads:
            head.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert _get(address, "/pid").status_code == 200
        for head in heads:
            head.recv(1000)  # 408 or just the end: it comes within the timeout


def test_endless_heads_are_refused(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        with suppress(OSError):  # it hangs up while we send
            for _ in range(100):
                connection.sendall(b"a" * 10_000)
            assert connection.recv(1000)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")
    assert _get(address, "/pid").status_code == 200


def test_a_body_that_stands_still_ends(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        begun = time.monotonic()
        connection.recv(1000)
        assert 1 < time.monotonic() - begun < 15


def test_bodies_arrive_whole(address: tuple[str, int]) -> None:
    sent = b"x" * 5_000_000
    answer = httpx.post(f"http://{address[0]}:{address[1]}/", content=sent, timeout=60)
    assert answer.text == str(len(sent))


def test_two_workers_share_the_socket_and_stop_in_order(archive_directory: Path) -> None:
    with running(archive_directory, {"DICOMWEB_SERVER": "granian"}) as server:
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(server.workers()) == 2 and victim not in server.workers())
        answers = list[str]()
        request = threading.Thread(
            target=lambda: answers.append(httpx.get(server.url + "/slow", timeout=60).text)
        )
        request.start()
        time.sleep(0.5)
        assert server.stop() == 0
        request.join()
        assert answers == ["late"]
