"""Blobs in an S3 bucket, through obstore.

A small blob is one PUT; a longer one a multipart upload of 8 MiB parts, two on the wire at once, so that
an upload of any size holds about 40 MiB. An S3 PUT is durable when it is answered, and invisible before.
Parts of an upload whose process died cannot be listed here: the bucket needs a lifecycle rule for
incomplete multipart uploads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from dicomweb.blobs.protocol import STREAM_CHUNK, BlobEntry, new_key, write_made
from dicomweb.errors import BlobMissing, InvalidSettings, Unavailable

if TYPE_CHECKING:
    from obstore import PutResult
    from obstore.store import ClientConfig, RetryConfig, S3Config

    from dicomweb.settings import Settings

# S3 asks for at least 5 MiB and at most 10,000 parts: this makes 78 GiB, above any DICOM object we know.
PART_BYTES = 8 << 20
_PARTS_ON_THE_WIRE = 2
_LISTING_PAGE = 1000
_ABORT_SECONDS = 30.0

# A reader waits for these: long enough for a restart of a gateway, short enough for a person.
_RETRY: RetryConfig = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}
# `timeout` covers a whole answer: it must outlast a slow client that drinks a large blob through us.
_CLIENT: ClientConfig = {
    "connect_timeout": timedelta(seconds=3),
    "read_timeout": timedelta(seconds=30),
    "timeout": timedelta(hours=12),
    "default_content_type": "application/octet-stream",
}


def open_s3(settings: Settings) -> S3Blobs:
    """The bucket and prefix of `settings.blobs`. No request is sent. Raises InvalidSettings.

    Without keys in the settings, the usual AWS sources are asked (container or instance role).
    """
    where = urlsplit(settings.blobs)
    config: S3Config = {"region": settings.s3_region}
    if settings.s3_endpoint:
        config["endpoint"] = settings.s3_endpoint
    if settings.s3_access_key:
        config["access_key_id"] = settings.s3_access_key
        config["secret_access_key"] = settings.s3_secret_key
    if settings.s3_endpoint.startswith("http://") and not settings.s3_allow_http:
        raise InvalidSettings(
            "DICOMWEB_S3_ENDPOINT is an http:// URL: say DICOMWEB_S3_ALLOW_HTTP=yes to speak without TLS."
        )
    try:
        store = S3Store(
            where.netloc,
            prefix=where.path.strip("/") or None,
            config=config,
            client_options={**_CLIENT, "allow_http": settings.s3_allow_http},
            retry_config=_RETRY,
        )
    except (BaseError, ValueError) as error:
        raise InvalidSettings("The S3 settings cannot be used: see DICOMWEB_BLOBS and S3_*.") from error
    return S3Blobs(store)


class S3Blobs:
    """The protocol over one bucket and prefix."""

    # A request takes tens of milliseconds, whatever it asks for.
    piece_bytes = 2 << 20

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def create(self, key: str) -> S3Writer:
        return S3Writer(self._store, key)

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        if length is None:
            length = await self.size(key) - offset
        return (await self.read_many(key, [(offset, length)]))[0]

    async def stream(
        self, key: str, offset: int, length: int, *, chunk: int = STREAM_CHUNK
    ) -> AsyncIterator[bytes]:
        if length == 0:
            return
        missing = length
        with _store_errors():
            try:
                answer = await obstore.get_async(
                    self._store, key, options={"range": (offset, offset + length)}
                )
                async for piece in answer.stream(min_chunk_size=chunk):
                    missing -= len(piece)
                    view = memoryview(piece)
                    for begin in range(0, len(view), chunk):
                        yield bytes(view[begin : begin + chunk])
            except BaseError:
                await self._check_end(key, offset + length)
                raise
        if missing:
            raise _short(key)

    def reader(self, key: str) -> S3Reader:
        return S3Reader(self, key)

    async def read_many(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of every (offset, length) of one blob."""
        if any(length < 0 for _, length in ranges):
            raise _short(key)
        wanted = [(offset, length) for offset, length in ranges if length > 0]
        found = iter(await self._ranges(key, wanted) if wanted else [])
        return [next(found) if length > 0 else b"" for _, length in ranges]

    async def _ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """obstore joins neighbouring ranges into one request and sends the others side by side."""
        starts, lengths = [offset for offset, _ in ranges], [length for _, length in ranges]
        with _store_errors():
            try:
                pieces = await obstore.get_ranges_async(self._store, key, starts=starts, lengths=lengths)
            except BaseError:
                await self._check_end(key, max(offset + length for offset, length in ranges))
                raise
        if [len(piece) for piece in pieces] != lengths:
            raise _short(key)
        return [bytes(piece) for piece in pieces]

    async def _check_end(self, key: str, end: int) -> None:
        """A refused range may mean a short blob: servers word that differently, so ask for the size."""
        if await self.size(key) < end:
            raise _short(key)

    async def delete(self, key: str) -> None:
        with _store_errors(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)

    async def size(self, key: str) -> int:
        with _store_errors():
            try:
                return (await obstore.head_async(self._store, key))["size"]
            except FileNotFoundError:
                # The answer to HEAD has no body that tells a missing bucket from a missing blob.
                await obstore.get_range_async(self._store, key, start=0, length=1)
                raise

    async def entries(self) -> AsyncIterator[BlobEntry]:
        with _store_errors():
            async for page in obstore.list(self._store, chunk_size=_LISTING_PAGE):
                for found in page:
                    yield BlobEntry(found["path"], found["size"], found["last_modified"])

    async def sweep_unfinished(self, *, before: datetime, dry_run: bool = False) -> int:  # noqa: ARG002
        return 0

    async def free_bytes(self) -> int | None:
        return None

    async def check(self) -> None:
        # A key that cannot be there: the answer that it is not comes from the bucket.
        with suppress(BlobMissing):
            await self.size(new_key())

    async def close(self) -> None:
        """obstore closes its connections itself."""


