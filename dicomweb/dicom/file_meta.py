"""File Meta Information, group 2, read leniently and written right (PS3.10 7.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from dicomweb.dicom.dictionary import vr_of
from dicomweb.dicom.uid import trim_uid
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.dicom.window import Window
from dicomweb.errors import InvalidDicom

# Who wrote the file, where the file does not say (PS3.10 7.1, PS3.7 D.3.3.2).
IMPLEMENTATION_CLASS_UID = "2.25.205386419253747268412935276843116475092"
IMPLEMENTATION_VERSION_NAME = "DICOMWEB_ARCHIVE"

_GROUP_LENGTH, _VERSION = 0x00020000, 0x00020001
_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX = 0x00020002, 0x00020003, 0x00020010
_IMPLEMENTATION, _IMPLEMENTATION_VERSION = 0x00020012, 0x00020013
# Longest value kept, and of all values together: private information (0002,0102) is what may be long.
_LONGEST = 1 << 20
_SHORT_VRS = frozenset(vr.name.encode() for vr in VALUE_REPRESENTATIONS.values() if not vr.long)
_LONG_VRS = frozenset(vr.name.encode() for vr in VALUE_REPRESENTATIONS.values() if vr.long)


@dataclass(slots=True)
class FileMeta:
    """Group 2 as received: tag -> (VR, value)."""

    elements: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    def uid(self, tag: int) -> str:
        """A UID without padding, empty when it is absent."""
        return trim_uid(self.elements.get(tag, (b"UI", b""))[1].decode("latin-1"))

    @property
    def transfer_syntax_uid(self) -> str:
        """As claimed; empty when absent."""
        return self.uid(_TRANSFER_SYNTAX)

    def written(self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
        """Group 2 in Explicit VR Little Endian with its length right, true to the data set (P-01)."""
        elements = dict(self.elements)
        elements[_VERSION] = (b"OB", b"\x00\x01")
        elements[_SOP_CLASS] = (b"UI", _padded(sop_class_uid))
        elements[_SOP_INSTANCE] = (b"UI", _padded(sop_instance_uid))
        elements[_TRANSFER_SYNTAX] = (b"UI", _padded(transfer_syntax_uid))
        if not elements.get(_IMPLEMENTATION, (b"", b""))[1]:
            elements[_IMPLEMENTATION] = (b"UI", _padded(IMPLEMENTATION_CLASS_UID))
            elements[_IMPLEMENTATION_VERSION] = (b"SH", IMPLEMENTATION_VERSION_NAME.encode())
        elements.pop(_GROUP_LENGTH, None)
        body = b"".join(_written(tag, *elements[tag]) for tag in sorted(elements))
        return struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body


def _padded(uid: str) -> bytes:
    return uid.encode("ascii") + b"\0" * (len(uid) % 2)


def _written(tag: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr in (b"UI", b"OB", b"UN") else b" ") * (len(value) % 2)
    if vr in _LONG_VRS:
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def read_file_meta(window: Window) -> FileMeta:
    """Read elements as long as they are of group 2, whatever the group length says.

    Implicit VR, VRs that are none, and duplicates are taken as well as they can be.
    Raises InvalidDicom, CutOff.
    """
    meta, held = FileMeta(), 0
    while window.available(8):
        group, number = struct.unpack_from("<HH", window.data, window.position)
        if group != 2:
            break
        tag = group << 16 | number
        vr, length = _header(window, tag)
        held += length
        if held > _LONGEST:
            window.skip(length)  # a cut-off object is called so
            raise InvalidDicom("The File Meta Information is too long.")
        meta.elements[tag] = (vr, window.take(length))
    return meta


def _header(window: Window, tag: int) -> tuple[bytes, int]:
    """VR and length of the element at hand, the window moved to its value."""
    data, i = window.data, window.position
    stated = data[i + 4 : i + 6]
    vr = (vr_of(tag) or "UN").encode()
    if stated in _SHORT_VRS or (stated not in _LONG_VRS and _seems_short(data, i, vr)):
        window.position = i + 8
        (short,) = struct.unpack_from("<H", data, i + 6)
        return (stated if stated in _SHORT_VRS else vr), short
    if stated in _LONG_VRS or stated.isalpha():
        window.require(12)
        (length,) = struct.unpack_from("<I", window.data, window.position + 8)
        window.position += 12
        return (stated if stated in _LONG_VRS else vr), length
    window.position = i + 8
    (length,) = struct.unpack_from("<I", data, i + 4)
    return vr, length


def _seems_short(data: bytes, i: int, vr: bytes) -> bool:
    """A garbled VR before a 16-bit length, rather than the 32-bit length of Implicit VR."""
    return vr in _SHORT_VRS and data[i + 6 : i + 8] != b"\0\0"
