"""Bytes that can be made again, kept on this machine's disk within a bound.

A file holds a digest of its name and its bytes, so that one that is torn, by a crash, a full disk or another
writer, counts as missing. Any number of processes share a directory without a lock: files go when they have
been unused longest, and a file that another process has just removed is only missing.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from blake3 import blake3

from dicomweb.blobs.file_reads import OpenFile
from dicomweb.errors import BlobMissing

_DIGEST_BYTES = 32
_STAT_BLOCK = 512  # the unit of st_blocks
_DISK_BLOCK = 4096  # what a file takes is rounded up to
# Above this share of the bound a value would push out too many others.
_LARGEST_SHARE = 8
# A sweep leaves this share free, so that the next one is not due at once.
_ROOM_SHARE = 8
# All processes together write this share between their sweeps: with the room above, the bound holds.
_STEP_SHARE = 16
# Writing the time of use for every read would cost the disk more than it tells.
_USED_AGAIN_SECONDS = 60.0
_LONGEST_UNUSED_SECONDS = 7 * 86400.0
VOLUMES = "volumes"
"""Directory, in that of a cache, of files which archive.volume_files writes and reads: they count here."""
# Drawing a picture of a volume takes less.
_IN_USE_SECONDS = 120.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of the cache. used: Unix time. size: bytes that it takes on the disk."""

    used: float
    size: int
    path: str

    @property
    def is_in_use(self) -> bool:
        """Whether it is a volume of which a picture may be being made, which needs its name."""
        return f"/{VOLUMES}/" in self.path and time.time() - self.used < _IN_USE_SECONDS

    @property
    def minute(self) -> int:
        """When it was used, in whole minutes: so many there are in the time for which anything is kept."""
        return int(self.used // 60)


class DiskCache:
    """Values by name. Calls wait for the disk, so they belong in threads."""

    def __init__(self, directory: Path, *, bound: int, spare: int = 0, processes: int = 1) -> None:
        """bound: bytes on the disk at most. spare: bytes of the disk that are left to others, whatever the
        bound says. processes: that share the directory."""
        self._directory = directory
        self._bound = bound
        self._spare = spare
        self._step = bound // _STEP_SHARE // processes
        # A process that is started again and again must not begin with a full step each time.
        self._written = self._step
        self._sweeping = Lock()

    def get(self, name: str, *, wait: bool = True) -> bytes | None:
        """The value, None when it is not there or not whole.

        wait: False for the event loop: raises BlockingIOError where the value is long or not in memory.
        """
        try:
            file = OpenFile(self._path(name))
            status = os.fstat(file.fd)
            stored = file.read(status.st_size, 0) if wait else file.read_now(status.st_size, 0)
            if time.time() - status.st_mtime > _USED_AGAIN_SECONDS:
                os.utime(file.fd)
        except (OSError, BlobMissing):
            return None
        if stored is None:
            raise BlockingIOError
        data = stored[_DIGEST_BYTES:]
        return data if stored[:_DIGEST_BYTES] == _digest(name, data) else None

    def put(self, name: str, data: bytes) -> None:
        """Keep a value, where there is room for it. name: of file name characters, at least one."""
        if len(data) > self._bound // _LARGEST_SHARE:
            return
        path = self._path(name)
        try:
            self._write(path, _digest(name, data), data)
        except OSError:  # a full disk, most likely: then nothing is kept
            _remove(path)
        self._written += (len(data) + _DIGEST_BYTES) // _DISK_BLOCK * _DISK_BLOCK + _DISK_BLOCK
        if self._written > self._step:
            self.sweep()

    def sweep(self) -> None:
        """Remove what was used longest ago until the bound holds, and what nobody used for a week."""
        if not self._sweeping.acquire(blocking=False):
            return
        try:
            self._written = 0
            self._remove_oldest()
        finally:
            self._sweeping.release()

    def _remove_oldest(self) -> None:
        """The directory is read twice, so that of millions of entries only those of a minute are held."""
        sizes: Counter[int] = Counter()
        for entry in self._entries():
            sizes[entry.minute] += entry.size
        total = sum(sizes.values())
        bound = self._allowed(total)
        goal = bound - bound // _ROOM_SHARE
        unused_since = int((time.time() - _LONGEST_UNUSED_SECONDS) // 60)
        first_kept = unused_since
        for minute in sorted(sizes):
            first_kept = max(minute, unused_since)
            if minute >= unused_since and total - sizes[minute] <= goal:
                break
            total -= sizes[minute]
        last: list[_Entry] = []  # of the minute of which only some must go
        for entry in self._entries():
            if entry.is_in_use:
                continue
            if entry.minute < first_kept:
                _remove(entry.path)
            elif entry.minute == first_kept:
                last.append(entry)
        for entry in sorted(last, key=lambda entry: entry.used):
            if total <= goal:
                break
            _remove(entry.path)
            total -= entry.size

    def _allowed(self, total: int) -> int:
        """The bound, or less where the disk is short of space."""
        try:
            disk = os.statvfs(self._directory)
        except OSError:
            return self._bound
        return max(0, min(self._bound, total + disk.f_bavail * disk.f_frsize - self._spare))

    def _entries(self) -> Iterator[_Entry]:
        for shard in _listing(self._directory):
            for file in _listing(shard.path):
                with suppress(OSError):
                    status = file.stat(follow_symlinks=False)
                    yield _Entry(status.st_mtime, status.st_blocks * _STAT_BLOCK, file.path)

    def _path(self, name: str) -> Path:
        return self._directory / name[:1] / name

    def _write(self, path: Path, digest: bytes, data: bytes) -> None:
        """In place, and not fsynced: what is torn, or written by two at once, is noticed by its digest."""
        try:
            file = os.open(path, _NEW, 0o600)
        except FileNotFoundError:
            # Pixels of patients: nobody else on this machine may read them.
            for directory in (self._directory, path.parent):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(path, _NEW, 0o600)
        with open(file, "wb", buffering=0) as unbuffered:
            unbuffered.writelines((digest, data))


def _remove(path: str | Path) -> None:
    with suppress(OSError):
        os.unlink(path)


def _digest(name: str, data: bytes) -> bytes:
    return blake3(name.encode()).update(data).digest(_DIGEST_BYTES)


def _listing(directory: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # not there yet, or a file where a directory should be
        return []
