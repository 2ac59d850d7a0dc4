"""Connections that misbehave, over real sockets, against one worker with tight limits."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dicomweb.settings import Settings
from tests.run.connections import answer_of, connected, running, status_of
from tests.run.processes import proportional_memory

_GET = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"
_SETTINGS = Settings(head_seconds=1.0, body_idle_seconds=1.5, head_bytes=16384, uri_bytes=8192)


@pytest.fixture(scope="module")
def worker() -> Iterator[tuple[tuple[str, int], int]]:
    with running(_SETTINGS) as found:
        yield found


@pytest.fixture(scope="module")
def address(worker: tuple[tuple[str, int], int]) -> tuple[str, int]:
    return worker[0]


@pytest.fixture(scope="module")
def worker_pid(worker: tuple[tuple[str, int], int]) -> int:
    return worker[1]


def _serves(address: tuple[str, int]) -> bool:
    with connected(address, _GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as connection:
        return status_of(answer_of(connection)) == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 17000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 3000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40000, 431),
        (b"GET /" + b"a" * 40000, 414),
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", 408),
        (b"G", 408),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf", 408),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 408),
    ],
)
def test_what_breaks_the_bounds_or_the_grammar_is_refused_and_closed(
    address: tuple[str, int], request_bytes: bytes, status: int
) -> None:
    with connected(address, request_bytes) as connection:
        assert status_of(answer_of(connection)) == status
    assert _serves(address)


def test_a_long_uri_in_a_head_that_fits_is_left_to_the_application(address: tuple[str, int]) -> None:
    request = b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connected(address, request) as connection:
        assert status_of(answer_of(connection)) == 200


def test_only_the_setting_bounds_a_uri() -> None:
    settings = Settings(head_bytes=1 << 20, uri_bytes=1 << 19)
    with running(settings) as (address, _):
        for length in (65_535, 65_536, 200_000):
            request = b"GET /" + b"a" * (length - 1) + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            with connected(address, request) as connection:
                assert status_of(answer_of(connection)) == 200, length


def test_the_refusal_reaches_a_client_that_is_still_sending(address: tuple[str, int]) -> None:
    with connected(address, b"GET / HTTP/1.1\r\nHost: x\r\nA: ") as connection:
        for _ in range(20):
            try:
                connection.sendall(b"a" * 100_000)
            except (BrokenPipeError, ConnectionResetError):
                break
        assert status_of(answer_of(connection)) == 431


def test_garbage_behind_a_request_does_not_cost_itsanswer_of(address: tuple[str, int]) -> None:
    with connected(address, _GET + b"\x00garbage\r\n\r\n") as connection:
        answers = answer_of(connection)
    assert status_of(answers) == 200
    assert b"HTTP/1.1 400 Bad Request" in answers


def test_pipelined_requests_are_answered_in_order(address: tuple[str, int]) -> None:
    posts = b"".join(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (n, b"x" * n) for n in range(5)
    )
    last = b"GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connected(address, posts + last) as connection:
        bodies = [
            part.partition(b"\r\n\r\n")[2] for part in answer_of(connection).split(b"HTTP/1.1 200 OK")[1:]
        ]
    assert [b"\r\n%d\r\n" % n in body for n, body in enumerate(bodies[:5])] == [True] * 5
    assert len(bodies) == 6


def test_sixty_unfinished_heads_do_not_stop_others(address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(address, b"GET / HTTP/1.1\r\nX: ")) for _ in range(60)]
        begun = time.monotonic()
        assert _serves(address)
        assert time.monotonic() - begun < 10  # one after the other they would take a minute
        assert {status_of(answer_of(connection)) for connection in slow} == {408}


def test_a_head_that_drips_is_cut_at_the_bound(address: tuple[str, int]) -> None:
    with connected(address, b"GET / HTTP/1.1\r\n") as connection:
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 20:
                connection.sendall(b"A: b\r\n")
                time.sleep(0.1)
        except OSError:
            pass
        assert time.monotonic() - begun < 15


def test_a_connection_that_says_nothing_is_closed(address: tuple[str, int]) -> None:
    with connected(address) as connection:
        assert answer_of(connection) == b""


def test_a_connection_rests_after_an_upgrade_that_was_not_taken(address: tuple[str, int]) -> None:
    upgrade = b"Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    with connected(address, _GET.replace(b"Host: x\r\n", upgrade)) as connection:
        assert status_of(connection.recv(1000)) == 200
        time.sleep(1.5)  # longer than a head may take
        connection.sendall(_GET)
        assert status_of(connection.recv(1000)) == 200


def test_a_body_that_keeps_coming_may_take_its_time(address: tuple[str, int]) -> None:
    with connected(
        address, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n"
    ) as sender:
        for _ in range(8):
            time.sleep(0.4)
            sender.sendall(b"x")
        assert status_of(answer_of(sender)) == 200


def test_a_slow_answer_is_no_idle_body(address: tuple[str, int]) -> None:
    with connected(address, b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
        assert answer_of(connection).endswith(b"late\r\n0\r\n\r\n")


def test_a_client_that_takes_nothing_is_cut_off(address: tuple[str, int]) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.connect(address)
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(4)
        connection.settimeout(20)
        received = 0
        try:
            while data := connection.recv(1 << 20):
                received += len(data)
        except ConnectionResetError:
            pass
        assert received < 16 << 20
    assert _serves(address)


def test_a_client_that_takes_it_slowly_gets_all(address: tuple[str, int]) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.connect(address)
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = 0
        for _ in range(8):
            time.sleep(0.5)
            received += len(connection.recv(1 << 16))
        received += len(answer_of(connection))
    assert received > 16 << 20


def test_an_early_answer_reaches_a_client_that_goes_on_sending(address: tuple[str, int]) -> None:
    with connected(
        address, b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n"
    ) as connection:
        for _ in range(50):
            connection.sendall(b"x" * 1_000_000)
        connection.sendall(_GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answers = answer_of(connection)
    assert answers.count(b"HTTP/1.1 200") == 2


_CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_trailers_do_no_harm(address: tuple[str, int]) -> None:
    with connected(address, _CHUNKED + b"1\r\nx\r\n0\r\nHost: y\r\n\r\n") as connection:
        assert status_of(answer_of(connection)) == 200


@pytest.mark.parametrize("start", [b"1;", b"0\r\nA: "])
def test_endless_trailers_and_chunk_extensions_are_cut(address: tuple[str, int], start: bytes) -> None:
    with connected(address, _CHUNKED + start) as connection:
        time.sleep(0.1)
        connection.sendall(b"e" * 40000)
        assert status_of(answer_of(connection)) == 431


def test_many_open_heads_cost_little_memory(address: tuple[str, int], worker_pid: int) -> None:
    before = proportional_memory([worker_pid])
    with ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(connected(address, b"GET / HTTP/1.1\r\nX: " + b"a" * 8000))
        time.sleep(0.3)
        assert proportional_memory([worker_pid]) - before < 24 << 20
    assert _serves(address)


def test_a_head_that_we_did_not_read_is_not_late(address: tuple[str, int]) -> None:
    slow = _GET.replace(b"/pid", b"/slow")  # longer than a head may take
    with connected(address, slow + _GET + b"GET /pid HTTP/1.1\r\nHo") as connection:
        time.sleep(0.2)  # so that the rest is not read with it
        connection.sendall(b"st: x\r\nConnection: close\r\n\r\n")
        answer = answer_of(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == 3


def test_a_client_that_leaves_the_end_of_its_answer_is_cut_off(
    address: tuple[str, int], worker_pid: int
) -> None:
    """What is left is too little to hold up the application, and lies in the server's own buffer."""
    before = _descriptors(worker_pid)
    with ExitStack() as stack:
        for step in range(100):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(address)
            size = 2_400_000 + step * 12_000  # somewhere there the kernel's own room ends
            connection.sendall(b"GET /sized?%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % size)
        until = time.monotonic() + 20
        while _descriptors(worker_pid) > before and time.monotonic() < until:
            time.sleep(0.1)
        assert _descriptors(worker_pid) <= before


def test_a_client_that_leaves_is_noticed_though_it_sent_more_ahead(
    address: tuple[str, int], worker_pid: int
) -> None:
    assert _serves(address)  # its first connection opens a file that stays
    before = _descriptors(worker_pid)
    with connected(address, _GET.replace(b"/pid", b"/wait")) as connection:
        time.sleep(0.2)
        connection.sendall(_GET)
        time.sleep(0.2)
    until = time.monotonic() + 10
    while _descriptors(worker_pid) > before and time.monotonic() < until:
        time.sleep(0.1)
    assert _descriptors(worker_pid) <= before


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
