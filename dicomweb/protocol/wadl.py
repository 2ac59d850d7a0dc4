"""The Capabilities Description: a WADL document, and the same as JSON (PS3.18 Annexes G and H; K-01 to K-04).

tree = capabilities(resources, base, path="/studies/{study}")
as_xml(tree), as_json(tree)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from xml.etree import ElementTree as Xml

import orjson

from dicomweb.protocol.answer_types import answer_types
from dicomweb.protocol.description import DescribedResource, Operation, Parameter

_NAMESPACE = "http://wadl.dev.java.net/2009/02"
_SCHEMA = "http://www.w3.org/2001/XMLSchema"
_XSD = {"integer": "xsd:integer", "number": "xsd:double", "boolean": "xsd:boolean"}
# Children that come once; all others are arrays in JSON, however many there are (Annex G).
_UNIQUE = frozenset({"resources", "request"})
_NO_BODY = frozenset({204, 304})


@dataclass(slots=True)
class Element:
    """An element of WADL, before it is XML or JSON."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""


def capabilities(resources: Iterable[DescribedResource], base: str, *, path: str = "") -> Element:
    """What the service does, or one resource and those below it.

    resources: paths below the base. base: URL of the service. path: template of the resource.
    """
    below = {one.path: one.operations for one in resources if (one.path + "/").startswith(path + "/")}
    tree = Element("resources", {"base": base})
    if path:
        tree.children.append(_resource(path.lstrip("/"), path, below))
    else:
        tree.children += _children("", below)
    return Element(
        "application",
        {"xmlns": _NAMESPACE, "xmlns:xsd": _SCHEMA},
        [_doc("Capabilities", "What this archive offers."), tree],
    )


def _children(parent: str, below: Mapping[str, Mapping[str, Operation]]) -> list[Element]:
    """The resources one step down, whether or not something answers there."""
    starts = (path[len(parent) + 1 :].split("/")[0] for path in below if path.startswith(parent + "/"))
    return [_resource(step, f"{parent}/{step}", below) for step in dict.fromkeys(starts) if step]


def _resource(step: str, path: str, below: Mapping[str, Mapping[str, Operation]]) -> Element:
    """step: what the URL has more than that of the parent."""
    templates = [name[1:-1] for name in step.split("/") if name.startswith("{")]
    params = [
        Element("param", {"name": name, "style": "template", "type": "xsd:string", "required": "true"})
        for name in templates
    ]
    methods = [
        _method(method, operation, path)
        for method, operation in below.get(path, {}).items()
        if method != "OPTIONS"  # WADL does not describe itself (Annex H)
    ]
    return Element("resource", {"path": step}, [*params, *methods, *_children(path, below)])


def _method(method: str, operation: Operation, path: str) -> Element:
    types = answer_types(operation)
    request = [*_accept(types), *map(_query, operation.parameters), *map(_representation, operation.takes)]
    responses = [_response(status, meaning, types) for status, meaning in statuses(operation).items()]
    children = [_doc(operation.name, operation.summary), Element("request", children=request), *responses]
    return Element("method", {"name": method, "id": identifier(operation, path, method)}, children)


def identifier(operation: Operation, path: str, method: str = "GET") -> str:
    """A name of the operation at this path that no other has: retrieveMetadataOfSeries."""
    named = [step[1:-1] for step in path.split("/") if step.startswith("{")]
    level = f"Of{named[-1].capitalize()}" if named else ""
    # What follows the last parameter; of several steps the first ones tell paths to one operation apart.
    *between, last = (path.rpartition("}")[2] if named else path.rpartition("/")[2]).strip("/").split("/")
    steps = [*between, last] if method == "OPTIONS" else between
    return f"{operation.name}{''.join(step.capitalize() for step in steps)}{level}"


def statuses(operation: Operation) -> dict[int, str]:
    """Every status of an operation, those that its kind brings too."""
    found = dict(operation.statuses)
    if operation.conditional:
        found[304] = "The client's copy is the current one."
        found[412] = "If-Match names another representation than the current one."
    if operation.ranges:
        found[416] = "The range lies outside the representation."
    return dict(sorted(found.items()))


def _accept(types: Sequence[str]) -> Iterator[Element]:
    if types:
        options = [Element("option", {"value": media_type}) for media_type in types]
        yield Element("param", {"name": "Accept", "style": "header", "default": types[0]}, options)


def _query(parameter: Parameter) -> Element:
    attributes = {
        "name": parameter.name,
        "style": "query",
        "type": _XSD.get(parameter.schema.get("type", ""), "xsd:string"),
        "required": "true" if parameter.required else "false",
        "repeating": "true" if parameter.repeated else "false",
    }
    options = [Element("option", {"value": str(value)}) for value in parameter.schema.get("enum", ())]
    return Element("param", attributes, [_doc(parameter.name, parameter.meaning), *options])


def _response(status: int, meaning: str, types: Sequence[str]) -> Element:
    bodies = [] if status in _NO_BODY else types if status < 400 else ["application/problem+json"]
    return Element(
        "response",
        {"status": str(status)},
        [_doc(HTTPStatus(status).phrase, meaning), *map(_representation, bodies)],
    )


def _representation(media_type: str) -> Element:
    return Element("representation", {"mediaType": media_type})


def _doc(title: str, text: str) -> Element:
    return Element("doc", {"xml:lang": "en", "title": title}, text=text)


def as_xml(tree: Element) -> bytes:
    """application/vnd.sun.wadl+xml."""
    text: bytes = Xml.tostring(_xml(tree), encoding="utf-8", xml_declaration=True)
    return text


def _xml(element: Element) -> Xml.Element:
    made = Xml.Element(element.name, element.attributes)
    made.text = element.text or None
    made.extend(map(_xml, element.children))
    return made


def as_json(tree: Element) -> bytes:
    """application/json by the mapping of Annex G."""
    return orjson.dumps({tree.name: _json(tree)}, option=orjson.OPT_INDENT_2)


def _json(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = {f"@{name}": value for name, value in element.attributes.items()}
    if element.name == "doc":
        found["value"] = element.text
    for child in element.children:
        if child.name in _UNIQUE:
            found[child.name] = _json(child)
        else:
            found.setdefault(child.name, []).append(_json(child))
    return found
