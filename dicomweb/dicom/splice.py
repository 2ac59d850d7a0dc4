"""Some top-level elements of an Explicit VR Little Endian data set changed, all others copied in runs."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from dicomweb.dicom.dictionary import vr_of
from dicomweb.dicom.element import UNDEFINED_LENGTH, explicit_element
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS

_SHORT = struct.Struct("<HH2sH")
_LONG_LENGTH = struct.Struct("<I")
_FIRST_OF_DATA_SETS = 0x00080000
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEM_HEADER = struct.Struct("<HHI")
# VR -> whether its length has 32 bits.
_VRS = {name.encode(): vr.long for name, vr in VALUE_REPRESENTATIONS.items()}
_DEEPEST = 32


class _Odd(Exception):
    """Something that only the walker of explicit.py reads as store read it."""


def spliced(elements: bytes, changes: Mapping[str, bytes | None]) -> bytes | None:
    """The elements, those of `changes` (explicit.explicit_elements) replaced, put in or left out.

    None where anything is odd: then explicit_elements is to be asked. Group lengths are left out; sequences
    stay as they are, since nothing in them changes.
    """
    try:
        return _spliced(elements, {int(tag, 16): value for tag, value in changes.items()})
    except (_Odd, struct.error):
        return None


def _spliced(data: bytes, changes: Mapping[int, bytes | None]) -> bytes:
    waiting = sorted(tag for tag, value in changes.items() if value is not None)
    pieces: list[bytes] = []
    copied = position = before = 0  # of what stands before `copied`, all is in the pieces
    while position < len(data):
        tag, end = _element(data, position, 0)
        if tag <= before or tag < _FIRST_OF_DATA_SETS:
            raise _Odd
        before = tag
        if waiting and waiting[0] <= tag:
            pieces.append(data[copied:position])
            copied = position
            while waiting and waiting[0] <= tag:
                pieces.append(_written(waiting.pop(0), changes))
        if tag in changes or not tag & 0xFFFF:
            pieces.append(data[copied:position])
            copied = end
        position = end
    pieces.append(data[copied:])
    pieces += [_written(tag, changes) for tag in waiting]
    return b"".join(pieces)


def _written(tag: int, changes: Mapping[int, bytes | None]) -> bytes:
    vr, value = vr_of(tag) or "", changes[tag]
    if len(vr) != 2 or value is None:  # a choice of several
        raise _Odd
    return explicit_element(tag, vr, value)


def _element(data: bytes, position: int, depth: int) -> tuple[int, int]:
    """Tag of the element at this place, and the place behind it."""
    group, number, vr, length = _SHORT.unpack_from(data, position)
    long = _VRS.get(vr)
    if long is None or (vr == b"UN" and depth):
        raise _Odd
    begin = position + 8
    if long:
        (length,) = _LONG_LENGTH.unpack_from(data, begin)
        begin += 4
    if length == UNDEFINED_LENGTH:
        if vr != b"SQ":
            raise _Odd
        return group << 16 | number, _end_of_sequence(data, begin, depth + 1)
    if length & 1 or begin + length > len(data):
        raise _Odd
    return group << 16 | number, begin + length


def _end_of_sequence(data: bytes, position: int, depth: int) -> int:
    """The place behind the delimiter of a sequence of undefined length."""
    if depth > _DEEPEST:
        raise _Odd
    while True:
        tag, length = _item_header(data, position)
        position += 8
        if tag == _SEQUENCE_END and not length:
            return position
        if tag != _ITEM:
            raise _Odd
        position = position + length if length != UNDEFINED_LENGTH else _end_of_item(data, position, depth)


def _end_of_item(data: bytes, position: int, depth: int) -> int:
    while _item_header(data, position) != (_ITEM_END, 0):
        _, position = _element(data, position, depth)
    return position + 8


def _item_header(data: bytes, position: int) -> tuple[int, int]:
    group, number, length = _ITEM_HEADER.unpack_from(data, position)
    return group << 16 | number, length
