"""What the server says of itself is what it does (K-01 to K-05, H-13)."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from dicomweb.dicom.uid import is_uid
from dicomweb.settings import Settings
from dicomweb.web.capabilities import described
from dicomweb.web.limits import LIMITS
from dicomweb.web.routes import ROUTES
from tests.builders import make_instance, new_uid
from tests.web.conftest import BASE, Client

WADL = "application/vnd.sun.wadl+xml"
_WADL = "{http://wadl.dev.java.net/2009/02}"
ROOT = BASE.removesuffix("/dicomweb")


def _resources(tree: Xml.Element) -> dict[str, dict[str, Xml.Element]]:
    """Methods by path below the base."""
    found: dict[str, dict[str, Xml.Element]] = {}

    def walk(element: Xml.Element, path: str) -> None:
        for resource in element.findall(_WADL + "resource"):
            here = f"{path}/{resource.attrib['path']}"
            found[here] = {one.attrib["name"]: one for one in resource.findall(_WADL + "method")}
            walk(resource, here)

    (resources,) = tree.findall(_WADL + "resources")
    walk(resources, "")
    return found


def test_options_of_the_base_is_the_whole_service_as_wadl(client: Client) -> None:
    response = client.request("OPTIONS", "")
    assert response.status_code == 200
    assert response.headers["content-type"] == WADL
    assert "OPTIONS" in response.headers["allow"]
    tree = Xml.fromstring(response.content)
    assert tree.find(_WADL + "resources").attrib["base"] == BASE  # type: ignore[union-attr]
    said = {path: set(methods) for path, methods in _resources(tree).items() if methods}
    routed = {
        one.path.removeprefix("/dicomweb"): set(one.operations) - {"OPTIONS"}
        for one in described(ROUTES)
        if one.path.startswith("/dicomweb/")
    }
    assert said == routed
    ids = [one.attrib["id"] for methods in _resources(tree).values() for one in methods.values()]
    assert len(ids) == len(set(ids))


def test_a_method_names_its_types_parameters_and_statuses(client: Client) -> None:
    tree = Xml.fromstring(client.request("OPTIONS", "").content)
    search = _resources(tree)["/studies"]["GET"]
    names = {one.attrib["name"]: one for one in search.iter(_WADL + "param")}
    assert {"Accept", "limit", "offset", "includefield", "fuzzymatching"} <= set(names)
    assert names["Accept"].attrib["default"] == "application/dicom+json"
    codes = {one.attrib["status"]: one for one in search.findall(_WADL + "response")}
    assert {"200", "204", "400", "413"} <= set(codes)
    assert codes["200"].find(_WADL + "representation").attrib["mediaType"] == "application/dicom+json"  # type: ignore[union-attr]
    retrieve = _resources(tree)["/studies/{study}"]["GET"]
    assert "304" in {one.attrib["status"] for one in retrieve.findall(_WADL + "response")}


@pytest.mark.parametrize("path", ["/studies", "/studies/1.2/series", "/studies/1.2/series/1.3/instances/1.4"])
def test_options_of_a_resource_is_what_lies_below_it(client: Client, path: str) -> None:
    template = re.sub(r"1\.\d", "{}", path).format("{study}", "{series}", "{instance}")
    tree = Xml.fromstring(client.request("OPTIONS", path).content)
    said = _resources(tree)
    assert next(iter(said)) == template
    whole = {
        one
        for one in _resources(Xml.fromstring(client.request("OPTIONS", "").content))
        if one.startswith(template)
    }
    assert set(said) == whole


def test_json_says_the_same(client: Client) -> None:
    response = client.request("OPTIONS", "/studies", headers={"Accept": "application/json"})
    assert response.headers["content-type"] == "application/json"
    application = response.json()["application"]
    assert application["doc"][0].keys() == {"@xml:lang", "@title", "value"}
    resources = application["resources"]
    assert resources["@base"] == BASE
    (studies,) = resources["resource"]
    assert studies["@path"] == "studies"
    assert {"GET", "POST"} <= {one["@name"] for one in studies["method"]}
    assert studies["method"][0]["request"]["param"][0]["@style"] == "header"


def test_options_negotiates_and_stays_apart_from_preflight(client: Client) -> None:
    assert client.request("OPTIONS", "/studies", headers={"Accept": "image/png"}).status_code == 406
    assert client.request("OPTIONS", "/studies?accept=application/json").json()
    assert client.request("OPTIONS", "/studies?accept=nonsense").status_code == 400
    assert client.request("OPTIONS", "/studies", headers={"Accept": "application/*"}).status_code == 200
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    assert client.request("OPTIONS", "/studies", headers=asked).status_code == 204
    outside = client.request("OPTIONS", ROOT + "/health/live", headers={"Accept": "application/json"})
    resources = outside.json()["application"]["resources"]
    assert (resources["@base"], resources["resource"][0]["@path"]) == (ROOT, "health/live")
    assert resources["resource"][0]["method"][0]["@name"] == "GET"
    first = client.request("OPTIONS", "/studies")
    kept = client.request("OPTIONS", "/studies", headers={"If-None-Match": first.headers["etag"]})
    assert (kept.status_code, kept.content) == (304, b"")


@pytest.mark.parametrize("url", [ROOT + "/openapi.json", BASE + "/openapi.json"])
def test_openapi_describes_every_resource_once(client: Client, url: str) -> None:
    document = client.get(url).json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": ROOT}]
    assert set(document["paths"]) == {one.path for one in described(ROUTES)}
    ids = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(ids) == len(set(ids))
    references = {reference.removeprefix("#/components/schemas/") for reference in _members(document, "$ref")}
    assert references <= set(document["components"]["schemas"])


@pytest.mark.parametrize("url", [ROOT + "/openapi.json", BASE + "/openapi.json", BASE + "/limits.json"])
def test_the_documents_are_json_for_those_who_take_it(client: Client, url: str) -> None:
    assert client.get(url, "text/html,*/*;q=0.8").json()
    assert client.get(url, "text/html").status_code == 406
    assert client.get(url + "?accept=application/json", "text/html").status_code == 200
    assert client.get(url + "?accept=%00").status_code == 400


def _members(value: Any, name: str) -> list[Any]:
    if isinstance(value, list):
        return [found for item in value for found in _members(item, name)]
    if isinstance(value, dict):
        own = [value[name]] if name in value else []
        return own + [found for item in value.values() for found in _members(item, name)]
    return []


def test_the_limits_are_the_settings_and_name_every_transfer_syntax(client: Client) -> None:
    document = client.get("/limits.json").json()
    assert {name: one["value"] for name, one in document["limits"].items()} == {
        name: getattr(Settings(), name) for name in LIMITS
    }
    assert all(map(is_uid, document["transfer_syntaxes"]))
    assert document["transfer_syntaxes"]["1.2.840.10008.1.2.4.90"]["decoded"]


def test_every_status_that_is_answered_is_one_that_is_described(client: Client) -> None:
    data = make_instance()
    client.store(data)
    operations = {one.path: one.operations for one in described(ROUTES)}
    document = client.get("/openapi.json").json()
    for path in operations:
        url = ROOT + path.format(
            study=new_uid(), series=new_uid(), instance=new_uid(), frames="1", path="7FE00010"
        )
        response = client.get(url)
        described_as = document["paths"][path].get("get", {"responses": {"405": {}}})["responses"]
        assert str(response.status_code) in described_as, (path, response.status_code)
