"""Many small requests over a slow link, in a small form: all frames arrive, however they are asked for."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from threading import Thread

from benchmarks.link import WAYS
from benchmarks.slow_link import slow_link
from tests.benchmark_tool import run_tool


def test_the_link_carries_every_byte_in_order_both_ways() -> None:
    sent = bytes(range(256)) * 4000
    with socket.create_server(("127.0.0.1", 0)) as listening:
        echo = Thread(target=_echo, args=(listening,))
        echo.start()
        host, port = listening.getsockname()
        with slow_link(f"http://{host}:{port}/base", 0.01) as base:
            assert base.endswith("/base")
            address = ("127.0.0.1", int(base.split(":")[2].partition("/")[0]))
            with socket.create_connection(address, timeout=20) as connection:
                sender = Thread(target=_send, args=(connection, sent))
                sender.start()
                received = b"".join(iter(lambda: connection.recv(65536), b""))
                sender.join()
        echo.join()
    assert received == sent


def _echo(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def _send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def test_every_way_gets_every_frame(tmp_path: Path) -> None:
    run_tool("benchmarks.link", "--frames", "40", "--round-trip-ms", "2", results=tmp_path)
    rows = json.loads((tmp_path / "link.json").read_text())
    assert {row["way"] for row in rows} == {way.name for way in WAYS}
    assert {row["server"] for row in rows} == {"uvicorn", "granian"}
    assert all(row["seconds"] > 0 for row in rows)
    assert all(row["way"] in (tmp_path / "link.md").read_text() for row in rows)
