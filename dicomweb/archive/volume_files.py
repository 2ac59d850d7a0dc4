"""Volumes made of decoded frames, in files that workers map: the last few are kept for the next view.

A file goes when nothing refers to its volume any more, or when the cache in whose directory it lies sweeps it
away; what a crash left goes when it is old.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from pathlib import Path

from dicomweb.errors import Unavailable

# Volumes kept, and made at a time, by one server process; each is at most MOST_VOLUME_BYTES long.
_MOST_KEPT = 2
_MOST_AT_A_TIME = 2
MOST_VOLUME_BYTES = 512 << 20
# A file so long unused is what a crash left, or was kept for nothing: one in use is touched.
_ABANDONED_SECONDS = 3600.0


class VolumeFile:
    """A file of so many bytes, written in pieces by threads."""

    def __init__(self, directory: Path, length: int, min_free_bytes: int) -> None:
        """Raises Unavailable when the disk has no room for it."""
        try:
            # Pixels of patients: nobody else on this machine may read them.
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            disk = os.statvfs(directory)
            if disk.f_bavail * disk.f_frsize < length + min_free_bytes:
                raise Unavailable("The archive's disk is too full to make a volume.", retry_after=60)
            self._descriptor, self.path = tempfile.mkstemp(dir=directory, prefix="volume-")
        except OSError:
            raise Unavailable("A volume cannot be kept on the archive's disk now.") from None
        # With the last reference, not before: a thread may outlive its cancelled request, and must never
        # write into whatever gets the descriptor's number next.
        weakref.finalize(self, _discard, self._descriptor, self.path)
        os.ftruncate(self._descriptor, length)

    def write(self, data: bytes, place: int) -> None:
        """Put bytes at a place. Raises Unavailable."""
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self._descriptor, view, place)
                place, view = place + written, view[written:]
        except OSError:
            raise Unavailable("A volume cannot be kept on the archive's disk now.") from None

    def is_there(self) -> bool:
        """Whether it can still be mapped; counts as use."""
        try:
            os.utime(self.path)
        except OSError:
            return False
        return True


def _discard(descriptor: int, path: str) -> None:
    os.close(descriptor)
    _remove(path)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


Fill = Callable[[VolumeFile], Awaitable[None]]


class VolumeFiles:
    """The volumes that one process made last. Equal requests at a time share the making."""

    def __init__(self, *, keeps: bool = True) -> None:
        """keeps: after the last picture that is made of them at a time."""
        self._most_kept = _MOST_KEPT if keeps else 0
        self._kept: OrderedDict[Hashable, VolumeFile] = OrderedDict()
        self._turns: weakref.WeakValueDictionary[Hashable, asyncio.Lock] = weakref.WeakValueDictionary()
        self._making = asyncio.Semaphore(_MOST_AT_A_TIME)
        self.drawing = asyncio.Semaphore(1)
        """To be held while a picture is drawn: that takes seconds, and frames need the other workers."""

    def close(self) -> None:
        """Let go of what is kept."""
        self._kept.clear()

    async def get(
        self, directory: Path, key: Hashable, length: int, min_free_bytes: int, fill: Fill
    ) -> VolumeFile:
        """The volume of this key, made now where it is not kept. Hold it while a worker uses its path.

        fill: writes all of it. Raises Unavailable, and what `fill` raises.
        """
        lock = self._turns.setdefault(key, asyncio.Lock())
        async with lock:
            found = self._kept.get(key)
            if found is None or not await asyncio.to_thread(found.is_there):
                async with self._making:
                    await asyncio.to_thread(_remove_abandoned, directory)
                    found = await asyncio.to_thread(VolumeFile, directory, length, min_free_bytes)
                    await fill(found)
            self._kept[key] = found
            self._kept.move_to_end(key)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
            return found


def _remove_abandoned(directory: Path) -> None:
    """What a process left that did not end well."""
    long_ago = time.time() - _ABANDONED_SECONDS
    with suppress(OSError):
        for path in directory.glob("volume-*"):
            if path.stat().st_mtime < long_ago:
                _remove(str(path))
