"""Blobs in a dictionary: for tests and for trying things out. Nothing survives the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

from dicomweb.blobs.protocol import STREAM_CHUNK, BlobEntry, BlobReader, write_made
from dicomweb.errors import BlobMissing


class _MemoryWriter:
    def __init__(self, blobs: MemoryBlobs, key: str) -> None:
        self._blobs, self._key = blobs, key
        self._data = bytearray()

    @property
    def size(self) -> int:
        return len(self._data)

    @property
    def held_bytes(self) -> int:
        return len(self._data)

    async def write(self, data: bytes | memoryview) -> None:
        self._data += data

    async def write_made(self, make: Callable[[], Sequence[bytes]], *, last: bool = False) -> None:
        await write_made(self, make, last=last)

    async def commit(self) -> None:
        self._blobs.stored[self._key] = (bytes(self._data), datetime.now(UTC))

    async def abort(self) -> None:
        """Nothing was visible, so there is nothing to undo."""


class _MemoryReader:
    def __init__(self, blobs: MemoryBlobs, key: str) -> None:
        self._blobs, self._key = blobs, key

    def fill_now(self, offset: int, buffer: memoryview) -> bool:
        whole, _ = self._blobs.stored.get(self._key, (b"", None))
        found = whole[offset : offset + len(buffer)]
        if len(found) < len(buffer):
            return False
        buffer[:] = found
        return True

    async def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [await self._blobs.read(self._key, offset, length) for offset, length in ranges]


class MemoryBlobs:
    """The protocol over a dict: stored[key] = (bytes, when written)."""

    piece_bytes: int = STREAM_CHUNK

    def __init__(self) -> None:
        self.stored: dict[str, tuple[bytes, datetime]] = {}

    async def create(self, key: str) -> _MemoryWriter:
        return _MemoryWriter(self, key)

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        whole = self._whole(key)
        end = len(whole) if length is None else offset + length
        if max(offset, end) > len(whole):
            raise BlobMissing(f"Blob {key} ends before the bytes asked of it.")
        return whole[offset:end]

    async def stream(
        self, key: str, offset: int, length: int, *, chunk: int = STREAM_CHUNK
    ) -> AsyncIterator[bytes]:
        data = await self.read(key, offset, length)
        step = max(chunk - 3, 1)  # pieces are cut anywhere, as from a network: never at multiples of a word
        for begin in range(0, length, step):
            yield data[begin : begin + step]

    def reader(self, key: str) -> BlobReader:
        return _MemoryReader(self, key)

    async def delete(self, key: str) -> None:
        self.stored.pop(key, None)

    async def size(self, key: str) -> int:
        return len(self._whole(key))

    async def entries(self) -> AsyncIterator[BlobEntry]:
        for key in sorted(self.stored):
            data, modified = self.stored[key]
            yield BlobEntry(key, len(data), modified)

    async def sweep_unfinished(self, *, before: datetime, dry_run: bool = False) -> int:  # noqa: ARG002
        return 0

    async def free_bytes(self) -> int | None:
        return None

    async def check(self) -> None:
        """Always there."""

    async def close(self) -> None:
        """Nothing to let go of."""

    def _whole(self, key: str) -> bytes:
        try:
            return self.stored[key][0]
        except KeyError:
            raise BlobMissing(f"Blob {key} is not in the object store.") from None
