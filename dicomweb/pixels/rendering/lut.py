"""Lookup tables of data sets: Modality, VOI, Presentation and Palette Color (PS3.3 C.11.1, C.7.6.3.1.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomweb.pixels.rendering.values import Values

LUT_DESCRIPTOR, LUT_DATA = "00283002", "00283006"
_MOST_ENTRIES = 1 << 16


@dataclass(frozen=True, slots=True)
class LookupTable:
    """entries: output by input - first; inputs outside take the nearest entry. bits: of an output value."""

    first: int
    entries: NDArray[np.uint16]
    bits: int

    def __call__(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """Outputs for values; fractions are cut off."""
        index = np.clip(np.nan_to_num(values) - float(self.first), 0, len(self.entries) - 1)
        outputs: NDArray[np.uint16] = self.entries[index.astype(np.int64)]
        return outputs

    @property
    def full_scale(self) -> int:
        """The output that is white.

        Some writers put 12-bit entries under a descriptor of 16 bits, which would give a black picture, or
        entries beyond the descriptor's bits.
        """
        largest, stated = int(self.entries.max(initial=0)), (1 << self.bits) - 1
        return largest if largest and (largest > stated or largest * 8 < stated) else stated


def lookup_table(
    values: Values, descriptor: str = LUT_DESCRIPTOR, data: str = LUT_DATA, *, signed: bool = False
) -> LookupTable | None:
    """The table of a LUT item; None where it is missing or makes no sense.

    signed: inputs may be below zero, so a first input from 32768 on is a negative one whose VR was lost.
    """
    described = _described(values, descriptor, signed=signed)
    raw = values.data(data)
    if described is None:
        return None
    count, first, bits = described
    entries = _entries(raw, count, bits)
    return LookupTable(first, entries, bits) if entries.size else None


def segmented_table(
    values: Values, descriptor: str, data: str, *, signed: bool = False
) -> LookupTable | None:
    """The table of a Segmented Palette Color Lookup Table (C.7.9.2)."""
    described = _described(values, descriptor, signed=signed)
    raw = values.data(data)
    if described is None or not raw:
        return None
    count, first, bits = described
    words = np.frombuffer(raw, np.uint8) if bits == 8 else np.frombuffer(raw[: len(raw) & ~1], "<u2")
    expanded = _expanded([int(word) for word in words[: 8 * _MOST_ENTRIES]], count, bits)
    return LookupTable(first, _whole(np.array(expanded, np.uint16), count), bits) if expanded else None


def _described(values: Values, descriptor: str, *, signed: bool) -> tuple[int, int, int] | None:
    """(entries, first input, bits) of a descriptor."""
    numbers = [int(number) for number in values.numbers(descriptor)]
    if len(numbers) != 3:
        return None
    count, first, bits = numbers
    if signed and first > 0x7FFF:
        first -= 0x10000
    # Negative counts are 16-bit numbers that were read as signed; 0 means 65536.
    return (count & 0xFFFF) or _MOST_ENTRIES, first, min(max(bits, 8), 16)


def _entries(raw: bytes, count: int, bits: int) -> NDArray[np.uint16]:
    """8-bit entries lie one a byte or, by many writers, one a word."""
    if bits == 8 and len(raw) < 2 * count:
        return _whole(np.frombuffer(raw, np.uint8)[:count].astype(np.uint16), count)
    return _whole(np.frombuffer(raw[: len(raw) & ~1], "<u2")[:count].astype(np.uint16), count)


def _whole(entries: NDArray[np.uint16], count: int) -> NDArray[np.uint16]:
    """A table that is cut short goes on with its last entry."""
    return np.pad(entries, (0, count - len(entries)), mode="edge") if 0 < len(entries) < count else entries


_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2


def _expanded(words: list[int], count: int, bits: int) -> list[int]:
    """Entries of a segmented table, no more than count (C.7.9.2.1). words: of so many bits."""
    entries: list[int] = []
    position = 0
    while position + 1 < len(words) and len(entries) < count:
        if words[position] == _INDIRECT:
            position = _copy_segments(words, position, entries, count, bits)
        else:
            position = _segment(words, position, entries)
    return entries[:count]


def _segment(words: list[int], position: int, entries: list[int]) -> int:
    """Append one discrete or linear segment; gives the place after it, the end for anything else."""
    kind, length = words[position : position + 2]
    if kind == _DISCRETE:
        entries.extend(words[position + 2 : position + 2 + length])
        return position + 2 + length
    if kind == _LINEAR and position + 2 < len(words):
        start, end = entries[-1] if entries else 0, words[position + 2]
        entries.extend(round(start + (end - start) * step / length) for step in range(1, length + 1))
        return position + 3
    return len(words)


def _copy_segments(words: list[int], position: int, entries: list[int], count: int, bits: int) -> int:
    """An indirect segment: so many earlier segments, from a byte offset on, expanded again.

    The offset is 32 bits, in two words or four. A segment that would add nothing ends it.
    """
    size = bits // 8 if bits in (8, 16) else 2
    after = position + 2 + 4 // size
    parts = words[position + 2 : after]
    place = sum(part << (8 * size * index) for index, part in enumerate(parts)) // size
    for _ in range(words[position + 1]):
        if place + 1 >= len(words) or words[place] == _INDIRECT or not words[place + 1]:
            break
        if len(entries) >= count:
            break
        place = _segment(words, place, entries)
    return after
