"""Every URL of the server in one table (PS3.18 10.1; the DICOMweb base is /dicomweb).

A line is a path, and for each method its handler and its description (protocol/operations.py), from which
WADL, OpenAPI and the conformance statement are made. OPTIONS is answered everywhere (K-01, K-04).
"""

from __future__ import annotations

from dicomweb.protocol import operations
from dicomweb.protocol.description import Operation
from dicomweb.settings import BASE_PATH
from dicomweb.web import (
    bulkdata,
    capabilities,
    collections,
    delete,
    frames,
    health,
    metadata,
    rendered,
    retrieve,
    search,
    store,
    thumbnail,
    volume,
    wado_uri,
)
from dicomweb.web.resource_route import Handler, ResourceRoute


def _resource(path: str, **methods: tuple[Handler, Operation]) -> ResourceRoute:
    """One line of the table. The parameter `path`, always the last, takes slashes too."""
    return ResourceRoute(path, {**methods, "OPTIONS": (capabilities.options, operations.CAPABILITIES)})


_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
_VOLUME_LEVELS = (_INSTANCE + "/frames/{frames}", _INSTANCE, _SERIES, _STUDY)

_RETRIEVE = (retrieve.instances, operations.RETRIEVE_INSTANCES)
_THUMBNAIL = (thumbnail.thumbnail, operations.RETRIEVE_THUMBNAIL)
_WADO_URI = (wado_uri.wado_uri, operations.WADO_URI)
_BULKDATA = (collections.bulkdata, operations.RETRIEVE_ALL_BULKDATA)
_PIXELDATA = (collections.pixeldata, operations.RETRIEVE_PIXELDATA)
_RENDERED = (rendered.rendered, operations.RETRIEVE_RENDERED)
_RENDERED_MPR = (volume.rendered_mpr, operations.RETRIEVE_RENDERED_MPR)
_RENDERED_3D = (volume.rendered_3d, operations.RETRIEVE_RENDERED_3D)
_METADATA = (metadata.metadata, operations.RETRIEVE_METADATA)
_SEARCH_SERIES = (search.series, operations.SEARCH_SERIES)
_SEARCH_INSTANCES = (search.instances, operations.SEARCH_INSTANCES)
_STORE = (store.store, operations.STORE_INSTANCES)
_UPSERT = (store.upsert, operations.UPSERT_INSTANCES)
_DELETE = (delete.delete, operations.DELETE)

# By their paths below the DICOMweb base.
_STUDIES_SERVICE = [
    _resource(_INSTANCE + "/frames/{frames}", GET=(frames.frames, operations.RETRIEVE_FRAMES)),
    _resource(_INSTANCE, GET=_RETRIEVE, DELETE=_DELETE),
    _resource("/studies", GET=(search.studies, operations.SEARCH_STUDIES), POST=_STORE, PUT=_UPSERT),
    _resource(_STUDY + "/series", GET=_SEARCH_SERIES),
    _resource(_SERIES + "/instances", GET=_SEARCH_INSTANCES),
    _resource(_SERIES + "/metadata", GET=_METADATA),
    _resource(_INSTANCE + "/metadata", GET=_METADATA),
    _resource(_INSTANCE + "/bulkdata/{path}", GET=(bulkdata.bulkdata, operations.RETRIEVE_BULKDATA)),
    _resource(_STUDY + "/metadata", GET=_METADATA),
    *(_resource(level + "/bulkdata", GET=_BULKDATA) for level in (_INSTANCE, _SERIES, _STUDY)),
    *(_resource(level + "/pixeldata", GET=_PIXELDATA) for level in (_INSTANCE, _SERIES, _STUDY)),
    _resource(_INSTANCE + "/frames/{frames}/rendered", GET=_RENDERED),
    _resource(_INSTANCE + "/rendered", GET=_RENDERED),
    _resource(_SERIES + "/rendered", GET=_RENDERED),
    _resource(_STUDY + "/rendered", GET=_RENDERED),
    _resource(_INSTANCE + "/frames/{frames}/thumbnail", GET=_THUMBNAIL),
    _resource(_INSTANCE + "/thumbnail", GET=_THUMBNAIL),
    _resource(_SERIES + "/thumbnail", GET=_THUMBNAIL),
    _resource(_STUDY + "/thumbnail", GET=_THUMBNAIL),
    *(_resource(level + "/renderedmpr", GET=_RENDERED_MPR) for level in _VOLUME_LEVELS),
    *(_resource(level + "/rendered3d", GET=_RENDERED_3D) for level in _VOLUME_LEVELS),
    # As table 10.4.1-1 of PS3.18 2024e prints it for a study.
    _resource(_STUDY + "/series/rendered3d", GET=_RENDERED_3D),
    _resource(_STUDY + "/instances", GET=_SEARCH_INSTANCES),
    _resource("/openapi.json", GET=(capabilities.openapi, operations.OPENAPI)),
    _resource("/limits.json", GET=(capabilities.limits, operations.LIMITS)),
    # Below the base too: that is all that many a proxy forwards.
    _resource("/wado", GET=_WADO_URI),
    _resource("/series", GET=_SEARCH_SERIES),
    _resource("/instances", GET=_SEARCH_INSTANCES),
    _resource(_SERIES, GET=_RETRIEVE, DELETE=_DELETE),
    _resource(_STUDY, GET=_RETRIEVE, POST=_STORE, PUT=_UPSERT, DELETE=_DELETE),
]

ROUTES: tuple[ResourceRoute, ...] = (
    *(ResourceRoute(BASE_PATH + route.path, route.methods) for route in _STUDIES_SERVICE),
    _resource(BASE_PATH),
    _resource("/wado", GET=(wado_uri.wado_uri, operations.SERVER_WADO_URI)),
    _resource("/health/live", GET=(health.live, operations.LIVE)),
    _resource("/health/ready", GET=(health.ready, operations.READY)),
    _resource("/openapi.json", GET=(capabilities.openapi, operations.SERVER_OPENAPI)),
)
