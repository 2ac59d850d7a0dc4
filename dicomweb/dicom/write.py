"""Part 10 files written: group 2 (PS3.10 7.1), and a whole data set from the DICOM JSON Model (PS3.18 F).

Everything is written in Explicit VR Little Endian; where the pixels are encapsulated, in the syntax that
they are in, which is the same around them.
"""

from __future__ import annotations

import json
import math
import struct
from base64 import b64decode
from binascii import Error as InvalidBase64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dicomweb.dicom.element import UNDEFINED_LENGTH, element_header, explicit_element, padding
from dicomweb.dicom.file_meta import FileMeta, read_file_meta
from dicomweb.dicom.transfer_syntax import TRANSFER_SYNTAXES
from dicomweb.dicom.uid import is_uid, trim_uid
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.dicom.window import Window
from dicomweb.errors import InvalidDicom

PREAMBLE = bytes(128)

_SOP_CLASS, _SOP_INSTANCE = 0x00020002, 0x00020003
_IMPLEMENTATION, _IMPLEMENTATION_VERSION = 0x00020012, 0x00020013
_ITEM = struct.Struct("<HHI")
_ITEM_BEGIN = _ITEM.pack(0xFFFE, 0xE000, UNDEFINED_LENGTH)
_ITEM_STOP = _ITEM.pack(0xFFFE, 0xE00D, 0)
_SEQUENCE_STOP = _ITEM.pack(0xFFFE, 0xE0DD, 0)
_PIXEL_DATA = 0x7FE00010
_CHARACTER_SET = "00080005"
_UTF_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}
_LONGEST_DECIMAL = 16
_LONGEST = 0xFFFFFFFE
# Data sets come from a client here: nested no deeper than the ones that are stored.
_DEEPEST = 100