class S3Reader:
    """Nothing of a bucket is ever at hand."""

    def __init__(self, blobs: S3Blobs, key: str) -> None:
        self._blobs, self._key = blobs, key

    def fill_now(self, offset: int, buffer: memoryview) -> bool:  # noqa: ARG002
        return False

    async def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return await self._blobs.read_many(self._key, ranges)


class _Abandoned(Exception):
    """Ends the pieces of an upload, so that obstore aborts it."""


class S3Writer:
    """Gathers one part; from the second part on, a task sends them."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store, self._key = store, key
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._size = 0
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._upload: asyncio.Future[PutResult] | None = None
        self._abandoned = False
        self._committed = False

    @property
    def size(self) -> int:
        return self._size

    @property
    def held_bytes(self) -> int:
        return self._gathered_bytes

    async def write(self, data: bytes | memoryview) -> None:
        begin = 0
        while begin < len(data):
            piece = bytes(data[begin : begin + PART_BYTES - self._gathered_bytes])
            begin += len(piece)
            self._size += len(piece)
            self._gathered.append(piece)
            self._gathered_bytes += len(piece)
            if self._gathered_bytes == PART_BYTES:
                await self._send(self._take())

    async def write_made(self, make: Callable[[], Sequence[bytes]], *, last: bool = False) -> None:
        await write_made(self, make, last=last)

    async def commit(self) -> None:
        if self._upload is None:
            self._upload = self._put(self._take(), use_multipart=False)
        else:
            if self._gathered:
                await self._send(self._take())
            await self._send(None)
        with _store_errors():
            # A cancelled caller must not leave an upload that nobody awaits: abort does.
            await asyncio.shield(self._upload)
        self._committed = True

    async def abort(self) -> None:
        if self._committed or self._upload is None:
            return
        self._abandoned = True
        with suppress(asyncio.QueueFull):
            self._parts.put_nowait(None)
        await asyncio.wait([self._upload], timeout=_ABORT_SECONDS)
        if not self._upload.done():
            self._upload.cancel()
        elif self._upload.exception() is None:  # it had all its bytes already
            with suppress(BaseError, FileNotFoundError):
                await obstore.delete_async(self._store, self._key)

    def _take(self) -> bytes:
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        return b"".join(gathered)

    def _put(self, data: bytes | AsyncIterator[bytes], *, use_multipart: bool) -> asyncio.Future[PutResult]:
        return asyncio.ensure_future(
            obstore.put_async(
                self._store,
                self._key,
                data,
                use_multipart=use_multipart,
                chunk_size=PART_BYTES,
                max_concurrency=_PARTS_ON_THE_WIRE,
            )
        )

    async def _send(self, part: bytes | None) -> None:
        """Hand one part over, or the end; waits while the wire is full. Raises what the upload met."""
        upload = self._upload = self._upload or self._put(self._pieces(), use_multipart=True)
        handing = asyncio.ensure_future(self._parts.put(part))
        try:
            either: set[asyncio.Future[Any]] = {handing, upload}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            handing.cancel()
        if upload.done():
            with _store_errors():
                upload.result()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while not self._abandoned:
            part = await self._parts.get()
            if part is None and not self._abandoned:
                return
            if part is not None:
                yield part
        raise _Abandoned


def _short(key: str) -> BlobMissing:
    return BlobMissing(f"Blob {key} ends before the bytes asked of it.")


@contextmanager
def _store_errors() -> Iterator[None]:
    """What the server or the wire refuses, in our words. obstore's text holds URLs, so it stays out."""
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise Unavailable("The bucket of the object store does not exist.", retry_after=60) from error
        raise BlobMissing("A blob is not in the object store.") from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise Unavailable(
            "The object store refuses our credentials.",
            retry_after=60,
            hint="Check the S3 keys and the rights on the bucket.",
        ) from error
    except BaseError as error:
        raise Unavailable("The object store does not answer as it should.") from error
