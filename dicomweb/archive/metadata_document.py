"""One instance's metadata read from the spool: its attributes, and the places of long values (S-04)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import orjson

from dicomweb.archive.spool import Spool
from dicomweb.dicom.json_objects import JsonObject
from dicomweb.dicom.limits import Budget, ScanLimits, too_large
from dicomweb.dicom.native_xml_reader import read_native_model
from dicomweb.dicom.received_model import Attributes, checked, read_attributes
from dicomweb.errors import InvalidDicom
from dicomweb.protocol.store_parts import PartHeader

# Stands, followed by its index, for a string that was left in the spool. No base64 and no URI begins so.
_MARK = "\0"

Inline = dict[str, tuple[int, int]]
"""Mark -> offset and length of a base64 text in the spool."""


@dataclass(frozen=True, slots=True)
class Document:
    """offset, length: of the part in the spool. json: where in it the data set is; None for XML."""

    header: PartHeader
    offset: int
    length: int
    json: JsonObject | None = None

    @property
    def held_bytes(self) -> int:
        """How much of it is parsed at once."""
        if self.json is None:
            return self.length
        return self.json.length - sum(length for _, length in self.json.long_strings)


def read_document(spool: Spool, document: Document, limits: ScanLimits) -> tuple[Attributes, Inline]:
    """The attributes; the BulkDataURI of a value left in the spool is its mark. Raises InvalidDicom."""
    if document.json is None:
        chunks = spool.chunks(document.offset, document.length)
        return checked(read_native_model(chunks, limits=limits)), {}
    if document.held_bytes > limits.dataset_bytes:
        raise too_large()
    text, left = _text(spool, document.offset, document.json)
    attributes = read_attributes(text, dataset_bytes=limits.dataset_bytes)
    if left:
        attributes = _LeftStrings(spool, left, Budget(limits.dataset_bytes)).data_set(attributes)
    return attributes, left


def _text(spool: Spool, origin: int, found: JsonObject) -> tuple[bytes, Inline]:
    """The JSON of a data set with a mark for each long string, and the places of those."""
    pieces: list[bytes] = []
    left: Inline = {}
    position = found.offset
    for offset, length in found.long_strings:
        mark = f"{_MARK}{len(left)}"
        pieces += [spool.read(origin + position, offset - position), orjson.dumps(mark)[1:-1]]
        left[mark] = (origin + offset, length)
        position = offset + length
    pieces.append(spool.read(origin + position, found.offset + found.length - position))
    return b"".join(pieces), left


@dataclass(frozen=True, slots=True)
class _LeftStrings:
    """Puts strings that were left in the spool where their marks stand: base64 by reference, text itself."""

    spool: Spool
    left: Inline
    budget: Budget

    def data_set(self, attributes: Attributes) -> Attributes:
        return {tag: self._element(element) for tag, element in attributes.items()}

    def _element(self, element: Attributes) -> Attributes:
        if element["vr"] == "SQ":
            return {**element, "Value": [self.data_set(item) for item in element.get("Value", [])]}
        if element.get("InlineBinary") in self.left:
            return {"vr": element["vr"], "BulkDataURI": element["InlineBinary"]}
        if "Value" in element:
            return {**element, "Value": [self._value(value) for value in element["Value"] or []]}
        return element

    def _value(self, value: Any) -> Any:
        if not isinstance(value, str) or value not in self.left:
            return value
        offset, length = self.left[value]
        self.budget.charge(length)
        try:
            return json.loads(b'"' + self.spool.read(offset, length) + b'"')
        except ValueError:
            raise InvalidDicom("The data set is not JSON.") from None
