"""Values read out of the DICOM JSON Model (PS3.18 annex F), whatever real objects put there.

Nothing here fails: an attribute that is absent, empty or of another kind than the dictionary says reads as
nothing, for a document is drawn from what is there.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomweb.dicom.dictionary import tag_of
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.documents.values import readable, unpadded

Numbers = NDArray[np.float64]

_LARGEST_COUNT = 1 << 32
_NO_NUMBERS: Numbers = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Item:
    """A data set: the whole object or an item of one of its sequences.

    path: what the BulkDataURI of its attributes begin with ("" for the object itself).
    bulk: values that the metadata gives by BulkDataURI, by that path.
    """

    attributes: Mapping[str, Any]
    path: str = ""
    bulk: Mapping[str, bytes] = field(default_factory=dict)

    def element(self, keyword: str) -> Mapping[str, Any]:
        """The attribute in the JSON model, empty when it is not there."""
        found = self.attributes.get(_tag_text(keyword))
        return found if isinstance(found, dict) else {}

    def has(self, keyword: str) -> bool:
        """Whether the attribute is there, empty or not."""
        return _tag_text(keyword) in self.attributes

    def values(self, keyword: str) -> list[Any]:
        """The values that are in the JSON."""
        found = self.element(keyword).get("Value")
        return found if isinstance(found, list) else []

    def items(self, keyword: str) -> list[Item]:
        """The items of a sequence."""
        return list(self.iterate(keyword))

    def iterate(self, keyword: str) -> Iterator[Item]:
        """The items of a sequence, one by one."""
        tag = _tag_text(keyword)
        for index, value in enumerate(self.values(keyword)):
            if isinstance(value, dict):
                yield Item(value, f"{self.path}{tag}/{index}/", self.bulk)

    def item(self, keyword: str) -> Item | None:
        """The first item of a sequence."""
        return next(self.iterate(keyword), None)

    def texts(self, keyword: str) -> list[str]:
        """Each value as a person reads it."""
        element = self.element(keyword)
        vr = str(element.get("vr", ""))
        long = self.bulk.get(f"{self.path}{_tag_text(keyword)}")
        if long is not None and not VALUE_REPRESENTATIONS.get(vr, _OTHER).binary:
            return [_long_text(long)]
        return [readable(vr, value) for value in self.values(keyword) if value is not None]

    def text(self, keyword: str) -> str:
        """The first value as a person reads it, empty when there is none."""
        return next(iter(self.texts(keyword)), "")

    def code(self, keyword: str) -> str:
        """The first value of a coded string or UID as it is written."""
        value = next(iter(self.values(keyword)), None)
        return value.strip() if isinstance(value, str) else ""

    def number(self, keyword: str) -> float | None:
        """The first value as a number; None when there is none, or none that is finite."""
        numbers = self.numbers(keyword)
        return float(numbers[0]) if len(numbers) and np.isfinite(numbers[0]) else None

    def whole(self, keyword: str, default: int = 0) -> int:
        """The first value as an integer."""
        number = self.number(keyword)
        return default if number is None else int(number)

    def counts(self, keyword: str) -> list[int]:
        """The values that are whole numbers from 1 on: of frames, segments, items."""
        return [int(number) for number in self.numbers(keyword) if 1 <= number < _LARGEST_COUNT]

    def numbers(self, keyword: str) -> Numbers:
        """All values as numbers, NaN where one is none; of bulkdata too."""
        element = self.element(keyword)
        if "Value" in element:
            return _numbers(self.values(keyword))
        raw = self.bulk.get(f"{self.path}{_tag_text(keyword)}")
        return _NO_NUMBERS if raw is None else _bulk_numbers(str(element.get("vr", "")), raw)

    def binary(self, keyword: str) -> bytes:
        """The bytes of a byte string, inline or bulkdata."""
        inline = self.element(keyword).get("InlineBinary")
        if isinstance(inline, str):
            try:
                return b64decode(inline)
            except ValueError:
                return b""
        return self.bulk.get(f"{self.path}{_tag_text(keyword)}", b"")


_OTHER = VALUE_REPRESENTATIONS["UN"]


def _tag_text(keyword: str) -> str:
    tag = tag_of(keyword)
    assert tag is not None, keyword
    return f"{tag:08X}"


def _numbers(values: list[Any]) -> Numbers:
    if all(value.__class__ in (float, int) for value in values):
        with suppress(OverflowError):
            return np.array(values, dtype=np.float64)
    return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _bulk_numbers(vr: str, raw: bytes) -> Numbers:
    known = VALUE_REPRESENTATIONS.get(vr, _OTHER)
    if known.number:
        whole = len(raw) - len(raw) % known.word
        return np.frombuffer(raw[:whole], dtype="<" + known.number).astype(np.float64)
    return np.array(
        [_number(value or "nan") for value in raw.decode("latin-1").split("\\")], dtype=np.float64
    )


_LONGEST_CHARACTER = 4  # bytes in UTF-8


def _long_text(raw: bytes) -> str:
    """Text that was too long for the metadata. Its character set is not known here: UTF-8 shows itself."""
    try:
        return unpadded(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        cut_off = error.start > len(raw) - _LONGEST_CHARACTER
        return unpadded(raw[: error.start].decode("utf-8") if cut_off else raw.decode("latin-1"))
