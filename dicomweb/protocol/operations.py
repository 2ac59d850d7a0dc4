"""The operations of the server, one value each: what a line of web/routes.py refers to.

Whoever adds an operation describes it here and routes it there; WADL, OpenAPI and the conformance statement
follow from both.
"""

from __future__ import annotations

from dataclasses import replace

from dicomweb.protocol.description import Operation, Parameter
from dicomweb.protocol.media_types import Form
from dicomweb.protocol.query_parameters import (
    ACCEPT,
    METADATA_FIELDS,
    PICTURE_PARAMETERS,
    REDUCE_FRAMES,
    SEARCH_PARAMETERS,
    STUDY_SEARCH_PARAMETERS,
    TRUE,
    VIEWPORT,
    VOLUME_PARAMETERS,
)
from dicomweb.protocol.representations import Resource
from dicomweb.protocol.store_parts import BODY_TYPES

# --- statuses --------------------------------------------------------------------------------------

_ANY = {
    400: "The request is malformed: a UID, a parameter, a header.",
    503: "The archive or a part of it cannot answer now; Retry-After says when to try again.",
}
_READ = {
    200: "The whole of what was asked for.",
    404: "There is no such target.",
    406: "None of the acceptable media types can be given; the report lists the available ones.",
    410: "The target was deleted.",
    500: "The stored bytes are damaged or missing.",
    **_ANY,
}
_PARTLY = {
    206: "The asked range; or all instances but those that are damaged or cannot be given as asked.",
}

# --- retrieve --------------------------------------------------------------------------------------

RETRIEVE_INSTANCES = Operation(
    "retrieveInstances",
    "Retrieve the instances of a study, of a series, or one, as DICOM.",
    "10.4.1.1.1",
    Resource.INSTANCES,
    gives=("application/zip",),
    parameters=(
        ACCEPT,
        Parameter("dicomdir", "Of application/zip: whether it is a File-set with a DICOMDIR.", TRUE),
    ),
    statuses=_READ | _PARTLY,
    conditional=True,
    ranges=True,
)
RETRIEVE_METADATA = Operation(
    "retrieveMetadata",
    "Retrieve all attributes of the instances, bulkdata by URI.",
    "10.4.1.1.2",
    Resource.METADATA,
    parameters=(ACCEPT, *METADATA_FIELDS),
    statuses=_READ,
    conditional=True,
)
RETRIEVE_FRAMES = Operation(
    "retrieveFrames",
    "Retrieve frames of an instance, a list of numbers from 1 with commas between.",
    "10.4.1.1.6",
    Resource.FRAMES,
    parameters=(ACCEPT, REDUCE_FRAMES),
    statuses=_READ | {206: "The asked range."},
    conditional=True,
    ranges=True,
)
RETRIEVE_BULKDATA = Operation(
    "retrieveBulkdata",
    "Retrieve one value that metadata gives by BulkDataURI.",
    "10.4.1.1.5",
    Resource.BULKDATA,
    parameters=(ACCEPT,),
    statuses=_READ | {206: "The asked range."},
    conditional=True,
    ranges=True,
)

# --- rendered ---------------------------------------------------------------------------------------

RETRIEVE_RENDERED = Operation(
    "retrieveRendered",
    "Retrieve pictures, text or video of the instances or frames.",
    "10.4.1.1.3",
    Resource.RENDERED,
    gives=(
        "text/html",
        "text/plain",
        "text/xml",
        "application/pdf",
        "image/svg+xml",
        "video/mp4",
        "video/mpeg",
    ),
    parameters=(
        *PICTURE_PARAMETERS,
        Parameter("charset", "Character set of text, before Accept-Charset.", section="8.3.3.2"),
        ACCEPT,
    ),
    statuses=_READ | {206: "The asked range; or all but what cannot be rendered as asked."},
    conditional=True,
    ranges=True,
)
RETRIEVE_THUMBNAIL = Operation(
    "retrieveThumbnail",
    "Retrieve one small picture that stands for the target and shows nothing of the patient's identity.",
    "10.4.1.1.4",
    Resource.THUMBNAIL,
    parameters=(VIEWPORT, ACCEPT),
    statuses=_READ | {206: "The asked range."},
    conditional=True,
    ranges=True,
)


