"""What the server can do, as it says itself: WADL, OpenAPI, limits (PS3.18 8.9; K-01 to K-05).

All is made from the route table, by which the requests themselves are answered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb.errors import NotAcceptable
from dicomweb.protocol import wadl
from dicomweb.protocol.answer_types import best_type
from dicomweb.protocol.description import DescribedResource, Operation
from dicomweb.protocol.media_types import media_ranges
from dicomweb.protocol.openapi import openapi as openapi_document
from dicomweb.protocol.operations import CAPABILITIES, LIMITS, OPENAPI
from dicomweb.settings import BASE_PATH, Settings
from dicomweb.web.conditions import not_modified
from dicomweb.web.limits import limits as limits_document
from dicomweb.web.resource_route import ResourceRoute
from dicomweb.web.targets import accept_parameters, base_url

_DISTRIBUTION = "dicomweb-archive"


def described(routes: Iterable[ResourceRoute]) -> Iterator[DescribedResource]:
    """Every resource of a route table, in its order."""
    for route in routes:
        operations = {method: operation for method, (_, operation) in route.methods.items()}
        yield DescribedResource(route.path, operations)


async def options(request: Request) -> Response:
    """The Capabilities Description of the resource and those below it, and its methods."""
    route: ResourceRoute = request.scope["route"]
    media_type = _media_type(request, CAPABILITIES)  # 400, 406
    path = route.path
    service = BASE_PATH if (path + "/").startswith(BASE_PATH + "/") else ""
    tree = wadl.capabilities(
        _below(service, described(request.app.routes)),
        base_url(request).removesuffix(BASE_PATH) + service,
        path=path.removeprefix(service),
    )
    write = wadl.as_json if media_type == "application/json" else wadl.as_xml
    return _document(request, write(tree), media_type, {"Allow": route.allow})


def _media_type(request: Request, operation: Operation) -> str:
    """What the request likes best of what the operation gives."""
    preferred = media_ranges(accept_parameters(request), lenient=False)  # 400 malformed
    accept = preferred or media_ranges(request.headers.getlist("accept"))
    media_type = best_type(accept, operation.gives)
    if media_type is None:
        raise NotAcceptable("The request takes no form that this document has.", available=operation.gives)
    return media_type


def _below(service: str, resources: Iterable[DescribedResource]) -> Iterator[DescribedResource]:
    """The resources below a path, by their paths there."""
    for one in resources:
        if one.path.startswith(service + "/"):
            yield DescribedResource(one.path.removeprefix(service), one.operations)


async def openapi(request: Request) -> Response:
    """The OpenAPI document of all resources."""
    media_type = _media_type(request, OPENAPI)  # 400, 406
    root = base_url(request).removesuffix(BASE_PATH)
    document = openapi_document(described(request.app.routes), root=root or "/", version=_version())
    return _document(request, orjson.dumps(document, option=orjson.OPT_INDENT_2), media_type)


def _version() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"


async def limits(request: Request) -> Response:
    """Bounds, transfer syntaxes and SOP classes, for programs."""
    media_type = _media_type(request, LIMITS)  # 400, 406
    settings: Settings = request.app.settings
    document = orjson.dumps(limits_document(settings), option=orjson.OPT_INDENT_2)
    return _document(request, document, media_type)


def _document(
    request: Request, body: bytes, media_type: str, headers: dict[str, str] | None = None
) -> Response:
    tag = hashlib.blake2b(media_type.encode() + body, digest_size=16).hexdigest()
    found = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Accept", **(headers or {})}
    if not_modified(request, found):
        return Response(status_code=304, headers=found)
    return Response(body, headers={**found, "Content-Type": media_type})
