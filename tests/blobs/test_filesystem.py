"""Files: durable in the right order, torn uploads invisible, refusals of the disk in our words."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from dicomweb.blobs.contract import BlobsContract, listing, put
from dicomweb.blobs.file_reads import OpenFile
from dicomweb.blobs.filesystem import FilesystemBlobs
from dicomweb.blobs.open_cached import open_cached
from dicomweb.blobs.protocol import Blobs, new_key
from dicomweb.errors import BlobMissing, Unavailable

SOON = timedelta(minutes=1)


class TestFilesystemBlobs(BlobsContract):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.root = tmp_path / "made" / "when" / "missing"

    def open(self) -> Blobs:
        return FilesystemBlobs(self.root)


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def temporary_files(root: Path) -> list[Path]:
    return list((root / ".incoming").iterdir())


def test_commit_syncs_the_file_before_its_name_and_the_directory_after(root: Path) -> None:
    calls: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def seen_fsync(fd: int) -> None:
        calls.append("directory" if os.path.isdir(f"/proc/self/fd/{fd}") else "file")
        fsync(fd)

    def seen_rename(self: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(self, target)

    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        calls.clear()
        with patch("os.fsync", seen_fsync), patch.object(Path, "rename", seen_rename):
            await put(blobs, b"data")
        await blobs.close()

    asyncio.run(scenario())
    assert calls.index("file") < calls.index("rename") < calls.index("directory")
    # The shard, and every directory that names another on the way to it.
    assert calls.count("directory") == 3


def test_a_killed_writer_leaves_a_file_that_only_a_later_sweep_removes(root: Path) -> None:
    program = """
import asyncio, sys, pathlib
from dicomweb.blobs.filesystem import FilesystemBlobs
from dicomweb.blobs.protocol import Blobs, new_key
async def main():
    writer = await FilesystemBlobs(pathlib.Path(sys.argv[1])).create(new_key())
    await writer.write(bytes(3 << 20))
    print("written", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)

    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        now = datetime.now(UTC)
        assert await listing(blobs) == {}
        assert await blobs.sweep_unfinished(before=now - SOON) == 0
        assert await blobs.sweep_unfinished(before=now + SOON, dry_run=True) == 1
        assert len(temporary_files(root)) == 1
        assert await blobs.sweep_unfinished(before=now + SOON) == 1
        assert temporary_files(root) == []
        await blobs.close()

    asyncio.run(scenario())


def test_abort_waits_for_the_thread_of_a_cancelled_write(root: Path) -> None:
    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        for _ in range(20):
            writer = await blobs.create(new_key())
            writing = asyncio.create_task(writer.write(bytes(8 << 20)))
            await asyncio.sleep(0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await writer.abort()
        assert temporary_files(root) == []
        assert await listing(blobs) == {}
        await blobs.close()

    asyncio.run(scenario())


def test_a_full_disk_is_said_and_the_writer_can_be_aborted(root: Path) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        writer = await blobs.create(new_key())
        with patch("os.writev", full), pytest.raises(Unavailable, match="full"):
            await writer.write(bytes(2 << 20))
        await writer.abort()
        assert temporary_files(root) == []
        await blobs.close()

    asyncio.run(scenario())


def test_an_unmounted_directory_is_unavailable_for_writers(root: Path) -> None:
    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        (root / ".incoming").rmdir()
        with pytest.raises(Unavailable):
            await put(blobs, b"data")
        await blobs.close()

    asyncio.run(scenario())


def test_blobs_of_an_unmounted_directory_are_not_missing(root: Path) -> None:
    """BlobMissing would mark every instance that anybody asks for as damaged."""

    async def scenario() -> None:
        blobs, other = FilesystemBlobs(root), FilesystemBlobs(root)
        key = await put(blobs, b"here")
        away = root.with_name("away")
        root.rename(away)
        for empty_mount_point in (False, True):
            if empty_mount_point:
                root.mkdir()
            for attempt in (other.check(), other.read(key), other.size(key)):
                with pytest.raises(Unavailable):
                    await attempt
        root.rmdir()
        away.rename(root)
        assert await other.read(key) == b"here"
        await blobs.close()
        await other.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "/etc/passwd", ".incoming", "a//b", "a/../b", "A", "a\0", ""]
)
def test_no_other_key_reaches_the_disk(root: Path, key: str) -> None:
    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        with pytest.raises(BlobMissing):
            await blobs.read(key)
        with pytest.raises(BlobMissing):
            await blobs.create(key)
        await blobs.close()

    asyncio.run(scenario())


