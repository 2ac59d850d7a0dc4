"""The limit for reading where nginx is not installed, in a process of its own: python -m benchmarks.bare

Answers every request with as many zero bytes as its path says: no parsing, no storage. Prints its base URL.
"""

from __future__ import annotations

import socket
import threading

_MOST = 256 << 20


def main() -> None:
    """Serve until the process is ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    zeros = memoryview(bytes(_MOST))
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer, args=(connection, zeros), daemon=True).start()


def _answer(connection: socket.socket, zeros: memoryview) -> None:
    with connection:
        while head := connection.recv(65536):
            size = int(head.split(b" ", 2)[1].lstrip(b"/"))
            start = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
            sent = connection.sendmsg([start, zeros[:size]]) - len(start)
            connection.sendall(zeros[sent:size])


if __name__ == "__main__":
    main()