def file_meta(*, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Group 2 of an object that is written here, without 'DICM' (P-01)."""
    return FileMeta().written(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=transfer_syntax_uid,
    )


def with_transfer_syntax(file_meta: bytes, transfer_syntax_uid: str) -> bytes:
    """Group 2 of an object that is sent in another transfer syntax than it is stored in.

    It is re-encoded, so it names us as the implementation that wrote it (P-01, PS3.10 7.1).
    """
    meta = read_file_meta(Window([file_meta]))
    meta.elements.pop(_IMPLEMENTATION, None)
    meta.elements.pop(_IMPLEMENTATION_VERSION, None)
    return meta.written(
        sop_class_uid=meta.uid(_SOP_CLASS),
        sop_instance_uid=meta.uid(_SOP_INSTANCE),
        transfer_syntax_uid=transfer_syntax_uid,
    )


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value to be written: `length` bytes, little endian, in chunks.

    For encapsulated Pixel Data the chunks are the items from the Basic Offset Table to the last fragment.
    """

    length: int
    chunks: Iterable[bytes]


Bulkdata = Callable[[str], Bulk]


def read_json(
    text: bytes, *, pairs: Callable[[list[tuple[str, Any]]], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """DICOM JSON with the digits of its numbers kept as they are written (J-07).

    pairs: makes an object of its members, where they are not to be taken as they come.
    """
    attributes = json.loads(text, parse_float=_Digits, object_pairs_hook=pairs)
    if not isinstance(attributes, dict):
        raise InvalidDicom("The data set is not a JSON object.")
    return attributes


class _Digits(str):
    """A JSON number that is not an integer."""


def write_part10(
    attributes: Mapping[str, Any], bulkdata: Bulkdata, *, transfer_syntax_uid: str
) -> Iterator[bytes]:
    """A Part 10 file from DICOM JSON, as read_json gives it; bulkdata: what a BulkDataURI stands for.

    transfer_syntax_uid: Explicit VR Little Endian, or the encapsulated syntax of the Pixel Data.
    Raises InvalidDicom for JSON that is not of the DICOM JSON Model.
    """
    yield PREAMBLE + b"DICM"
    yield file_meta(
        sop_class_uid=_uid(attributes, "00080016"),
        sop_instance_uid=_uid(attributes, "00080018"),
        transfer_syntax_uid=transfer_syntax_uid,
    )
    encapsulated = TRANSFER_SYNTAXES[transfer_syntax_uid].encapsulated
    yield from write_dataset(attributes, bulkdata, encapsulated=encapsulated)


def write_dataset(
    attributes: Mapping[str, Any], bulkdata: Bulkdata, *, encapsulated: bool = False
) -> Iterator[bytes]:
    """The data set alone. Text goes out in UTF-8 and says so, whatever the attributes declare."""
    if not json.dumps(attributes, ensure_ascii=False).isascii():
        attributes = {**_declared(attributes), _CHARACTER_SET: _UTF_8}
    yield from _elements(attributes, bulkdata, encapsulated, 0)


def _declared(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with UTF-8 as the character set of every item that declares one."""
    return {
        tag: _UTF_8 if tag == _CHARACTER_SET else _declared_within(element)
        for tag, element in attributes.items()
    }


def _declared_within(element: Any) -> Any:
    items = element.get("Value") if isinstance(element, Mapping) and element.get("vr") == "SQ" else None
    if not isinstance(items, list):
        return element
    return {**element, "Value": [_declared(item) if isinstance(item, Mapping) else item for item in items]}


def _elements(
    attributes: Mapping[str, Any], bulkdata: Bulkdata, encapsulated: bool, depth: int
) -> Iterator[bytes]:
    if depth > _DEEPEST:
        raise InvalidDicom("Sequences are nested deeper than the configured limit.")
    for text in sorted(attributes):
        tag, element = _tag(text), attributes[text]
        if not isinstance(element, Mapping) or not isinstance(element.get("vr"), str):
            raise InvalidDicom("An attribute of the JSON data set has no value representation.")
        vr = element["vr"] if element["vr"] in VALUE_REPRESENTATIONS else "UN"  # J-19
        if vr == "SQ":
            yield from _sequence(tag, element, bulkdata, encapsulated, depth)
        elif "BulkDataURI" in element:
            bulk = bulkdata(element["BulkDataURI"])
            if encapsulated and tag == _PIXEL_DATA:
                yield from _encapsulated(attributes, bulk, nested=depth > 0)
            else:
                yield from _defined(tag, vr, bulk)
        else:
            yield explicit_element(tag, vr, _value(text, vr, element))


def _sequence(
    tag: int, element: Mapping[str, Any], bulkdata: Bulkdata, encapsulated: bool, depth: int
) -> Iterator[bytes]:
    items = element.get("Value") or []
    if not items:
        yield element_header(tag, "SQ", 0)
        return
    yield element_header(tag, "SQ", UNDEFINED_LENGTH)
    for item in items:
        yield _ITEM_BEGIN
        yield from _elements(item or {}, bulkdata, encapsulated, depth + 1)
        yield _ITEM_STOP
    yield _SEQUENCE_STOP


def _defined(tag: int, vr: str, bulk: Bulk) -> Iterator[bytes]:
    if bulk.length > _LONGEST:
        raise InvalidDicom("A value is longer than a data element can be.")
    yield element_header(tag, vr, bulk.length)
    yield from bulk.chunks
    yield padding(vr, bulk.length)


def _encapsulated(attributes: Mapping[str, Any], bulk: Bulk, *, nested: bool) -> Iterator[bytes]:
    """Pixel Data in fragments; an icon's bulkdata is its pixels or, when they are coded, its codestream."""
    if nested and bulk.length == _native_length(attributes):
        yield from _defined(_PIXEL_DATA, "OB", bulk)
        return
    yield element_header(_PIXEL_DATA, "OB", UNDEFINED_LENGTH)
    if nested:
        yield _ITEM.pack(0xFFFE, 0xE000, 0)
        yield _ITEM.pack(0xFFFE, 0xE000, bulk.length + bulk.length % 2)
    yield from bulk.chunks
    yield padding("OB", bulk.length)
    yield _SEQUENCE_STOP


def _native_length(attributes: Mapping[str, Any]) -> int:
    bits = 1
    for tag in ("00280010", "00280011", "00280002", "00280100"):
        values = attributes.get(tag, {}).get("Value") or [1]
        bits *= values[0] if isinstance(values[0], int) else 0
    return (bits + 15) // 16 * 2


def _tag(text: str) -> int:
    try:
        tag = int(text, 16)
    except ValueError:
        tag = -1
    if len(text) != 8 or tag < 0 or not text.isalnum():
        raise InvalidDicom("An attribute of the JSON data set is not named by a tag.")
    return tag


def _uid(attributes: Mapping[str, Any], tag: str) -> str:
    """Empty for what is no UID: the data set says the same, and is refused for it."""
    values = attributes.get(tag, {}).get("Value") or [""]
    uid = trim_uid(str(values[0]))
    return uid if is_uid(uid) else ""


# --- values ------------------------------------------------------------------------------------------------


def _value(tag: str, vr: str, element: Mapping[str, Any]) -> bytes:
    if "InlineBinary" in element:
        try:
            return b64decode(element["InlineBinary"], validate=True)
        except (InvalidBase64, TypeError, ValueError):
            raise InvalidDicom(f"The InlineBinary of attribute {tag} is not base64.") from None
    values = element.get("Value") or []
    if not isinstance(values, list):
        raise InvalidDicom(f"The values of attribute {tag} are not an array.")
    try:
        return _ENCODERS.get(vr, _strings)(vr, values)
    except (struct.error, TypeError, ValueError, OverflowError, AttributeError):
        raise InvalidDicom(f"A value of attribute {tag} does not fit its value representation.") from None


def _strings(_vr: str, values: list[Any]) -> bytes:
    return "\\".join(map(_text, values)).encode()


def _text(value: Any) -> str:
    """A string; some writers write digits as a number."""
    if not isinstance(value, str | int | float | None):
        raise TypeError
    return "" if value is None else str(value)


def _names(_vr: str, values: list[Any]) -> bytes:
    return "\\".join(map(_name, values)).encode()


def _name(value: Any) -> str:
    if value is None or isinstance(value, str):  # a plain string: J-05 tolerates it
        return value or ""
    groups = (value.get(name, "") for name in ("Alphabetic", "Ideographic", "Phonetic"))
    return "=".join(groups).rstrip("=")


def _numbers(vr: str, values: list[Any]) -> bytes:
    known = VALUE_REPRESENTATIONS[vr]
    if values.count(None) == len(values):
        return b""
    read: Callable[[Any], Any] = float if known.number in "fd" else _integer
    return struct.pack(f"<{len(values)}{known.number}", *map(read, values))


def _integer(value: Any) -> int:
    """A whole number, which some writers write as 5.0."""
    if isinstance(value, str) and not value.lstrip("+-").isdigit():
        value = float(value)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    return int(value)


def _bytes(_vr: str, values: list[Any]) -> bytes:
    """Byte strings are inline or bulkdata, never values."""
    if values:
        raise ValueError
    return b""


def _tags(_vr: str, values: list[Any]) -> bytes:
    return b"".join(struct.pack("<HH", int(value[:4], 16), int(value[4:], 16)) for value in values)


def _decimals(vr: str, values: list[Any]) -> bytes:
    return "\\".join("" if value is None else _decimal(vr, value) for value in values).encode()


def _decimal(vr: str, value: Any) -> str:
    """A number as IS or DS has it: at most 16 characters, where it does not come with digits of its own."""
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, (int, str)):
        return str(value)
    if not math.isfinite(value):
        raise ValueError
    if vr == "IS" or (value.is_integer() and abs(value) < 1e15):
        return str(int(value))
    text = repr(value)
    digits = 16
    while len(text) > _LONGEST_DECIMAL:
        digits -= 1
        text = f"{value:.{digits}g}"
    return text


_Encoder = Callable[[str, list[Any]], bytes]
_ENCODERS: dict[str, _Encoder] = {
    **{name: _numbers for name, vr in VALUE_REPRESENTATIONS.items() if vr.number},
    **{name: _bytes for name, vr in VALUE_REPRESENTATIONS.items() if vr.binary and name != "UN"},
    "AT": _tags,
    "DS": _decimals,
    "IS": _decimals,
    "PN": _names,
}
