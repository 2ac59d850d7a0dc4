"""A small ASGI application for tests of processes and connections: the archive itself is not needed there."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from dicomweb.errors import Unavailable
from dicomweb.settings import Settings

_HEADERS = {
    "/split": [(b"x-one", b"1\r\nx-two: 2")],
    "/short": [(b"content-length", b"1000")],
    "/close": [(b"connection", b"close")],
}


def create_app(settings: Settings) -> Any:
    """/pid tells the worker's process, /database its URL, /early answers without reading the body, /slow
    after two seconds, /big with 16 MiB, /sized with as many bytes as its query says, /echo with the body,
    /split with a header of two lines, /short with less than it announces, /torn fails half-way, /wait waits
    until the client leaves, /close hangs up; anything else with the length of the request's body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        answers = {"/pid": str(os.getpid()), "/database": settings.database_url, "/early": "refused"}
        body = answers[scope["path"]].encode() if scope["path"] in answers else None
        if scope["path"] == "/wait":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if scope["path"] == "/slow":
            await asyncio.sleep(2)
            body = b"late"
        elif scope["path"] == "/sized":
            body = bytes(int(scope["query_string"]))
        elif body is None:
            received = await _body(receive)
            if received is None:
                return
            body = received if scope["path"] == "/echo" else str(len(received)).encode()
        headers = _HEADERS.get(scope["path"], [])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/big":
            for _ in range(64):
                await send({"type": "http.response.body", "body": bytes(1 << 18), "more_body": True})
        if scope["path"] == "/torn":
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise RuntimeError
        await send({"type": "http.response.body", "body": body})

    return app


def refusing_app(settings: Settings) -> Any:
    raise Unavailable("The archive cannot be opened.")


async def _body(receive: Any) -> bytes | None:
    """The whole body; None when the client left first."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
