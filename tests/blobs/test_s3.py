"""A real S3 server, where DICOMWEB_TEST_S3 names one (.ci/swift starts it)."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from uuid import uuid4

import pytest

from dicomweb.blobs.contract import BlobsContract, listing, put
from dicomweb.blobs.open import open_blobs
from dicomweb.blobs.protocol import Blobs, BlobWriter, new_key
from dicomweb.errors import BlobMissing, Unavailable
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
