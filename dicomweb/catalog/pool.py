"""Connections to PostgreSQL, and the one place where its errors become errors of the archive."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from dicomweb.errors import TooLarge, Unavailable

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    _Lent: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    _Lender: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection

# Of one server process. Requests that find all of them busy wait up to _ACQUIRE_SECONDS.
_SEARCH_CONNECTIONS = 4
_INDEX_CONNECTIONS = 6
_ACQUIRE_SECONDS = 15.0
_CONNECT_SECONDS = 10.0
# Nothing the archive asks takes this long; a statement that does is stuck behind a lock or a dying disk. Who
# stores is given time; who looks something up hears soon that the database hangs.
_WRITE_SECONDS = 120.0
_SEARCH_SECONDS = 30.0
_LOOKUP_SECONDS = 10.0
# For the server to say that it gave up a statement; a connection that hears nothing is thrown away.
_RELEASE_SECONDS = 2.0
# Lent again and again; the driver closes those of the others that nobody needs any more.
_KEPT = 2
# A plan that was made when the tables were small is made anew after this time, statistics or not.
_PLAN_SECONDS = 60

_SESSION = {
    "application_name": "dicomweb",
    "timezone": "UTC",
    # Compiling costs more than any of our statements.
    "jit": "off",
    # The default counts on turning disks, and reads a whole table rather than a few thousand rows by index.
    "random_page_cost": "1.1",
    # A site that turned it off for other databases would lose acknowledged instances.
    "synchronous_commit": "on",
    # A process that hangs in a transaction must not hold the locks of a study for ever.
    "idle_in_transaction_session_timeout": "60s",
}
# A prepared name prefix that matches nothing took 746 ms by the generic plan and 0.4 ms by a custom one.
_SEARCH_SESSION = _SESSION | {"plan_cache_mode": "force_custom_plan"}
# Statements whose one best plan is known, row after row through indexes: planning a frame lookup takes longer
# than running it. Without statistics, as in a first bulk import, the planner would read or join whole tables.
_INDEX_SESSION = _SESSION | {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


class Connections:
    """Connections of one kind. asyncpg opens them, and mends what comes back broken; what comes back well is
    lent again as it is: its return to asyncpg's pool takes as long as a lookup."""

    def __init__(self, lender: _Lender) -> None:
        self._lender = lender
        self._kept: list[_Lent] = []
        self._waiting = 0

    async def lend(self) -> _Lent:
        """A connection, as soon as there is one. Raises what asyncpg raises."""
        while self._kept:
            db = self._kept.pop()
            if _is_idle(db):
                return db
            await self._lender.release(db)
        self._waiting += 1
        try:
            return await self._lender.acquire(timeout=_ACQUIRE_SECONDS)
        finally:
            self._waiting -= 1

    async def take_back(self, db: _Lent, *, well: bool) -> None:
        """A connection that is needed no more. well: nothing went wrong with it."""
        if well and not self._waiting and len(self._kept) < _KEPT and _is_idle(db):
            self._kept.append(db)
        else:
            await self._lender.release(db, timeout=_RELEASE_SECONDS)

    async def close(self) -> None:
        """Wait for those that are lent, then close."""
        while self._kept:
            await self._lender.release(self._kept.pop())
        await self._lender.close()


def _is_idle(db: _Lent) -> bool:
    try:
        return not db.is_closed() and not db.is_in_transaction()
    except asyncpg.InterfaceError:  # the database ended it, and asyncpg has taken it back
        return False


@dataclass(frozen=True, slots=True)
class Pool:
    """The connections of one process: for searches, planned each time, and for all else, planned once."""

    searches: Connections
    indexed: Connections

    async def close(self) -> None:
        """Wait for what is under way, then close."""
        with database_errors():
            await asyncio.gather(self.searches.close(), self.indexed.close())

    async def fetchval(self, statement: str) -> Any:
        """One value of a statement without arguments: does the database answer? Raises Unavailable."""
        async with lookup_connection(self) as db:
            return await db.fetchval(statement)


