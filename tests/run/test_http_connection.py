"""The grammar of HTTP/1.1 over real sockets: bodies, requests sent ahead, and how answers are framed."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from dicomweb.settings import Settings
from tests.run.connections import answer_of, connected, running, status_of
from tests.run.processes import proportional_memory

_GET = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"
_LAST = b"GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_BUFFER = 256 << 10


@pytest.fixture(scope="module")
def worker() -> Iterator[tuple[tuple[str, int], int]]:
    with running(Settings()) as found:
        yield found


@pytest.fixture(scope="module")
def address(worker: tuple[tuple[str, int], int]) -> tuple[str, int]:
    return worker[0]


def _post(path: str, body: bytes, headers: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%b%b\r\n%b" % (path.encode(), length, headers, body)


@pytest.mark.parametrize("length", [0, 1, _BUFFER - 200, _BUFFER - 1, _BUFFER, _BUFFER + 1, 5_000_000])
def test_a_body_arrives_as_it_was_sent_and_so_does_what_follows(
    address: tuple[str, int], length: int
) -> None:
    body = random.Random(length).randbytes(length)
    with connected(address, _post("/echo", body) + _LAST) as connection:
        answer = answer_of(connection)
    first, _, second = answer.rpartition(b"HTTP/1.1 200 OK")
    assert _unchunked(first) == body
    assert status_of(answer) == 200
    assert b"connection: close" in second


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_body_in_small_pieces_is_the_same(address: tuple[str, int], piece: int) -> None:
    body = random.Random(piece).randbytes(60 * piece)
    sent = _post("/echo", body, b"Connection: close\r\n")
    with connected(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), piece):
            connection.sendall(sent[start : start + piece])
        assert _unchunked(answer_of(connection)) == body


def _unchunked(answer: bytes) -> bytes:
    """The body of an answer in chunks."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if not int(size, 16):
            return body
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]


