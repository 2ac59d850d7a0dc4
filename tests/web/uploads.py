"""Store requests made of metadata and bulkdata parts, as a client writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx
import orjson

from dicomweb.dicom.native_xml import native_xml
from tests.builders import CT_IMAGE, new_uid
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


DICOM_AS_STORED = "application/dicom; transfer-syntax=*"
OCTETS = "application/octet-stream"
FOUR = "1.2.840.10008.1.2.4."


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def pixel_description(rows: int, columns: int, bits: int = 16, samples: int = 1) -> dict[str, Any]:
    return {
        "00280002": element("US", samples),
        "00280004": element("CS", "MONOCHROME2" if samples == 1 else "RGB"),
        "00280010": element("US", rows),
        "00280011": element("US", columns),
        "00280100": element("US", bits),
        "00280101": element("US", bits),
        "00280102": element("US", bits - 1),
        "00280103": element("US", 0),
    }


def make_metadata(
    *, study: str = "", sop_class: str = CT_IMAGE, pixels: str = "", **more: dict[str, Any]
) -> dict[str, Any]:
    """A data set; pixels: its BulkDataURI."""
    attributes = {
        "00080016": element("UI", sop_class),
        "00080018": element("UI", new_uid()),
        "00080060": element("CS", "OT"),
        "00100010": element("PN", {"Alphabetic": "Müller^Jörg"}),
        "00100020": element("LO", "ID1"),
        "0020000D": element("UI", study or new_uid()),
        "0020000E": element("UI", new_uid()),
    }
    if pixels:
        attributes["7FE00010"] = {"vr": "OW", "BulkDataURI": pixels}
    return attributes | {tag.removeprefix("x"): value for tag, value in more.items()}


def path_of(attributes: dict[str, Any]) -> str:
    study, series, instance = (attributes[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    return f"/studies/{study}/series/{series}/instances/{instance}"


def stored(client: Client, attributes: dict[str, Any]) -> dict[str, Any]:
    response = client.get(path_of(attributes) + "/metadata")
    assert response.status_code == 200
    (found,) = response.json()
    return dict(found)


def is_stored(client: Client, attributes: dict[str, Any]) -> bool:
    return client.get(path_of(attributes) + "/metadata").status_code == 200


def frame(client: Client, attributes: dict[str, Any], number: int = 1, accept: str = OCTETS) -> bytes:
    response = client.get(f"{path_of(attributes)}/frames/{number}", accept)
    assert response.status_code == 200, response.text
    return response.content


def transfer_syntax(client: Client, attributes: dict[str, Any]) -> str:
    response = client.get(path_of(attributes), DICOM_AS_STORED)
    assert response.status_code == 200, response.text
    return response.headers["content-type"].partition("transfer-syntax=")[2]


def failures(response: httpx.Response) -> list[tuple[str, int, str]]:
    """UID where known, reason and sentence of each failed part."""
    found = []
    for tag in ("00081198", "0008119A"):
        for item in response.json().get(tag, {}).get("Value", []):
            uid = item.get("00081155", {}).get("Value", [""])[0]
            lines = [line["00000902"]["Value"][0] for line in item["00741048"]["Value"]]
            found.append((uid, item["00081197"]["Value"][0], " ".join(lines)))
    return found
