"""Serve with uvicorn (uvloop, httptools) and our bounds on heads, bodies and idleness."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any

import uvicorn

from dicomweb.run.accepting import Acceptor
from dicomweb.run.http_connection import HttpConnection
from dicomweb.run.http_limits import HttpLimits
from dicomweb.run.worker import GRACE_SECONDS, KEEP_ALIVE_SECONDS, Channel
from dicomweb.settings import Settings


class _Server(uvicorn.Server):
    """Accepts by itself, tells the parent when it does, and ends with it."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, channel: Channel) -> None:
        super().__init__(config)
        self._listening = listening
        self._channel = channel
        self._acceptor: Acceptor | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._acceptor = Acceptor(self._listening, self._channel.place, self._make_connection)
        self.server_state.connections = self._acceptor.connections
        self._acceptor.start()
        self._channel.watch(asyncio.get_running_loop())
        self._channel.tell_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is not None:
            await self._acceptor.stop()
        self._listening.close()
        await super().shutdown(sockets)

    def _make_connection(self) -> asyncio.BaseProtocol:
        make: Any = self.config.http_protocol_class
        connection: asyncio.BaseProtocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return connection


def serve(app: Any, settings: Settings, listening: socket.socket, channel: Channel) -> int:
    config = uvicorn.Config(
        app,
        http=partial(HttpConnection, HttpLimits.of(settings)),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # URLs hold patient data
        # At info it tells of every start and stop of a worker: the supervisor does that.
        log_level="warning" if settings.log_level == "info" else settings.log_level,
        proxy_headers=False,  # web/base.py reads Forwarded where the operator trusts it
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Server(config, listening, channel).run(sockets=[])  # none that uvicorn would accept from
    return 0