def _volume(name: str, summary: str, section: str, *parameters: Parameter) -> Operation:
    return Operation(
        name,
        summary,
        section,
        Resource.RENDERED_VOLUME,
        gives=("application/dicom+json",),
        parameters=(*parameters, *VOLUME_PARAMETERS),
        statuses=_READ
        | {
            206: "The asked range.",
            400: "The request is malformed, or the images of the target form no volume.",
            413: "The volume has more frames or voxels than one may have.",
        },
        conditional=True,
        ranges=True,
    )


RETRIEVE_RENDERED_MPR = _volume(
    "retrieveRenderedMpr",
    "Retrieve a plane or a slab of the images as a volume, from any side.",
    "10.4.1.1.7",
    Parameter(
        "mprslab",
        "Thickness in mm; one plane without it.",
        {"type": "number", "minimum": 0.001, "maximum": 1e6},
        section="8.3.5.3.8",
    ),
)
RETRIEVE_RENDERED_3D = _volume(
    "retrieveRendered3d",
    "Retrieve the images as a volume, projected or lit, from any side.",
    "10.4.1.1.8",
)


def _wado(name: str, meaning: str, *, required: bool = False) -> Parameter:
    return Parameter(name, meaning, required=required, section="9")


WADO_URI = Operation(
    "wadoUri",
    "Retrieve one object, named by the query: as DICOM, or what it is shown as.",
    "9",
    Resource.RENDERED,
    Form.SINGLE,
    gives=("application/dicom", *RETRIEVE_RENDERED.gives),
    parameters=(
        Parameter(
            "requestType", "Always WADO.", {"type": "string", "enum": ["WADO"]}, required=True, section="9"
        ),
        _wado("studyUID", "Study Instance UID.", required=True),
        _wado("seriesUID", "Series Instance UID.", required=True),
        _wado("objectUID", "SOP Instance UID.", required=True),
        _wado("contentType", "Media types without wildcards, with commas between; before the Accept header."),
        _wado("transferSyntax", "Of application/dicom: a UID, or * for the stored one."),
        _wado("frameNumber", "Of an object with several frames, from 1."),
        _wado("rows", "Most rows of the picture; its proportions are kept."),
        _wado("columns", "Most columns of the picture; its proportions are kept."),
        _wado("region", "Left, top, right and bottom of the part that is shown, from 0 to 1."),
        _wado("windowCenter", "In modality units; with windowWidth."),
        _wado("windowWidth", "In modality units; with windowCenter."),
        _wado("imageQuality", "Of lossy coding, from 1 to 100."),
        _wado("annotation", "What is written onto the picture: patient, technique or both."),
        _wado("imageAnnotation", "An older name of annotation."),
        _wado("presentationSeriesUID", "Series of a presentation state; with presentationUID."),
        _wado("presentationUID", "Presentation state that says how the image is shown."),
        VIEWPORT,
    ),
    statuses=_READ | {206: "The asked range."},
    conditional=True,
    ranges=True,
)

RETRIEVE_ALL_BULKDATA = Operation(
    "retrieveAllBulkdata",
    "Retrieve every value below the target that metadata gives by BulkDataURI.",
    "10.4.1.1.5",
    Resource.BULKDATA,
    Form.MULTIPART,
    parameters=(ACCEPT,),
    statuses=_READ | _PARTLY,
    conditional=True,
    ranges=True,
)
RETRIEVE_PIXELDATA = Operation(
    "retrievePixeldata",
    "Retrieve the pixel data of every instance that has some.",
    "10.4.1.1.5",
    Resource.PIXELDATA,
    parameters=(ACCEPT,),
    statuses=_READ | _PARTLY,
    conditional=True,
    ranges=True,
)

