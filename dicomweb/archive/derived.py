"""What is made of stored bytes by codecs and renderers: made once, kept on disk (design invariant 6).

    picture = await derived(archive, (source, frame_number, "rendered", *request), make)

Equal work in flight in this process is shared; what is made is kept in the disk cache, in files of the data
directory that may be lost at any time. A key names all that decides about the bytes. Look the instance up in
the catalog first: what is deleted is never asked for here, so it is never given.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from dicomweb.archive.cancellation import is_leaving
from dicomweb.archive.disk_cache import DiskCache
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.errors import Unavailable
from dicomweb.protocol.negotiate import Chosen
from dicomweb.settings import Settings

if TYPE_CHECKING:
    from dicomweb.archive.archive import Archive

# An instance goes into a key as itself: its row alone could name another one in another database.
Key = Sequence[str | int | InstanceSource]
Make = Callable[[], Awaitable[bytes]]

# To be raised when our own code makes other bytes of the same input than before.
_GENERATION = 2
# Values on their way to the disk; when it cannot keep up, more are not kept: each takes memory meanwhile.
_MOST_KEEPING = 16
_PACKAGES = ("imagecodecs", "numpy", "pillow", "scipy", "pypdfium2", "av")


async def derived(archive: Archive, key: Key, make: Make) -> bytes:
    """The bytes of this key: kept, or being made by another request, or made now and kept.

    key: the instances (InstanceSource) and every parameter. make: called at most once at a time for a key;
    cancelled when nobody waits for it any more. Raises what `make` raises; that is not kept.
    """
    return await archive.derived.get(_name(archive.tenant_id, key), make)


def at_hand(archive: Archive, key: Key) -> bytes | None:
    """The bytes of this key where they are kept and can be had without waiting."""
    return archive.derived.at_hand(_name(archive.tenant_id, key))


@cache
def makers() -> str:
    """Identifies what encodes and draws, for keys and ETags: other versions may make other bytes."""
    versions = [str(_GENERATION)]
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    return hashlib.blake2b("\n".join(versions).encode(), digest_size=8).hexdigest()


def identity_of(forms: Iterable[Chosen | None]) -> list[str]:
    """What ETags say of the forms that go out: content types, and the makers of those that are made."""
    sent = [form for form in forms if form is not None]
    made = [] if all(form.as_stored for form in sent) else [makers()]
    return sorted({form.content_type for form in sent}) + made


def _name(tenant_id: int, key: Key) -> str:
    words = [makers(), str(tenant_id)]
    for item in key:
        if isinstance(item, InstanceSource):
            words.append(f"instance {item.instance_row} {item.digest.hex()}")
        else:
            words.append(repr(item))
    return hashlib.blake2b("\n".join(words).encode(), digest_size=20).hexdigest()


@dataclass(slots=True)
class _Making:
    """Work in flight, and how many requests wait for it. kept: it was found on the disk."""

    task: asyncio.Task[bytes] = field(init=False)
    waiters: int = 0
    kept: bool = False


@dataclass(slots=True)
class Derived:
    """What an archive keeps of this process's work. cache: None when nothing is to be kept."""

    cache: DiskCache | None = None
    _in_flight: dict[str, _Making] = field(default_factory=dict)
    _keeping: set[asyncio.Future[None]] = field(default_factory=set)

    async def get(self, name: str, make: Make) -> bytes:
        """As derived(); name: of its key."""
        making = self._in_flight.get(name)
        if making is None or making.task.cancelling():
            waits = False
            try:
                kept = self._look(name)
            except BlockingIOError:
                kept, waits = None, True
            if kept is not None:
                return kept
            making = self._begin(name, make, waits=waits)
        making.waiters += 1
        try:
            return await asyncio.shield(making.task)
        except asyncio.CancelledError:
            if making.task.cancelled() and not is_leaving():
                raise Unavailable("The server is stopping.") from None
            raise
        finally:
            making.waiters -= 1
            if not making.waiters and not making.task.done():
                making.task.cancel()

    async def close(self) -> None:
        """Wait for what is on its way to the disk."""
        await asyncio.gather(*self._keeping, return_exceptions=True)

    async def sweep(self) -> None:
        """Keep the cache within its bound (upkeep)."""
        if self.cache is not None:
            await asyncio.to_thread(self.cache.sweep)

    def at_hand(self, name: str) -> bytes | None:
        """As at_hand(); name: of its key."""
        making = self._in_flight.get(name)
        if making is not None:  # on its way to the disk, or being made
            done = making.task.done() and not making.task.cancelled() and making.task.exception() is None
            return making.task.result() if done else None
        with suppress(BlockingIOError):
            return self._look(name)
        return None

    def _look(self, name: str) -> bytes | None:
        """What is kept; raises BlockingIOError where the disk would have to be waited for."""
        return self.cache.get(name, wait=False) if self.cache is not None else None

    def _begin(self, name: str, make: Make, *, waits: bool) -> _Making:
        """waits: it may be kept, but looking there takes a thread."""
        making = self._in_flight[name] = _Making()
        making.task = asyncio.ensure_future(self._found_or_made(name, make, making) if waits else make())
        making.task.add_done_callback(lambda _task: self._end(name, making))
        return making

    async def _found_or_made(self, name: str, make: Make, making: _Making) -> bytes:
        assert self.cache is not None
        kept = await asyncio.to_thread(self.cache.get, name)
        making.kept = kept is not None
        return await make() if kept is None else kept

    def _end(self, name: str, making: _Making) -> None:
        """Forget it, or write it to the disk first: nobody waits for that, and who asks again shares it."""
        failed = making.task.cancelled() or making.task.exception() is not None
        if failed or making.kept or self.cache is None or len(self._keeping) >= _MOST_KEEPING:
            self._forget(name, making)
            return
        keeping = asyncio.get_running_loop().run_in_executor(None, self.cache.put, name, making.task.result())
        self._keeping.add(keeping)

        def kept(_done: asyncio.Future[None]) -> None:
            self._keeping.discard(keeping)
            self._forget(name, making)

        keeping.add_done_callback(kept)

    def _forget(self, name: str, making: _Making) -> None:
        if self._in_flight.get(name) is making:
            del self._in_flight[name]


def open_derived(settings: Settings) -> Derived:
    """The cache that the settings describe."""
    if not settings.cache_bytes:
        return Derived()
    return Derived(
        DiskCache(
            settings.data / "cache",
            bound=settings.cache_bytes,
            spare=settings.min_free_bytes,
            processes=settings.workers,
        )
    )
