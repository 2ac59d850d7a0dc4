"""Mutations of requests: resources, parameters, headers and bodies, with what hostile clients put in them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

UID = "1.2.840.10008.1.2.1"
_HOSTILE = (
    "",
    " ",
    "0",
    "-1",
    "1",
    "1e9",
    "NaN",
    "99999999999999999999",
    "99999999,99999999",
    "1,1",
    "-5,-5",
    "1,2,3",
    "0,0,0,0",
    "1,1,1,1,1,1,1",
    "a" * 9000,
    "%",
    "%00",
    "%zz",
    "%ff%fe",
    "../../etc/passwd",
    "..%2f..%2f",
    "'; DROP",
    "\\",
    '"',
    "<script>",
    "*",
    "?",
    "%2A",
    "=",
    "&",
    ";",
    ",",
    ",,,,",
    "/",
    "//",
    "\u4e2d\u6587",
    "\u202e",
    "%F0%9F%92%A9",
    "1.2.3",
    "1." * 40,
    "00100010",
    "PatientName",
    "7FE00010",
    "x" * 64,
    "yes",
    "no",
    "true",
    "40,400,linear",
    "40,0,linear",
    "nan,inf,sigmoid",
    "1e400,1,linear",
    "512,512,-10,-10,-20,-20",
    "patient,technique",
    "srgb",
    "image/png",
    "image/gif",
    "application/dicom",
    "text/html",
    "application/zip",
    "application/dicom+xml",
    "multipart/related",
    "[" * 500,
    "{}",
)
_PARAMETERS = (
    "accept",
    "viewport",
    "window",
    "quality",
    "annotation",
    "iccprofile",
    "charset",
    "includefield",
    "excludefield",
    "limit",
    "offset",
    "fuzzymatching",
    "emptyvaluematching",
    "multiplevaluematching",
    "PatientName",
    "StudyDate",
    "StudyInstanceUID",
    "00100020",
    "RequestAttributesSequence.ScheduledProcedureStepID",
    "renderingmethod",
    "mprslab",
    "orientation",
    "viewpointposition",
    "viewpointlookat",
    "viewpointup",
    "swivelrange",
    "animationrate",
    "animationstepsize",
    "volumeinputreference",
    "volumetriccurvepoint",
    "renderedvolumetricmetadata",
    "dicomdir",
    "requestType",
    "studyUID",
    "seriesUID",
    "objectUID",
    "contentType",
    "transferSyntax",
    "frameNumber",
    "rows",
    "columns",
    "region",
    "windowCenter",
    "windowWidth",
    "imageQuality",
    "imageAnnotation",
    "anonymize",
    "presentationUID",
    "presentationSeriesUID",
    "nosuch",
)
_ACCEPTS = (
    "*/*",
    "",
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/jp2",
    "image/jph",
    "image/jxl",
    "text/html",
    "text/plain",
    "text/xml",
    "application/pdf",
    "video/mp4",
    "application/zip",
    "application/dicom+json",
    "application/dicom",
    'multipart/related; type="application/dicom+xml"',
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/octet-stream"',
    'multipart/related; type="image/jp2"',
    'multipart/related; type="image/jls"',
    'multipart/related; type="image/jphc"; transfer-syntax=1.2.840.10008.1.2.4.202',
    'multipart/related; type="image/jxl"',
    "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50",
    "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.51",
    "image/*;q=0.5,*/*;q=0",
    "a/b;q=2",
    ";;;",
    "multipart/related",
    'multipart/related; type="',
    "application/dicom;transfer-syntax=x",
)
_HEADERS = (
    "Range",
    "If-Range",
    "If-None-Match",
    "If-Modified-Since",
    "Accept-Encoding",
    "Accept-Charset",
    "Content-Type",
    "Content-Encoding",
    "Expect",
    "Origin",
    "X-Forwarded-Host",
    "Forwarded",
    "Content-Length",
    "Transfer-Encoding",
    "Access-Control-Request-Method",
)
_HEADER_VALUES = (
    "bytes=0-0",
    "bytes=5-1",
    "bytes=-0",
    "bytes=0-99999999999999999999",
    "bytes=" + "0-1," * 500,
    "bytes=0-,5-",
    '"x"',
    "*",
    "gzip",
    "gzip, zstd;q=1, br",
    "identity;q=0",
    "utf-8",
    "iso-8859-1",
    "Mon, 01 Jan 2035 00:00:00 GMT",
    "not a date",
    "chunked",
    "-1",
    "multipart/related",
    'multipart/related; type="application/dicom"; boundary=b',
    "application/zip",
    "application/dicom+json",
    'multipart/related; type="application/dicom+json"; boundary=b',
    'multipart/related; type="application/dicom+xml"; boundary=b',
    "100-continue",
    "null",
    "evil.example",
    "x" * 8000,
    "",
)
_METHODS = ("GET", "GET", "GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "TRACE", "BREW")
_TAILS = (
    "",
    "/metadata",
    "/rendered",
    "/thumbnail",
    "/bulkdata",
    "/pixeldata",
    "/renderedmpr",
    "/rendered3d",
    "/frames/1",
    "/frames/0",
    "/frames/1,2,3",
    "/frames/99999999999",
    "/frames/a",
    "/frames/1/rendered",
    "/frames/1/thumbnail",
    "/bulkdata/7FE00010",
    "/bulkdata/x",
    "/series",
    "/instances",
    "/nosuch",
    "/",
    "//",
)
_TOPS = (
    "/studies",
    "/series",
    "/instances",
    "/wado",
    "/",
    "",
    "/openapi.json",
    "/nosuch",
    "/studies/",
    "/limits",
)
_BODIES = (
    b"",
    b"{}",
    b"[]",
    b"[[[[",
    b"--b\r\n\r\n\r\n--b--",
    b"--b\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--b--",
    b"\0" * 5000,
    b'--b\r\nContent-Type: application/dicom+json\r\n\r\n[{"00080018":{"vr":"UI","Value":["1.2"]}}]\r\n--b--',
    b'--b\r\nContent-Type: application/dicom+json\r\n\r\n[{"7FE00010":{"vr":"OW","BulkDataURI":"file:///etc/passwd"}}]\r\n--b--',
    b'--b\r\nContent-Type: application/dicom+xml\r\n\r\n<!DOCTYPE a [<!ENTITY x "x">]><a>&x;</a>\r\n--b--',
    b"PK\x03\x04" + b"\0" * 60,
    b"PK\x05\x06" + b"\0" * 18,
    b"\x1f\x8b\x08" + b"\0" * 30,
)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent. path: below the base, with its query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def mutated_request(rng: random.Random, instances: Sequence[str]) -> Request:
    """A request with something odd in it. instances: paths of instances that are stored."""
    method = rng.choice(_METHODS)
    path = _path(rng, instances)
    query = "&".join(_parameter(rng) for _ in range(rng.choice((0, 1, 1, 2, 4))))
    headers = {"Accept": rng.choice(_ACCEPTS)}
    for _ in range(rng.choice((0, 0, 1, 2))):
        headers[rng.choice(_HEADERS)] = rng.choice(_HEADER_VALUES)
    body = rng.choice(_BODIES) if method in ("POST", "PUT", "PATCH") else b""
    return Request(method, path + ("?" + query if query else ""), headers, body)


def _path(rng: random.Random, instances: Sequence[str]) -> str:
    if rng.random() < 0.2:
        return rng.choice(_TOPS)
    parts = rng.choice(instances).split("/")
    path = "/".join(parts[: rng.choice((3, 5, 7, 7, 7))]) + rng.choice(_TAILS)
    if rng.random() < 0.15:
        pieces = path.split("/")
        pieces[rng.randrange(len(pieces))] = _encoded(rng, rng.choice(_HOSTILE))
        path = "/".join(pieces) or "/"
    return path


def _parameter(rng: random.Random) -> str:
    return f"{rng.choice(_PARAMETERS)}={_encoded(rng, rng.choice(_HOSTILE))}"


def _encoded(rng: random.Random, value: str) -> str:
    """Percent-encoded, or nearly as it is: without what would end the request line."""
    if rng.random() < 0.5:
        return quote(value, safe="")
    return value.replace(" ", "+").encode("ascii", "ignore").decode()
