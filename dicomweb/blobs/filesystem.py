"""Blobs as files: durable before commit returns, read without waiting on the event loop.

A file is written under a temporary name beside the shards, fsynced, renamed to its key, and the directory
fsynced: a power cut leaves the whole blob or a temporary file, which sweep_unfinished removes. All file
work of one store runs in its own few threads, so that a slow disk never starves the loop's default pool.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from dicomweb.blobs.file_reads import OpenFile, OpenFiles
from dicomweb.blobs.protocol import STREAM_CHUNK, BlobEntry
from dicomweb.errors import BlobMissing, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

# More than cores: these threads wait for a disk.
_THREADS = 12
# Small writes are gathered to this size, so that a CT slice costs one thread hop, not one per network chunk.
_GATHER_BYTES = 1 << 20
# As many as one writev takes (IOV_MAX of Linux and macOS).
_PIECES_AT_ONCE = 1024
# Not a shard, as keys have no dot.
_TEMPORARY = ".incoming"
_SAFE_KEY = re.compile(r"[0-9a-z]+(/[0-9a-z]+)*")
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FilesystemBlobs:
    """The protocol over one directory, which is made when missing."""

    piece_bytes = STREAM_CHUNK

    def __init__(self, root: Path) -> None:
        self._root = root
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")
        self._open_files = OpenFiles()
        # Directories whose own names this process has seen to disk.
        self._durable: set[Path] = set()
        with _disk_errors():
            _make_root(root)

    async def create(self, key: str) -> FileWriter:
        return FileWriter(self, self._path(key), self._root / _TEMPORARY / key.replace("/", "-"))

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        file = await self._open(key)
        wanted = file.size - offset if length is None else length
        return await self._read(file, wanted, offset)

    async def stream(
        self, key: str, offset: int, length: int, *, chunk: int = STREAM_CHUNK
    ) -> AsyncIterator[bytes]:
        # Opened once: a blob deleted while it is sent stays readable to the end.
        file, end = await self._open(key), offset + length
        for begin in range(offset, end, chunk):
            wanted = min(chunk, end - begin)
            yield await self._read(file, wanted, begin)

    def reader(self, key: str) -> FileReader:
        return FileReader(self, key)

    async def _read(self, file: OpenFile, length: int, offset: int) -> bytes:
        data = file.read_now(length, offset)
        return data if data is not None else await self.run(file.read, length, offset)

    async def _open(self, key: str) -> OpenFile:
        return self.file(key) or self.keep(key, await self.run(self.opened, key))

    def file(self, key: str) -> OpenFile | None:
        """The file of a blob, if it is open or can be opened without waiting. Not in a thread."""
        file = self._open_files.get(key)
        if file is None and _SAFE_KEY.fullmatch(key):
            file = OpenFile.at_hand(f"{self._root}/{key}")
            if file is not None:
                self.keep(key, file)
        return file

    def keep(self, key: str, file: OpenFile) -> OpenFile:
        """Keep a file open for a while. Not in a thread."""
        self._open_files.add(key, file)
        return file

    def opened(self, key: str) -> OpenFile:
        """Open a file. Runs in a thread. Raises BlobMissing."""
        try:
            return OpenFile(self._path(key))
        except BlobMissing:
            self._check_root()
            raise

    def _check_root(self) -> None:
        """A volume that is not mounted must not look like an archive whose every blob is lost. The directory
        for uploads, made at the start and never removed, tells the two apart."""
        if not (self._root / _TEMPORARY).is_dir():
            raise Unavailable(
                "The directory of the object store is not there.", hint="Is its volume mounted?"
            )

    async def check(self) -> None:
        await self.run(self._check_root)

    async def delete(self, key: str) -> None:
        await self.run(self._delete, self._path(key))

    async def size(self, key: str) -> int:
        return (await self.run(self.opened, key)).size

    async def entries(self) -> AsyncIterator[BlobEntry]:
        entries = self._walk(self._root)
        while batch := await self.run(_take, entries, 1000):
            for entry in batch:
                yield entry

    async def sweep_unfinished(self, *, before: datetime, dry_run: bool = False) -> int:
        return await self.run(_sweep, self._root / _TEMPORARY, before.timestamp(), dry_run)

    async def free_bytes(self) -> int | None:
        disk = await self.run(os.statvfs, self._root)
        return disk.f_bavail * disk.f_frsize

    async def close(self) -> None:
        self._open_files.close()
        await asyncio.to_thread(self._threads.shutdown)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in a thread of this store; what the disk refuses becomes an error of ours."""
        return await self.submit(partial(function, *args, **kwargs))

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """As run, begun at once: it goes on whoever waits for it."""
        return asyncio.get_running_loop().run_in_executor(self._threads, _guarded, function)

    def publish(self, temporary: Path, final: Path) -> None:
        """Rename into place and make the name durable. Runs in a thread."""
        while True:
            try:
                temporary.rename(final)
                break
            except FileNotFoundError:
                if not temporary.exists():
                    raise
                # The shard is new, or a delete has just emptied and removed it.
                self._make_shard(final.parent)
        if final.parent not in self._durable:
            self._sync_shard(final.parent)
        _fsync_directory(final.parent)

    def _make_shard(self, shard: Path) -> None:
        self._durable.discard(shard)
        shard.mkdir(parents=True, exist_ok=True)

    def _sync_shard(self, shard: Path) -> None:
        """fsync every directory that names another one on the way to the shard."""
        for directory in shard.parents:
            _fsync_directory(directory)
            if directory == self._root:
                break
        if len(self._durable) > 100:
            self._durable.clear()
        self._durable.add(shard)

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        for directory in path.parents:
            if directory == self._root:
                break
            try:
                directory.rmdir()
            except OSError:
                break

    def _path(self, key: str) -> Path:
        if not _SAFE_KEY.fullmatch(key):
            raise BlobMissing("A blob key of a form that this store never gives.")
        return self._root / key

    def _walk(self, directory: Path) -> Iterator[BlobEntry]:
        # A directory sorts as its name and '/', as its files' keys do.
        for name in sorted(e.name + "/" * e.is_dir() for e in os.scandir(directory)):
            path = directory / name
            if name.startswith("."):
                continue
            with suppress(FileNotFoundError):  # deleted since it was listed
                if name.endswith("/"):
                    yield from self._walk(path)
                else:
                    yield _entry(path, path.relative_to(self._root).as_posix())


