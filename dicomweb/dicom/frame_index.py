"""Where each frame of encapsulated pixel data lies (PS3.5 A.4): fixed-width entries, one a frame."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# offset (bytes), span (bytes), fragments: 20 bytes a frame, so that entry n is at 20 * n.
_ENTRY = struct.Struct("<QQI")
ENTRY_SIZE = _ENTRY.size
_ITEM_HEADER_SIZE = 8


@dataclass(frozen=True, slots=True)
class EncapsulatedFrame:
    """One frame: `span` bytes from the first byte of its first fragment's value to the end of its last one.

    With several fragments the span holds the 8-byte item headers between them, which `join` removes.
    """

    offset: int
    span: int
    fragments: int

    @property
    def length(self) -> int:
        """Bytes of the joined codestream."""
        return self.span - _ITEM_HEADER_SIZE * (self.fragments - 1)

    def pack(self) -> bytes:
        """The entry as the catalog keeps it."""
        return _ENTRY.pack(self.offset, self.span, self.fragments)


def unpack(entries: bytes) -> Iterator[EncapsulatedFrame]:
    """Read catalog entries back."""
    for offset, span, fragments in _ENTRY.iter_unpack(entries):
        yield EncapsulatedFrame(offset, span, fragments)
