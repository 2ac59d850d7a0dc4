"""Store requests made of metadata and bulkdata parts, as a client writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx
import orjson

from dicomweb.dicom.native_xml import native_xml
from tests.web.conftest import Client, parts

JSON, XML = "application/dicom+json", "application/dicom+xml"
AS_STORED = 'multipart/related; type="*/*"; transfer-syntax=*'

Part = tuple[Mapping[str, str], bytes]


def related(*given: Part) -> bytes:
    """A multipart body with boundary BOUNDARY."""
    body = b"".join(
        b"--BOUNDARY\r\n"
        + b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
        + b"\r\n"
        + data
        + b"\r\n"
        for headers, data in given
    )
    return body + b"--BOUNDARY--\r\n"


def bulk(location: str, content_type: str, data: bytes | bytearray) -> Part:
    return {"Content-Type": content_type, "Content-Location": location}, bytes(data)


def metadata_parts(instances: Iterable[dict[str, Any]], form: str = JSON) -> Iterator[Part]:
    """JSON: one part with all instances; XML: one part for each (PS3.18 10.5.2)."""
    if form == JSON:
        yield {"Content-Type": JSON}, orjson.dumps(list(instances))
        return
    for attributes in instances:
        yield {"Content-Type": XML}, native_xml(attributes)


def store_metadata(
    client: Client,
    instances: Iterable[dict[str, Any]],
    bulkdata: Iterable[Part] = (),
    *,
    form: str = JSON,
    path: str = "/studies",
    **options: Any,
) -> httpx.Response:
    body = related(*metadata_parts(instances, form), *bulkdata)
    headers = {"Content-Type": f'multipart/related; type="{form}"; boundary=BOUNDARY'}
    return client.request("POST", path, content=body, headers=headers | options.pop("headers", {}), **options)


def bulkdata_uris(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Every BulkDataURI of a data set, at any depth."""
    for element in attributes.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        if element["vr"] == "SQ":
            for item in element.get("Value", []):
                yield from bulkdata_uris(item)


def retrieved_bulkdata(client: Client, attributes: Mapping[str, Any]) -> list[Part]:
    """The parts that the archive gives for every BulkDataURI, ready to be sent again."""
    found: list[Part] = []
    for uri in bulkdata_uris(attributes):
        response = client.get(uri, AS_STORED)
        assert response.status_code == 200, (uri, response.text[:300])
        found += [bulk(uri, headers["content-type"], data) for headers, data in parts(response)]
    return found
