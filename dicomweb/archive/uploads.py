"""What all uploads of one process may hold together: bytes in memory, and parts that stream.

A client may stop in the middle of anything, so whatever an upload holds it may hold for minutes. Both bounds
are for the process; that an upload meets one makes it slower (its part goes to a blob of its own, its rows
are committed earlier) and only at the second bound is it told to come back.
"""

from __future__ import annotations

import asyncio
import math

from dicomweb.errors import Unavailable

_MEMORY_BYTES = 64 << 20
# Each has a thread, and a piece of up to 1 MiB (8 MiB where blobs are in S3) that is not written yet.
_LARGE_PARTS = 64
_WAIT_SECONDS = 5.0


class Uploads:
    """The bounds; the uploads of one event loop share them."""

    def __init__(
        self,
        *,
        memory_bytes: int = _MEMORY_BYTES,
        large_parts: int = _LARGE_PARTS,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        self.free = memory_bytes
        # Bytes taken since the room on the disk was last looked at, and when that was.
        self.unchecked = 0
        self.checked = -math.inf
        self.large_documents = asyncio.Lock()
        self.pictures = asyncio.Lock()
        self._large = asyncio.Semaphore(large_parts)
        self._wait_seconds = wait_seconds

    async def begin_large(self) -> None:
        """Wait a moment for the right to stream a part. Raises Unavailable.

        An upload streams one part at a time, so that none waits here while it holds what another waits for.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._large.acquire()
        except TimeoutError:
            raise Unavailable(
                "Too many large instances are being uploaded at once.",
                hint="Try again; nothing of this instance was stored.",
            ) from None

    def end_large(self) -> None:
        self._large.release()


class Share:
    """The memory that one upload holds.

    It may take more only while it holds no more than is left for all others: some is always left, so that
    many slow uploads cannot take away what a quick one needs.
    """

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self.held = 0

    @property
    def is_exceeded(self) -> bool:
        return self.held > self._uploads.free

    def take(self, more: int) -> bool:
        """Hold `more` bytes, if they are within the share."""
        if self.held + more > self._uploads.free - more:
            return False
        self.add(more)
        return True

    def add(self, more: int) -> None:
        """Hold `more` bytes (fewer, when negative), whether they are within the share or not."""
        self.held += more
        self._uploads.free -= more

    def close(self) -> None:
        """Give all of it back."""
        self.add(-self.held)
