"""Attributes that a client sends in the DICOM JSON Model, checked before they are used (PS3.18 F.2).

Only the shape: whether a value fits its value representation shows when it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dicomweb.dicom.uid import is_uid, trim_uid
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.dicom.write import read_json
from dicomweb.errors import InvalidDicom

Attributes = dict[str, Any]

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_FIRST_OF_DATA_SETS = "0008"
_DELIMITERS = "FFFE"
_MOST_DEPTH = 80
# Memory of parsed JSON, as far as its text tells: an object, a list and its number, a string.
_COSTS = {b"{": 230, b"[": 100, b",": 40, b'"': 40}
_SWELLING = 8
_OUT_OF_RESOURCES = 0xA700
# At most one of them holds the value (J-02, J-19).
_VALUE_FORMS = frozenset({"Value", "InlineBinary", "BulkDataURI"})
_SOP_CLASS, _SOP_INSTANCE = "00080016", "00080018"


def read_attributes(text: bytes, *, dataset_bytes: int) -> Attributes:
    """One data set of a DICOM JSON document.

    dataset_bytes: bound of the text; what it becomes in memory is bounded by a multiple.
    Raises InvalidDicom.
    """
    cost = len(text) + sum(each * text.count(token) for token, each in _COSTS.items())
    if len(text) > dataset_bytes or cost > _SWELLING * dataset_bytes:
        raise InvalidDicom(
            "The data set without its bulkdata is larger than the configured limit.",
            failure_reason=_OUT_OF_RESOURCES,
        )
    attributes: Attributes = {}
    try:
        attributes = read_json(text, pairs=_once)
        return checked(attributes)
    except (ValueError, RecursionError):  # also what is not UTF-8
        raise InvalidDicom("The data set is not JSON.") from None
    except InvalidDicom as error:
        raise identified(error, _uids(attributes)) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object: of two members with one name, readers take either."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _uids(attributes: Mapping[str, Any]) -> Attributes:
    """Those of an unchecked data set that have the shape of one."""
    found = {tag: attributes.get(tag) for tag in (_SOP_CLASS, _SOP_INSTANCE)}
    return {
        tag: element
        for tag, element in found.items()
        if isinstance(element, dict) and isinstance(element.get("Value"), list)
    }


def checked(attributes: Mapping[str, Any], depth: int = 0) -> Attributes:
    """The attributes of a data set, tags in capitals, without what belongs to no data set (S-06).

    Raises InvalidDicom for what is not of the DICOM JSON Model.
    """
    if depth > _MOST_DEPTH:
        raise InvalidDicom("Sequences are nested deeper than the configured limit.")
    found: Attributes = {}
    for name, element in attributes.items():
        tag = _tag(name)
        if tag < _FIRST_OF_DATA_SETS or tag.endswith("0000"):  # group 2 comes from us, group lengths too
            continue
        if tag in found:
            raise InvalidDicom(f"Attribute {tag} comes twice.")
        found[tag] = _element(tag, element, depth)
    return found


def _tag(name: str) -> str:
    if not _TAG.fullmatch(name) or name.upper().startswith(_DELIMITERS):
        raise InvalidDicom("An attribute of the data set is not named by a tag of eight hexadecimal digits.")
    return name.upper()


def _element(tag: str, element: Any, depth: int) -> dict[str, Any]:
    if not isinstance(element, dict) or not isinstance(element.get("vr"), str):
        raise InvalidDicom(f"Attribute {tag} has no value representation.")
    if not isinstance(element.get("Value", []), list | None):
        raise InvalidDicom(f"The values of attribute {tag} are not an array.")
    if not isinstance(element.get("BulkDataURI", ""), str) or not isinstance(
        element.get("InlineBinary", ""), str
    ):
        raise InvalidDicom(f"The BulkDataURI or InlineBinary of attribute {tag} is no text.")
    if len(_VALUE_FORMS & element.keys()) > 1:
        raise InvalidDicom(f"Attribute {tag} has its value in more than one form.")
    if element["vr"] != "SQ":
        return element if element["vr"] in VALUE_REPRESENTATIONS else {**element, "vr": "UN"}  # J-19
    items = [_item(item, depth) for item in element.get("Value") or []]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _item(item: Any, depth: int) -> Attributes:
    if item is None:
        return {}
    if not isinstance(item, dict):
        raise InvalidDicom("An item of a sequence of the data set is no object.")
    return checked(item, depth + 1)


def first_value(attributes: Mapping[str, Any], tag: str) -> Any:
    """The first value of an attribute, None when it has none."""
    values = attributes.get(tag, {}).get("Value")
    return values[0] if values else None


def uid_of(attributes: Mapping[str, Any], tag: str) -> str:
    """A UID, empty when it is absent or none."""
    value = first_value(attributes, tag)
    uid = trim_uid(value) if isinstance(value, str) else ""
    return uid if is_uid(uid) else ""


def identified(refused: InvalidDicom, attributes: Mapping[str, Any]) -> InvalidDicom:
    """The refusal, with the UIDs of the instance that it is of."""
    return InvalidDicom(
        refused.message,
        failure_reason=refused.failure_reason,
        sop_class_uid=refused.sop_class_uid or uid_of(attributes, _SOP_CLASS),
        sop_instance_uid=refused.sop_instance_uid or uid_of(attributes, _SOP_INSTANCE),
    )
