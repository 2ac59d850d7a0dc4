"""The Native DICOM Model in XML read into DICOM JSON (PS3.19 A.1, PS3.18 F.3.1).

Hostile input is expected (X-06): a document type declaration is refused, so there are no entities beside
those of XML itself; nesting, size, and gaps between numbers are bounded while they are read.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from xml.parsers import expat

from dicomweb.dicom.dictionary import vr_of
from dicomweb.dicom.json_model import Element
from dicomweb.dicom.limits import Budget, ScanLimits, value_too_long
from dicomweb.dicom.native_xml_values import value_of
from dicomweb.dicom.private_blocks import PrivateElement, is_private, placed
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.errors import InvalidDicom

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER = re.compile(r"[0-9]{1,9}")
# What the parser knows, by itself or by a table of 256 characters; others raise what is no ExpatError.
_ENCODING = re.compile(
    r"utf-(?:8|16|16be|16le)|us-ascii|iso-8859-(?:[1-9]|1[013456])|windows-125[0-8]", re.IGNORECASE
)
# Memory that an attribute and a value take as Python objects, beside its text.
_ELEMENT_COST, _VALUE_COST = 300, 64
# Empty values that numbers may leave out between values that are there.
_GAP = 10_000
_LIMITS = ScanLimits()
# Fed to the parser at once.
_FEED = 64 << 10

_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_NAME_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
# Element -> the elements that it may stand in.
_PARENTS: Mapping[str, frozenset[str]] = {
    "NativeDicomModel": frozenset({""}),
    "DicomAttribute": frozenset({"NativeDicomModel", "Item"}),
    **dict.fromkeys(
        ("Value", "Item", "PersonName", "BulkData", "InlineBinary"), frozenset({"DicomAttribute"})
    ),
    **dict.fromkeys(_NAME_GROUPS, frozenset({"PersonName"})),
    **dict.fromkeys(_NAME_COMPONENTS, frozenset(_NAME_GROUPS)),
}
_CONTENT = {"BulkData": "BulkDataURI", "InlineBinary": "InlineBinary"}
# The forms of a value that a VR can have (PS3.18 F.2.2, F.3.1).
_FORMS: Mapping[str, frozenset[str]] = {
    **{
        name: frozenset({"BulkData", "InlineBinary" if vr.binary else "Value"})
        for name, vr in VALUE_REPRESENTATIONS.items()
    },
    "SQ": frozenset({"Item"}),
    "PN": frozenset({"PersonName", "BulkData"}),
}
_TEXTS = frozenset({"Value", "InlineBinary", *_NAME_COMPONENTS})


def read_native_model(chunks: Iterable[bytes], *, limits: ScanLimits = _LIMITS) -> dict[str, Element]:
    """The data set of one XML document as DICOM JSON, tags ascending.

    Values of IS and DS stay text with the digits as written, and FL and FD may be infinite or NaN. Private
    elements are put into blocks of their creators. uuid= of bulk data becomes a BulkDataURI of urn:uuid:.
    Raises InvalidDicom.
    """
    reader = _Reader(limits)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text, parser.buffer_size = True, _FEED
    parser.XmlDeclHandler = _check_encoding
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        for chunk in chunks:
            for begin in range(0, len(chunk), _FEED):
                piece = chunk[begin : begin + _FEED]
                parser.Parse(piece, False)
                reader.fed(len(piece), parser.CurrentByteIndex)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise InvalidDicom(f"The XML is not well-formed: line {error.lineno}.") from None
    return reader.attributes


def _check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding and not _ENCODING.fullmatch(encoding):
        raise InvalidDicom("The XML is in an encoding that is not supported; UTF-8 is.")


def _refuse_doctype(*_: Any) -> NoReturn:
    raise InvalidDicom("The XML has a document type declaration; it may have none.")


@dataclass(slots=True)
class _DataSet:
    """The whole or an item, while it is read."""

    attributes: dict[str, Element] = field(default_factory=dict)
    private: list[PrivateElement] = field(default_factory=list)

    def finished(self) -> dict[str, Element]:
        found = placed(self.attributes, self.private) if self.private else self.attributes
        return dict(sorted(found.items()))


@dataclass(slots=True)
class _Attribute:
    """A DicomAttribute while it is read. form: the kind of its children. values: by number, from 1."""

    tag: str
    vr: str
    creator: str
    form: str = ""
    values: dict[int, Any] = field(default_factory=dict)
    number: int = 0
    content: str = ""


class _Reader:
    """Handlers of expat; the stacks follow the open elements."""

    def __init__(self, limits: ScanLimits) -> None:
        self.attributes: dict[str, Element] = {}
        self._limits = limits
        self._budget = Budget(limits.dataset_bytes)
        self._open: list[str] = [""]
        self._data_sets: list[_DataSet] = []
        self._attributes: list[_Attribute] = []
        self._name: dict[str, str] = {}
        self._components: dict[str, str] = {}
        self._text: list[str] = []
        self._text_length = 0
        self._bytes_fed = 0

    def fed(self, size: int, place: int) -> None:
        """Bounds what the parser itself holds: a tag or a comment that does not end."""
        self._bytes_fed += size
        if self._bytes_fed - max(place, 0) > self._limits.value_bytes:
            raise value_too_long()

    def start(self, qualified: str, given: dict[str, str]) -> None:
        name = qualified.rpartition(" ")[2]
        parents = _PARENTS.get(name)
        if parents is None or self._open[-1] not in parents:
            raise InvalidDicom("The XML holds an element that the Native DICOM Model does not have there.")
        self._open.append(name)
        self._text, self._text_length = [], 0
        if name in ("NativeDicomModel", "Item"):
            self._start_data_set(name, given)
        elif name == "DicomAttribute":
            self._start_attribute(given)
        elif name in _NAME_GROUPS:
            self._components = {}
        elif name not in _NAME_COMPONENTS:
            self._start_value(name, given)

    def _start_data_set(self, name: str, given: Mapping[str, str]) -> None:
        if name == "Item":
            self._start_value(name, given)
        if len(self._data_sets) > self._limits.sequence_depth:
            raise InvalidDicom("Sequences are nested deeper than the configured limit.")
        self._data_sets.append(_DataSet())

    def _start_attribute(self, given: Mapping[str, str]) -> None:
        self._budget.charge(_ELEMENT_COST)
        tag = given.get("tag", "").upper()
        if not _TAG.fullmatch(tag):
            raise InvalidDicom("A DicomAttribute has no tag of eight hexadecimal digits.")
        vr = given.get("vr") or vr_of(int(tag, 16))
        creator = given.get("privateCreator", "") if is_private(tag) else ""
        self._attributes.append(_Attribute(tag, vr if vr in VALUE_REPRESENTATIONS else "UN", creator))

    def _start_value(self, name: str, given: Mapping[str, str]) -> None:
        """A child of an attribute: all are of one kind, and a kind without numbers comes once."""
        self._budget.charge(_VALUE_COST)
        attribute = self._attributes[-1]
        if attribute.form not in ("", name) or attribute.form in ("BulkData", "InlineBinary"):
            raise InvalidDicom(f"Attribute {attribute.tag} has its value in more than one form.")
        attribute.form = name
        if name == "BulkData":
            attribute.content = _uri(given)
            return
        if name == "InlineBinary":
            return
        text = given.get("number", str(attribute.number + 1)).strip()
        number = int(text) if _NUMBER.fullmatch(text) else 0
        if number < 1 or number in attribute.values:
            raise InvalidDicom(f"Attribute {attribute.tag} has a value without a number of its own.")
        attribute.number = number
        attribute.values[number] = None
        if name == "PersonName":
            self._name = {}

    def text(self, text: str) -> None:
        if self._open[-1] in _TEXTS:
            self._budget.charge(len(text))
            self._text_length += len(text)
            if self._text_length > self._limits.value_bytes and not self._may_be_bulkdata():
                raise value_too_long()
            self._text.append(text)
        elif not text.isspace():
            raise InvalidDicom("The XML holds text outside of values.")

    def _may_be_bulkdata(self) -> bool:
        return VALUE_REPRESENTATIONS[self._attributes[-1].vr].bulk

    def end(self, _: str) -> None:
        name = self._open.pop()
        text = "".join(self._text)
        self._text = []
        if name in _NAME_COMPONENTS:
            if name in self._components:
                raise InvalidDicom("A person name has a component twice.")
            self._components[name] = text
        elif name in _NAME_GROUPS:
            self._end_name_group(name)
        elif name == "NativeDicomModel":
            self.attributes = self._data_sets.pop().finished()
        elif name == "DicomAttribute":
            self._end_attribute()
        else:
            self._end_value(name, text)

    def _end_name_group(self, group: str) -> None:
        if group in self._name:
            raise InvalidDicom("A person name has a component group twice.")
        present = [index for index, name in enumerate(_NAME_COMPONENTS) if name in self._components]
        names = _NAME_COMPONENTS[: present[-1] + 1] if present else ()
        self._name[group] = "^".join(self._components.get(name, "") for name in names)

    def _end_value(self, name: str, text: str) -> None:
        attribute = self._attributes[-1]
        if name == "Item":
            attribute.values[attribute.number] = self._data_sets.pop().finished()
        elif name == "PersonName":
            filled = {group: self._name[group] for group in _NAME_GROUPS if self._name.get(group)}
            attribute.values[attribute.number] = filled or None
        elif name == "Value":
            attribute.values[attribute.number] = value_of(attribute.vr, text, attribute.tag)
        elif name == "InlineBinary":
            attribute.content = _base64(text, attribute.tag)

    def _end_attribute(self) -> None:
        attribute = self._attributes.pop()
        data_set = self._data_sets[-1]
        element = self._element(attribute)
        tag = attribute.tag
        if attribute.creator:
            data_set.private.append((tag[:4], tag[6:], attribute.creator, element))
        elif tag.endswith("0000"):
            return  # group lengths are of an encoding, not of a data set
        elif tag in data_set.attributes:
            raise InvalidDicom(f"Attribute {tag} comes twice.")
        else:
            data_set.attributes[tag] = element

    def _element(self, attribute: _Attribute) -> Element:
        vr, form = attribute.vr, attribute.form
        if form and form not in _FORMS[vr]:
            raise InvalidDicom(f"Attribute {attribute.tag} has a value in a form that its VR does not have.")
        if attribute.content:
            return {"vr": vr, _CONTENT[form]: attribute.content}
        values = self._in_order(attribute)
        return {"vr": vr, "Value": values} if values.count(None) < len(values) else {"vr": vr}

    def _in_order(self, attribute: _Attribute) -> list[Any]:
        """The values at their numbers; what numbers leave out is empty."""
        length = max(attribute.values, default=0)
        gap = length - len(attribute.values)
        if gap > _GAP:
            raise InvalidDicom(f"Attribute {attribute.tag} leaves out too many value numbers.")
        self._budget.charge(gap * _VALUE_COST)
        empty: Callable[[], Any] = dict if attribute.vr == "SQ" else lambda: None
        return [attribute.values[n] if n in attribute.values else empty() for n in range(1, length + 1)]


def _base64(text: str, tag: str) -> str:
    """The text without the spaces and line breaks that XML writers put in."""
    joined = "".join(text.split())
    try:
        a2b_base64(joined, strict_mode=True)
    except ValueError:  # also for what is not ASCII
        raise InvalidDicom(f"The InlineBinary of attribute {tag} is not base64.") from None
    return joined


def _uri(given: Mapping[str, str]) -> str:
    """Where the bulk data is: the uri, or the uuid as a URN (RFC 9562)."""
    uri = given.get("uri", "").strip()
    if uri:
        return uri
    uuid = given.get("uuid", "").strip()
    if not uuid:
        raise InvalidDicom("A BulkData element has neither a uri nor a uuid.")
    return uuid if uuid.startswith("urn:") else f"urn:uuid:{uuid}"
