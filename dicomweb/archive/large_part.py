"""A part that is too long to be held: it streams into a blob of its own while a thread scans it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from dicomweb.archive.chunk_pipe import ChunkPipe
from dicomweb.archive.request_blobs import RequestBlobs
from dicomweb.archive.small_parts import PartBytes
from dicomweb.archive.uploads import Uploads
from dicomweb.blobs import BlobWriter, new_key
from dicomweb.catalog.columns import BlobPlace
from dicomweb.dicom.part10 import Scan, ScanLimits, scan

T = TypeVar("T")

_PIPE_BYTES = 1 << 20
# Handed over at once: waking the scanner and the writer for each chunk costs more than their work.
_GATHER_BYTES = 1 << 20


class LargePart:
    """Open it, write, `finish`, then `commit` or `drop`; or `tear` it at any time. `close` comes last."""

    def __init__(self, uploads: Uploads, blobs: RequestBlobs, limits: ScanLimits) -> None:
        self._uploads = uploads
        self._blobs = blobs
        self._limits = limits
        self._pipe = ChunkPipe(capacity=_PIPE_BYTES)
        self._loop = asyncio.get_running_loop()
        self._gathered = PartBytes()
        self._keys: list[str] = []
        self._received: BlobWriter | None = None
        self._inflated: BlobWriter | None = None
        self._scan: asyncio.Future[Scan] | None = None
        self._failed = False

    async def open(self) -> None:
        """Wait for the right to begin. Raises Unavailable; then it must not be closed."""
        await self._uploads.begin_large()
        try:
            self._received = await self._open_blob()
            self._scan = _in_own_thread(self._run)
        except BaseException:
            self.close()
            raise

    async def _open_blob(self) -> BlobWriter:
        key = new_key()
        self._keys.append(key)
        return await self._blobs.open(key)

    def _run(self) -> Scan:
        try:
            return scan(self._pipe, limits=self._limits, on_inflated=self._write_inflated)
        except BaseException:
            self._failed = True
            raise
        finally:
            self._pipe.abandon()

    def _write_inflated(self, data: bytes) -> None:
        """Called in the scan thread: the copy is written with the same backpressure as the part itself."""
        asyncio.run_coroutine_threadsafe(self._append_inflated(data), self._loop).result()

    async def _append_inflated(self, data: bytes) -> None:
        if self._inflated is None:
            self._inflated = await self._open_blob()
        await self._blobs.check_room(len(data))
        await self._inflated.write(data)

    async def write(self, data: bytes) -> None:
        if self._failed:  # refused already: the rest of the part is read and dropped
            return
        self._gathered.add(data)
        if self._gathered.size >= _GATHER_BYTES:
            await self._hand_over()

    async def _hand_over(self) -> None:
        assert self._received is not None
        gathered, self._gathered = self._gathered.pieces(), PartBytes()
        await self._pipe.put(*gathered)
        for piece in gathered:
            await self._received.write(piece)

    async def finish(self) -> Scan:
        """The part is complete: what the scan found. Raises InvalidDicom."""
        assert self._scan is not None
        await self._hand_over()
        self._pipe.end()
        await asyncio.wait([self._scan])  # whoever is cancelled here does not stop the thread
        return self._scan.result()

    @property
    def places(self) -> tuple[BlobPlace, BlobPlace | None]:
        """Where the received bytes are, and the inflated copy of a deflated data set."""
        assert self._received is not None
        received = BlobPlace(self._keys[0], 0, self._received.size)
        if self._inflated is None:
            return received, None
        return received, BlobPlace(self._keys[1], 0, self._inflated.size)

    async def commit(self) -> None:
        """Make its bytes durable: no writer of it stays open until the request ends."""
        for key in self._keys:
            await self._blobs.commit(key)

    async def drop(self) -> None:
        """Remove its bytes: it is refused, or a repeat."""
        for key in self._keys:
            await self._blobs.drop(key)

    async def tear(self) -> None:
        """The upload ended in the middle of this part."""
        self._pipe.tear()
        if self._scan is not None:
            await asyncio.wait([self._scan])
            self._scan.exception()

    def close(self) -> None:
        """Let the next one begin."""
        self._uploads.end_large()


def _in_own_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Call in a thread that is not of a pool: it waits for a client, and who waits must keep none waiting."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="large-part", daemon=True).start()
    return asyncio.wrap_future(future)