class FileReader:
    """A file that is opened when it is first read, in the same turn of a thread."""

    __slots__ = ("_blobs", "_file", "_key")

    def __init__(self, blobs: FilesystemBlobs, key: str) -> None:
        self._blobs, self._key = blobs, key
        self._file = blobs.file(key)

    def fill_now(self, offset: int, buffer: memoryview) -> bool:
        return self._file is not None and self._file.fill_now(offset, buffer)

    async def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        if self._file is not None:
            return await self._blobs.run(self._file.read_many, ranges)
        file, found = await self._blobs.run(self._open_and_read, ranges)
        self._file = self._blobs.keep(self._key, file)
        return found

    def _open_and_read(self, ranges: Sequence[tuple[int, int]]) -> tuple[OpenFile, list[bytes]]:
        file = self._blobs.opened(self._key)
        return file, file.read_many(ranges)


class FileWriter:
    """A temporary file that becomes a blob. Each thread job is awaited before the next begins."""

    def __init__(self, blobs: FilesystemBlobs, final: Path, temporary: Path) -> None:
        self._blobs, self._final, self._temporary = blobs, final, temporary
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._fd: int | None = None
        self._size = 0
        self._committed = False
        self._job: asyncio.Future[None] | None = None

    @property
    def size(self) -> int:
        return self._size

    @property
    def held_bytes(self) -> int:
        return self._gathered_bytes

    async def write(self, data: bytes | memoryview) -> None:
        self._gather(bytes(data))
        if self._gathered_bytes >= _GATHER_BYTES:
            await self._run(self._flush)

    async def write_made(self, make: Callable[[], Sequence[bytes]], *, last: bool = False) -> None:
        await self._run(partial(self._write_made, make, last))
        self._committed = last

    async def commit(self) -> None:
        await self._run(self._finish)
        self._committed = True

    async def abort(self) -> None:
        if not self._committed:
            with suppress(Unavailable, BlobMissing):
                await self._run(self._discard)

    async def _run(self, function: Callable[[], None]) -> None:
        # A cancelled caller does not stop the thread: abort must wait for it, or it would remove nothing.
        if self._job is not None and not self._job.done():
            await asyncio.wait([self._job])
        self._job = self._blobs.submit(function)
        await asyncio.shield(self._job)

    def _gather(self, data: bytes) -> None:
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        self._size += len(data)

    def _write_made(self, make: Callable[[], Sequence[bytes]], last: bool) -> None:
        for piece in make():
            self._gather(piece)
        if last:
            (self._finish if self._size else self._discard)()
        elif self._gathered:
            self._flush()

    def _flush(self) -> None:
        if self._fd is None:
            self._fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        _write_all(self._fd, gathered)

    def _finish(self) -> None:
        self._flush()
        assert self._fd is not None
        os.fsync(self._fd)
        self._close()
        self._blobs.publish(self._temporary, self._final)

    def _discard(self) -> None:
        self._gathered = []
        self._close()
        for path in (self._temporary, self._final):
            path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


@contextmanager
def _disk_errors() -> Iterator[None]:
    """What the operating system refuses, in our words. Its own text holds paths, so it stays out."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise Unavailable("The disk of the object store is full.", retry_after=60) from error
        raise Unavailable("The directory of the object store cannot be used.") from error


def _guarded(function: Callable[[], T]) -> T:
    with _disk_errors():
        return function()


def _make_root(root: Path) -> None:
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):  # a directory may let us through without letting us look
            _fsync_directory(root.absolute().parent)
    (root / _TEMPORARY).mkdir(exist_ok=True)


def _write_all(fd: int, pieces: Sequence[bytes]) -> None:
    for begin in range(0, len(pieces), _PIECES_AT_ONCE):
        some = pieces[begin : begin + _PIECES_AT_ONCE]
        written = os.writev(fd, some)
        if written < sum(map(len, some)):  # the disk is nearly full: the next call says so
            view = memoryview(b"".join(some))[written:]
            while view:
                view = view[os.write(fd, view) :]


def _fsync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _entry(path: Path, key: str) -> BlobEntry:
    status = path.stat()
    return BlobEntry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _take(entries: Iterator[BlobEntry], count: int) -> list[BlobEntry]:
    return list(islice(entries, count))


def _sweep(directory: Path, before: float, dry_run: bool) -> int:
    swept = 0
    for entry in os.scandir(directory):
        with suppress(FileNotFoundError):  # its writer has just finished
            if entry.stat().st_mtime < before:
                if not dry_run:
                    os.unlink(entry.path)
                swept += 1
    return swept
