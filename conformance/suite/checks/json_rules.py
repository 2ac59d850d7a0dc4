"""What every DICOM JSON data set must keep to (PS3.18 Annex F), as one function over a data set."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from conformance.suite.session import Attributes

_STRINGS = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT", "AT"}
_NUMBERS = {"FL", "FD", "SL", "SS", "UL", "US"}
_NUMBERS_OR_STRINGS = {"DS", "IS", "SV", "UV"}
_BINARY = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
_BY_URI = _BINARY | {"DS", "FL", "FD", "IS", "LT", "SL", "SS", "ST", "SV", "UC", "UL", "US", "UT", "UV"}
_ALL = _STRINGS | _NUMBERS | _NUMBERS_OR_STRINGS | _BINARY | {"SQ", "PN"}


def violations(attributes: Attributes, where: str = "") -> list[str]:
    """What the data set does wrong, each with the tag; empty when it is sound."""
    tags = list(attributes)
    found = [] if tags == sorted(tags) else [f"{where}tags out of order"]
    for tag, attribute in attributes.items():
        name = where + tag
        if not re.fullmatch(r"[0-9A-F]{8}", tag):
            found.append(f"{name}: no tag of 8 upper-case hex digits")
        elif tag.endswith("0000"):
            found.append(f"{name}: group length")
        else:
            found += _attribute(name, attribute)
    return found


def _attribute(name: str, attribute: Any) -> list[str]:
    vr = attribute.get("vr")
    if vr not in _ALL:
        return [f"{name}: vr {vr!r}"]
    forms = [form for form in ("Value", "BulkDataURI", "InlineBinary") if form in attribute]
    if set(attribute) - {"vr", *forms}:
        return [f"{name}: unknown properties"]
    if len(forms) > 1:
        return [f"{name}: {' and '.join(forms)}"]
    if not forms:
        return []
    return _FORMS[forms[0]](name, vr, attribute[forms[0]])


def _value(name: str, vr: str, values: Any) -> list[str]:
    if not isinstance(values, list) or not values:
        return [f"{name}: Value is no array with something in it"]
    if vr in _BINARY:
        return [f"{name}: {vr} with Value"]
    if vr == "SQ":
        return [bad for index, item in enumerate(values) for bad in violations(item, f"{name}[{index}].")]
    wrong = [one for one in values if one is not None and not _fits(vr, one)]
    return [f"{name}: a {type(wrong[0]).__name__} under {vr}"] if wrong else []


def _fits(vr: str, value: Any) -> bool:
    if vr == "PN":
        groups = {"Alphabetic", "Ideographic", "Phonetic"}
        return isinstance(value, dict) and set(value) <= groups and all(value.values())
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if vr in _NUMBERS:
        return is_number
    is_text = isinstance(value, str) and value != ""
    return is_number or is_text if vr in _NUMBERS_OR_STRINGS else is_text


def _uri(name: str, vr: str, uri: Any) -> list[str]:
    if vr not in _BY_URI:
        return [f"{name}: {vr} by BulkDataURI"]
    absolute = isinstance(uri, str) and uri.startswith(("http://", "https://"))
    return [] if absolute else [f"{name}: BulkDataURI {uri!r} is not absolute"]


def _inline(name: str, vr: str, text: Any) -> list[str]:
    if vr not in _BINARY:
        return [f"{name}: {vr} as InlineBinary"]
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return [f"{name}: InlineBinary is not base64"]
    return []


_FORMS = {"Value": _value, "BulkDataURI": _uri, "InlineBinary": _inline}
