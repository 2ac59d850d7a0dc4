"""How a command (import, export, verify, sweep) reaches the archive, whether or not a server runs.

with attached(settings, "verify") as settings:
    asyncio.run(verify(settings))   # settings.database_url is filled in and migrated
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from dicomweb.run.migration import migrate_database
from dicomweb.run.owner import DirectoryInUse, absolute, current_owner, owned, publish
from dicomweb.run.postgres import START_SECONDS, EmbeddedPostgres
from dicomweb.settings import Settings


@contextmanager
def attached(settings: Settings, command: str) -> Iterator[Settings]:
    """Settings whose database is up and migrated, while the block runs.

    Owns the data directory and starts PostgreSQL; where a server owns it already, takes that server's
    database and blobs instead. Call from the main thread, outside of an event loop.
    Raises Unavailable, DirectoryInUse.
    """
    settings = absolute(settings)
    with ExitStack() as stack:
        try:
            stack.enter_context(owned(settings.data, command))
        except DirectoryInUse as refusal:
            ready = _joined(settings, refusal)
        else:
            ready = stack.enter_context(database(settings))
            publish(ready, command)
        yield ready


@contextmanager
def database(settings: Settings) -> Iterator[Settings]:
    """The configured database, or the embedded one while the block runs; migrated either way."""
    if settings.database_url:
        asyncio.run(migrate_database(settings.database_url))
        yield settings
        return
    with EmbeddedPostgres(settings.data, settings.postgres_binaries) as server:
        asyncio.run(migrate_database(server.url))
        yield replace(settings, database_url=server.url)


def _joined(settings: Settings, refusal: DirectoryInUse) -> Settings:
    """The settings of the running server; waits while it starts. Raises the refusal for any other owner."""
    deadline = time.monotonic() + START_SECONDS
    while (owner := current_owner(settings.data)) is None:
        if time.monotonic() > deadline:
            raise refusal
        time.sleep(0.1)
    if owner.command != "serve" or not _lives(owner.pid):
        raise refusal
    return owner.share(settings)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
