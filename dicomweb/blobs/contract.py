"""What every object store must do, as a test class that a backend's test subclasses.

    class TestMyBlobs(BlobsContract):
        def open(self) -> Blobs:
            return MyBlobs(...)

It needs no test framework of its own: methods named test_* with plain asserts, each on a store that may
hold other blobs. Hostile order is on purpose: what must fail comes first, what must work comes after it.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from dicomweb.blobs.protocol import BlobEntry, Blobs, new_key
from dicomweb.errors import BlobMissing

Scenario = Callable[[Blobs], Awaitable[None]]

# Larger than any gather buffer, and not a multiple of a power of two.
_LARGE = 3 * (1 << 20) + 12345


async def put(blobs: Blobs, data: bytes) -> str:
    """Store one blob; returns its key."""
    key = new_key()
    writer = await blobs.create(key)
    await writer.write(data)
    await writer.commit()
    return key


async def listing(blobs: Blobs) -> dict[str, BlobEntry]:
    """Every entry by key."""
    return {entry.key: entry async for entry in blobs.entries()}


async def refuses(attempt: Awaitable[object]) -> bool:
    """Whether awaiting raises BlobMissing."""
    try:
        await attempt
    except BlobMissing:
        return True
    return False


class BlobsContract(ABC):
    """Subclass it and say how the store is opened (called inside a running loop, once a test)."""

    # A large blob to send in pieces, beyond what one request of the backend carries.
    large_bytes = _LARGE

    @abstractmethod
    def open(self) -> Blobs:
        """A store ready for use."""

    def check(self, scenario: Scenario) -> None:
        """Run one scenario on a fresh loop and close the store."""

        async def run() -> None:
            blobs = self.open()
            try:
                await scenario(blobs)
            finally:
                await blobs.close()

        asyncio.run(run())

    def test_a_store_that_is_there_says_so(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            await blobs.check()

        self.check(scenario)

    def test_what_was_committed_is_read_back(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            for data in (b"", b"x", os.urandom(70_000)):
                key = await put(blobs, data)
                assert await blobs.read(key) == data
                assert await blobs.size(key) == len(data)

        self.check(scenario)

    def test_a_large_blob_arrives_whole_from_uneven_pieces(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            data = os.urandom(self.large_bytes)
            key = new_key()
            writer = await blobs.create(key)
            begin, step = 0, 1
            while begin < len(data):
                await writer.write(memoryview(data)[begin : begin + step])
                begin, step = begin + step, min(step * 3 + 1, 1 << 20)
            assert writer.size == len(data)
            assert 0 < writer.held_bytes <= writer.size
            await writer.commit()
            assert await blobs.size(key) == len(data)
            streamed = [piece async for piece in blobs.stream(key, 0, len(data))]
            assert b"".join(streamed) == data

        self.check(scenario)

    def test_memory_given_to_a_writer_may_be_reused(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            buffer = bytearray(b"first")
            key = new_key()
            writer = await blobs.create(key)
            await writer.write(memoryview(buffer))
            buffer[:] = b"other"
            await writer.write(memoryview(buffer))
            await writer.commit()
            assert await blobs.read(key) == b"firstother"

        self.check(scenario)

    def test_what_a_thread_makes_is_appended_and_committed_with_the_last_of_it(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            key = new_key()
            writer = await blobs.create(key)
            await writer.write(b"before ")
            await writer.write_made(lambda: [bytes(1 << 20), b"", b"made"])
            assert writer.size == 7 + (1 << 20) + 4
            assert await refuses(blobs.read(key))
            await writer.write_made(lambda: [b" piece"] * 3000, last=True)
            assert await blobs.read(key) == b"before " + bytes(1 << 20) + b"made" + b" piece" * 3000
            await writer.abort()
            assert await blobs.size(key) == writer.size

        self.check(scenario)

    def test_a_blob_of_which_nothing_was_made_is_none(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            key = new_key()
            writer = await blobs.create(key)
            await writer.write_made(list, last=True)
            assert writer.size == 0
            assert await refuses(blobs.size(key))
            assert key not in await listing(blobs)

        self.check(scenario)

    def test_any_range_is_that_slice(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            data = os.urandom(5000)
            key = await put(blobs, data)
            for offset, length in ((0, 1), (0, 5000), (4999, 1), (1234, 2345), (17, 0), (5000, 0)):
                expected = data[offset : offset + length]
                assert await blobs.read(key, offset, length) == expected
                pieces = [piece async for piece in blobs.stream(key, offset, length, chunk=700)]
                assert b"".join(pieces) == expected
                assert all(0 < len(piece) <= 700 for piece in pieces)
            assert await blobs.read(key, 4000) == data[4000:]

        self.check(scenario)

    def test_many_ranges_come_in_the_order_asked(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            data = os.urandom(100_000)
            key = await put(blobs, data)
            ranges = [(90_000, 10_000), (0, 100), (100, 100), (50, 100), (99_999, 1), (7, 0), (0, 100)]
            assert await blobs.reader(key).read_many(ranges) == [data[o : o + n] for o, n in ranges]
            assert await blobs.reader(key).read_many([]) == []

        self.check(scenario)

    def test_what_is_at_hand_is_what_else_is_read(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            data = os.urandom(100_000)
            reader = blobs.reader(await put(blobs, data))
            for _ in range(2):  # before the first read, and after it
                for offset, length in ((0, 100_000), (99_999, 1), (12_345, 6_789), (100_000, 0)):
                    buffer = bytearray(length)
                    if reader.fill_now(offset, memoryview(buffer)):
                        assert buffer == data[offset : offset + length]
                assert not reader.fill_now(99_999, memoryview(bytearray(2)))
                assert await reader.read_many([(1, 2)]) == [data[1:3]]
            assert not blobs.reader(new_key()).fill_now(0, memoryview(bytearray(1)))

        self.check(scenario)

    def test_bytes_beyond_the_end_are_missing_not_short(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            key = await put(blobs, b"0123456789")

            async def streamed(offset: int, length: int) -> list[bytes]:
                return [piece async for piece in blobs.stream(key, offset, length, chunk=4)]

            assert await refuses(blobs.read(key, 5, 6))
            assert await refuses(blobs.read(key, 11, 1))
            assert await refuses(blobs.read(key, 20))
            assert await refuses(blobs.reader(key).read_many([(0, 2), (9, 2)]))
            assert await refuses(streamed(5, 6))
            assert await refuses(streamed(20, 1))
            assert await blobs.read(key, 5, 5) == b"56789"

        self.check(scenario)

    def test_a_key_that_was_never_written_is_missing(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            async def streamed() -> list[bytes]:
                return [piece async for piece in blobs.stream(new_key(), 0, 1)]

            assert await refuses(blobs.read(new_key()))
            assert await refuses(blobs.read(new_key(), 0, 1))
            assert await refuses(blobs.reader(new_key()).read_many([(0, 1)]))
            assert await refuses(blobs.size(new_key()))
            assert await refuses(streamed())
            await blobs.delete(new_key())

        self.check(scenario)

    def test_nothing_is_visible_before_commit_or_after_abort(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            for length in (100, self.large_bytes):
                key = new_key()
                writer = await blobs.create(key)
                await writer.write(os.urandom(length))
                assert await refuses(blobs.read(key))
                assert key not in await listing(blobs)
                await writer.abort()
                assert await refuses(blobs.size(key))
                assert key not in await listing(blobs)

        self.check(scenario)

    def test_abort_after_commit_keeps_the_blob(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            key = new_key()
            writer = await blobs.create(key)
            await writer.write(b"kept")
            await writer.commit()
            await writer.abort()
            assert await blobs.read(key) == b"kept"

        self.check(scenario)

    def test_a_deleted_blob_is_gone_and_its_neighbours_stay(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            keys = [await put(blobs, str(number).encode()) for number in range(3)]
            await blobs.delete(keys[1])
            await blobs.delete(keys[1])
            assert await refuses(blobs.read(keys[1]))
            assert await blobs.read(keys[0]) == b"0"
            assert await blobs.read(keys[2]) == b"2"
            again = await put(blobs, b"after")
            assert await blobs.read(again) == b"after"

        self.check(scenario)

    def test_the_listing_has_each_blob_once_in_key_order(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            sizes = {await put(blobs, bytes(length)): length for length in (0, 1, 4096)}
            entries = [entry async for entry in blobs.entries()]
            keys = [entry.key for entry in entries]
            assert keys == sorted(set(keys))
            found = {entry.key: entry for entry in entries}
            for key, size in sizes.items():
                assert found[key].size == size
                assert abs(datetime.now(UTC) - found[key].modified) < timedelta(minutes=5)

        self.check(scenario)

    def test_many_writers_and_readers_at_once_do_not_mix(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            async def one(number: int) -> None:
                data = bytes([number]) * (number * 1000 + 1)
                key = await put(blobs, data)
                assert await blobs.read(key) == data

            await asyncio.gather(*(one(number) for number in range(40)))

        self.check(scenario)

    def test_sweeping_never_touches_a_live_writer(self) -> None:
        async def scenario(blobs: Blobs) -> None:
            key = new_key()
            writer = await blobs.create(key)
            await writer.write(os.urandom(self.large_bytes))
            await blobs.sweep_unfinished(before=datetime.now(UTC) - timedelta(hours=1))
            await writer.commit()
            assert await blobs.size(key) == self.large_bytes

        self.check(scenario)
