"""`dicomweb import`: files into this archive, or to any STOW-RS server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import click

from dicomweb.archive.archive import open_archive
from dicomweb.archive.import_ import Destination, FileOutcome, import_files
from dicomweb.archive.import_here import ThisArchive
from dicomweb.archive.source_files import count_files, find_files
from dicomweb.errors import InvalidSettings
from dicomweb.run.attach import attached
from dicomweb.run.import_journal import ImportJournal, default_journal
from dicomweb.run.import_report import ImportReport, import_report
from dicomweb.run.options import settings_options
from dicomweb.run.progress import progress
from dicomweb.settings import Settings


@click.command("import")
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
@click.option("--url", default="", help="DICOMweb base URL of a server to send to, instead of this archive.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Request header for --url, such as a token.",
)
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to remember what --url has been sent.",
)
@click.option("--again", is_flag=True, help="Send to --url what the journal says it has been sent, too.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV of every file that was not stored, and why.",
)
@settings_options("data", "database_url", "blobs")
def import_(
    settings: Settings,
    paths: tuple[Path, ...],
    url: str,
    headers: tuple[str, ...],
    journal: Path | None,
    again: bool,
    report: Path | None,
) -> None:
    """Store files, and folders with all below them.

    What is no DICOM is skipped and counted. An import that was interrupted is run again: it skips what is
    stored. Exit code 1 when a DICOM file was refused.
    """
    with import_report(report) as found:
        try:
            if url:
                path = journal or default_journal(url, os.environ)
                with ImportJournal(path, url, forget=again) as kept:
                    asyncio.run(_import(paths, _server(url, headers, kept), found))
            else:
                with attached(settings, "import") as ready:
                    asyncio.run(_import(paths, _here(ready), found))
        finally:
            for line in found.lines():
                click.echo(line)
    sys.exit(1 if found.refused else 0)


Opened = AbstractAsyncContextManager[Destination]


async def _import(paths: tuple[Path, ...], opened: Opened, report: ImportReport) -> None:
    with progress("Importing", "files") as shown:

        def done(outcome: FileOutcome) -> None:
            report.add(outcome)
            shown.advance()

        async def count() -> None:
            shown.expect(await asyncio.to_thread(count_files, paths))

        async with opened as destination:
            counting = asyncio.create_task(count())
            await import_files(find_files(paths), destination, done)
            await counting


@asynccontextmanager
async def _here(settings: Settings) -> AsyncIterator[Destination]:
    async with open_archive(settings) as archive:
        yield ThisArchive(archive)


@asynccontextmanager
async def _server(url: str, headers: tuple[str, ...], journal: ImportJournal) -> AsyncIterator[Destination]:
    # Imported here: an HTTP client takes long to load, and imports into this archive need none.
    import httpx

    from dicomweb.run.stow_client import TIMEOUT, StowServer

    async with httpx.AsyncClient(headers=_parsed(headers), timeout=TIMEOUT) as client:
        try:
            yield StowServer(client, url, journal)
        except httpx.InvalidURL:
            raise InvalidSettings("--url must be the DICOMweb base URL of a server.") from None


def _parsed(headers: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = [header.partition(":") for header in headers]
    if not all(name.strip() and colon for name, colon, _ in pairs):
        raise InvalidSettings("--header must be of the form 'Name: value'.")
    return [(name.strip(), value.strip()) for name, _, value in pairs]
