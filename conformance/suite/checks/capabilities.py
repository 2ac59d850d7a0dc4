"""What a server says of itself: WADL and its JSON form, OpenAPI, limits (PS3.18 8.9, Annexes G and H)."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.session import Session, json_of

WADL = "application/vnd.sun.wadl+xml"
_NAMESPACE = "{http://wadl.dev.java.net/2009/02}"


def _wadl(session: Session, path: str) -> Xml.Element:
    response = session.send("OPTIONS", path, accept=WADL)
    expect_equal(response.status_code, 200, f"OPTIONS {path or '/'}")
    expect_equal(response.headers.get("content-type", "").partition(";")[0], WADL, "Content-Type")
    return Xml.fromstring(response.content)


def _methods(tree: Xml.Element) -> dict[str, set[str]]:
    """Names of the methods by path."""
    found: dict[str, set[str]] = {}

    def walk(element: Xml.Element, path: str) -> None:
        for resource in element.findall(_NAMESPACE + "resource"):
            here = f"{path}/{resource.attrib['path'].strip('/')}"
            found[here] = {one.attrib["name"] for one in resource.findall(_NAMESPACE + "method")}
            walk(resource, here)

    resources = tree.findall(_NAMESPACE + "resources")
    expect_equal(len(resources), 1, "resources elements")
    walk(resources[0], "")
    return found


@shows("K-01", "K-02")
def capabilities_of_the_service_as_wadl(session: Session) -> str:
    tree = _wadl(session, "")
    base = tree.findall(_NAMESPACE + "resources")[0].attrib.get("base", "")
    expect_equal(base.rstrip("/"), session.base_url.rstrip("/"), "base")
    methods = _methods(tree)
    expect({"GET", "POST"} <= methods.get("/studies", set()), "/studies lacks search or store")
    kinds = {path.rpartition("/")[2] for path in methods}
    missing = {"metadata", "series", "instances"} - kinds
    expect(not missing, f"the tree lacks {missing}")
    search = next(
        one for one in tree.iter(_NAMESPACE + "resource") if one.attrib["path"].strip("/") == "studies"
    )
    names = {one.attrib["name"] for one in search.find(_NAMESPACE + "method").iter(_NAMESPACE + "param")}  # type: ignore[union-attr]
    expect({"limit", "offset"} <= names, f"search names the parameters {sorted(names)}")
    return f"{len(methods)} resources"


@shows("K-04")
def capabilities_of_a_resource_are_its_subtree(session: Session) -> str:
    image = pictures.native(session)
    whole, part = _methods(_wadl(session, "")), _methods(_wadl(session, image.series_path))
    expect(part, "no resource")
    expect(all(path.count("/") >= 4 for path in part), "resources above the one that was asked for")
    expect(len(part) < len(whole), "the whole tree")
    return f"{len(part)} of {len(whole)} resources"


@shows("K-03")
def capabilities_as_json(session: Session) -> str:
    response = session.send("OPTIONS", "", accept="application/json")
    expect_equal(response.status_code, 200, "OPTIONS")
    application = json_of(response).get("application")
    expect(isinstance(application, dict), "no application")
    resources = application.get("resources")
    expect(isinstance(resources, dict) and "@base" in resources, "resources is no object with @base")
    expect(isinstance(resources.get("resource"), list), "resource is no array")
    return "attributes with @, repeatable children as arrays"


@shows("H-13")
def preflight_is_no_request_for_capabilities(session: Session) -> str:
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    response = session.send("OPTIONS", "/studies", headers=asked)
    expect(
        response.is_success and not response.content,
        f"{response.status_code} with {len(response.content)} bytes",
    )
    return "answered without a description"


@shows("K-05")
def openapi_and_limits(session: Session) -> str:
    document = json_of(session.get("/openapi.json", accept="application/json"))
    expect(str(document.get("openapi", "")).startswith("3."), "no OpenAPI 3")
    expect(any(path.endswith("/studies") for path in document.get("paths", ())), "/studies is not described")
    limits = json_of(session.get("/limits.json", accept="application/json"))
    expect(limits.get("limits") and limits.get("transfer_syntaxes"), "no limits or no transfer syntaxes")
    return f"{len(document['paths'])} paths, {len(limits['limits'])} limits"
