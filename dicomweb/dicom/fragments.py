"""Encapsulated pixel data written: offset tables, and items around frames of known sizes (PS3.5 A.4)."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from dicomweb.errors import InvalidDicom

_ITEM = struct.Struct("<HHI")
ITEM_TAG = b"\xfe\xff\x00\xe0"
_LONGEST_ITEM = 0xFFFFFFFE
_LARGEST_OFFSET = 0xFFFFFFFF
EXTENDED_OFFSETS, EXTENDED_LENGTHS, TOTAL_LENGTH = "7FE00001", "7FE00002", "7FE00003"

Attributes = dict[str, Any]


def fragments(
    lengths: Sequence[int], frame: Callable[[int], Iterator[bytes]], *, offset_table: bool
) -> Iterator[bytes]:
    """The items from the Basic Offset Table to the last fragment: one fragment a frame.

    lengths: bytes of each frame. frame: the chunks of the frame at this index.
    offset_table: whether the Basic Offset Table is filled in (see `offset_tables`).
    Raises InvalidDicom for a frame that no fragment can hold.
    """
    table = struct.pack(f"<{len(lengths)}I", *_offsets(lengths)) if offset_table else b""
    yield _ITEM.pack(0xFFFE, 0xE000, len(table)) + table
    for index, length in enumerate(lengths):
        if length > _LONGEST_ITEM:
            raise InvalidDicom("A compressed frame is longer than a fragment may be.")
        yield _ITEM.pack(0xFFFE, 0xE000, length + length % 2)
        yield from frame(index)
        if length % 2:
            yield b"\0"


def long_fragments(length: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """One stream without frames of its own, a video, in as few fragments as hold it (PS3.5 A.4.5)."""
    yield _ITEM.pack(0xFFFE, 0xE000, 0)
    left, held = length, b""
    while left:
        size = min(left, _LONGEST_ITEM)
        yield _ITEM.pack(0xFFFE, 0xE000, size + size % 2)
        wanted = size
        while wanted:
            held = held or next(chunks)
            yield held[:wanted]
            piece = len(held[:wanted])
            held, wanted = held[piece:], wanted - piece
        yield b"\0" * (size % 2)
        left -= size


def offset_tables(attributes: Attributes, lengths: Sequence[int]) -> tuple[Attributes, bool]:
    """The attributes around frames of these sizes, and whether the Basic Offset Table is to be filled in.

    A sender's Extended Offset Table is of the fragments that it had, so it is made anew; where offsets need
    more than 32 bits there is one in any case (PS3.3 C.7.6.3.1.8). The total length likewise.
    """
    changed = dict(attributes)
    if TOTAL_LENGTH in attributes:
        changed[TOTAL_LENGTH] = {"vr": "UV", "Value": [sum(lengths)]}
    offsets = _offsets(lengths)
    if offsets[-1] <= _LARGEST_OFFSET and EXTENDED_OFFSETS not in attributes:
        changed.pop(EXTENDED_LENGTHS, None)
        return changed, True
    changed[EXTENDED_OFFSETS] = _table(offsets)
    changed[EXTENDED_LENGTHS] = _table(lengths)
    return changed, False


def _offsets(lengths: Sequence[int]) -> list[int]:
    """Offset of each frame's item from the first item after the table."""
    return list(accumulate((_ITEM.size + length + length % 2 for length in lengths[:-1]), initial=0))


def _table(numbers: Sequence[int]) -> Attributes:
    return {"vr": "OV", "InlineBinary": b64encode(struct.pack(f"<{len(numbers)}Q", *numbers)).decode()}