def test_requests_sent_ahead_are_answered_before_what_cannot_be_read_is_refused(
    address: tuple[str, int],
) -> None:
    slow = _GET.replace(b"/pid", b"/slow")
    with connected(address, slow + _GET + b"NONSENSE\r\n\r\n") as connection:
        answer = answer_of(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.index(b"late") < answer.index(b"HTTP/1.1 400")


def test_only_so_many_requests_may_be_sent_ahead(address: tuple[str, int]) -> None:
    with connected(address, _GET * 500) as connection:
        answer = answer_of(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == 64
    assert answer.count(b"HTTP/1.1 429") == 1


@pytest.mark.parametrize(
    ("target", "status"),
    [(b"http://x/pid", 200), (b"HTTP://x/pid?a=b", 200), (b"*", 400), (b"x:80", 400), (b"ftp://x/pid", 400)],
)
def test_a_target_may_be_a_whole_url(address: tuple[str, int], target: bytes, status: int) -> None:
    with connected(address, _LAST.replace(b"/pid", target)) as connection:
        assert status_of(answer_of(connection)) == status


def test_a_client_of_http_1_0_gets_no_chunks(address: tuple[str, int]) -> None:
    with connected(address, b"GET /pid HTTP/1.0\r\n\r\n") as connection:
        head, _, body = answer_of(connection).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body.isdigit()


@pytest.mark.parametrize(("path", "code"), [("/", b"100"), ("/early", b"200")])
def test_a_client_that_waits_is_told_whether_to_send(
    address: tuple[str, int], path: str, code: bytes
) -> None:
    head = _post(path, b"", b"Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 5")
    with connected(address, head) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 " + code)
        if code == b"100":
            connection.sendall(b"12345")
            assert _unchunked(connection.recv(1000)) == b"5"


def test_an_upgrade_that_is_not_spoken_is_answered_in_http_1_1(address: tuple[str, int]) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    with connected(address, _GET.replace(b"Host: x\r\n", b"Host: x\r\n" + upgrade)) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
        connection.sendall(_LAST)
        assert status_of(answer_of(connection)) == 200


def test_a_head_request_has_no_body(address: tuple[str, int]) -> None:
    with connected(address, _LAST.replace(b"GET", b"HEAD")) as connection:
        assert answer_of(connection).endswith(b"\r\n\r\n")


def test_a_header_cannot_become_two(address: tuple[str, int]) -> None:
    with connected(address, _LAST.replace(b"/pid", b"/split")) as connection:
        assert b"x-two" not in answer_of(connection)


def test_an_answer_that_ends_too_soon_ends_the_connection(address: tuple[str, int]) -> None:
    with connected(address, _GET.replace(b"/pid", b"/short")) as connection:
        answer = answer_of(connection)
    assert len(answer.partition(b"\r\n\r\n")[2]) < 1000


def test_an_application_may_end_the_connection(address: tuple[str, int]) -> None:
    with connected(address, _GET.replace(b"/pid", b"/close") + _GET) as connection:
        answer = answer_of(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"connection: close" in answer


def test_a_body_that_nobody_reads_is_left_with_the_sender(worker: tuple[tuple[str, int], int]) -> None:
    address, pid = worker
    before = proportional_memory([pid])
    with connected(address) as connection:
        sent = threading.Thread(target=_send_all, args=(connection, _post("/slow", bytes(64 << 20))))
        sent.start()
        time.sleep(1)
        assert proportional_memory([pid]) - before < 16 << 20
        sent.join()


def _send_all(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)


def test_a_connection_serves_again_after_it_rested(address: tuple[str, int]) -> None:
    with connected(address) as connection:
        for _ in range(3):
            connection.sendall(_GET)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
            time.sleep(0.2)


_REQUESTS = (
    _GET,
    _LAST,
    _post("/echo", b"x" * 300_000),
    _post("/early", b"x" * 300_000, b"Expect: 100-continue\r\n"),
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;e=1\r\nhello\r\n0\r\nA: b\r\n\r\n",
    b"GET /pid HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /pid HTTP/1.0\r\n\r\n",
)
_INSERTED = (b"\r\n", b"\r\n\r\n", b"\0", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n")


def _damaged(request: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(min(len(request), 120))
    kind = chance.randrange(4)
    if kind == 0:
        return request
    if kind == 1:
        return request[:at] + chance.choice(_INSERTED) + request[at:]
    return request[:at] + (chance.randbytes(2) if kind == 2 else b"") + request[at + 3 :]


def test_whatever_comes_is_answered_or_ended_without_a_fault(capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(4)
    with running(Settings(head_seconds=0.5, body_idle_seconds=0.5)) as (address, _):
        for _ in range(300):
            sent = b"".join(_damaged(chance.choice(_REQUESTS), chance) for _ in range(chance.randrange(1, 9)))
            with connected(address) as connection:
                connection.settimeout(0.02)
                with suppress(OSError):
                    connection.sendall(sent)
                    answer_of(connection)
        with connected(address, _LAST) as connection:
            assert status_of(answer_of(connection)) == 200
    logged = capfd.readouterr().err
    assert 'File "' not in logged, "a traceback, as logs.py or Python writes it"
    assert "Fatal error" not in logged


_UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
_SMUGGLED = _GET


@pytest.mark.parametrize("piece", [1 << 20, 7])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_behind_an_upgrade_is_a_body_and_no_request(
    address: tuple[str, int], piece: int, chunked: bool
) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\n" + _UPGRADE
    if chunked:
        body = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_SMUGGLED), _SMUGGLED)
    else:
        body = b"Content-Length: %d\r\n\r\n%b" % (len(_SMUGGLED), _SMUGGLED)
    sent = head + body + _LAST
    with connected(address) as connection:
        for start in range(0, len(sent), piece):
            connection.sendall(sent[start : start + piece])
        first, _, last = answer_of(connection).rpartition(b"HTTP/1.1 200 OK")
    assert first.count(b"HTTP/1.1 200 OK") == 1
    assert _unchunked(first) == _SMUGGLED
    assert b"connection: close" in last


def test_a_long_body_behind_an_upgrade_is_whole(address: tuple[str, int]) -> None:
    body = random.Random(1).randbytes(3 * _BUFFER)
    with connected(address, _post("/echo", body, _UPGRADE) + _LAST) as connection:
        assert _unchunked(answer_of(connection).rpartition(b"HTTP/1.1 200 OK")[0]) == body


def test_a_framing_that_contradicts_itself_is_refused_behind_an_upgrade_too(
    address: tuple[str, int],
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n" + _UPGRADE
    with connected(address, head + b"\r\n0\r\n\r\n") as connection:
        assert status_of(answer_of(connection)) == 400


def test_a_length_with_thousands_of_zeros_is_that_length(address: tuple[str, int]) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + b"0" * 5000
    with connected(address, head + b"5\r\n\r\nhello") as connection:
        assert _unchunked(answer_of(connection)) == b"hello"


@pytest.mark.parametrize("target", [b"x:80", b"/pid", b"http://x/pid"])
def test_a_tunnel_is_refused(address: tuple[str, int], target: bytes) -> None:
    with connected(address, _GET.replace(b"GET /pid", b"CONNECT " + target) + _GET) as connection:
        answer = answer_of(connection)
    assert status_of(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1


def test_the_query_of_a_url_without_a_path_is_no_path(address: tuple[str, int]) -> None:
    with connected(address, _LAST.replace(b"/pid", b"http://x?a=/pid")) as connection:
        assert _unchunked(answer_of(connection)) == b"0"  # `/` counts the bytes of the body
    with connected(address, _LAST.replace(b"/pid", b"http:///pid")) as connection:
        assert status_of(answer_of(connection)) == 400


@pytest.mark.parametrize("version", [b"0.9", b"1.0", b"2.0"])
def test_an_answer_without_a_length_ends_with_the_connection_but_in_http_1_1(
    address: tuple[str, int], version: bytes
) -> None:
    request = b"GET /pid HTTP/%b\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" % version
    with connected(address, request) as connection:
        head, _, body = answer_of(connection).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert body.isdigit()


def test_a_client_of_http_1_0_is_not_told_to_go_on(address: tuple[str, int]) -> None:
    request = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab"
    with connected(address, request) as connection:
        assert status_of(answer_of(connection)) == 200


@pytest.mark.parametrize("head", [b"HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", b"HTTP/1.0\r\n"])
def test_an_early_last_answer_is_not_overtaken_by_a_reset(address: tuple[str, int], head: bytes) -> None:
    with connected(address, b"POST /early %bContent-Length: 30000000\r\n\r\n" % head) as connection:
        for _ in range(30):
            connection.sendall(bytes(1_000_000))  # raises after a reset
        assert b"refused" in answer_of(connection)


def test_chunks_of_two_bytes_cost_no_more_than_their_bound(worker: tuple[tuple[str, int], int]) -> None:
    address, pid = worker
    before = proportional_memory([pid])
    head = b"POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(address, head) as connection:
        connection.settimeout(1)
        with suppress(TimeoutError):
            for _ in range(20):
                connection.sendall(b"2\r\nab\r\n" * (1 << 17))
        assert proportional_memory([pid]) - before < 12 << 20


def test_small_chunks_come_whole_and_in_order(address: tuple[str, int]) -> None:
    chance = random.Random(2)
    body = chance.randbytes(300_000)
    sent = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    position = 0
    while position < len(body):
        chunk = body[position : position + chance.choice((1, 2, 1000, 20_000))]
        sent += b"%x\r\n%b\r\n" % (len(chunk), chunk)
        position += len(chunk)
    with connected(address, sent + b"0\r\n\r\n") as connection:
        assert _unchunked(answer_of(connection)) == body


def test_clients_that_reset_before_they_are_looked_at_do_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    with running(Settings()) as (address, pid):
        os.kill(pid, signal.SIGSTOP)
        for _ in range(20):
            with connected(address) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.kill(pid, signal.SIGCONT)
        with connected(address, _LAST) as connection:
            assert status_of(answer_of(connection)) == 200
    assert "Error" not in capfd.readouterr().err


def test_half_an_answer_without_a_length_does_not_look_whole(address: tuple[str, int]) -> None:
    torn = b"GET /torn HTTP/1.0\r\n\r\n"
    with connected(address, torn) as connection, pytest.raises(ConnectionResetError):
        answer_of(connection)
