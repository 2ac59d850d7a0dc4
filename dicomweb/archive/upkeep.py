"""What a running server does by itself for its archive: give back space that nobody needs."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from dicomweb.archive.archive import Archive
from dicomweb.archive.sweep import remove_doomed
from dicomweb.errors import ArchiveError

_log = logging.getLogger(__name__)

# Longer than an answer that still reads a deleted instance can take, short enough to see the space again.
_GRACE = timedelta(hours=1)
_PAUSE_SECONDS = 600.0


@asynccontextmanager
async def upkeep(archive: Archive) -> AsyncIterator[None]:
    """Sweep deleted objects and the cache in the background while the context lasts.

    Any number of processes may do so at once. Strays, which only a crash leaves, need a listing of the whole
    store: `dicomweb sweep` looks for those.
    """
    task = asyncio.ensure_future(_sweep_for_ever(archive))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _sweep_for_ever(archive: Archive) -> None:
    while True:
        # Spread, so that the processes of a site do not all ask at once.
        await asyncio.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))
        await archive.derived.sweep()
        try:
            removed = await remove_doomed(archive, _GRACE)
        except ArchiveError as error:
            _log.warning("deleted objects could not be swept: %s", error.message)
        else:
            if removed:
                _log.info("swept %d objects whose instances were deleted", removed)
