"""Elements encoded by hand, for data sets that no sane writer makes."""

from __future__ import annotations

import struct

UNDEFINED = 0xFFFFFFFF
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")


def explicit(
    tag: int, vr: bytes, value: bytes = b"", *, length: int | None = None, order: str = "<"
) -> bytes:
    """One element in Explicit VR; length says something other than the value's own."""
    size = len(value) if length is None else length
    if vr in _LONG:
        return struct.pack(f"{order}HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, size) + value
    return struct.pack(f"{order}HH2sH", tag >> 16, tag & 0xFFFF, vr, size) + value


def implicit(tag: int, value: bytes = b"", *, length: int | None = None) -> bytes:
    """One element in Implicit VR Little Endian."""
    size = len(value) if length is None else length
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, size) + value


def item(value: bytes = b"", *, defined: bool = True) -> bytes:
    """An item of a sequence, or a fragment."""
    if defined:
        return implicit(0xFFFEE000, value)
    return implicit(0xFFFEE000, value, length=UNDEFINED) + implicit(0xFFFEE00D)


END = implicit(0xFFFEE0DD)
"""Sequence Delimitation Item."""

_UIDS = (
    (0x00080016, b"1.2.840.10008.5.1.4.1.1.7\0"),
    (0x00080018, b"1.2.3\0"),
    (0x0020000D, b"1.2.4\0"),
    (0x0020000E, b"1.2.5\0"),
)


def head(transfer_syntax_uid: bytes) -> bytes:
    """Preamble and File Meta Information."""
    stated = explicit(0x00020010, b"UI", transfer_syntax_uid)
    return bytes(128) + b"DICM" + explicit(0x00020000, b"UL", struct.pack("<I", len(stated))) + stated


START = head(b"1.2.840.10008.1.2.1\0") + b"".join(explicit(tag, b"UI", uid) for tag, uid in _UIDS)
"""What every object begins with, in Explicit VR Little Endian."""

IMPLICIT_START = head(b"1.2.840.10008.1.2\0") + b"".join(implicit(tag, uid) for tag, uid in _UIDS)
"""In Implicit VR Little Endian."""

BIG_ENDIAN_START = head(b"1.2.840.10008.1.2.2\0") + b"".join(
    explicit(tag, b"UI", uid, order=">") for tag, uid in _UIDS
)
"""In Explicit VR Big Endian."""