# --- search ----------------------------------------------------------------------------------------

_SEARCHED = {
    200: "The matches; a Warning header tells how many more there are.",
    204: "There are no matches.",
    406: "The Accept header allows no form of the answer.",
    413: "The search needs more work than its budget allows.",
    **_ANY,
}


def _search(name: str, of: str, parameters: tuple[Parameter, ...] = SEARCH_PARAMETERS) -> Operation:
    return Operation(
        name,
        f"Search for {of}.",
        "10.6",
        Resource.SEARCH,
        parameters=parameters,
        statuses=_SEARCHED,
    )


SEARCH_STUDIES = _search("searchStudies", "studies", STUDY_SEARCH_PARAMETERS)
SEARCH_SERIES = _search("searchSeries", "series")
SEARCH_INSTANCES = _search("searchInstances", "instances")

# --- store and delete ------------------------------------------------------------------------------

_STORED = {
    200: "All instances are stored.",
    202: "Some are stored and some failed, or some have a warning.",
    406: "The Accept header allows no form of the answer; nothing is stored.",
    409: "No instance is stored.",
    413: "The body is longer than the server takes.",
    415: "The body's media type is none that is taken.",
    **_ANY,
}
STORE_INSTANCES = Operation(
    "storeInstances",
    "Store the instances of the body.",
    "10.5",
    Resource.STORE_RESPONSE,
    takes=BODY_TYPES,
    parameters=(ACCEPT,),
    statuses=_STORED,
)
UPSERT_INSTANCES = Operation(
    "upsertInstances",
    "Store the instances of the body; one that is stored with other content becomes an old version.",
    resource=Resource.STORE_RESPONSE,
    takes=BODY_TYPES,
    parameters=(ACCEPT,),
    statuses=_STORED,
)
DELETE = Operation(
    "delete",
    "Delete a study, a series or an instance.",
    statuses={
        204: "The target is gone.",
        404: "There is no such target.",
        410: "The target was deleted before.",
        **_ANY,
    },
)

# --- the server itself -----------------------------------------------------------------------------

LIVE = Operation(
    "live",
    "Tell whether the process serves requests.",
    gives=("application/json",),
    statuses={200: "The process serves requests."},
)
READY = Operation(
    "ready",
    "Tell whether catalog and object store answer.",
    gives=("application/json",),
    statuses={
        200: "Catalog and object store answer.",
        503: "One of catalog and object store does not answer; the body tells which.",
    },
)
CAPABILITIES = Operation(
    "capabilities",
    "Describe the resource and those below it.",
    "8.9",
    gives=("application/vnd.sun.wadl+xml", "application/json"),
    parameters=(ACCEPT,),
    statuses={
        200: "The description.",
        400: "The accept parameter is malformed.",
        406: "The Accept header allows no form of the answer.",
    },
    conditional=True,
)
OPENAPI = Operation(
    "openapi",
    "Describe all resources as OpenAPI.",
    gives=("application/json",),
    parameters=(ACCEPT,),
    statuses={
        200: "The document.",
        400: "The accept parameter is malformed.",
        406: "The Accept header allows no form of the answer.",
    },
    conditional=True,
)
SERVER_OPENAPI = replace(OPENAPI, name="serverOpenapi")
SERVER_WADO_URI = replace(WADO_URI, name="serverWadoUri")
LIMITS = Operation(
    "limits",
    "Tell the bounds of requests and answers, and the transfer syntaxes.",
    gives=("application/json",),
    parameters=(ACCEPT,),
    statuses={
        200: "The document.",
        400: "The accept parameter is malformed.",
        406: "The Accept header allows no form of the answer.",
    },
    conditional=True,
)
