"""`dicomweb migrate`: bring the database to this release's schema and stop."""

from __future__ import annotations

import click

from dicomweb.run.attach import attached
from dicomweb.run.options import settings_options
from dicomweb.settings import Settings


@click.command()
@settings_options("data", "database_url")
def migrate(settings: Settings) -> None:
    """Bring the database to this release's schema. `serve` does it too; use this to do it beforehand."""
    with attached(settings, "migrate"):
        click.echo("The database has this release's schema.")
