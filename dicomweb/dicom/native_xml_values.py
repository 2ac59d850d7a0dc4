"""Values of the Native DICOM Model in XML, from their text, as DICOM JSON has them (PS3.18 F.2.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.errors import InvalidDicom

_TAG = re.compile(r"[0-9A-F]{8}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:INF|Infinity)|NaN")
# Beyond this an integer does not survive a JSON reader that holds numbers as doubles (J-07).
_EXACT_DOUBLE = 1 << 53


def value_of(vr: str, text: str, tag: str) -> Any:
    """One value of an attribute, None where it is empty. IS and DS stay text. Raises InvalidDicom."""
    return _READERS.get(vr, _text)(text, tag)


def _text(text: str, _tag: str) -> str | None:
    return text or None


def _stripped(text: str, _tag: str) -> str | None:
    return text.strip() or None


def _integer(text: str, tag: str) -> int | str | None:
    text = text.strip()
    if not text:
        return None
    if not _INTEGER.fullmatch(text):
        raise _not_a_number(tag)
    value = int(text)
    return value if abs(value) <= _EXACT_DOUBLE else str(value)


def _real(text: str, tag: str) -> float | None:
    text = text.strip()
    if not text:
        return None
    if not _REAL.fullmatch(text):
        raise _not_a_number(tag)
    return float(text)


def _not_a_number(tag: str) -> InvalidDicom:
    return InvalidDicom(f"Attribute {tag} has a value that is not a number.")


def _tag(text: str, tag: str) -> str | None:
    text = text.strip().upper()
    if text and not _TAG.fullmatch(text):
        raise InvalidDicom(f"Attribute {tag} has a value that is not a tag.")
    return text or None


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    **{
        name: _real if vr.number in "fd" else _integer
        for name, vr in VALUE_REPRESENTATIONS.items()
        if vr.number
    },
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"), _stripped),
    "AT": _tag,
}
