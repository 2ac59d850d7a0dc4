"""The Native DICOM Model as the suite reads it: its rules (PS3.19 A.1), and what it says as DICOM JSON.

Two data sets are compared in a form of their own (`comparable`), since XML has text where JSON has numbers,
and names private elements by creator where JSON has block numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from conformance.suite.check import Failed
from conformance.suite.session import Attributes

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_CHILDREN = {"Value", "Item", "PersonName", "BulkData", "InlineBinary"}
_NUMBERED = {"Value", "Item", "PersonName"}
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


def parse(document: bytes) -> ElementTree.Element:
    """The root of a document. Fails the check where it is not well-formed."""
    try:
        return ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise Failed(f"the XML is not well-formed: {error}") from error


def violations(root: ElementTree.Element) -> list[str]:
    """Where a document breaks the model, empty where it does not."""
    found = []
    if root.tag != f"{{{NAMESPACE}}}NativeDicomModel":
        found.append(f"the root is {root.tag}")
    if root.get(_SPACE) != "preserve":
        found.append("the root lacks xml:space=preserve")
    return found + list(_of_data_set(root))


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _of_data_set(parent: ElementTree.Element) -> Iterator[str]:
    for attribute in parent:
        tag = attribute.get("tag", "")
        if _name(attribute) != "DicomAttribute":
            yield f"{_name(attribute)} where a DicomAttribute belongs"
        elif not re.fullmatch(r"[0-9A-F]{8}", tag):
            yield f"a tag of {tag!r}"
        elif tag.endswith("0000") and attribute.get("privateCreator") is None:
            yield f"group length {tag}"
        elif attribute.get("privateCreator") is not None and tag[4:6] != "00":
            yield f"block digits in {tag}"
        elif not re.fullmatch(r"[A-Z]{2}", attribute.get("vr", "")):
            yield f"{tag} without a VR"
        else:
            yield from _of_attribute(tag, attribute)


def _of_attribute(tag: str, attribute: ElementTree.Element) -> Iterator[str]:
    kinds = {_name(child) for child in attribute}
    if len(kinds) > 1 or not kinds <= _CHILDREN:
        yield f"{tag} holds {sorted(kinds)}"
    numbers = [child.get("number") for child in attribute if _name(child) in _NUMBERED]
    if numbers != sorted(set(numbers), key=lambda number: int(number or 0)):
        yield f"{tag} has values numbered {numbers[:5]}"
    if attribute.get("vr") == "PN" and not kinds <= {"PersonName"}:
        yield f"{tag} is a name without PersonName"
    for child in attribute:
        if _name(child) == "Item":
            yield from _of_data_set(child)
        if _name(child) == "BulkData" and not (child.get("uri") or child.get("uuid")):
            yield f"{tag} is bulk data of nowhere"


# --- both models in one form -----------------------------------------------------------------------


def of_xml(parent: ElementTree.Element) -> dict[str, Any]:
    """A data set of XML: name of each attribute -> VR and value. Private creators stand in the names."""
    found: dict[str, Any] = {}
    for attribute in parent:
        tag, creator = attribute.get("tag", ""), attribute.get("privateCreator")
        name = f"{tag[:4]} {creator} {tag[6:]}" if creator is not None else tag
        if creator is not None or not _is_creator(tag):
            found[name] = (attribute.get("vr"), _xml_value(attribute))
    return found


def _xml_value(attribute: ElementTree.Element) -> Any:
    values: dict[int, Any] = {}
    for child in attribute:
        kind = _name(child)
        if kind in ("BulkData", "InlineBinary"):
            return child.get("uri") or "".join((child.text or "").split())
        number = int(child.get("number", "0"))
        if kind == "Item":
            values[number] = of_xml(child)
        else:
            values[number] = _person_name(child) if kind == "PersonName" else _plain(child.text or "")
    return _trimmed([values.get(number) for number in range(1, max(values, default=0) + 1)])


def _person_name(name: ElementTree.Element) -> Any:
    groups = {}
    for group in name:
        texts = {_name(component): component.text or "" for component in group}
        groups[_name(group)] = "^".join(texts.get(part, "") for part in _COMPONENTS).rstrip("^")
    return {group: text for group, text in groups.items() if text} or None


def of_json(attributes: Attributes) -> dict[str, Any]:
    """A data set of DICOM JSON in the same form."""
    found: dict[str, Any] = {}
    for tag, element in attributes.items():
        if _is_creator(tag):
            continue
        owner = attributes.get(f"{tag[:4]}00{tag[4:6]}", {}) if int(tag[:4], 16) & 1 else {}
        name = f"{tag[:4]} {owner['Value'][0]} {tag[6:]}" if owner.get("Value") else tag
        found[name] = (element.get("vr"), _json_value(element))
    return found


def _json_value(element: dict[str, Any]) -> Any:
    if "Value" not in element:
        return element.get("BulkDataURI") or element.get("InlineBinary") or []
    if element["vr"] == "SQ":
        return [of_json(item or {}) for item in element["Value"]]
    if element["vr"] == "PN":
        return _trimmed([_groups(name) for name in element["Value"]])
    return _trimmed([None if value is None else _plain(str(value)) for value in element["Value"]])


def _groups(name: Any) -> Any:
    return {group: name[group].rstrip("^") for group in _GROUPS if name.get(group)} if name else None


def _plain(text: str) -> Any:
    """A number where it is one, since JSON writes 1.0 where XML writes 1; nothing where it is empty."""
    try:
        return float(text)
    except ValueError:
        return text or None


def _trimmed(values: list[Any]) -> list[Any]:
    """Without empty values at the end."""
    while values and values[-1] is None:
        values.pop()
    return values


def _is_creator(tag: str) -> bool:
    return int(tag[:4], 16) & 1 == 1 and tag[4:6] == "00" and tag[6] != "0"