def test_a_blob_deleted_while_it_is_sent_arrives_whole(root: Path) -> None:
    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        data = os.urandom(1 << 20)
        key = await put(blobs, data)
        pieces = []
        async for piece in blobs.stream(key, 0, len(data)):
            await blobs.delete(key)
            pieces.append(piece)
        assert b"".join(pieces) == data
        await blobs.close()

    asyncio.run(scenario())


def test_a_blob_deleted_while_pieces_of_it_are_read_is_read_to_its_end(root: Path) -> None:
    async def scenario() -> None:
        blobs, other = FilesystemBlobs(root), FilesystemBlobs(root)
        reader = blobs.reader(key := await put(blobs, b"0123456789"))
        assert await reader.read_many([(0, 4)]) == [b"0123"]
        await other.delete(key)
        buffer = bytearray(3)
        assert reader.fill_now(4, memoryview(buffer))
        assert buffer == b"456"
        assert await reader.read_many([(7, 3), (0, 1)]) == [b"789", b"0"]
        with pytest.raises(BlobMissing):
            await blobs.reader(key).read_many([(0, 1)])
        await blobs.close()
        await other.close()

    asyncio.run(scenario())


def test_deleting_removes_empty_shards_while_others_write_into_them(root: Path) -> None:
    async def scenario() -> None:
        blobs = FilesystemBlobs(root)

        async def store_and_delete() -> None:
            key = await put(blobs, b"x")
            await blobs.delete(key)

        await asyncio.gather(*(store_and_delete() for _ in range(100)))
        assert [path.name for path in root.iterdir()] == [".incoming"]
        await blobs.close()

    asyncio.run(scenario())


def test_free_bytes_are_those_of_the_disk(root: Path) -> None:
    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        free = await blobs.free_bytes()
        assert free is not None
        assert free > 0
        await blobs.close()

    asyncio.run(scenario())


def test_a_cold_file_is_read_in_a_thread(root: Path) -> None:
    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        data = os.urandom(500_000)
        key = await put(blobs, data)
        fd = os.open(root / key, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
        assert await blobs.read(key, 1000, 5000) == data[1000:6000]
        with patch.object(OpenFile, "read_now", return_value=None):
            assert await blobs.read(key) == data
            assert b"".join([piece async for piece in blobs.stream(key, 1, 400_000)]) == data[1:400_001]
        await blobs.close()

    asyncio.run(scenario())


def test_a_file_that_the_kernel_knows_is_opened_without_a_thread(root: Path) -> None:
    if (fd := open_cached(__file__)) < 0:
        pytest.skip("this system does not open files by openat2")
    os.close(fd)

    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        key = await put(blobs, b"0123456789")
        with patch.object(FilesystemBlobs, "submit", side_effect=AssertionError("a thread was asked")):
            reader, buffer = blobs.reader(key), bytearray(4)
            assert reader.fill_now(3, memoryview(buffer))
            assert buffer == b"3456"
            assert await blobs.read(key, 1, 2) == b"12"
        await blobs.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["none", "none/at/all", "with\0zero", ""])
def test_what_is_not_there_is_not_opened(root: Path, name: str) -> None:
    assert open_cached(f"{root}/{name}/x") == -1


def test_a_deleted_file_is_not_kept_open(root: Path) -> None:
    async def scenario() -> None:
        here, there = FilesystemBlobs(root), FilesystemBlobs(root)
        kept, gone = await put(here, b"kept"), await put(here, b"gone")
        open_before = len(os.listdir("/proc/self/fd"))
        assert await here.read(kept) + await here.read(gone) == b"keptgone"
        await there.delete(gone)
        with pytest.raises(BlobMissing):
            await here.read(gone)
        assert await here.read(kept) == b"kept"
        await here.close()
        await there.close()
        assert len(os.listdir("/proc/self/fd")) <= open_before

    asyncio.run(scenario())


def test_few_files_stay_open_however_many_are_read(root: Path) -> None:
    async def scenario() -> None:
        blobs = FilesystemBlobs(root)
        keys = [await put(blobs, b"x") for _ in range(600)]
        open_before = len(os.listdir("/proc/self/fd"))
        for key in keys:
            await blobs.read(key)
        assert len(os.listdir("/proc/self/fd")) <= open_before + 512
        await blobs.close()

    asyncio.run(scenario())
