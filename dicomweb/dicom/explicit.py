"""Any encoding of a data set to Explicit VR Little Endian, streaming (PS3.5 7.1, annex A; W-12, W-14).

Values are passed on byte for byte (words turned where they were big endian); sequences come out with
undefined length, so that nothing must be known ahead. What store accepted is read as store read it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dicomweb.dicom.dictionary import private_vr_of, resolved_vr, vr_of
from dicomweb.dicom.element import UNDEFINED_LENGTH, element_header, explicit_element, padding
from dicomweb.dicom.json_model import little_endian
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.dicom.window import CutOff, Window
from dicomweb.errors import InvalidDicom

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_TAGS = frozenset({0x7FE00010, 0x7FE00008, 0x7FE00009})
_PIXEL_DATA = 0x7FE00010
_FIRST_OF_DATA_SETS = 0x00080000
# US values that decide the VR or the word size of other elements (PS3.5 annex A).
_BITS_ALLOCATED = 0x00280100
_PIXEL_REPRESENTATION = 0x00280103
_DECIDING = frozenset({_BITS_ALLOCATED, _PIXEL_REPRESENTATION, 0x00283002, 0x54001004})
# Output is handed on in pieces of about this size; longer values are copied in pieces of it.
_PIECE = 64 << 10
# Stored data sets are not nested deeper (ScanLimits): a guard for what was never scanned.
_DEEPEST = 100

_VRS = {name.encode(): name for name in VALUE_REPRESENTATIONS}
_LONG = frozenset(name for name, vr in VALUE_REPRESENTATIONS.items() if vr.long)
_TAG = {True: struct.Struct("<HH"), False: struct.Struct(">HH")}
_LENGTH = {True: struct.Struct("<I"), False: struct.Struct(">I")}
_SHORT_LENGTH = {True: struct.Struct("<H"), False: struct.Struct(">H")}
_ITEM_HEADER = struct.Struct("<HHI")
_ITEM_BEGIN = _ITEM_HEADER.pack(0xFFFE, 0xE000, UNDEFINED_LENGTH)
_ITEM_STOP = _ITEM_HEADER.pack(0xFFFE, 0xE00D, 0)
_SEQUENCE_STOP = _ITEM_HEADER.pack(0xFFFE, 0xE0DD, 0)


def explicit_elements(
    chunks: Iterable[bytes],
    *,
    implicit: bool,
    little: bool,
    changes: Mapping[str, bytes | None] = {},
    pixel_representation: int = 0,
    bits_allocated: int = 16,
    after_pixels: bool = False,
) -> Iterator[bytes]:
    """Re-encode a run of top-level elements to Explicit VR Little Endian, in bounded memory.

    changes: top-level tag -> new value (little endian, padded by us), or None to leave it out; what is not
    there is inserted in order. Group lengths and anything below group 8 are left out.
    pixel_representation, bits_allocated: where the run does not hold these attributes itself.
    after_pixels: the run follows the pixel data, where bytes that are no element are no error.
    Raises InvalidDicom for what store would not have accepted.
    """
    encoding = _Encoding(explicit=not implicit, little=little)
    defaults = {
        _PIXEL_REPRESENTATION: pixel_representation,
        _BITS_ALLOCATED: bits_allocated,
    }
    encoder = _Encoder(Window(chunks), changes, defaults, after_pixels=after_pixels)
    try:
        yield from encoder.run(encoding)
    except CutOff:
        raise InvalidDicom("The data set is cut off.") from None


def pixel_word_bits(vr: str, bits_allocated: int) -> int:
    """Bits of the words that big endian turns in native pixel data: OW holds 8-bit pixels in 16-bit words."""
    if vr == "OW":
        return max(bits_allocated, 16)
    return 8 * VALUE_REPRESENTATIONS[vr].word


def _written_vr(tag: int, vr: str) -> str:
    """The VR of a value of defined length: what only a dictionary calls a sequence is none here."""
    if tag == _PIXEL_DATA and vr != "OB":
        return "OW"
    return "UN" if vr == "SQ" else vr


class _Encoding(NamedTuple):
    explicit: bool
    little: bool


_IMPLICIT = _Encoding(explicit=False, little=True)


class _Header(NamedTuple):
    """stated: the VR is written in the element. encoding: of the items, if it is a sequence."""

    tag: int
    vr: str
    length: int
    stated: bool
    encoding: _Encoding


class _Scope:
    """The data set or an item of it. end: where it must end. known: values that other elements need."""

    __slots__ = ("depth", "encoding", "end", "known", "outer")

    def __init__(self, encoding: _Encoding, end: float, outer: _Scope | None) -> None:
        self.encoding = encoding
        self.end = end
        self.outer = outer
        self.depth: int = outer.depth + 1 if outer else 0
        self.known: dict[int, bytes] = {}


class _Encoder:
    """Reads elements from a window and gathers their new encoding."""

    def __init__(
        self,
        window: Window,
        changes: Mapping[str, bytes | None],
        defaults: Mapping[int, int],
        *,
        after_pixels: bool,
    ) -> None:
        self._window = window
        self._changes = {int(tag, 16): value for tag, value in sorted(changes.items())}
        self._pending = [tag for tag, value in self._changes.items() if value is not None]
        self._defaults = defaults
        self._after_pixels = after_pixels
        self._out = bytearray()

    def run(self, encoding: _Encoding) -> Iterator[bytes]:
        """The whole run, in pieces."""
        top = _Scope(encoding, math.inf, None)
        yield from self._elements(top)
        self._insert_up_to(top, math.inf)
        if self._out:
            yield bytes(self._out)

    def _flush(self) -> bytes:
        piece = bytes(self._out)
        self._out.clear()
        return piece

    # -- one data set or item

    def _elements(self, scope: _Scope) -> Iterator[bytes]:
        window, top = self._window, scope.depth == 0
        while (header := self._next(scope)) is not None:
            tag, vr, length, _, _ = header
            if top:
                self._insert_up_to(scope, tag)
                self._after_pixels |= tag in _PIXEL_TAGS
            if tag & 0xFFFF == 0 or tag < _FIRST_OF_DATA_SETS or (top and tag in self._changes):
                self._pass_over(scope, header)
            elif length == UNDEFINED_LENGTH:
                yield from self._undefined(scope, header)
            elif vr == "SQ" and (header.stated or self._begins_with_item(header)):
                yield from self._sequence(scope, header, window.tell() + length)
            elif length <= _PIECE:
                self._plain(scope, header)
            else:
                yield from self._long(scope, header)
            if len(self._out) >= _PIECE:
                yield self._flush()

    def _next(self, scope: _Scope) -> _Header | None:
        """The header of the next element, the window moved to its value; None at the end of the scope."""
        window = self._window
        while (left := scope.end - window.tell()) > 0:
            if left < 8:
                window.skip(int(left))
                return None
            if not window.available(8):
                if scope.depth:
                    raise CutOff
                return None
            if scope.depth == 0 and self._is_trailer(scope):
                return None
            header = self._header(scope)
            if header.tag >> 16 != 0xFFFE:
                if header.length != UNDEFINED_LENGTH and window.tell() + header.length > scope.end:
                    header = header._replace(length=max(0, int(scope.end) - window.tell()))
                return header
            if scope.depth and header.tag == _ITEM_END:
                return None
            if scope.depth and header.tag in (_SEQUENCE_END, _ITEM):
                window.position -= 8  # the item's own end is missing: this tag is the sequence's
                return None
        return None

    def _is_trailer(self, scope: _Scope) -> bool:
        """Whether no element follows but padding, as the scan of a stored object sees it."""
        data, i = self._window.data, self._window.position
        if data.startswith(b"\0\0\0\0\0\0\0\0", i):
            return True
        if not self._after_pixels:
            return False
        group, number = _TAG[scope.encoding.little].unpack_from(data, i)
        if group == 0xFFFE:
            return False
        if scope.encoding.explicit:
            return data[i + 4 : i + 6] not in _VRS
        return group < 8 or not (group & 1 or vr_of(group << 16 | number))

    def _pass_over(self, scope: _Scope, header: _Header) -> None:
        """Leave an element out, but learn from it what other elements need."""
        if header.length == UNDEFINED_LENGTH:
            for _ in self._undefined(scope, header):
                self._out.clear()
            self._out.clear()
        elif header.tag in _DECIDING and header.length <= _PIECE:
            scope.known[header.tag] = self._window.take(header.length)
        else:
            self._window.skip(header.length)

    def _insert_up_to(self, scope: _Scope, tag: float) -> None:
        while self._pending and self._pending[0] <= tag:
            inserted = self._pending.pop(0)
            value = self._changes[inserted]
            assert value is not None
            vr = vr_of(inserted) or "UN"
            if " " in vr:
                vr = resolved_vr(inserted, vr, lambda wanted: self._number(scope, wanted), explicit=True)
            self._out += explicit_element(inserted, vr, value)

    # -- headers

    def _header(self, scope: _Scope) -> _Header:
        window, encoding = self._window, scope.encoding
        data, i = window.data, window.position
        group, number = _TAG[encoding.little].unpack_from(data, i)
        tag = group << 16 | number
        if group == 0xFFFE or not encoding.explicit:
            (length,) = _LENGTH[encoding.little].unpack_from(data, i + 4)
            window.position = i + 8
            return _Header(tag, self._implied_vr(scope, tag), length, False, encoding)
        stated = data[i + 4 : i + 6]
        vr = _VRS.get(stated)
        if vr is None:
            if not (stated.isalpha() and stated.isupper()):
                return self._sloppy_header(scope, tag)
            vr = "UN"  # of a later edition: those have long lengths (P-06)
        if vr not in _LONG:
            (length,) = _SHORT_LENGTH[encoding.little].unpack_from(data, i + 6)
            window.position = i + 8
            return _Header(tag, vr, length, True, encoding)
        window.require(12)
        (length,) = _LENGTH[encoding.little].unpack_from(window.data, window.position + 8)
        window.position += 12
        return _Header(tag, vr, length, True, _IMPLICIT if vr == "UN" else encoding)

    def _sloppy_header(self, scope: _Scope, tag: int) -> _Header:
        """No VR where one should be: an element of Implicit VR, or a VR blanked out."""
        window, little = self._window, scope.encoding.little
        data, i = window.data, window.position
        (length,) = _LENGTH[little].unpack_from(data, i + 4)
        (short,) = _SHORT_LENGTH[little].unpack_from(data, i + 6)
        window.position = i + 8
        if length != UNDEFINED_LENGTH and short and data[i + 4 : i + 6] in (b"\0\0", b"  ", b"??", b"--"):
            length = short
        implicit = _Encoding(explicit=False, little=little)
        return _Header(tag, self._implied_vr(scope, tag), length, False, implicit)

    def _implied_vr(self, scope: _Scope, tag: int) -> str:
        """The VR that the dictionaries know, UN where they know none."""
        if not tag & 0x10000:
            vr = vr_of(tag) or "UN"
        elif tag & 0xFFFF < 0x100:
            vr = "LO" if tag & 0xFFFF >= 0x10 else "UN"
        else:
            creator = scope.known.get((tag & 0xFFFF0000) | (tag & 0xFFFF) >> 8)
            vr = private_vr_of(creator.decode("latin-1").strip(" \0"), tag) if creator else ""
        if " " in vr:
            return resolved_vr(tag, vr, lambda wanted: self._number(scope, wanted), explicit=False)
        return vr or "UN"

    def _number(self, scope: _Scope, tag: int) -> int | None:
        """First value of a US element of this data set, those around it, or the caller's word."""
        inner: _Scope | None = scope
        while inner is not None:
            raw = inner.known.get(tag, b"")
            if len(raw) >= 2:
                number: int = _SHORT_LENGTH[inner.encoding.little].unpack_from(raw)[0]
                return number
            inner = inner.outer
        return self._defaults.get(tag)

    def _begins_with_item(self, header: _Header) -> bool:
        """Whether a value that only a dictionary calls a sequence is one."""
        if header.length == 0:
            return True
        window = self._window
        if header.length < 8 or not window.available(8):
            return False
        group, number = _TAG[header.encoding.little].unpack_from(window.data, window.position)
        return bool(group << 16 | number == _ITEM)

    # -- values

    def _plain(self, scope: _Scope, header: _Header) -> None:
        tag, vr, length, _, _ = header
        value = self._window.take(length)
        private_creator = tag & 0x10000 and 0x10 <= tag & 0xFFFF < 0x100
        if tag in _DECIDING or private_creator:
            scope.known[tag] = value
        vr = _written_vr(tag, vr)
        if not scope.encoding.little:
            value = little_endian(value, self._word(scope, tag, vr))
        self._out += explicit_element(tag, vr, value)

    def _long(self, scope: _Scope, header: _Header) -> Iterator[bytes]:
        """A long value, copied piece by piece; pieces end between words."""
        tag, _, length, _, _ = header
        vr = _written_vr(tag, header.vr)
        word = 1 if scope.encoding.little else self._word(scope, tag, vr)
        self._out += element_header(tag, vr, length)
        left = length
        while left:
            piece = self._window.take(min(left, _PIECE))
            left -= len(piece)
            self._out += little_endian(piece, word)
            yield self._flush()
        self._out += padding(vr, length)

    def _word(self, scope: _Scope, tag: int, vr: str) -> int:
        """Bytes of the units that big endian turns round."""
        if tag == _PIXEL_DATA:
            return pixel_word_bits(vr, self._number(scope, _BITS_ALLOCATED) or 16) // 8
        return VALUE_REPRESENTATIONS[vr].word

    # -- sequences and fragments

    def _undefined(self, scope: _Scope, header: _Header) -> Iterator[bytes]:
        """UN of undefined length is a sequence in Implicit VR Little Endian (CP-246, PS3.5 6.2.2)."""
        if header.vr.startswith("O") or header.tag == _PIXEL_DATA:
            yield from self._fragments(scope, header)
        elif header.vr in ("SQ", "UN") or not header.stated:
            yield from self._sequence(scope, header, math.inf)
        else:
            raise InvalidDicom("A value of undefined length is neither a sequence nor pixel data.")

    def _sequence(self, scope: _Scope, header: _Header, stop: float) -> Iterator[bytes]:
        if scope.depth >= _DEEPEST:
            raise InvalidDicom("Sequences are nested deeper than the configured limit.")
        window = self._window
        self._out += element_header(header.tag, "SQ", UNDEFINED_LENGTH)
        end = min(stop, scope.end)
        while (length := self._item_header(header.encoding, stop, end)) is not None:
            item_end = end if length == UNDEFINED_LENGTH else min(end, window.tell() + length)
            item = _Scope(header.encoding, item_end, scope)
            item.encoding = self._item_encoding(item)
            self._out += _ITEM_BEGIN
            yield from self._elements(item)
            self._out += _ITEM_STOP
            if length != UNDEFINED_LENGTH and window.tell() < item_end:
                window.skip(int(item_end) - window.tell())
        self._out += _SEQUENCE_STOP

    def _item_header(self, encoding: _Encoding, stop: float, end: float) -> int | None:
        """The length of the next item, the window moved to its value; None at the end of the sequence."""
        window = self._window
        while (left := end - window.tell()) > 0:
            if left < 8:
                window.skip(int(left))
                return None
            window.require(8)
            group, number = _TAG[encoding.little].unpack_from(window.data, window.position)
            (length,) = _LENGTH[encoding.little].unpack_from(window.data, window.position + 4)
            tag = group << 16 | number
            if tag not in (_ITEM, _ITEM_END, _SEQUENCE_END):
                if not math.isinf(stop):  # bytes that are no item fill the rest of the sequence
                    window.skip(int(end) - window.tell())
                return None
            window.position += 8
            if tag == _ITEM:
                return int(length)
            if tag == _SEQUENCE_END and math.isinf(stop):
                return None
        return None

    def _item_encoding(self, item: _Scope) -> _Encoding:
        """Items may turn out implicit where explicit was to be expected, and the other way round."""
        window, encoding = self._window, item.encoding
        if item.end - window.tell() < 8 or not window.available(8):
            return encoding
        data, i = window.data, window.position
        if _TAG[encoding.little].unpack_from(data, i)[0] == 0xFFFE:
            return encoding
        stated = data[i + 4 : i + 6]
        if encoding.explicit and not (stated.isalpha() and stated.isupper()):
            return _Encoding(explicit=False, little=encoding.little)
        group, number = _TAG[encoding.little].unpack_from(data, i)
        if not encoding.explicit and stated in _VRS and _VRS[stated] == vr_of(group << 16 | number):
            return _Encoding(explicit=True, little=encoding.little)
        return encoding

    def _fragments(self, scope: _Scope, header: _Header) -> Iterator[bytes]:
        """Encapsulated pixel data, passed on as it is."""
        window, little = self._window, scope.encoding.little
        self._out += element_header(header.tag, header.vr if header.stated else "OB", UNDEFINED_LENGTH)
        while window.available(8):
            group, number = _TAG[little].unpack_from(window.data, window.position)
            (length,) = _LENGTH[little].unpack_from(window.data, window.position + 4)
            window.position += 8
            if (group, number) != (0xFFFE, 0xE000):
                break
            self._out += _ITEM_HEADER.pack(0xFFFE, 0xE000, length)
            while length:
                piece = window.take(min(length, _PIECE))
                length -= len(piece)
                self._out += piece
                yield self._flush()
        self._out += _SEQUENCE_STOP
