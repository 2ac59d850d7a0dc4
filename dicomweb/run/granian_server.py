"""Serve with granian (HTTP/1.1 and HTTP/2, by Rust) on the socket that the parent opened.

Its own bounds hold for heads; the idleness of bodies is bounded around the application, which HTTP/2 needs
anyway: there many requests share a connection.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Any

import uvloop

from dicomweb.errors import InvalidSettings
from dicomweb.run.listen import BACKLOG
from dicomweb.run.worker import GRACE_SECONDS, Channel
from dicomweb.settings import Settings

try:
    from granian._granian import SocketHolder
    from granian.http import HTTP1Settings
    from granian.server.embed import Server
except ImportError:
    raise InvalidSettings(
        "DICOMWEB_SERVER is granian, which is not installed.", hint="Install dicomweb-archive[granian]."
    ) from None


class _InheritedSocketServer(Server):  # type: ignore[misc]
    """Takes over a listening socket instead of opening one."""

    def __init__(self, app: Any, listening: socket.socket, **arguments: Any) -> None:
        super().__init__(app, interface="asgi", websockets=False, log_enabled=False, **arguments)
        self._listening = listening

    def _init_shared_socket(self) -> None:
        self._ssp = None
        self._shd = SocketHolder(self._listening.fileno(), False, BACKLOG)  # type: ignore[call-arg]


class _Bounded:
    """ASGI around the archive: tells when it is ready, and ends bodies and answers that stand still."""

    def __init__(self, app: Any, settings: Settings, channel: Channel) -> None:
        self._app = app
        self._idle = settings.body_idle_seconds
        self._channel = channel

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._telling(send))
        else:
            await self._app(scope, self._impatient(receive), self._bounded(send))

    def _telling(self, send: Any) -> Any:
        async def tell(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self._channel.tell_ready()

        return tell

    def _impatient(self, receive: Any) -> Any:
        more = True

        async def within_bound() -> Any:
            nonlocal more
            if not more:  # the body is whole: this waits for the client to leave, as long as it takes
                return await receive()
            try:
                async with asyncio.timeout(self._idle):
                    message = await receive()
            except TimeoutError:
                message = {"type": "http.disconnect"}
            more = message.get("more_body", False)
            return message

        return within_bound

    def _bounded(self, send: Any) -> Any:
        async def within_bound(message: Any) -> None:
            async with asyncio.timeout(self._idle):
                await send(message)

        return within_bound


def serve(app: Any, settings: Settings, listening: socket.socket, channel: Channel) -> int:
    server = _InheritedSocketServer(
        _Bounded(app, settings, channel),
        listening,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(settings.head_seconds * 1000),
            max_buffer_size=max(settings.head_bytes, 8192),
        ),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(server, channel))
    return 0


async def _serve(server: Any, channel: Channel) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.call_later(GRACE_SECONDS, os._exit, 0)  # what still runs is cut off
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    channel.watch(loop)
    await server.serve()
