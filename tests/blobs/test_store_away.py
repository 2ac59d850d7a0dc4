"""Object stores that are away, broken or set up wrongly: always Unavailable, within seconds."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dicomweb.blobs.contract import listing
from dicomweb.blobs.open import open_blobs
from dicomweb.blobs.protocol import Blobs, new_key
from dicomweb.errors import InvalidSettings, Unavailable
from dicomweb.settings import Settings


def settings_for(endpoint: str) -> Settings:
    return Settings(
        blobs="s3://bucket/prefix",
        s3_endpoint=endpoint,
        s3_access_key="key",
        s3_secret_key="secret",
        s3_allow_http=True,
    )


async def every_operation_is_unavailable(blobs: Blobs) -> None:
    key = new_key()
    small, large = await blobs.create(key), await blobs.create(key)
    await small.write(b"data")

    async def write_much() -> None:
        for _ in range(6):
            await large.write(bytes(8 << 20))
        await large.commit()

    async def stream() -> None:
        async for _ in blobs.stream(key, 0, 10):
            pass

    attempts: list[Awaitable[object]] = [small.commit(), write_much(), stream(), listing(blobs)]
    attempts += [blobs.read(key), blobs.read(key, 0, 4), blobs.reader(key).read_many([(0, 4)])]
    attempts += [blobs.size(key), blobs.delete(key)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * len(attempts)
    await small.abort()
    await large.abort()


class _Answer503(BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def failing_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer503) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_server_that_answers_503_is_unavailable(failing_server: str) -> None:
    blobs = open_blobs(settings_for(failing_server))
    asyncio.run(every_operation_is_unavailable(blobs))


def test_a_server_that_refuses_connections_is_unavailable_within_seconds() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        blobs = open_blobs(settings_for(f"http://127.0.0.1:{unheard.getsockname()[1]}"))
        begin = time.monotonic()
        asyncio.run(every_operation_is_unavailable(blobs))
        assert time.monotonic() - begin < 15


def test_plain_http_must_be_allowed() -> None:
    settings = replace(settings_for("http://127.0.0.1:1"), s3_allow_http=False)
    with pytest.raises(InvalidSettings, match="S3_ALLOW_HTTP"):
        open_blobs(settings)
