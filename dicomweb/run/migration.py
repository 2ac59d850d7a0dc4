"""Bring a database to this release's schema, from the command line or before the workers start."""

from __future__ import annotations

import asyncio
import os
import sys

from dicomweb.catalog.migrate import migrate
from dicomweb.errors import ArchiveError

_VARIABLE = "DICOMWEB_DATABASE_URL"


async def migrate_database(url: str) -> None:
    """Raises Unavailable when the database cannot be reached or is too old."""
    await migrate(url)


def main() -> int:
    """For the server's parent: a process of its own, so that the parent never loads a database client."""
    try:
        asyncio.run(migrate_database(os.environ[_VARIABLE]))
    except ArchiveError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
