"""A small DICOM writer: data sets in every native encoding, Part 10 files (PS3.5 7, A; PS3.10 7)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.suite.dictionary import KEYWORDS

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"

_LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_NUL_PADDED = {"UI", "OB", "UN"}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Fragments:
    """Encapsulated pixel data: the items after the Basic Offset Table, which comes apart (PS3.5 A.4)."""

    items: tuple[bytes, ...]
    offset_table: tuple[int, ...] = ()


Value = bytes | str | int | float | Fragments | Sequence["str | int | float | Data"]


@dataclass(frozen=True, slots=True)
class Element:
    """One attribute to write. A bytes value is written as it is (words little-endian), other values by VR."""

    vr: str
    value: Value


Data = Mapping[int, Element]


def attributes(**values: Value) -> dict[int, Element]:
    """Elements from keywords of the dictionary."""
    return {KEYWORDS[name][0]: Element(KEYWORDS[name][1], value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a data set is written. undefined: sequences and items of undefined length."""

    explicit: bool = True
    little: bool = True
    undefined: bool = True
    charset: str = "ascii"


def encoding_of(transfer_syntax_uid: str, *, undefined: bool = True, charset: str = "ascii") -> Encoding:
    """The data set's encoding under a transfer syntax (PS3.5 Annex A)."""
    return Encoding(
        explicit=transfer_syntax_uid != IMPLICIT,
        little=transfer_syntax_uid != BIG_ENDIAN,
        undefined=undefined,
        charset=charset,
    )


def encode(data: Data, encoding: Encoding) -> bytes:
    """The bytes of a data set, elements in tag order."""
    return b"".join(_element(tag, data[tag], encoding) for tag in sorted(data))


def part10(data: Data, transfer_syntax_uid: str, encoding: Encoding, preamble: bytes = bytes(128)) -> bytes:
    """A Part 10 file. SOP Class and Instance UID of the meta information are those of the data set."""
    body = encode(data, encoding)
    if transfer_syntax_uid == DEFLATED:
        body = deflate(body)
    return preamble + b"DICM" + file_meta(data, transfer_syntax_uid) + body


def file_meta(data: Data, transfer_syntax_uid: str) -> bytes:
    """Group 2 in Explicit VR Little Endian with its group length (PS3.10 7.1)."""
    none = Element("UI", "")
    elements: dict[int, Element] = {
        0x00020001: Element("OB", b"\x00\x01"),
        0x00020002: Element("UI", data.get(0x00080016, none).value),
        0x00020003: Element("UI", data.get(0x00080018, none).value),
        0x00020010: Element("UI", transfer_syntax_uid),
        0x00020012: Element("UI", "2.25.214236173918"),
        0x00020013: Element("SH", "CONFORMANCE"),
    }
    group = encode(elements, Encoding())
    return encode({0x00020000: Element("UL", len(group))}, Encoding()) + group


def deflate(body: bytes) -> bytes:
    """Raw deflate, padded to even length (PS3.5 A.5)."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = compressor.compress(body) + compressor.flush()
    return packed + bytes(len(packed) % 2)


def _element(tag: int, element: Element, encoding: Encoding) -> bytes:
    if isinstance(element.value, Fragments):
        return _header(tag, "OB", _UNDEFINED, encoding) + _fragments(element.value)
    if element.vr == "SQ":
        return _sequence(tag, element.value, encoding)
    value = _value(element, encoding)
    return _header(tag, element.vr, len(value), encoding) + value


def _header(tag: int, vr: str, length: int, encoding: Encoding) -> bytes:
    order = "<" if encoding.little else ">"
    numbers = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if not encoding.explicit:
        return numbers + struct.pack(order + "I", length)
    if vr in _LONG:
        return numbers + vr.encode() + bytes(2) + struct.pack(order + "I", length)
    return numbers + vr.encode() + struct.pack(order + "H", length)


def _item(tag: int, length: int, encoding: Encoding) -> bytes:
    return struct.pack(("<" if encoding.little else ">") + "HHI", tag >> 16, tag & 0xFFFF, length)


def _sequence(tag: int, items: Value, encoding: Encoding) -> bytes:
    assert isinstance(items, Sequence)
    pieces = []
    for item in items:
        assert isinstance(item, Mapping)
        body = encode(item, encoding)
        if encoding.undefined:
            pieces.append(_item(_ITEM, _UNDEFINED, encoding) + body + _item(_ITEM_END, 0, encoding))
        else:
            pieces.append(_item(_ITEM, len(body), encoding) + body)
    content = b"".join(pieces)
    if encoding.undefined:
        return _header(tag, "SQ", _UNDEFINED, encoding) + content + _item(_SEQUENCE_END, 0, encoding)
    return _header(tag, "SQ", len(content), encoding) + content


def _fragments(fragments: Fragments) -> bytes:
    little = Encoding()
    table = struct.pack(f"<{len(fragments.offset_table)}I", *fragments.offset_table)
    pieces = [_item(_ITEM, len(table), little), table]
    for fragment in fragments.items:
        even = fragment + bytes(len(fragment) % 2)
        pieces += [_item(_ITEM, len(even), little), even]
    return b"".join(pieces) + _item(_SEQUENCE_END, 0, little)


def _value(element: Element, encoding: Encoding) -> bytes:
    vr, value = element.vr, element.value
    if isinstance(value, bytes):
        return _pad(vr, value if encoding.little else _swap(value, _WORDS.get(vr, 1)))
    values: Sequence[Any] = [value] if isinstance(value, str | int | float) else list(value)  # type: ignore[arg-type]
    order = "<" if encoding.little else ">"
    if vr in _NUMBERS:
        return struct.pack(f"{order}{len(values)}{_NUMBERS[vr]}", *values)
    if vr == "AT":
        return b"".join(struct.pack(order + "HH", tag >> 16, tag & 0xFFFF) for tag in values)
    return _pad(vr, "\\".join(str(one) for one in values).encode(encoding.charset))


def _pad(vr: str, value: bytes) -> bytes:
    return value + (b"\0" if vr in _NUL_PADDED or vr.startswith("O") else b" ") * (len(value) % 2)


def _swap(value: bytes, size: int) -> bytes:
    if size == 1:
        return value
    swapped = bytearray(value)
    for index in range(size):
        swapped[index::size] = value[size - 1 - index :: size]
    return bytes(swapped)
