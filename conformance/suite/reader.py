"""A strict reader of what the server sends: Part 10 files in little-endian encodings (PS3.10 7, PS3.5 7)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from conformance.suite.check import Failed, expect
from conformance.suite.part10 import DEFLATED, IMPLICIT

_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_KNOWN = _LONG | {
    b"AE",
    b"AS",
    b"AT",
    b"CS",
    b"DA",
    b"DS",
    b"DT",
    b"FD",
    b"FL",
    b"IS",
    b"LO",
    b"LT",
    b"PN",
    b"SH",
    b"SL",
    b"SS",
    b"ST",
    b"TM",
    b"UI",
    b"UL",
    b"US",
}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Read:
    """One element read. Of value, items and fragments only one is set."""

    vr: str
    value: bytes = b""
    items: tuple[dict[int, Read], ...] | None = None
    fragments: tuple[bytes, ...] | None = None

    @property
    def text(self) -> str:
        """A text value without its padding."""
        return self.value.decode("latin-1").rstrip(" \0")

    @property
    def number(self) -> int:
        """An unsigned value of 16 or 32 bits."""
        return int.from_bytes(self.value, "little")


@dataclass(frozen=True, slots=True)
class File:
    """A Part 10 file. dataset: its bytes as sent (still deflated where the syntax says so)."""

    preamble: bytes
    meta: dict[int, Read]
    dataset: bytes

    @property
    def transfer_syntax_uid(self) -> str:
        return self.meta[0x00020010].text

    def elements(self) -> dict[int, Read]:
        """The data set, parsed."""
        syntax = self.transfer_syntax_uid
        body = zlib.decompressobj(-15).decompress(self.dataset) if syntax == DEFLATED else self.dataset
        reader = _Reader(body, explicit=syntax != IMPLICIT)
        return reader.elements(len(body))


def read_file(data: bytes) -> File:
    """Parse preamble and group 2; fail on a group length, an order or an element that PS3.10 7.1 forbids."""
    expect(data[128:132] == b"DICM", "no DICM after 128 bytes")
    expect(data[132:140] == b"\x02\0\0\0UL\x04\0", "group 2 does not begin with its length (0002,0000)")
    length = struct.unpack("<I", data[140:144])[0]
    end = 144 + length
    reader = _Reader(data[144:end], explicit=True)
    meta = reader.elements(length)
    expect(all(tag >> 16 == 2 for tag in meta), "group length (0002,0000) reaches beyond group 2")
    expect(data[end : end + 2] != b"\x02\0", "group length (0002,0000) ends within group 2")
    for tag in (0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012):
        expect(tag in meta, f"file meta lacks ({tag >> 16:04X},{tag & 0xFFFF:04X})")
    return File(data[:128], meta, data[end:])


class _Reader:
    """Walks one little-endian byte string."""

    def __init__(self, data: bytes, *, explicit: bool) -> None:
        self.data = data
        self.position = 0
        self.explicit = explicit

    def elements(self, end: int, *, delimited: bool = False) -> dict[int, Read]:
        found: dict[int, Read] = {}
        last = -1
        while self.position < end:
            tag = self._tag()
            if tag == _ITEM_END and delimited:
                self._take(4)
                return found
            expect(tag > last, f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is out of order")
            last = tag
            found[tag] = self._element(tag)
        expect(self.position == end and not delimited, "an element runs beyond its item or data set")
        return found

    def _element(self, tag: int) -> Read:
        vr, length = self._vr_and_length()
        if vr == b"SQ" or (length == _UNDEFINED and tag != 0x7FE00010):
            explicit, self.explicit = self.explicit, self.explicit and vr != b"UN"  # PS3.5 6.2.2 note 4
            items = self._items(length)
            self.explicit = explicit
            return Read("SQ", items=items)
        if length == _UNDEFINED:
            return Read(vr.decode(), fragments=self._fragments())
        expect(length % 2 == 0, f"({tag >> 16:04X},{tag & 0xFFFF:04X}) has odd length {length}")
        return Read(vr.decode(), self._take(length))

    def _vr_and_length(self) -> tuple[bytes, int]:
        if not self.explicit:
            return b"UN", self._number(4)
        vr = self._take(2)
        expect(vr in _KNOWN, f"unknown VR {vr!r}")
        if vr in _LONG:
            self._take(2)
            return vr, self._number(4)
        return vr, self._number(2)

    def _items(self, length: int) -> tuple[dict[int, Read], ...]:
        end = len(self.data) if length == _UNDEFINED else self.position + length
        items: list[dict[int, Read]] = []
        while self.position < end:
            tag, size = self._tag(), self._number(4)
            if tag == _SEQUENCE_END and length == _UNDEFINED:
                return tuple(items)
            expect(tag == _ITEM, "a sequence holds something that is no item")
            if size == _UNDEFINED:
                items.append(self.elements(len(self.data) + 1, delimited=True))
            else:
                items.append(self.elements(self.position + size))
        expect(length != _UNDEFINED, "a sequence of undefined length has no delimiter")
        return tuple(items)

    def _fragments(self) -> tuple[bytes, ...]:
        found: list[bytes] = []
        while True:
            tag, size = self._tag(), self._number(4)
            if tag == _SEQUENCE_END:
                return tuple(found)
            expect(tag == _ITEM, "encapsulated pixel data holds something that is no item")
            found.append(self._take(size))

    def _tag(self) -> int:
        group, element = struct.unpack("<HH", self._take(4))
        return int(group << 16 | element)

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _take(self, size: int) -> bytes:
        piece = self.data[self.position : self.position + size]
        if len(piece) != size:
            raise Failed("the data set is cut off")
        self.position += size
        return piece
