"""Encapsulated pixel data as it lies: items of fragments behind an offset table (PS3.5 A.4)."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from dicomweb.dicom import codestream
from dicomweb.dicom.window import CutOff, Window
from dicomweb.errors import InvalidDicom

_UNDEFINED = 0xFFFFFFFF
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_HEADERS = {True: struct.Struct("<HHI"), False: struct.Struct(">HHI")}
_HEADER_SIZE = 8
# Offset, length and two marks of a fragment are held for each.
FRAGMENT_COST = 32
_MARK_SIZE = 12
_TAIL_SIZE = 4


@dataclass(slots=True)
class Fragments:
    """The fragments of one pixel data element.

    table: the Basic Offset Table's bytes. items_offset: place of the first item tag after it.
    offsets, lengths: of each fragment's value. starts, ends: 1 where a codestream seems to begin, and to end.
    head: the first bytes of the first fragment that has any.
    """

    table: bytes = b""
    items_offset: int = 0
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    starts: bytearray = field(default_factory=bytearray)
    ends: bytearray = field(default_factory=bytearray)
    head: bytes = b""
    ended: bool = True

    @property
    def end(self) -> int:
        """First place after the last fragment."""
        return self.offsets[-1] + self.lengths[-1] if self.offsets else self.items_offset


def read_fragments(
    window: Window, *, little: bool, longest_table: int, charge: Callable[[int], None]
) -> Fragments:
    """Pass over encapsulated pixel data up to and with its delimiter, holding only where fragments lie.

    longest_table: bytes of an offset table beyond which it counts as empty. charge: told of memory kept.
    Raises InvalidDicom, CutOff.
    """
    fragments = Fragments(items_offset=window.tell())
    length = _item_length(window, fragments, little)
    if length is not None and not _is_frame(window, length):
        if length <= longest_table:
            fragments.table = window.take(length)
        else:
            window.skip(length)
        fragments.items_offset = window.tell()
        length = _item_length(window, fragments, little)
    while length is not None:
        charge(FRAGMENT_COST)
        _fragment(window, fragments, length)
        length = _item_length(window, fragments, little)
    return fragments


def _item_length(window: Window, fragments: Fragments, little: bool) -> int | None:
    """Length of the item at hand, the window moved to its value; None at the end of all."""
    if not window.available(8):
        _accept_unended(window, fragments)
        return None
    group, number, length = _HEADERS[little].unpack_from(window.data, window.position)
    window.position += 8
    tag = group << 16 | number
    if tag == _SEQUENCE_END:
        return None
    if tag != _ITEM or length == _UNDEFINED:
        raise InvalidDicom("Encapsulated pixel data holds something other than fragments.")
    return int(length)


def _is_frame(window: Window, length: int) -> bool:
    """Whether the first item is a frame already: some writers leave the offset table out."""
    size = min(length, _MARK_SIZE)
    return window.available(size) and codestream.starts_frame(
        window.data[window.position : window.position + size]
    )


def _accept_unended(window: Window, fragments: Fragments) -> None:
    # Some writers leave the delimiter out. The end of a codestream tells that from an object cut off between
    # two fragments of a frame; the frame count tells the rest.
    if len(window.data) > window.position or not fragments.ends or not fragments.ends[-1]:
        raise CutOff
    fragments.ended = False


def _fragment(window: Window, fragments: Fragments, length: int) -> None:
    fragments.offsets.append(window.tell())
    fragments.lengths.append(length)
    wanted = min(length, _MARK_SIZE if fragments.head else codestream.HEAD_SIZE)
    window.require(wanted)
    head = window.data[window.position : window.position + wanted]
    fragments.head = fragments.head or head
    fragments.starts.append(codestream.starts_frame(head))
    tail = min(length, _TAIL_SIZE)
    window.skip(length - tail)
    fragments.ends.append(codestream.ends_frame(window.take(tail)))


class FragmentReader:
    """Takes the item headers out of fragments that come in pieces, wherever those were cut (M-15)."""

    def __init__(self, *, skipped: int = 0) -> None:
        """skipped: items that are left out first, 1 where the pieces begin with the offset table."""
        self._skipped = skipped + 1  # counts the item at hand too
        self._header = b""
        self._left = 0  # bytes of the item at hand that are still to come
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        """What the next piece holds of fragments. Raises InvalidDicom where no item begins that should."""
        found, view, position = bytearray(), memoryview(data), 0
        while position < len(view) and not self._ended:
            if self._left:
                piece = view[position : position + self._left]
                self._left -= len(piece)
                if not self._skipped:
                    found += piece
            else:
                piece = view[position : position + _HEADER_SIZE - len(self._header)]
                self._begin(self._header + piece)
            position += len(piece)
        return bytes(found)

    def _begin(self, header: bytes) -> None:
        """An item, as soon as its header is whole."""
        self._header = header
        if len(header) < _HEADER_SIZE:
            return
        group, number, length = _HEADERS[True].unpack(header)
        tag = group << 16 | number
        self._ended = tag == _SEQUENCE_END
        if not self._ended and (tag != _ITEM or length == _UNDEFINED):
            raise InvalidDicom("Encapsulated pixel data holds something other than fragments.")
        self._header, self._left = b"", length
        self._skipped = max(self._skipped - 1, 0)
