"""What the first bytes of a file tell: whether it is DICOM at all, and which instance it says it holds.

Only a hint, to skip what is no DICOM and what is stored already; what is stored is decided by the scan.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# Group 2 is a few hundred bytes; one that is longer only costs the hint.
HEAD_BYTES = 4096
_PREAMBLE = 128
_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
# VRs with two reserved bytes and a 32-bit length (PS3.5 7.1.2).
_LONG_VRS = frozenset(
    {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)


@dataclass(frozen=True, slots=True)
class FileHead:
    """What group 2 says; empty without one. dataset_offset: 0 when the head does not tell."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    transfer_syntax_uid: str = ""
    dataset_offset: int = 0

    @property
    def is_directory(self) -> bool:
        """A DICOMDIR: an index of other files, no instance to store."""
        return self.sop_class_uid == _MEDIA_STORAGE_DIRECTORY


def read_head(head: bytes) -> FileHead | None:
    """The head of a DICOM file, or None for anything else. head: its first HEAD_BYTES."""
    if head[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return _read_meta(head, _PREAMBLE + 4)
    if _begins_like_elements(head):
        return _read_meta(head, 0)
    return None


def _begins_like_elements(head: bytes) -> bool:
    """Whether a file without preamble begins with an element of group 2 or 8, in any byte order."""
    if len(head) < 8 or head[:4] == b"\0\0\0\0":
        return False
    little, big = struct.unpack_from("<HH", head), struct.unpack_from(">HH", head)
    if not any(group in (2, 8) and element < 0x1200 for group, element in (little, big)):
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    length = struct.unpack_from("<I" if little[0] in (2, 8) else ">I", head, 4)[0]
    return explicit or length < 0x10000


def _read_meta(head: bytes, position: int) -> FileHead:
    values: dict[int, str] = {}
    while position + 8 <= len(head):
        group, element, vr, length = struct.unpack_from("<HH2sH", head, position)
        if group != 2:
            return _file_head(values, position)
        position += 8
        if vr in _LONG_VRS:
            if position + 4 > len(head):
                break
            length = struct.unpack_from("<I", head, position)[0]
            position += 4
        values[element] = head[position : position + length].decode("latin-1").strip("\0 ")
        position += length
    return _file_head(values, 0)


def _file_head(values: dict[int, str], dataset_offset: int) -> FileHead:
    return FileHead(values.get(2, ""), values.get(3, ""), values.get(0x10, ""), dataset_offset)
