"""One instance's metadata read from the spool: its attributes, and the places of long values (S-04)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dicomweb.archive.spool import Spool
from dicomweb.dicom.json_objects import LONG_STRING, json_objects
from dicomweb.dicom.limits import Budget, ScanLimits, too_large
from dicomweb.dicom.long_texts import long_texts
from dicomweb.dicom.native_xml_reader import read_native_model
from dicomweb.dicom.received_model import Attributes, checked, read_attributes
from dicomweb.errors import InvalidDicom
from dicomweb.protocol.store_parts import PartHeader, PartKind

# Stands, followed by its index, for a text that was left in the spool. It is base64 itself, which readers
# check; who sends it means a text of the own request.
_MARK = "left/in/the+spool+{:010d}"

Inline = dict[str, tuple[int, int]]
"""Mark -> offset and length of a text in the spool."""


@dataclass(frozen=True, slots=True)
class Document:
    """offset, length: in the spool. long_texts: offset and length there of what is not parsed with it."""

    header: PartHeader
    offset: int
    length: int
    long_texts: tuple[tuple[int, int], ...]

    @property
    def held_bytes(self) -> int:
        """How much of it is parsed at once."""
        return self.length - sum(length for _, length in self.long_texts)


def documents(spool: Spool, header: PartHeader, offset: int, length: int) -> Iterator[Document]:
    """The instances of a metadata part: several in JSON, one in XML. Raises InvalidRequest."""
    chunks = spool.chunks(offset, length)
    if header.kind is PartKind.XML:
        texts = ((offset + begin, size) for begin, size in long_texts(chunks, LONG_STRING))
        yield Document(header, offset, length, tuple(texts))
        return
    for found in json_objects(chunks):
        strings = tuple((offset + begin, size) for begin, size in found.long_strings)
        yield Document(header, offset + found.offset, found.length, strings)


def read_document(spool: Spool, document: Document, limits: ScanLimits) -> tuple[Attributes, Inline]:
    """The attributes; the BulkDataURI of a value left in the spool is its mark. Raises InvalidDicom."""
    if document.held_bytes > limits.dataset_bytes:
        raise too_large()
    left = {_MARK.format(index): place for index, place in enumerate(document.long_texts)}
    pieces = _pieces(spool, document, left)
    if document.header.kind is PartKind.XML:
        attributes, plain = checked(read_native_model(pieces, limits=limits)), _plain_xml
    else:
        attributes = read_attributes(b"".join(pieces), dataset_bytes=limits.dataset_bytes)
        plain = _plain_json
    if left:
        attributes = _LeftTexts(spool, left, plain, Budget(limits.dataset_bytes)).data_set(attributes)
    return attributes, left


def _pieces(spool: Spool, document: Document, left: Inline) -> Iterator[bytes]:
    """The document with a mark for each long text."""
    position = document.offset
    for mark, (offset, length) in left.items():
        yield from spool.chunks(position, offset - position)
        yield mark.encode()
        position = offset + length
    yield from spool.chunks(position, document.offset + document.length - position)


def _plain_json(text: bytes) -> str:
    return str(json.loads(b'"' + text + b'"'))


def _plain_xml(text: bytes) -> str:
    """Of characters of base64 alone; XML reads every line break as one character (XML 1.0, 2.11)."""
    return text.decode("ascii").replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True, slots=True)
class _LeftTexts:
    """Puts texts that were left in the spool where their marks stand: base64 by reference, others themselves.

    plain: what the text of a document means.
    """

    spool: Spool
    left: Inline
    plain: Callable[[bytes], str]
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
        if isinstance(value, dict):  # a person name
            return {group: self._value(text) for group, text in value.items()}
        if not isinstance(value, str) or value not in self.left:
            return value
        offset, length = self.left[value]
        self.budget.charge(length)
        try:
            return self.plain(self.spool.read(offset, length))
        except ValueError:
            raise InvalidDicom("A text of the data set cannot be read.") from None
