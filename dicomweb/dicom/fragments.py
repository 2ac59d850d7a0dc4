"""Encapsulated pixel data written: offset tables, and items around frames of known sizes (PS3.5 A.4)."""

from __future__ import annotations

import struct
from array import array
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from dicomweb.errors import InvalidDicom

ITEM_HEADER = struct.Struct("<HHI")
ITEM_TAG = b"\xfe\xff\x00\xe0"
_LONGEST_ITEM = 0xFFFFFFFE
_LARGEST_OFFSET = 0xFFFFFFFF
# A Basic Offset Table is one item, whose length has 32 bits too.
_MOST_FRAMES = _LARGEST_OFFSET // 4
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
    yield first_item(tables_of(lengths).basic if offset_table else b"")
    for index, length in enumerate(lengths):
        yield _header(length)
        yield from frame(index)
        if length % 2:
            yield b"\0"


def first_item(table: bytes) -> bytes:
    """The item of the Basic Offset Table, which may be empty."""
    return _header(len(table)) + table


def fragment(frame: bytes) -> bytes:
    """A frame as the one fragment that holds it. Raises InvalidDicom when none can."""
    return _header(len(frame)) + frame + bytes(len(frame) % 2)


def _header(length: int) -> bytes:
    if length > _LONGEST_ITEM:
        raise InvalidDicom("A compressed frame is longer than a fragment may be.")
    return ITEM_HEADER.pack(0xFFFE, 0xE000, length + length % 2)


def long_fragments(length: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """One stream without frames of its own, a video, in as few fragments as hold it (PS3.5 A.4.5)."""
    yield first_item(b"")
    left, held = length, b""
    while left:
        size = min(left, _LONGEST_ITEM)
        yield _header(size)
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
    tables = tables_of(lengths, extended=EXTENDED_OFFSETS in attributes)
    if not tables.offsets:
        changed.pop(EXTENDED_LENGTHS, None)
        return changed, True
    changed[EXTENDED_OFFSETS] = {"vr": "OV", "InlineBinary": b64encode(tables.offsets).decode()}
    changed[EXTENDED_LENGTHS] = {"vr": "OV", "InlineBinary": b64encode(tables.lengths).decode()}
    return changed, False


@dataclass(frozen=True, slots=True)
class OffsetTables:
    """basic: the value of the first item, empty where offsets or their number do not fit it; then
    offsets and lengths are the values of (7FE0,0001) and (7FE0,0002), else they are empty (C.7.6.3.1.8)."""

    basic: bytes
    offsets: bytes = b""
    lengths: bytes = b""


def tables_of(lengths: Iterable[int], *, extended: bool = False) -> OffsetTables:
    """The tables of frames of so many bytes, without their pad bytes. extended: the long ones in any case."""
    sizes = array("Q", lengths)
    spans = (ITEM_HEADER.size + size + size % 2 for size in sizes)
    offsets = array("Q", accumulate(spans, initial=0))[:-1]
    fit = len(sizes) <= _MOST_FRAMES and (not offsets or offsets[-1] <= _LARGEST_OFFSET)
    if fit and not extended:
        return OffsetTables(struct.pack(f"<{len(offsets)}I", *offsets))
    return OffsetTables(
        b"", struct.pack(f"<{len(offsets)}Q", *offsets), struct.pack(f"<{len(sizes)}Q", *sizes)
    )
