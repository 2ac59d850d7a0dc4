"""One data element written in Explicit VR Little Endian (PS3.5 7.1.2)."""

from __future__ import annotations

import struct

from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS

UNDEFINED_LENGTH = 0xFFFFFFFF

_LONG = frozenset(name for name, vr in VALUE_REPRESENTATIONS.items() if vr.long)
_NUL_PADDED = frozenset(name for name, vr in VALUE_REPRESENTATIONS.items() if vr.binary or vr.number) | {"UI"}
# Longest value of a 16-bit length field; even, as every length is.
_LONGEST_SHORT = 0xFFFE
_SHORT_HEADER = struct.Struct("<HH2sH")
_LONG_HEADER = struct.Struct("<HH2sHI")


def explicit_element(tag: int, vr: str, value: bytes) -> bytes:
    """One element in Explicit VR Little Endian; the value is little endian and gets its padding here."""
    return element_header(tag, vr, len(value)) + value + padding(vr, len(value))


def element_header(tag: int, vr: str, length: int) -> bytes:
    """Tag, VR and length, evened out. What does not fit a 16-bit length is written as UN (W-14)."""
    length += length & 1 if length != UNDEFINED_LENGTH else 0
    group, number = tag >> 16, tag & 0xFFFF
    if vr not in _LONG:
        if length <= _LONGEST_SHORT:
            return _SHORT_HEADER.pack(group, number, vr.encode(), length)
        vr = "UN"
    return _LONG_HEADER.pack(group, number, vr.encode(), 0, length)


def padding(vr: str, length: int) -> bytes:
    """What makes a value of this length even (PS3.5 6.2)."""
    if not length & 1:
        return b""
    return b"\0" if vr in _NUL_PADDED else b" "
