"""Capabilities: WADL and JSON by OPTIONS, OpenAPI, limits (PS3.18 8.9, Annexes G and H)."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.session import JSON, Session

WADL = "application/vnd.sun.wadl+xml"
_NAMESPACE = "{http://wadl.dev.java.net/2009/02}"
_TREE = (
    "studies",
    "studies/{}",
    "studies/{}/metadata",
    "studies/{}/rendered",
    "studies/{}/thumbnail",
    "studies/{}/series",
    "studies/{}/instances",
    "studies/{}/series/{}",
    "studies/{}/series/{}/metadata",
    "studies/{}/series/{}/instances",
    "studies/{}/series/{}/instances/{}",
    "studies/{}/series/{}/instances/{}/metadata",
    "studies/{}/series/{}/instances/{}/rendered",
    "studies/{}/series/{}/instances/{}/thumbnail",
    "studies/{}/series/{}/instances/{}/frames/{}",
    "studies/{}/series/{}/instances/{}/frames/{}/rendered",
    "series",
    "instances",
)


def _options(session: Session, path: str, accept: str | None, **headers: str) -> httpx.Response:
    return session.send("OPTIONS", path, accept=accept, headers=headers)


def _wadl(session: Session, path: str = "/") -> ElementTree.Element:
    response = _options(session, path, WADL)
    expect_equal(response.status_code, 200, f"OPTIONS {path}")
    expect(
        response.headers.get("content-type", "").startswith(WADL), f"{response.headers.get('content-type')}"
    )
    return ElementTree.fromstring(response.content)


def _resources(parent: ElementTree.Element, base: str = "") -> dict[str, ElementTree.Element]:
    """Every resource of a tree by its whole path, names of templates left out."""
    found = {}
    for resource in parent.findall(_NAMESPACE + "resource"):
        path = "/".join(one for one in (base, resource.get("path", "").strip("/")) if one)
        found[re.sub(r"\{[^}]*\}", "{}", path)] = resource
        found.update(_resources(resource, path))
    return found


@shows("K-01", "K-02")
def wadl_describes_the_resource_tree(session: Session) -> str:
    root = _wadl(session)
    expect_equal(root.tag, _NAMESPACE + "application", "root")
    (resources,) = root.findall(_NAMESPACE + "resources")
    expect_equal(resources.get("base", "").rstrip("/"), session.base_url, "base")
    tree = _resources(resources)
    missing = [path for path in _TREE if path not in tree]
    expect(not missing, f"not described: {', '.join(missing)}")
    methods = list(resources.iter(_NAMESPACE + "method"))
    for method in methods:
        expect(
            method.get("name") in ("GET", "POST", "PUT", "DELETE", "OPTIONS"), f"method {method.get('name')}"
        )
    frames = tree["studies/{}/series/{}/instances/{}/frames/{}"]
    shown = {one.get("mediaType") for one in frames.iter(_NAMESPACE + "representation")}
    expect(any("octet-stream" in (one or "") for one in shown), f"representations of frames: {shown}")
    statuses = {
        code for one in frames.iter(_NAMESPACE + "response") for code in (one.get("status") or "").split()
    }
    expect({"200", "404", "406"} <= statuses, f"statuses of frames: {sorted(statuses)}")
    search = tree["studies"]
    names = {one.get("name") for one in search.iter(_NAMESPACE + "param")}
    expect({"limit", "offset", "includefield", "fuzzymatching"} <= names, f"parameters of /studies: {names}")
    identifiers = [method.get("id") for method in methods]
    expect_equal(len(identifiers), len(set(identifiers)), "method ids, each once")
    return f"{len(tree)} resources, {len(methods)} methods"


@shows("K-02", "H-04")
def capabilities_are_conditional(session: Session) -> str:
    for accept in (WADL, "application/json"):
        tag = _options(session, "/", accept).headers.get("etag", "")
        expect(tag, f"{accept}: no ETag")
        again = session.send("OPTIONS", "/", accept=accept, headers={"If-None-Match": tag})
        expect_equal((again.status_code, again.content), (304, b""), f"{accept}: If-None-Match")
    return "304 by ETag"


@shows("K-01", "K-03")
def capabilities_as_json(session: Session) -> str:
    response = _options(session, "/", "application/json")
    expect_equal(response.status_code, 200, "status")
    document = json.loads(response.content)
    expect_equal(list(document), ["application"], "root")
    in_json = document["application"]["resources"]
    base = in_json["@base"]
    expect_equal(base.rstrip("/"), session.base_url, "@base")
    expect(isinstance(in_json["resource"], list), "resource is no array")
    for resource in in_json["resource"]:
        expect("@path" in resource, "a resource without @path")
        for method in resource.get("method", []):
            expect("@name" in method, "a method without @name")
            for doc in method.get("doc", []):
                expect("@title" in doc and "value" in doc, f"doc holds {sorted(doc)}")
    (in_wadl,) = _wadl(session).findall(_NAMESPACE + "resources")
    expect_equal(_count_json(in_json), sum(1 for _ in in_wadl.iter(_NAMESPACE + "resource")), "resources")
    return "the same tree as in WADL"


def _count_json(parent: dict[str, Any]) -> int:
    children = parent.get("resource", [])
    return len(children) + sum(_count_json(child) for child in children)


@shows("K-04", "K-01")
def capabilities_of_sub_resources(session: Session) -> str:
    whole = len(list(_wadl(session).iter(_NAMESPACE + "resource")))
    study = pictures.native(session).study_path
    for path in (
        "/studies",
        study,
        study + "/series",
        "/instances",
        pictures.native(session).path + "/frames/1",
    ):
        (resources,) = _wadl(session, path).findall(_NAMESPACE + "resources")
        tree = _resources(resources)
        expect(0 < len(tree) <= whole, f"{path}: {len(tree)} resources of {whole}")
        own = re.sub(r"[\d.]{4,}|(?<=frames/)\d+", "{}", path.strip("/"))
        expect(all(one.startswith(own) for one in tree), f"{path}: {list(tree)[:3]} is above it")
    return "subtrees of studies, a study, series, instances, a frame"


@shows("H-13", "K-01")
def preflight_and_capabilities_coexist(session: Session) -> str:
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    preflight = session.send("OPTIONS", "/studies", headers=headers)
    expect(preflight.status_code in (200, 204), f"preflight {preflight.status_code}")
    expect("access-control-allow-methods" in preflight.headers, "no Access-Control-Allow-Methods")
    expect(len(preflight.content) < 200, "a preflight is answered with capabilities")
    plain = _options(session, "/studies", WADL, Origin="http://localhost:3000")
    expect_equal(plain.status_code, 200, "OPTIONS of a page that asks for capabilities")
    ElementTree.fromstring(plain.content)
    status = _options(session, "/", "image/jpeg").status_code
    expect_equal(status, 406, "capabilities as image/jpeg")
    return "told apart by Access-Control-Request-Method"


def _openapi(session: Session) -> dict[str, Any]:
    response = session.get("/openapi.json", accept="application/json")
    if response.status_code == 404:
        url = urlsplit(session.base_url)
        response = session.get(f"{url.scheme}://{url.netloc}/openapi.json", accept="application/json")
    expect_equal(response.status_code, 200, "openapi.json")
    document: dict[str, Any] = json.loads(response.content)
    return document


@shows("K-05")
def openapi_is_well_formed(session: Session) -> str:
    document = _openapi(session)
    expect(re.fullmatch(r"3\.1\.\d+", document.get("openapi", "")), f"openapi {document.get('openapi')}")
    expect(document["info"]["title"] and document["info"]["version"], "no title or version")
    operations: list[str] = []
    for path, item in document["paths"].items():
        templates = set(re.findall(r"\{([^}]*)\}", path))
        for method, operation in item.items():
            if method not in ("get", "put", "post", "delete", "options", "head", "patch"):
                continue
            operations.append(operation["operationId"])
            parameters = [_resolved(document, one) for one in operation.get("parameters", [])]
            parameters += [_resolved(document, one) for one in item.get("parameters", [])]
            named = {one["name"] for one in parameters if one["in"] == "path"}
            expect_equal(named, templates, f"path parameters of {method} {path}")
            expect(operation["responses"], f"{method} {path} has no responses")
            for status in operation["responses"]:
                expect(re.fullmatch(r"[1-5](\d\d|XX)|default", status), f"{method} {path}: status {status}")
    expect_equal(len(operations), len(set(operations)), "operationIds, each once")
    expect(any("{frames}" in path for path in document["paths"]), "frames are not described")
    return f"OpenAPI {document['openapi']}, {len(operations)} operations"


@shows("G-13")
def parameters_beyond_the_standard_are_documented(session: Session) -> str:
    document = _openapi(session)
    named: dict[str, set[str]] = {}
    for path, item in document["paths"].items():
        parameters = [*item.get("parameters", []), *item.get("get", {}).get("parameters", [])]
        last = path.rpartition("/")[2]
        named.setdefault(last, set()).update(_resolved(document, one)["name"] for one in parameters)
    expect({"includefield", "excludefield"} <= named["metadata"], f"of metadata: {sorted(named['metadata'])}")
    expect("dicomdir" in named["{study}"], f"of a study: {sorted(named['{study}'])}")
    return "includefield and excludefield of metadata, dicomdir of archives"


def _resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """A local $ref followed. Fails with KeyError where it leads nowhere."""
    if "$ref" not in value:
        return value
    found: Any = document
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return dict(found)


@shows("K-05")
def limits_are_a_document(session: Session) -> str:
    response = session.get("/limits.json", accept="application/json")
    expect_equal(response.status_code, 200, "limits.json")
    document = json.loads(response.content)
    limits = document["limits"]
    expect(document.get("transfer_syntaxes"), "no transfer syntaxes")
    numbers = {name: one["value"] for name, one in limits.items()}
    expect(len(numbers) >= 5 and all(isinstance(one, int | float) for one in numbers.values()), f"{numbers}")
    most = int(numbers["max_studies"])
    status = session.get("/studies", query=f"limit={most}", accept=JSON).status_code
    expect(status in (200, 204), f"limit={most}: {status}")
    return f"{len(numbers)} limits"
