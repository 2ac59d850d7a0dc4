"""Every URL of the server in one table (PS3.18 10.1; the DICOMweb base is /dicomweb)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router

from dicomweb.settings import BASE_PATH
from dicomweb.web import bulkdata, delete, frames, health, metadata, retrieve, search, store
from dicomweb.web.errors import status_report
from dicomweb.web.responses import Streamed

Answer = Response | Streamed
Handler = Callable[[Request], Awaitable[Answer]]


def _resource(path: str, **handlers: Handler) -> Route:
    """One URL and what each method does there; another method is 405 with a full Allow (H-12)."""
    allowed = [*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"]
    headers = {"Allow": ", ".join(allowed)}

    async def dispatch(request: Request) -> Answer:
        method = "GET" if request.method == "HEAD" else request.method
        if method in handlers:
            return await handlers[method](request)
        if method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        return status_report(request, 405, "This resource does not take that method.", headers=headers)

    return Route(path, dispatch, methods=_METHODS)


_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"

# The busiest first, since routes are tried in order.
_STUDIES_SERVICE = [
    _resource(_INSTANCE + "/frames/{frames}", GET=frames.frames),
    _resource(_INSTANCE, GET=retrieve.instances, DELETE=delete.delete),
    _resource("/studies", GET=search.studies, POST=store.store),
    _resource(_STUDY + "/series", GET=search.series),
    _resource(_SERIES + "/instances", GET=search.instances),
    _resource(_SERIES + "/metadata", GET=metadata.metadata),
    _resource(_INSTANCE + "/metadata", GET=metadata.metadata),
    _resource(_INSTANCE + "/bulkdata/{path:path}", GET=bulkdata.bulkdata),
    _resource(_STUDY + "/metadata", GET=metadata.metadata),
    _resource(_STUDY + "/instances", GET=search.instances),
    _resource("/series", GET=search.series),
    _resource("/instances", GET=search.instances),
    _resource(_SERIES, GET=retrieve.instances, DELETE=delete.delete),
    _resource(_STUDY, GET=retrieve.instances, POST=store.store, DELETE=delete.delete),
]

ROUTES: list[BaseRoute] = [
    # No redirects: a trailing slash is taken off before, and /bulkdata is no /bulkdata/.
    Mount(BASE_PATH, app=Router(_STUDIES_SERVICE, redirect_slashes=False)),
    _resource("/health/live", GET=health.live),
    _resource("/health/ready", GET=health.ready),
]