async def create_pool(url: str, *, search_seconds: float = 0.0) -> Pool:
    """Open the connections. Raises Unavailable when the database cannot be reached.

    search_seconds: what a search may take, where that is much.

    Broken connections are replaced when they are next asked for, so a restart of PostgreSQL costs the
    requests in flight and no others.
    """
    with database_errors():
        seconds = max(_SEARCH_SECONDS, search_seconds)
        searches = await _connections(url, _SEARCH_CONNECTIONS, _SEARCH_SESSION, seconds)
        return Pool(searches, await _connections(url, _INDEX_CONNECTIONS, _INDEX_SESSION, _WRITE_SECONDS))


async def _connections(url: str, size: int, session: dict[str, str], seconds: float) -> Connections:
    lender = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=_CONNECT_SECONDS,
        command_timeout=seconds,
        server_settings=session,
        reset=_keep_session,
        max_cached_statement_lifetime=_PLAN_SECONDS,
    )
    return Connections(lender)


async def _keep_session(_db: Connection) -> None:
    """Saves a round trip: there is nothing to undo, since no one changes the session."""


def connection(pool: Pool) -> AbstractAsyncContextManager[Connection]:
    """A connection for searches; database errors inside become Unavailable."""
    return _lent(pool.searches)


def indexed_connection(pool: Pool) -> AbstractAsyncContextManager[Connection]:
    """A connection for statements that go by index; database errors inside become Unavailable."""
    return _lent(pool.indexed)


def lookup_connection(pool: Pool, *, large: bool = False) -> AbstractAsyncContextManager[Connection]:
    """As indexed_connection, for what only reads: not for long. large: it reads all rows of a study."""
    return _lent(pool.indexed, _SEARCH_SECONDS if large else _LOOKUP_SECONDS)


@asynccontextmanager
async def _lent(connections: Connections, seconds: float | None = None) -> AsyncIterator[Connection]:
    with database_errors():
        db = await connections.lend()
        well = False
        try:
            async with asyncio.timeout(seconds):
                yield db
            well = True
        except (asyncpg.InternalClientError, TimeoutError):
            db.terminate()
            raise
        finally:
            await connections.take_back(db, well=well)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what only time or an operator can mend into Unavailable, and what is beyond the database's limits
    into TooLarge; a wrong statement of ours stays a bug.

    A connection that is lost while a commit is under way ends here too: whether it happened is unknown, so
    it is never reported as success, and its blobs must be left to the sweeper.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        raise_if_known(error)
        raise
    except asyncpg.InterfaceError as error:
        # "connection is closed", "has been released" (by its end), "pool is closing". DataError is a bug.
        if isinstance(error, ValueError) or not _GONE.search(str(error)):
            raise
        raise _unavailable("The archive's database closed the connection.") from error
    except asyncpg.InternalClientError as error:
        # The server said good-bye to an idle connection, and the driver has not read on to its end yet.
        raise _unavailable("The archive's database closed the connection.") from error
    except OSError as error:  # TimeoutError is one, and so is a refused connection
        raise _unavailable("The archive's database cannot be reached.") from error


_GONE = re.compile("clos|released")

# SQLSTATE class or code -> sentence.
_TROUBLES = {
    "08": "The archive's database closed the connection.",
    "25006": "The archive's database takes no changes at the moment.",
    "28": "The archive's database refuses the archive's account.",
    "3D000": "The archive's database does not exist.",
    "40": "Too many clients change the same study at once.",
    "53100": "The disk of the archive's database is full.",
    "53": "The archive's database is out of resources.",
    "55P03": "The archive's database is busy.",
    "57": "The archive's database is shutting down or gave up on a request.",
    "58": "The archive's database has trouble with its disk.",
    "XX": "The archive's database found an internal error.",
}


# Program limit exceeded: a message, a value or an expression that this database will never take.
_TOO_LARGE = "54"


def raise_if_known(error: asyncpg.PostgresError) -> None:
    """Raise Unavailable when the database, not the statement, is what failed; TooLarge beyond its limits."""
    code = error.sqlstate or "08"
    if code.startswith(_TOO_LARGE):
        raise TooLarge("The request is more than the archive's database takes at once.") from error
    for prefix in (code, code[:2]):
        if prefix in _TROUBLES:
            raise _unavailable(_TROUBLES[prefix]) from error


def _unavailable(sentence: str) -> Unavailable:
    return Unavailable(sentence, hint="Try again; what was not acknowledged may be sent again safely.")
