"""What is measured: the archive started as a user would, and a bare socket server as the limit."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 60


@contextmanager
def archive_server(data: Path) -> Iterator[str]:
    """`dicomweb serve` on a free port with a fresh data directory; gives its DICOMweb base URL."""
    log = data.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dicomweb.cli", "serve", "--data", str(data), "--port", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("DICOMWEB_")},
        )
    try:
        yield _wait_for_base(process, log)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for_base(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"http://\S+/dicomweb", log.read_text())
        if found and _accepts(found[0]):
            return found[0]
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


def _accepts(base: str) -> bool:
    host, _, port = base.split("/")[2].partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


class BareServer:
    """Answers every request with as many zero bytes as its path says: no parsing, no storage, one thread."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._zeros = memoryview(bytes(256 << 20))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while head := connection.recv(65536):
                size = int(head.split(b" ", 2)[1].lstrip(b"/"))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                connection.sendall(self._zeros[:size])

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


@contextmanager
def bare_server() -> Iterator[BareServer]:
    """The limit for reading."""
    server = BareServer()
    try:
        yield server
    finally:
        server.close()
