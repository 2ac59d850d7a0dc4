"""How many connections each worker has, in memory that all of them share (accepting.py).

Apart from what accepts, for the parent makes it: that stays small by not importing asyncio.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass

_SLOT_BYTES = 4


class Counts:
    """How many connections each worker has. A slot holds one more than that, and 0 where nobody accepts."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.slots = memoryview(mmap.mmap(descriptor, 0)).cast("I")

    @classmethod
    def make(cls, workers: int) -> Counts:
        """For as many; our children map the same memory by its descriptor."""
        descriptor = _anonymous_file()
        os.ftruncate(descriptor, workers * _SLOT_BYTES)
        return cls(descriptor)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("dicomweb-connections")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@dataclass(frozen=True, slots=True)
class Place:
    """One worker's slot among all."""

    counts: Counts
    index: int

    def tell(self, connections: int) -> None:
        self.counts.slots[self.index] = connections + 1

    def clear(self) -> None:
        """Nobody accepts here: the others need not wait."""
        self.counts.slots[self.index] = 0

    def fewest_elsewhere(self) -> int | None:
        """Connections of the worker that has fewest; None when no other one accepts."""
        others = [slot - 1 for index, slot in enumerate(self.counts.slots) if slot and index != self.index]
        return min(others, default=None)
