"""Where each frame of encapsulated pixel data lies (PS3.5 A.4): fixed-width entries, one a frame."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from dicomweb.dicom.encapsulation import Fragments

# offset (bytes), span (bytes), fragments: 20 bytes a frame, so that entry n is at 20 * n.
_ENTRY = struct.Struct("<QQI")
ENTRY_SIZE = _ENTRY.size
_ITEM_HEADER_SIZE = 8


@dataclass(frozen=True, slots=True)
class EncapsulatedFrame:
    """One frame: `span` bytes from the first byte of its first fragment's value to the end of its last one.

    With several fragments the span holds the 8-byte item headers between them, which FragmentReader
    takes out.
    """

    offset: int
    span: int
    fragments: int

    @property
    def length(self) -> int:
        """Bytes of the joined codestream."""
        return self.span - _ITEM_HEADER_SIZE * (self.fragments - 1)

    @property
    def items(self) -> tuple[int, int]:
        """Offset and length of its items: the header of the first one stands before the span."""
        return self.offset - _ITEM_HEADER_SIZE, self.span + _ITEM_HEADER_SIZE

    def pack(self) -> bytes:
        """The entry as the catalog keeps it."""
        return _ENTRY.pack(self.offset, self.span, self.fragments)


def unpack(entries: bytes) -> Iterator[EncapsulatedFrame]:
    """Read catalog entries back."""
    for offset, span, fragments in _ENTRY.iter_unpack(entries):
        yield EncapsulatedFrame(offset, span, fragments)


def frame_entries(fragments: Fragments, *, frames: int, extended: tuple[bytes, bytes] | None = None) -> bytes:
    """Which fragments make which frame (PS3.5 A.4, P-08..P-10), as packed entries.

    frames: Number of Frames as stated. extended: Extended Offset Table and its lengths, where present.
    More or fewer entries than `frames` are those of the frames that could be told apart.
    """
    if not fragments.offsets:
        return b""
    if extended is not None and (found := _by_extended_table(fragments, *extended, frames)):
        return found
    if (starts := _table_starts(fragments)) and len(starts) == frames:
        return _grouped(fragments, starts)
    count = len(fragments.offsets)
    if frames == 1:
        return _grouped(fragments, [0])
    if count == frames:
        return _grouped(fragments, range(count))
    return _grouped(fragments, _marked_starts(fragments, frames) or starts or range(count))


def _by_extended_table(fragments: Fragments, offsets: bytes, lengths: bytes, frames: int) -> bytes:
    """One fragment a frame, with lengths that leave its padding out (PS3.3 C.7.6.3.1.8); empty if it does
    not fit."""
    entries = bytearray()
    if len(offsets) != len(lengths) or len(offsets) != 8 * frames:
        return b""
    for (offset,), (length,) in zip(
        struct.iter_unpack("<Q", offsets), struct.iter_unpack("<Q", lengths), strict=True
    ):
        index = _fragment_at(fragments, offset)
        if index < 0 or length > fragments.lengths[index]:
            return b""
        entries += _ENTRY.pack(fragments.offsets[index], length, 1)
    return bytes(entries)


def _fragment_at(fragments: Fragments, offset: int) -> int:
    """Index of the fragment whose item lies at this offset of an offset table, -1 for none."""
    place = fragments.items_offset + offset + _ITEM_HEADER_SIZE
    index = bisect_left(fragments.offsets, place)
    return index if index < len(fragments.offsets) and fragments.offsets[index] == place else -1


def _table_starts(fragments: Fragments) -> Sequence[int]:
    """Index of each frame's first fragment by the Basic Offset Table; empty where it does not fit."""
    table = fragments.table[: len(fragments.table) // 4 * 4]
    starts = array("q", (_fragment_at(fragments, offset) for (offset,) in struct.iter_unpack("<I", table)))
    ascending = all(before < after for before, after in pairwise(starts))
    return starts if starts and starts[0] == 0 and ascending else ()


def _marked_starts(fragments: Fragments, frames: int) -> list[int]:
    """First fragments by the marks of codestreams: where one begins or, failing that, after one has ended."""
    begun = [index for index, mark in enumerate(fragments.starts) if mark]
    if len(begun) == frames and begun[0] == 0:
        return begun
    ended = [0, *(index + 1 for index, mark in enumerate(fragments.ends[:-1]) if mark)]
    if len(ended) == frames:
        return ended
    return begun if begun and begun[0] == 0 else []


def _grouped(fragments: Fragments, starts: Sequence[int]) -> bytes:
    entries = bytearray()
    offsets, lengths = fragments.offsets, fragments.lengths
    for start, after in pairwise(chain(starts, [len(offsets)])):
        span = offsets[after - 1] + lengths[after - 1] - offsets[start]
        entries += _ENTRY.pack(offsets[start], span, after - start)
    return bytes(entries)
