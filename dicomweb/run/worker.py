"""One HTTP worker process, started by the supervisor.

python -m dicomweb.run.worker LISTEN_FD CHANNEL_FD COUNTS_FD PLACE APP

Settings come through the environment. CHANNEL is a socket to the parent: the worker writes one byte when it
serves; end of file means that the parent is gone, and the worker with it. COUNTS is memory that all workers
share, PLACE the number of this one in it: see run/accepting.py.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dicomweb.errors import ArchiveError
from dicomweb.run.connection_counts import Counts, Place
from dicomweb.run.logs import configure_logging
from dicomweb.settings import Settings

# Requests in flight get this long after a stop was asked for; `docker stop` kills after ten seconds.
GRACE_SECONDS = 7
# Proxies and clients reuse a connection that was idle for up to a minute.
KEEP_ALIVE_SECONDS = 75
_FILES = 65536


@dataclass(frozen=True, slots=True)
class Channel:
    """The socket to the parent, and the place among the workers."""

    socket: socket.socket
    place: Place

    def tell_ready(self) -> None:
        self.socket.send(b"r")

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """End when the parent does. Where the kernel tells us (Linux), we are gone before this."""
        self.socket.setblocking(False)
        loop.add_reader(self.socket, self._readable, loop)

    def _readable(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            parent_lives = bool(self.socket.recv(64))
        except BlockingIOError:
            return
        if not parent_lives:
            loop.remove_reader(self.socket)
            os.kill(os.getpid(), signal.SIGTERM)


def load_app(name: str) -> Callable[[Settings], Any]:
    """'package.module:function', a function from Settings to an ASGI application."""
    module, _, function = name.partition(":")
    loaded: Callable[[Settings], Any] = getattr(importlib.import_module(module), function)
    return loaded


def main(arguments: list[str]) -> int:
    listening = socket.socket(fileno=int(arguments[0]))
    place = Place(Counts(int(arguments[2])), int(arguments[3]))
    channel = Channel(socket.socket(fileno=int(arguments[1])), place)
    try:
        settings = Settings.from_env(os.environ)
        configure_logging(settings.log_level)
        _allow_many_connections()
        app = load_app(arguments[4])(settings)
        server = importlib.import_module(f"dicomweb.run.{settings.server}_server")
    except ArchiveError as error:
        sys.stderr.write(f"{error.message} {error.hint}\n")
        return 1
    served: int = server.serve(app, settings, listening, channel)
    return served


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
