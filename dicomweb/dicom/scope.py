"""A data set while it is read: the whole one or an item, its encoding, and what is known of it so far."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

from dicomweb.dicom.charset import CharacterSet, character_set


@dataclass(frozen=True, slots=True)
class Encoding:
    """Explicit or Implicit VR, little or big endian."""

    explicit: bool
    little: bool


IMPLICIT = Encoding(explicit=False, little=True)
EXPLICIT_HEADERS = {True: struct.Struct("<HH2sH"), False: struct.Struct(">HH2sH")}
IMPLICIT_HEADERS = {True: struct.Struct("<HHI"), False: struct.Struct(">HHI")}
LENGTHS = {True: struct.Struct("<I"), False: struct.Struct(">I")}
SHORT_LENGTHS = {True: struct.Struct("<H"), False: struct.Struct(">H")}
TAGS = {True: struct.Struct("<HH"), False: struct.Struct(">HH")}

# What was read of one element: tag, VR, value, place of the value. The value is bytes, the items of a
# sequence, or a length: then it is bulkdata.
Raw = tuple[int, str, Any, int]


class Header(NamedTuple):
    """stated: the VR is written in the element. encoding: of the items, if it is a sequence."""

    tag: int
    vr: str
    length: int
    stated: bool
    encoding: Encoding


class Scope:
    """A data set being read: the whole one or an item. end: place where it must end."""

    __slots__ = ("_indexed", "_values", "charset", "depth", "encoding", "end", "outer", "prefix", "raw")

    def __init__(self, encoding: Encoding, end: float, prefix: str, outer: Scope | None) -> None:
        self.raw: list[Raw] = []
        self.encoding = encoding
        self.end = end
        self.prefix = prefix
        self.outer = outer
        self.depth: int = outer.depth + 1 if outer else 0
        self.charset: CharacterSet = outer.charset if outer else character_set(())
        self._values: dict[int, bytes] = {}
        self._indexed = 0

    def value(self, tag: int) -> bytes | None:
        """The bytes of an element read so far. Indexed as far as read: a search through all of them each
        time would take hours over hostile data."""
        for index in range(self._indexed, len(self.raw)):
            read_tag, _, value, _ = self.raw[index]
            if value.__class__ is bytes:
                self._values[read_tag] = value
        self._indexed = len(self.raw)
        return self._values.get(tag)

    def number(self, tag: int) -> int | None:
        """First value of a US element here or in the data sets around."""
        scope: Scope | None = self
        while scope is not None:
            raw = scope.value(tag)
            if raw is not None and len(raw) >= 2:
                number: int = SHORT_LENGTHS[scope.encoding.little].unpack_from(raw)[0]
                return number
            scope = scope.outer
        return None
