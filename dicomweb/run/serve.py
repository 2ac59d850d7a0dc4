"""`dicomweb serve`: own the data directory, open the port, run the supervisor, say where the archive is."""

from __future__ import annotations

import os
import socket

import click

from dicomweb.run.listen import base_url, listen, refuse_exposure, url_of
from dicomweb.run.options import settings_options
from dicomweb.run.owner import absolute, owned, publish
from dicomweb.run.supervisor import APP, Supervisor
from dicomweb.settings import Settings, flags, is_loopback, unknown_variables


@click.command()
@settings_options(*(item.name for _, item in flags()))
def serve(settings: Settings) -> None:
    """Run the archive: database, HTTP server, everything. Ctrl-C stops it.

    Every other setting is an environment variable; the README lists them.
    """
    run_server(settings)


def run_server(settings: Settings, *, app: str = APP) -> None:
    """Serve until a signal comes. app: 'module:function' from Settings to an ASGI application.

    Raises InvalidSettings, Unavailable, DirectoryInUse, each with one plain sentence.
    """
    settings = absolute(settings)
    refuse_exposure(settings)
    os.umask(0o077)  # whatever we or our workers make is patient data
    for warning in warnings_for(settings):
        click.echo(f"Warning: {warning}", err=True)
    with owned(settings.data, "serve"), listen(settings) as listening:

        def when_ready(ready: Settings) -> None:
            publish(ready, "serve")
            click.echo(announcement(settings, listening))

        Supervisor(settings, listening, app=app).run(when_ready)


def warnings_for(settings: Settings) -> list[str]:
    """What the operator should know before the first request."""
    sentences = unknown_variables(os.environ)
    if not is_loopback(settings.host):
        sentences.append(
            f"Listening on {settings.host} without a login: whoever reaches it may read, store and delete."
        )
    return sentences


def announcement(settings: Settings, listening: socket.socket) -> str:
    root = url_of(listening, settings)
    base = base_url(root, settings)
    database = "given by --database-url" if settings.database_url else "embedded PostgreSQL"
    return "\n".join(
        [
            f"DICOMweb archive ready: {base}",
            f"  health    {root}/health/live  {root}/health/ready",
            f"  data      {settings.data} (database: {database}; blobs: {settings.blobs_location})",
            f"  store     curl -H 'Content-Type: application/dicom' --data-binary @image.dcm {base}/studies",
            f"  search    curl {base}/studies",
            "Stop with Ctrl-C.",
        ]
    )
