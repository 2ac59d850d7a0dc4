"""Typed access to the DICOM JSON of a display: whatever is not what it should be counts as absent."""

from __future__ import annotations

import binascii
import math
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import numpy as np

_WORDS = {"US": "<u2", "SS": "<i2", "UL": "<u4", "SL": "<i4", "FL": "<f4", "FD": "<f8"}


class Values:
    """Attributes of a display, or of an item in it. bulk: bytes by the path that BulkDataURI holds."""

    def __init__(self, attributes: Mapping[str, Any], bulk: Mapping[str, bytes]) -> None:
        self._attributes = attributes
        self._bulk = bulk

    def __contains__(self, tag: str) -> bool:
        return tag in self._attributes

    def numbers(self, tag: str) -> list[float]:
        """Finite numbers of an attribute; empty when any of them is none."""
        found = self.numbers_by_place(tag)
        numbers = [number for number in found if number is not None]
        return numbers if len(numbers) == len(found) else []

    def numbers_by_place(self, tag: str) -> list[float | None]:
        """Values of an attribute, None for each that is no finite number."""
        return [_finite(value) for value in self._list(tag)]

    def number(self, tag: str) -> float | None:
        """The first number of an attribute, however the others are."""
        values = self._list(tag)
        return _finite(values[0]) if values else None

    def integer(self, tag: str, default: int = 0) -> int:
        """The first number of an attribute as an integer."""
        number = self.number(tag)
        return default if number is None else int(number)

    def text(self, tag: str) -> str:
        """The first text of an attribute, without blanks around it."""
        values = self._list(tag)
        return str(values[0]).strip() if values and values[0] is not None else ""

    def texts(self, tag: str) -> list[str]:
        """All texts of an attribute, without blanks around them."""
        return [str(value).strip() for value in self._list(tag) if value is not None]

    def items(self, tag: str) -> list[Values]:
        """Items of a sequence."""
        return [Values(item, self._bulk) for item in self._list(tag) if isinstance(item, Mapping)]

    def data(self, tag: str) -> bytes:
        """Bytes of a binary attribute; 16-bit numbers as little-endian words."""
        element = self._attributes.get(tag, {})
        if "BulkDataURI" in element:
            return self._bulk.get(element["BulkDataURI"], b"")
        if "InlineBinary" in element:
            try:
                return b64decode(element["InlineBinary"])
            except (TypeError, binascii.Error):
                return b""
        return np.array([int(number) & 0xFFFF for number in self.numbers(tag)], "<u2").tobytes()

    def _list(self, tag: str) -> list[Any]:
        element = self._attributes.get(tag, {})
        if "BulkDataURI" in element and element.get("vr") in _WORDS:
            word = np.dtype(_WORDS[element["vr"]])
            data = self.data(tag)
            numbers: list[Any] = np.frombuffer(data[: len(data) - len(data) % word.itemsize], word).tolist()
            return numbers
        values = element.get("Value")
        return values if isinstance(values, list) else []


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
