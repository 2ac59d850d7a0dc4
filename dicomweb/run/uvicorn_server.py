"""Serve with uvicorn (uvloop, httptools) and our bounds on heads, bodies and idleness."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any

import uvicorn

from dicomweb.run.http_connection import HttpConnection
from dicomweb.run.http_limits import HttpLimits
from dicomweb.run.worker import GRACE_SECONDS, KEEP_ALIVE_SECONDS, Channel
from dicomweb.settings import Settings


class _Server(uvicorn.Server):
    """Tells the parent when it accepts connections, and ends with it."""

    def __init__(self, config: uvicorn.Config, channel: Channel) -> None:
        super().__init__(config)
        self._channel = channel

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._channel.watch(asyncio.get_running_loop())
        self._channel.tell_ready()


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
    _Server(config, channel).run(sockets=[listening])
    return 0
