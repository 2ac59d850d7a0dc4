"""`dicomweb verify` and `dicomweb sweep`: is everything there, and away with what nothing needs."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from datetime import timedelta

import click
import orjson

from dicomweb.archive.archive import open_archive
from dicomweb.archive.sweep import DEFAULT_GRACE, Swept, sweep
from dicomweb.archive.verify import Finding, Tally, Verification
from dicomweb.catalog.totals import count_instances
from dicomweb.run.attach import attached
from dicomweb.run.options import settings_options
from dicomweb.run.progress import progress
from dicomweb.settings import Settings

_HOUR = timedelta(hours=1)

_grace = click.option(
    "--grace-hours",
    type=click.FloatRange(min=0),
    default=DEFAULT_GRACE / _HOUR,
    show_default=True,
    help="Age up to which bytes without an instance may belong to an upload or an answer under way.",
)


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option("--no-checksums", is_flag=True, help="Only see that the bytes are there; do not read them.")
@_grace
@settings_options("data", "database_url", "blobs")
def verify(settings: Settings, as_json: bool, no_checksums: bool, grace_hours: float) -> None:
    """Compare the catalog and the stored bytes, both ways. Safe while the archive is in use.

    Exit code 1 when anything is missing, damaged or left over.
    """
    printer = _JsonPrinter() if as_json else _TextPrinter()
    with attached(settings, "verify") as ready:
        asyncio.run(_verify(ready, printer, not no_checksums, timedelta(hours=grace_hours)))
    sys.exit(1 if printer.count else 0)


async def _verify(settings: Settings, printer: _Printer, checksums: bool, grace: timedelta) -> None:
    async with open_archive(settings) as archive:
        with progress("Verifying", "instances") as shown:
            shown.expect(await count_instances(archive.pool))
            printer.begin()
            run = Verification(archive, grace=grace, checksums=checksums, advance=shown.advance)
            async for finding in run.findings():
                printer.finding(finding)
        printer.end(run.tally)


class _TextPrinter:
    def __init__(self) -> None:
        self.count = 0

    def begin(self) -> None:
        """Nothing stands above the findings."""

    def finding(self, finding: Finding) -> None:
        self.count += 1
        click.echo(f"{finding.kind}: {finding.place}: {finding.sentence}")

    def end(self, tally: Tally) -> None:
        click.echo(
            f"{tally.instances:,} instances ({tally.bytes / 1e6:,.1f} MB read) and {tally.blobs:,} objects:"
            f" {f'{self.count:,} findings' if self.count else 'all is well'}"
        )
        if tally.recent:
            click.echo(f"{tally.recent:,} objects without a row are recent: uploads may be under way")
        if tally.doomed:
            click.echo(f"{tally.doomed:,} objects of deleted instances wait for `dicomweb sweep`")


class _JsonPrinter:
    """One object, written piece by piece: a damaged archive may have millions of findings."""

    def __init__(self) -> None:
        self.count = 0

    def begin(self) -> None:
        click.echo('{"findings":[', nl=False)

    def finding(self, finding: Finding) -> None:
        click.echo(("," if self.count else "") + orjson.dumps(asdict(finding)).decode(), nl=False)
        self.count += 1

    def end(self, tally: Tally) -> None:
        numbers = orjson.dumps({**asdict(tally), "ok": not self.count}).decode()
        click.echo("]," + numbers[1:])


_Printer = _TextPrinter | _JsonPrinter


@click.command("sweep")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@_grace
@settings_options("data", "database_url", "blobs")
def sweep_(settings: Settings, dry_run: bool, grace_hours: float) -> None:
    """Remove the bytes of deleted instances and of uploads that never ended. Safe while in use."""

    async def run() -> Swept:
        async with open_archive(ready) as archive:
            return await sweep(archive, grace=timedelta(hours=grace_hours), dry_run=dry_run)

    with attached(settings, "sweep") as ready:
        swept = asyncio.run(run())
    would = "would be removed" if dry_run else "removed"
    click.echo(f"{swept.deleted:,} objects of deleted instances {would}")
    click.echo(f"{swept.strays:,} objects without an instance {would}")
    click.echo(f"{swept.unfinished:,} unfinished files {would}")
