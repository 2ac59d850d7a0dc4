"""The ASGI application: assembles, decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from dicomweb.archive.archive import Archive, open_archive
from dicomweb.archive.upkeep import upkeep
from dicomweb.settings import Settings
from dicomweb.web.edge import Edge
from dicomweb.web.routes import ROUTES


class State(TypedDict):
    """What handlers find in `request.state`."""

    archive: Archive


class Application:
    """The archive over HTTP. Its lifespan opens the database and the object store that `settings` name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.routes = ROUTES
        self._edge = Edge(settings, ROUTES)
        self._lifespan = Router(lifespan=lambda _router: self.opened())

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[State]:
        """The state of requests, for as long as the archive is open."""
        async with open_archive(self.settings) as archive, upkeep(archive):
            yield {"archive": archive}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        scope["app"] = self
        if scope["type"] == "http":
            await self._edge(scope, receive, send)
        else:
            await self._lifespan(scope, receive, send)


def create_app(settings: Settings) -> Application:
    """The application, without anything opened yet.

    The migrations must be applied already: `dicomweb serve` does that before it starts its workers.
    """
    return Application(settings)
