"""Values of one attribute as the DICOM JSON Model has them (PS3.18 annex F)."""

from __future__ import annotations

import math
import re
import struct
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import orjson

from dicomweb.dicom.charset import CharacterSet
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS, ValueRepresentation

# An attribute: {"vr": ..., "Value": [...]} or with InlineBinary or BulkDataURI.
Element = dict[str, Any]

_PADDING = " \0"
_INT64 = 1 << 63
# Beyond this a number does not survive a JSON reader that holds numbers as doubles (J-07).
_EXACT_DOUBLE = 1 << 53
_SHORT_INTEGER = 15
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class NotANumber(Exception):
    """A binary value holds NaN or an infinity, which JSON cannot say (J-09): give it as bulkdata."""


def element(vr: str, raw: bytes, charset: CharacterSet, *, little: bool = True) -> Element:
    """One attribute other than a sequence, from the bytes of its value field.

    Raises NotANumber for FL and FD that JSON cannot hold.
    """
    return _CONVERTERS[vr](raw, charset, little)


def binary(vr: str, raw: bytes) -> Element:
    """A byte string, little-endian already."""
    if not raw:
        return {"vr": vr}
    return {"vr": vr, "InlineBinary": b64encode(raw).decode("ascii")}


def little_endian(raw: bytes, word: int) -> bytes:
    """Big-endian units of `word` bytes turned round; a last, incomplete unit stays."""
    if word == 1:
        return raw
    whole = len(raw) - len(raw) % word
    turned = bytearray(raw)
    for index in range(word):
        turned[index:whole:word] = raw[word - 1 - index : whole : word]
    return bytes(turned)


def number_of(text: str) -> Any:
    """The text of one IS or DS value as JSON: a number wherever it is one (J-07), else the text (J-08).

    An orjson.Fragment keeps the digits as written where a Python number would lose them.
    """
    if len(text) <= _SHORT_INTEGER and text.isdigit() and text.isascii() and (text[0] != "0" or text == "0"):
        return int(text)
    if _DECIMAL.fullmatch(text) is None or not math.isfinite(value := float(text)):
        return text
    if repr(value) == text:
        return value
    if _JSON_NUMBER.fullmatch(text):
        digits = text.removeprefix("-")
        if len(digits) <= _SHORT_INTEGER and digits.isdigit() and digits != "0":
            return int(text)
        return orjson.Fragment(text)
    return int(value) if value.is_integer() and abs(value) < _EXACT_DOUBLE and "." not in text else value


_Converter = Callable[[bytes, CharacterSet, bool], Element]


def _strings(vr: str) -> _Converter:
    """Text that a backslash separates into values, in the default repertoire."""

    def convert(raw: bytes, _charset: CharacterSet, _little: bool) -> Element:
        return _values(vr, raw.decode("latin-1"))

    return convert


def _charset_strings(vr: str) -> _Converter:
    def convert(raw: bytes, charset: CharacterSet, _little: bool) -> Element:
        return _values(vr, charset.decode(raw))

    return convert


def _values(vr: str, text: str) -> Element:
    text = text.rstrip(_PADDING)
    if "\\" not in text:
        return {"vr": vr, "Value": [text]} if text else {"vr": vr}
    return _listed(vr, [value.rstrip(_PADDING) or None for value in text.split("\\")])


def _listed(vr: str, values: list[Any]) -> Element:
    """J-03, J-04: null for each empty value, nothing at all when every one is empty."""
    if values.count(None) == len(values):
        return {"vr": vr}
    return {"vr": vr, "Value": values}


def _texts(vr: str, *, in_charset: bool) -> _Converter:
    """Text of exactly one value, in which a backslash is data."""

    def convert(raw: bytes, charset: CharacterSet, _little: bool) -> Element:
        text = (charset.decode(raw) if in_charset else raw.decode("latin-1")).rstrip(_PADDING)
        return {"vr": vr, "Value": [text]} if text else {"vr": vr}

    return convert


def _uids(raw: bytes, _charset: CharacterSet, _little: bool) -> Element:
    text = raw.decode("latin-1").strip(_PADDING)
    if "\\" not in text:
        return {"vr": "UI", "Value": [text]} if text else {"vr": "UI"}
    return _listed("UI", [value.strip(_PADDING) or None for value in text.split("\\")])


def _decimals(vr: str) -> _Converter:
    def convert(raw: bytes, _charset: CharacterSet, _little: bool) -> Element:
        text = raw.decode("latin-1").strip(_PADDING)
        if "\\" not in text:
            return {"vr": vr, "Value": [number_of(text)]} if text else {"vr": vr}
        values = (value.strip(_PADDING) for value in text.split("\\"))
        return _listed(vr, [number_of(value) if value else None for value in values])

    return convert


_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def _names(raw: bytes, charset: CharacterSet, _little: bool) -> Element:
    text = charset.decode(raw, name=True).rstrip(_PADDING)
    if not text:
        return {"vr": "PN"}
    return _listed("PN", [_name(value) for value in text.split("\\")])


def _name(text: str) -> dict[str, str] | None:
    """The component groups that hold anything (J-05), each without trailing blanks."""
    if "=" not in text:
        text = text.rstrip(_PADDING)
        return {"Alphabetic": text} if text else None
    groups = (group.rstrip(_PADDING) for group in text.split("="))
    return {name: group for name, group in zip(_NAME_GROUPS, groups, strict=False) if group} or None


def _numbers(vr: ValueRepresentation) -> _Converter:
    name, size, code = vr.name, vr.word, vr.number
    single = {True: struct.Struct("<" + code), False: struct.Struct(">" + code)}
    real = code in "fd"
    wide = code in "qQ"

    def convert(raw: bytes, _charset: CharacterSet, little: bool) -> Element:
        if len(raw) == size:
            values = list(single[little].unpack(raw))
        elif not raw:
            return {"vr": name}
        elif len(raw) % size:
            return binary("UN", raw)  # not whole numbers: the bytes say more than a guess would
        else:
            values = list(struct.unpack(f"{'<' if little else '>'}{len(raw) // size}{code}", raw))
        if real and not all(map(math.isfinite, values)):
            raise NotANumber
        if wide:
            values = [value if abs(value) <= _EXACT_DOUBLE else str(value) for value in values]
        return {"vr": name, "Value": values}

    return convert


def _tags(raw: bytes, _charset: CharacterSet, little: bool) -> Element:
    if len(raw) % 4:
        return binary("UN", raw)
    if not raw:
        return {"vr": "AT"}
    halves = struct.unpack(f"{'<' if little else '>'}{len(raw) // 2}H", raw)
    return {"vr": "AT", "Value": [f"{g:04X}{e:04X}" for g, e in zip(halves[::2], halves[1::2], strict=True)]}


def _binaries(vr: ValueRepresentation) -> _Converter:
    name, word = vr.name, vr.word

    def convert(raw: bytes, _charset: CharacterSet, little: bool) -> Element:
        return binary(name, raw if little else little_endian(raw, word))

    return convert


def _converter(vr: ValueRepresentation) -> _Converter:
    if vr.number:
        return _numbers(vr)
    if vr.binary:
        return _binaries(vr)
    if vr.single:
        return _texts(vr.name, in_charset=vr.charset)
    return _charset_strings(vr.name) if vr.charset else _strings(vr.name)


_CONVERTERS: dict[str, _Converter] = {
    **{name: _converter(vr) for name, vr in VALUE_REPRESENTATIONS.items()},
    "UI": _uids,
    "PN": _names,
    "AT": _tags,
    "IS": _decimals("IS"),
    "DS": _decimals("DS"),
}
