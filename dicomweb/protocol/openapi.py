"""The OpenAPI 3.1 document of the server, made from the descriptions of its operations (K-05)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dicomweb.protocol.answer_types import answer_types
from dicomweb.protocol.description import DescribedResource, Operation, Parameter
from dicomweb.protocol.wadl import identifier, statuses

_Json = dict[str, Any]

_UID = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": 64, "examples": ["1.2.840.10008.1"]}
_PATH_PARAMETERS: dict[str, tuple[str, _Json]] = {
    "study": ("Study Instance UID.", _UID),
    "series": ("Series Instance UID.", _UID),
    "instance": ("SOP Instance UID.", _UID),
    "frames": (
        "Frame numbers from 1, with commas between.",
        {"type": "string", "pattern": r"^[1-9][0-9]{0,8}(,[1-9][0-9]{0,8})*$", "examples": ["1,2"]},
    ),
    "path": (
        "Tags, and item numbers between, as a BulkDataURI has them.",
        {"type": "string", "pattern": r"^[0-9A-F]{8}(/[0-9]+/[0-9A-F]{8})*$", "examples": ["7FE00010"]},
    ),
}
_HEADERS = {
    "If-None-Match": ("Entity tags of the copies at hand.", '"1f-00"'),
    "If-Modified-Since": ("Date of the copy at hand.", "Sat, 21 Nov 2026 00:00:00 GMT"),
    "Range": ("Bytes to send.", "bytes=0-1023"),
    "If-Range": ("Tag or date of the copy that the range completes.", '"1f-00"'),
}
_CONDITIONAL, _RANGES = ("If-None-Match", "If-Modified-Since"), ("Range", "If-Range")

_ELEMENT = {
    "type": "object",
    "required": ["vr"],
    "properties": {
        "vr": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "Value": {"type": "array"},
        "BulkDataURI": {"type": "string", "format": "uri"},
        "InlineBinary": {"type": "string", "contentEncoding": "base64"},
    },
}
_SCHEMAS: dict[str, _Json] = {
    "DataSet": {
        "description": "A data set in the DICOM JSON Model (PS3.18 Annex F).",
        "type": "object",
        "patternProperties": {"^[0-9A-F]{8}$": _ELEMENT},
        "additionalProperties": False,
    },
    "DataSets": {"type": "array", "items": {"$ref": "#/components/schemas/DataSet"}},
    "StatusReport": {
        "description": "Problem details (RFC 9457).",
        "type": "object",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "hint": {"type": "string"},
            "request_id": {"type": "string"},
            "available": {"type": "array", "items": {"type": "string"}},
        },
    },
}
_REPORT_TYPES = ("application/problem+json", "text/html", "text/plain")
_DICOM_JSON = "application/dicom+json"
_NO_BODY = frozenset({204, 304})
# A store request of which nothing was stored answers with the report of a store, not of an error.
_CONFLICT = 409


def openapi(resources: Iterable[DescribedResource], *, root: str, version: str) -> _Json:
    """The document. resources: paths below the root. root: URL of the server. version: of the software."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "DICOMweb archive",
            "version": version,
            "description": "Store, search and retrieve DICOM objects (PS3.18).",
        },
        "servers": [{"url": root}],
        "paths": {one.path: _path_item(one) for one in resources},
        "components": {"schemas": _SCHEMAS},
    }


def _path_item(resource: DescribedResource) -> _Json:
    """OPTIONS is left out where something else answers: it is the same everywhere."""
    others = [method for method in resource.operations if method != "OPTIONS"]
    item: _Json = {
        method.lower(): _operation(resource.path, method, resource.operations[method])
        for method in others or resource.operations
    }
    names = [step[1:-1] for step in resource.path.split("/") if step.startswith("{")]
    if names:
        item["parameters"] = [_path_parameter(name) for name in names]
    return item


def _path_parameter(name: str) -> _Json:
    meaning, schema = _PATH_PARAMETERS.get(name, ("", {"type": "string"}))
    return {"name": name, "in": "path", "required": True, "description": meaning, "schema": schema}


def _operation(path: str, method: str, operation: Operation) -> _Json:
    headers = (*(_CONDITIONAL if operation.conditional else ()), *(_RANGES if operation.ranges else ()))
    section = f"PS3.18 {operation.section}." if operation.section else "An extension of PS3.18."
    found: _Json = {
        "operationId": identifier(operation, path, method),
        "summary": operation.summary,
        "description": section,
        "parameters": [*map(_query_parameter, operation.parameters), *map(_header_parameter, headers)],
        "responses": {
            str(status): _response(operation, status, meaning)
            for status, meaning in statuses(operation).items()
        },
    }
    if operation.takes:
        content = {media_type: _media_type(media_type) for media_type in operation.takes}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _query_parameter(parameter: Parameter) -> _Json:
    found: _Json = {
        "name": parameter.name.strip("{}"),
        "in": "query",
        "required": parameter.required,
        "description": parameter.meaning,
        "schema": dict(parameter.schema),
    }
    if parameter.name.startswith("{"):  # any name: an object whose members are parameters of their own
        keys = {
            "type": "object",
            "propertyNames": {"pattern": "^([0-9A-Fa-f]{8}|[A-Z][A-Za-z0-9]{1,63})$"},
            "additionalProperties": {"type": "string"},
            "examples": [{"PatientName": "Doe*", "StudyDate": "20240101-"}],
        }
        return found | {"style": "form", "explode": True, "schema": keys}
    if parameter.repeated:
        found["schema"] = {"type": "array", "items": found["schema"]}
    return found


def _header_parameter(name: str) -> _Json:
    meaning, example = _HEADERS[name]
    schema = {"type": "string", "examples": [example]}
    return {"name": name, "in": "header", "description": meaning, "schema": schema}


def _response(operation: Operation, status: int, meaning: str) -> _Json:
    found: _Json = {"description": meaning}
    types: Iterable[str] = answer_types(operation)
    if status >= 400 and not (status == _CONFLICT and operation.takes):
        types = _REPORT_TYPES
    if status == 503:
        found["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    if status in _NO_BODY:
        return found
    content = {media_type: _media_type(media_type, one=bool(operation.takes)) for media_type in types}
    return found | ({"content": content} if content else {})


def _media_type(media_type: str, *, one: bool = False) -> Mapping[str, Any]:
    """one: a single data set, where JSON is an array else."""
    if media_type == _DICOM_JSON:
        return {"schema": {"$ref": f"#/components/schemas/{'DataSet' if one else 'DataSets'}"}}
    if media_type == "application/problem+json":
        return {"schema": {"$ref": "#/components/schemas/StatusReport"}}
    return {}
