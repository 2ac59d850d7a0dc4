"""Bring a database up to the schema of this release: forward only, each file once, one process at a time."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from dicomweb.catalog.pool import Connection, database_errors
from dicomweb.errors import ArchiveError, InvalidSettings, Unavailable

OLDEST_SERVER = 15

# Any number that is nobody else's: the first bytes of "dicomweb".
_LOCK = int.from_bytes(b"dicomweb"[:7], "big")
# Another process may be at work on a large table.
_WAIT_FOR_OTHERS = "SET lock_timeout = '10min'"
# A migration that waits for a lock blocks everyone behind it, so it gives up soon and is tried again.
_WAIT_FOR_TABLES = "SET LOCAL lock_timeout = '5s'"
_CONNECT_SECONDS = 30.0

_JOURNAL = """
    CREATE TABLE IF NOT EXISTS schema_migration (
        name text COLLATE "C" PRIMARY KEY,
        digest text COLLATE "C" NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""


class SchemaMismatch(ArchiveError):
    """The database holds another history than this release: a file was changed after it was applied."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of schemas/sql."""

    name: str
    statements: str

    @property
    def digest(self) -> str:
        """Fingerprint that tells whether an applied file was edited."""
        return hashlib.sha256(self.statements.encode()).hexdigest()


def schema_directory() -> Path:
    """The folder `schemas`: inside the package when installed from a wheel, else at the repository's root."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


def migrations() -> list[Migration]:
    """All migrations of this release, in the order in which they apply."""
    files = sorted((schema_directory() / "sql").glob("*.sql"))
    return [Migration(file.stem, file.read_text(encoding="utf-8")) for file in files]


async def migrate(url: str) -> list[str]:
    """Apply the migrations that `url` lacks; returns their names, none when it is up to date.

    Safe to call from any number of processes at once. Migrations of a newer release are left alone, so
    that this one still runs while that one is rolled out.
    Raises Unavailable, InvalidSettings (server too old, no right to create), SchemaMismatch.
    """
    with database_errors():
        db = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
        try:
            _check_version(db)
            return await _migrate(db)
        except asyncpg.InsufficientPrivilegeError as error:
            raise InvalidSettings(
                "The database account may not create the archive's tables and the extension pg_trgm.",
                hint="Let it own the database, or run `dicomweb migrate` with an account that does.",
            ) from error
        except (asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError) as error:
            raise InvalidSettings("The PostgreSQL server lacks its contrib extension pg_trgm.") from error
        finally:
            await db.close()


def _check_version(db: Connection) -> None:
    if db.get_server_version().major < OLDEST_SERVER:
        raise InvalidSettings(
            f"The database server is too old: PostgreSQL {OLDEST_SERVER} or later is needed."
        )


async def _migrate(db: Connection) -> list[str]:
    await db.execute(_WAIT_FOR_OTHERS)
    await db.execute("SELECT pg_advisory_lock($1)", _LOCK)  # let go when the connection closes
    await db.execute(_JOURNAL)
    rows = await db.fetch("SELECT name, digest FROM schema_migration")
    applied = {row["name"]: row["digest"] for row in rows}
    done = []
    for migration in migrations():
        if migration.name not in applied:
            await _apply(db, migration)
            done.append(migration.name)
        elif applied[migration.name] != migration.digest:
            raise SchemaMismatch(
                f"The database was made by another version of migration {migration.name}.",
                hint="Use the release that made it, or a new database.",
            )
    return done


async def _apply(db: Connection, migration: Migration, *, attempts: int = 5) -> None:
    """One file, one transaction: it is there whole, journal included, or not at all."""
    for attempt in range(attempts):
        try:
            async with db.transaction():
                await db.execute(_WAIT_FOR_TABLES)
                await db.execute(migration.statements)
                await db.execute(
                    "INSERT INTO schema_migration (name, digest) VALUES ($1, $2)",
                    migration.name,
                    migration.digest,
                )
            return
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(attempt)
    raise Unavailable("The database is too busy to be migrated.", retry_after=30)
