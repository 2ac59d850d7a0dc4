"""The `dicomweb` command. Each subcommand is a click command in a module of dicomweb/run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

import click

from dicomweb.errors import ArchiveError, InvalidSettings

# name -> 'module:click command'. A command registers by one line here; its module is imported when it is
# called, so that none makes another start slowly.
COMMANDS = {
    "serve": "dicomweb.run.serve:serve",
    "import": "dicomweb.run.import_:import_",
    "export": "dicomweb.run.export:export",
    "verify": "dicomweb.run.upkeep:verify",
    "sweep": "dicomweb.run.upkeep:sweep_",
    "migrate": "dicomweb.run.migrate:migrate",
}


def _version() -> str:
    try:
        return version("dicomweb-archive")
    except PackageNotFoundError:  # run from its source, not installed
        return "from source"


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="dicomweb")
def cli() -> None:
    """A DICOMweb archive: store, search and retrieve DICOM over HTTP (PS3.18)."""


@contextmanager
def report_errors() -> Iterator[None]:
    """Exit codes: 0 done, 1 it cannot be done now, 2 wrong settings or arguments."""
    try:
        yield
    except ArchiveError as error:
        click.echo(f"dicomweb: {error.message}" + (f"\n  {error.hint}" if error.hint else ""), err=True)
        sys.exit(2 if isinstance(error, InvalidSettings) else 1)


def main() -> None:
    with report_errors():
        cli()


if __name__ == "__main__":
    main()
