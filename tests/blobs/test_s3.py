"""A real S3 server (where DICOMWEB_TEST_S3 names one), and servers that fail."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest

from dicomweb.blobs.contract import BlobsContract, listing, put
from dicomweb.blobs.open import open_blobs
from dicomweb.blobs.protocol import Blobs, BlobWriter, new_key
from dicomweb.errors import BlobMissing, InvalidSettings, Unavailable
from dicomweb.settings import Settings

SERVER = os.environ.get("DICOMWEB_TEST_S3", "")
needs_server = pytest.mark.skipif(
    not SERVER, reason="DICOMWEB_TEST_S3 names no S3 server (.ci/swift starts one)"
)


def real_settings(prefix: str = "") -> Settings:
    """The server of the environment, under a prefix of our own."""
    return replace(Settings.from_env(os.environ), blobs=f"{SERVER}/{prefix or uuid4().hex}")


@needs_server
class TestS3Blobs(BlobsContract):
    # Three parts of a multipart upload, the last one short.
    large_bytes = 2 * (8 << 20) + 1234

    def open(self) -> Blobs:
        return open_blobs(real_settings())


@needs_server
class TestS3Server:
    def test_a_missing_bucket_is_unavailable_and_no_missing_blob(self) -> None:
        settings = replace(real_settings(), blobs="s3://no-such-bucket/x")
        with pytest.raises(Unavailable):
            asyncio.run(open_blobs(settings).read(new_key()))
        with pytest.raises(Unavailable):
            asyncio.run(put(open_blobs(settings), b"data"))

    def test_a_wrong_key_is_unavailable(self) -> None:
        settings = replace(real_settings(), s3_secret_key="wrong")
        with pytest.raises(Unavailable, match="credentials"):
            asyncio.run(put(open_blobs(settings), b"data"))

    def test_a_cancelled_upload_can_be_aborted_and_leaves_nothing(self) -> None:
        async def fill(writer: BlobWriter) -> None:
            for _ in range(8):
                await writer.write(bytes(5 << 20))
            await writer.commit()

        async def scenario() -> None:
            blobs = open_blobs(real_settings())
            finished = set()
            for moment in (0.0, 0.01, 0.05, 0.1, 0.15, 0.2):
                key = new_key()
                writer = await blobs.create(key)
                filling = asyncio.create_task(fill(writer))
                await asyncio.sleep(moment)
                filling.cancel()
                await asyncio.wait([filling])
                if not filling.cancelled():
                    finished.add(key)
                await writer.abort()
            assert set(await listing(blobs)) == finished

        asyncio.run(scenario())

    def test_two_prefixes_of_a_bucket_do_not_see_each_other(self) -> None:
        async def scenario() -> None:
            here, there = open_blobs(real_settings()), open_blobs(real_settings())
            key = await put(here, b"data")
            assert list(await listing(here)) == [key]
            assert await listing(there) == {}
            with pytest.raises(BlobMissing):
                await there.read(key)

        asyncio.run(scenario())


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
    attempts += [blobs.read(key), blobs.read(key, 0, 4), blobs.read_many(key, [(0, 4)])]
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
