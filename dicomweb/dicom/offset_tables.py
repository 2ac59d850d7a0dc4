"""Offset tables of encapsulated pixel data that is written here: one fragment a frame (PS3.5 A.4)."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

ITEM_HEADER = struct.Struct("<HHI")
_LONGEST = 0xFFFF_FFFF
# A Basic Offset Table is one item, whose length has 32 bits too.
_MOST_FRAMES = _LONGEST // 4


@dataclass(frozen=True, slots=True)
class OffsetTables:
    """basic: the value of the first item, empty where offsets or their number do not fit it; then
    offsets and lengths are the values of (7FE0,0001) and (7FE0,0002), else they are empty (C.7.6.3.1.8)."""

    basic: bytes
    offsets: bytes = b""
    lengths: bytes = b""


def offset_tables(lengths: Iterable[int]) -> OffsetTables:
    """The tables of frames of so many bytes, without their pad bytes."""
    sizes = array("Q", lengths)
    spans = (ITEM_HEADER.size + size + size % 2 for size in sizes)
    offsets = array("Q", accumulate(spans, initial=0))[:-1]
    if len(sizes) <= _MOST_FRAMES and (not offsets or offsets[-1] <= _LONGEST):
        return OffsetTables(struct.pack(f"<{len(offsets)}I", *offsets))
    return OffsetTables(
        b"", struct.pack(f"<{len(offsets)}Q", *offsets), struct.pack(f"<{len(sizes)}Q", *sizes)
    )


def fragment(frame: bytes) -> bytes:
    """A frame as the one fragment that holds it."""
    pad = len(frame) % 2
    return ITEM_HEADER.pack(0xFFFE, 0xE000, len(frame) + pad) + frame + bytes(pad)
