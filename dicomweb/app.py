"""The ASGI application: assembles, decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.middleware import Middleware

from dicomweb.archive.archive import Archive, open_archive
from dicomweb.archive.upkeep import upkeep
from dicomweb.settings import Settings
from dicomweb.web.errors import no_such_resource
from dicomweb.web.middleware import Cors, Hosts, RequestIds, Requests
from dicomweb.web.routes import ROUTES


class _State(TypedDict):
    archive: Archive


def create_app(settings: Settings) -> Starlette:
    """The archive over HTTP. Its lifespan opens the database and the object store that `settings` name.

    The migrations must be applied already: `dicomweb serve` does that before it starts its workers.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[_State]:
        async with open_archive(settings) as archive, upkeep(archive):
            yield {"archive": archive}

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        exception_handlers={404: no_such_resource},
        middleware=[
            Middleware(RequestIds),
            Middleware(Cors, settings=settings),
            Middleware(Requests, settings=settings),
            Middleware(Hosts, settings=settings),
        ],
    )
    app.state.settings = settings
    app.router.redirect_slashes = False
    return app
