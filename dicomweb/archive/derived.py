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
    """Work in flight, and how many requests wait for it. fresh: what came of it is not on the disk yet."""

    task: asyncio.Task[bytes] = field(init=False)
    waiters: int = 0
    fresh: bool = False


@dataclass(slots=True)
class Derived:
    """What an archive keeps of this process's work. cache: None when nothing is to be kept."""

    cache: DiskCache | None = None
    _in_flight: dict[str, _Making] = field(default_factory=dict)
    _keeping: set[asyncio.Task[None]] = field(default_factory=set)

    async def get(self, name: str, make: Make) -> bytes:
        """As derived(); name: of its key."""
        making = self._in_flight.get(name)
        if making is None or making.task.cancelling():
            making = self._begin(name, make)
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

    def _begin(self, name: str, make: Make) -> _Making:
        making = self._in_flight[name] = _Making()
        making.task = asyncio.ensure_future(self._found_or_made(name, make, making))
        making.task.add_done_callback(lambda _task: self._end(name, making))
        return making

    async def _found_or_made(self, name: str, make: Make, making: _Making) -> bytes:
        kept = await asyncio.to_thread(self.cache.get, name) if self.cache is not None else None
        if kept is not None:
            return kept
        data = await make()
        making.fresh = self.cache is not None
        return data

    def _end(self, name: str, making: _Making) -> None:
        """Forget it, or write it to the disk first: nobody waits for that, and who asks again shares it."""
        failed = making.task.cancelled() or making.task.exception() is not None
        if failed or not making.fresh or len(self._keeping) >= _MOST_KEEPING:
            self._forget(name, making)
            return
        task = asyncio.ensure_future(self._keep(name, making))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep(self, name: str, making: _Making) -> None:
        assert self.cache is not None
        try:
            await asyncio.to_thread(self.cache.put, name, making.task.result())
        finally:
            self._forget(name, making)

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
