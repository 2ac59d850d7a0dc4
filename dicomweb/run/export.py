"""`dicomweb export`: instances of the archive as files."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import click

from dicomweb.archive.archive import Archive, open_archive
from dicomweb.archive.export import Exported, every_study, export_study, studies_found
from dicomweb.catalog.totals import count_instances
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.dicom.uid import is_uid
from dicomweb.errors import Gone, InvalidRequest, InvalidSettings, NotFound
from dicomweb.protocol.search_query import Level, SearchQuery, parse_search
from dicomweb.run.attach import attached
from dicomweb.run.options import settings_options
from dicomweb.run.progress import Progress, progress
from dicomweb.settings import Settings

_NAMED = 10
_FORMS = {"*": False, EXPLICIT_LITTLE: True}


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--study", "studies", multiple=True, metavar="UID", help="A study to export; may be repeated.")
@click.option(
    "--query",
    "queries",
    multiple=True,
    metavar="KEY=VALUE",
    help="Export the studies that match, as in a search: PatientID=123, StudyDate=20260101-. All must hold.",
)
@click.option(
    "--transfer-syntax",
    type=click.Choice(list(_FORMS)),
    default="*",
    show_default=True,
    help="As stored, or decoded to Explicit VR Little Endian.",
)
@settings_options("data", "database_url", "blobs")
def export(
    settings: Settings,
    directory: Path,
    studies: tuple[str, ...],
    queries: tuple[str, ...],
    transfer_syntax: str,
) -> None:
    """Write instances to DIRECTORY/STUDY/SERIES/INSTANCE.dcm; everything, unless --study or --query say less.

    An export that was interrupted is run again: it passes over files that are there whole. Exit code 1 when
    an instance could not be written.
    """
    wrong = [uid for uid in studies if not is_uid(uid)]
    if wrong or not all("=" in query for query in queries):
        raise InvalidSettings("--study takes a UID, and --query a key=value.")
    summary = _Summary()
    with attached(settings, "export") as ready:
        try:
            asyncio.run(_export(ready, directory, studies, queries, _FORMS[transfer_syntax], summary))
        finally:
            summary.show()
    sys.exit(1 if summary.failed else 0)


class _Summary:
    """What was written, and the first of what was not."""

    def __init__(self) -> None:
        self.written = self.present = self.failed = self.size = 0

    def add(self, outcome: Exported) -> None:
        self.written += outcome.state == "written"
        self.present += outcome.state == "present"
        self.size += outcome.size
        if outcome.state == "failed":
            self.fail(outcome.target, outcome.reason)

    def fail(self, target: Target, reason: str) -> None:
        self.failed += 1
        if self.failed <= _NAMED:
            click.echo(f"{target.path}: {reason}", err=True)

    def show(self) -> None:
        click.echo(f"{self.written:,} written ({self.size / 1e6:,.1f} MB)")
        if self.present:
            click.echo(f"{self.present:,} were there already")
        if self.failed:
            click.echo(f"{self.failed:,} failed")


async def _export(
    settings: Settings,
    directory: Path,
    studies: tuple[str, ...],
    queries: tuple[str, ...],
    decoded: bool,
    summary: _Summary,
) -> None:
    async with open_archive(settings) as archive:
        with progress("Exporting", "instances") as shown:
            if not studies and not queries:
                shown.expect(await count_instances(archive.pool))
            async for target in _targets(archive, studies, queries):
                await _one_study(archive, target, directory, decoded, summary, shown)


async def _one_study(
    archive: Archive, target: Target, directory: Path, decoded: bool, summary: _Summary, shown: Progress
) -> None:
    def done(outcome: Exported) -> None:
        summary.add(outcome)
        shown.advance()

    try:
        await export_study(archive, target, directory, decoded=decoded, report=done)
    except (NotFound, Gone) as error:
        summary.fail(target, error.message)


async def _targets(
    archive: Archive, studies: tuple[str, ...], queries: tuple[str, ...]
) -> AsyncIterator[Target]:
    if not studies and not queries:
        async for target in every_study(archive):
            yield target
        return
    found = list(studies)
    if queries:
        found += await studies_found(archive, _parsed(queries))
    for uid in dict.fromkeys(found):
        yield Target(uid)


def _parsed(queries: tuple[str, ...]) -> SearchQuery:
    """The same grammar as a search over HTTP. A key it would ignore there is an error here."""
    pairs = [query.partition("=") for query in queries]
    text = "&".join(f"{quote(key)}={quote(value, safe=',*?:')}" for key, _, value in pairs)
    try:
        query = parse_search(text.encode(), Level.STUDY)
    except InvalidRequest as error:
        raise InvalidSettings(f"--query: {error.message}") from None
    if query.warnings:
        raise InvalidSettings(f"--query: {query.warnings[0]}")
    return query
