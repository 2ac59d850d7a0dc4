"""One pass over an encoded data set: DICOM JSON of what is small, places of what is large (PS3.5 section 7).

The two loops over elements are the hot path of storing: they work on local variables and hand anything
that is not a short plain value to a method.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from dicomweb.dicom import codestream
from dicomweb.dicom.charset import CharacterSet, character_set
from dicomweb.dicom.dictionary import VR_OF_TAG, private_vr_of, resolved_vr, vr_of
from dicomweb.dicom.encapsulation import Fragments, read_fragments
from dicomweb.dicom.json_model import Element, NotANumber, element
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.dicom.window import CutOff, Window
from dicomweb.errors import InvalidDicom

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA = 0x7FE00010, 0x7FE00008, 0x7FE00009
EXTENDED_OFFSETS, EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
_PIXEL_VR = {FLOAT_PIXEL_DATA: "OF", DOUBLE_PIXEL_DATA: "OD"}
_PIXEL_TAGS = frozenset({PIXEL_DATA, *_PIXEL_VR})
_CHARACTER_SET = 0x00080005

# One JSON attribute costs about this much memory as Python objects, whatever its value; a place of
# bulkdata, this much more.
_ELEMENT_COST = 300
_BULK_COST = 500
# One value of many, and the length up to which a value cannot hold many.
_NUMBER_COST, _TEXT_COST, _NAME_COST, _SHORT_VALUE = 36, 64, 350, 16
# A sequence that has cost this much keeps its further items as JSON text (an orjson.Fragment), a tenth of
# the memory of Python objects: enhanced multi-frame objects have tens of thousands of items.
_FOLD_COST = 2 << 20
# Never folded: the catalog looks into the items of Request Attributes Sequence.
_UNFOLDED = frozenset({0x00400275})
# orjson writes at most 254 levels, and a sequence takes three.
_DEEPEST = 80
# A UN value up to this size is tried as a sequence, and kept as bytes where it turns out to be none.
_LONGEST_TRIAL = 4 << 20
_OUT_OF_RESOURCES = 0xA700
_TAG_TEXT = {tag: f"{tag:08X}" for tag in VR_OF_TAG}


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """Bounds of what one data set may make us hold (B-02).

    inline_bytes: longest byte string that goes inline into JSON; inline_text_bytes: longest text or list of
    numbers, of the VRs that may be bulkdata. sequence_depth: levels of sequences, at most 80.
    dataset_bytes: memory for all that is not bulkdata. value_bytes: longest value that cannot be bulkdata.
    inflate_bytes, inflate_ratio: bounds of a deflated data set, the ratio after the first 64 MiB.
    """

    inline_bytes: int = 1024
    sequence_depth: int = 64
    dataset_bytes: int = 32 << 20
    value_bytes: int = 4 << 20
    inflate_bytes: int = 4 << 30
    inflate_ratio: int = 2000
    inline_text_bytes: int = 16 << 10


@dataclass(frozen=True, slots=True)
class BulkValue:
    """A value given by BulkDataURI: `length` bytes at `offset` of the indexed bytes.

    path: tag, or tag/item index/tag for nested ones. vr: tells the word size where bytes are to be swapped.
    """

    path: str
    vr: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where a top-level pixel data element lies; fragments is None for native pixels.

    head: the first bytes of a native value.
    """

    tag: int
    vr: str
    element_offset: int
    element_end: int
    value_offset: int
    value_length: int
    fragments: Fragments | None
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Explicit or Implicit VR, little or big endian."""

    explicit: bool
    little: bool


_IMPLICIT = Encoding(explicit=False, little=True)
_EXPLICIT_HEADERS = {True: struct.Struct("<HH2sH"), False: struct.Struct(">HH2sH")}
_IMPLICIT_HEADERS = {True: struct.Struct("<HHI"), False: struct.Struct(">HHI")}
_LENGTHS = {True: struct.Struct("<I"), False: struct.Struct(">I")}
_SHORT_LENGTHS = {True: struct.Struct("<H"), False: struct.Struct(">H")}
_TAGS = {True: struct.Struct("<HH"), False: struct.Struct(">HH")}

# What was read of one element: tag, VR, value, place of the value. The value is bytes, the items of a
# sequence, or a length: then it is bulkdata.
_Raw = tuple[int, str, Any, int]


class _Header(NamedTuple):
    """stated: the VR is written in the element. encoding: of the items, if it is a sequence."""

    tag: int
    vr: str
    length: int
    stated: bool
    encoding: Encoding


class _Scope:
    """A data set being read: the whole one or an item. end: place where it must end."""

    __slots__ = ("_indexed", "_values", "charset", "depth", "encoding", "end", "outer", "prefix", "raw")

    def __init__(self, encoding: Encoding, end: float, prefix: str, outer: _Scope | None) -> None:
        self.raw: list[_Raw] = []
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
        scope: _Scope | None = self
        while scope is not None:
            raw = scope.value(tag)
            if raw is not None and len(raw) >= 2:
                number: int = _SHORT_LENGTHS[scope.encoding.little].unpack_from(raw)[0]
                return number
            scope = scope.outer
        return None


@lru_cache(maxsize=16)
def _explicit_plan(limits: ScanLimits) -> dict[bytes, tuple[str, bool, int]]:
    """VR bytes -> (VR, 32-bit length?, longest plain value); -1 leaves every value to `_special`."""
    plan = {}
    for vr in VALUE_REPRESENTATIONS.values():
        ceiling = limits.inline_text_bytes if vr.bulk else limits.value_bytes
        special = vr.binary or vr.name == "SQ"
        plan[vr.name.encode()] = (vr.name, vr.long, -1 if special else ceiling)
    return plan


@lru_cache(maxsize=16)
def _implicit_plan(limits: ScanLimits) -> dict[str, int]:
    """VR of the dictionary -> longest plain value."""
    plan = {name: ceiling for name, _, ceiling in _explicit_plan(limits).values()}
    return {**plan, "US or SS": limits.inline_text_bytes}


class DatasetReader:
    """Reads one data set from a window; after read(), the rest of what was found is in the attributes."""

    def __init__(self, window: Window, limits: ScanLimits) -> None:
        self._window = window
        self._limits = limits
        self._explicit = _explicit_plan(limits)
        self._implicit = _implicit_plan(limits)
        self._depth_limit = min(limits.sequence_depth, _DEEPEST)
        self._held = 0
        self._top: _Scope | None = None
        self._warnings: dict[str, None] = {}
        self.bulkdata: list[BulkValue] = []
        self.pixels: PixelElement | None = None
        self.extended: dict[int, bytes] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found odd, each sentence once."""
        return tuple(self._warnings)

    def warn(self, sentence: str) -> None:
        """Note a sentence, which holds no value of the data set."""
        self._warnings[sentence] = None

    def read(self, encoding: Encoding) -> dict[str, Element]:
        """The data set as DICOM JSON, attributes ascending. Raises InvalidDicom, CutOff."""
        self._top = _Scope(encoding, math.inf, "", None)
        attributes = self._attributes(self._top)
        if "00080005" not in attributes and not orjson.dumps(attributes).isascii():
            declared = {"vr": "CS", "Value": ["ISO_IR 192"]}  # G-45
            attributes = dict(sorted({**attributes, "00080005": declared}.items()))
        return attributes

    def uid(self, tag: int) -> str:
        """A top-level UID read so far, also when reading ended in an error; empty when there is none."""
        raw = self._top.value(tag) if self._top else None
        return "" if raw is None else raw.decode("latin-1").strip("\0 \t\r\n")

    def _attributes(self, scope: _Scope) -> dict[str, Element]:
        if scope.encoding.explicit:
            self._explicit_elements(scope)
        else:
            self._implicit_elements(scope)
        return self._converted(scope)

    # -- the loops

    def _explicit_elements(self, scope: _Scope) -> None:
        window, plan, append, end = self._window, self._explicit, scope.raw.append, scope.end
        header = _EXPLICIT_HEADERS[scope.encoding.little].unpack_from
        long_length = _LENGTHS[scope.encoding.little].unpack_from
        most, held = self._limits.dataset_bytes, self._held
        data, i, base = window.data, window.position, window.base
        bound = min(len(data), end - base)
        while True:
            if i + 8 <= bound:
                group, number, vr_bytes, length = header(data, i)
                known = plan.get(vr_bytes)
                if known is not None:
                    vr, long, ceiling = known
                    start = i + 8
                    if long:
                        start = i + 12
                        length = long_length(data, i + 8)[0] if start <= bound else _UNDEFINED
                    stop = start + length
                    if length <= ceiling and stop <= bound:
                        held += length + _ELEMENT_COST
                        if held > most:
                            raise _too_large()
                        append((group << 16 | number, vr, data[start:stop], base + start))
                        i = stop
                        if group == 8 and number == 5:
                            self._declare(scope)
                        continue
            window.position, self._held = i, held
            if not (self._more(scope) and self._special(scope)):
                return
            held, data, i, base = self._held, window.data, window.position, window.base
            bound = min(len(data), end - base)

    def _implicit_elements(self, scope: _Scope) -> None:
        window, plan, append, end = self._window, self._implicit, scope.raw.append, scope.end
        header = _IMPLICIT_HEADERS[scope.encoding.little].unpack_from
        most, held, vr_of_tag = self._limits.dataset_bytes, self._held, VR_OF_TAG.get
        data, i, base = window.data, window.position, window.base
        bound = min(len(data), end - base)
        while True:
            start = i + 8
            if start <= bound:
                group, number, length = header(data, i)
                tag = group << 16 | number
                vr = vr_of_tag(tag)
                stop = start + length
                if vr is not None and stop <= bound and length <= plan.get(vr, -1):
                    held += length + _ELEMENT_COST
                    if held > most:
                        raise _too_large()
                    append((tag, vr, data[start:stop], base + start))
                    i = stop
                    if tag == _CHARACTER_SET:
                        self._declare(scope)
                    continue
            window.position, self._held = i, held
            if not (self._more(scope) and self._special(scope)):
                return
            held, data, i, base = self._held, window.data, window.position, window.base
            bound = min(len(data), end - base)

    def _more(self, scope: _Scope) -> bool:
        """Bring the next element's header in hand; False at the end of the data set."""
        window = self._window
        left = scope.end - window.tell()
        if left <= 0:
            return False
        if left < 8:
            self.warn("An item ends within an element.")
            window.skip(int(left))
            return False
        if window.available(8):
            return True
        rest = window.data[window.position :]
        if scope.depth or (rest.strip(b"\0\r\n ") and self.pixels is None):
            raise CutOff
        if rest:
            self.warn("Bytes that are no element follow the last one.")
        return False

    # -- elements that are not short plain values

    def _special(self, scope: _Scope) -> bool:
        """Read the element at hand, whatever it is; False when it ends the data set."""
        window = self._window
        offset = window.tell()
        if scope.depth == 0 and self._is_trailer(scope):
            self.warn("Bytes that are no element follow the last one.")
            return False
        header = self._header(scope)
        if not header.vr:
            return self._delimiter(header.tag, scope)
        if header.length != _UNDEFINED and window.tell() + header.length > scope.end:
            self.warn("An element runs past the end of its item.")
            header = header._replace(length=max(0, int(scope.end) - window.tell()))
        self._charge(_ELEMENT_COST)
        if header.tag in _PIXEL_TAGS and header.vr.startswith(("O", "UN")):
            self._pixel_data(scope, header, offset)
        elif header.length == _UNDEFINED:
            self._undefined(scope, header)
        elif header.vr != "SQ":
            self._value(scope, header)
        elif header.stated or self._begins_with_item(header):
            self._sequence(scope, header, window.tell() + header.length)
        else:
            self._value(scope, header._replace(vr="UN"))
        return True

    def _is_trailer(self, scope: _Scope) -> bool:
        """Whether no element follows but padding: zeros, or after the pixels anything without a known VR."""
        data, i = self._window.data, self._window.position
        if data.startswith(b"\0\0\0\0\0\0\0\0", i):
            return True
        if self.pixels is None:
            return False
        group, number = _TAGS[scope.encoding.little].unpack_from(data, i)
        if group == 0xFFFE:
            return False
        if scope.encoding.explicit:
            return data[i + 4 : i + 6] not in self._explicit
        return group < 8 or not (group & 1 or vr_of(group << 16 | number))

    def _header(self, scope: _Scope) -> _Header:
        """The header at hand, the window moved to the value. A delimiter has no VR."""
        window, encoding = self._window, scope.encoding
        data, i = window.data, window.position
        group, number = _TAGS[encoding.little].unpack_from(data, i)
        tag = group << 16 | number
        vr_bytes = data[i + 4 : i + 6]
        known = self._explicit.get(vr_bytes) if encoding.explicit else None
        if not encoding.explicit or (group == 0xFFFE and known is None):
            (length,) = _LENGTHS[encoding.little].unpack_from(data, i + 4)
            window.position = i + 8
            vr = "" if group == 0xFFFE else self._implied_vr(scope, tag)
            return _Header(tag, vr, length, False, encoding)
        if known is None and not (vr_bytes.isalpha() and vr_bytes.isupper()):
            return self._sloppy_header(scope, tag)
        vr, long, _ = known if known is not None else ("UN", True, 0)  # later VRs have long lengths (P-06)
        if not long:
            (length,) = _SHORT_LENGTHS[encoding.little].unpack_from(data, i + 6)
            window.position = i + 8
            return _Header(tag, vr, length, True, encoding)
        window.require(12)
        (length,) = _LENGTHS[encoding.little].unpack_from(window.data, window.position + 8)
        window.position += 12
        if vr != "UN":
            return _Header(tag, vr, length, True, encoding)
        return _Header(tag, self._implied_vr(scope, tag), length, False, _IMPLICIT)

    def _sloppy_header(self, scope: _Scope, tag: int) -> _Header:
        """No VR where one should be: an element of Implicit VR among explicit ones, or a blanked-out VR."""
        self.warn("An element has a value representation that is not one.")
        window, little = self._window, scope.encoding.little
        data, i = window.data, window.position
        (length,) = _LENGTHS[little].unpack_from(data, i + 4)
        (short,) = _SHORT_LENGTHS[little].unpack_from(data, i + 6)
        window.position = i + 8
        implicit = Encoding(explicit=False, little=little)
        if length != _UNDEFINED and short and data[i + 4 : i + 6] in (b"\0\0", b"  ", b"??", b"--"):
            length = short
        return _Header(tag, self._implied_vr(scope, tag), length, False, implicit)

    def _implied_vr(self, scope: _Scope, tag: int) -> str:
        """The VR of the dictionaries, UN where they know none."""
        if not tag & 0x10000:
            return vr_of(tag) or "UN"
        number = tag & 0xFFFF
        if number < 0x100:
            return "LO" if number >= 0x10 else "UN"
        creator = scope.value((tag & 0xFFFF0000) | number >> 8)
        if creator is None:
            return "UN"
        return private_vr_of(scope.charset.decode(creator).strip(" \0"), tag) or "UN"

    def _delimiter(self, tag: int, scope: _Scope) -> bool:
        """FFFE tags between elements: the end of an item, or what sloppy writers leave lying about."""
        if scope.depth and tag == _ITEM_END:
            return False
        if scope.depth and tag in (_SEQUENCE_END, _ITEM):
            # The item's own end is missing: leave this tag to the sequence.
            self.warn("An item of undefined length has no end.")
            self._window.position -= 8
            return False
        self.warn("A delimiter lies where none belongs.")
        return True

    def _undefined(self, scope: _Scope, header: _Header) -> None:
        """UN of undefined length is a sequence in Implicit VR Little Endian (CP-246, PS3.5 6.2.2)."""
        if header.vr.startswith("O"):
            offset = self._window.tell()
            self._bulk(scope, header, offset, self._read_fragments(scope).end - offset)
        elif header.vr == "SQ" or not header.stated:
            self._sequence(scope, header, math.inf)
        else:
            raise InvalidDicom("A value of undefined length is neither a sequence nor pixel data.")

    def _value(self, scope: _Scope, header: _Header) -> None:
        """A value of defined length that the loops did not take: long, binary, UN, or across chunks."""
        window, limits, (tag, vr, length, _, _) = self._window, self._limits, header
        if scope.depth == 0 and tag in (EXTENDED_OFFSETS, EXTENDED_LENGTHS) and length <= limits.value_bytes:
            self._charge(length)
            window.require(length)
            self.extended[tag] = window.data[window.position : window.position + length]
        offset, (ceiling, bulk) = window.tell(), self._ceiling(vr)
        if length <= ceiling:
            self._charge(length)
            scope.raw.append((tag, vr, window.take(length), offset))
            if tag == _CHARACTER_SET:
                self._declare(scope)
            return
        window.skip(length)
        if not bulk:
            raise InvalidDicom(
                "A value is longer than the configured limit.", failure_reason=_OUT_OF_RESOURCES
            )
        self._bulk(scope, header, offset, length)

    def _ceiling(self, vr: str) -> tuple[int, bool]:
        """Longest plain value, and whether a longer one may be bulkdata."""
        known = VALUE_REPRESENTATIONS.get(vr)
        if known is None:  # one that is not resolved yet: 'OB or OW', 'US or SS'
            return (self._limits.inline_text_bytes if vr == "US or SS" else self._limits.inline_bytes), True
        if known.binary:
            return self._limits.inline_bytes, True
        return (self._limits.inline_text_bytes if known.bulk else self._limits.value_bytes), known.bulk

    def _bulk(self, scope: _Scope, header: _Header, offset: int, length: int) -> None:
        self._charge(_BULK_COST)
        scope.raw.append((header.tag, header.vr, length, offset))

    # -- sequences

    def _begins_with_item(self, header: _Header) -> bool:
        """Whether a value that only a dictionary calls a sequence is one."""
        window = self._window
        if header.length == 0:
            return True
        if header.length < 8 or not window.available(8):
            return False
        group, number = _TAGS[header.encoding.little].unpack_from(window.data, window.position)
        return bool(group << 16 | number == _ITEM)

    def _sequence(self, scope: _Scope, header: _Header, stop: float) -> None:
        """Read the items of a sequence: up to `stop` or, where that is infinite, to its delimiter."""
        if scope.depth >= self._depth_limit:
            raise InvalidDicom("Sequences are nested deeper than the configured limit.")
        window, cost, offset = self._window, 0, self._window.tell()
        items: list[Any] = []
        scope.raw.append((header.tag, "SQ", items, offset))
        while (tag_length := self._item_header(scope, header, stop)) is not None:
            held, bulk_count = self._held, len(self.bulkdata)
            end = min(stop, scope.end)
            if tag_length != _UNDEFINED:
                if window.tell() + tag_length > end:
                    self.warn("An item runs past the end of its sequence.")
                end = min(end, window.tell() + tag_length)
            prefix = f"{scope.prefix}{header.tag:08X}/{len(items)}/"
            item: Any = self._item(_Scope(header.encoding, end, prefix, scope))
            if tag_length != _UNDEFINED and window.tell() < end:
                self.warn("An item ends before its length does.")
                window.skip(int(end) - window.tell())
            cost += self._held - held
            if cost > _FOLD_COST and header.tag not in _UNFOLDED:
                item = self._folded(item, held, bulk_count)
            items.append(item)

    def _item_header(self, scope: _Scope, header: _Header, stop: float) -> int | None:
        """The length of the next item, the window moved to its value; None at the end of the sequence."""
        window, little = self._window, header.encoding.little
        end = min(stop, scope.end)
        while (left := end - window.tell()) > 0:
            if left < 8:
                self.warn("A sequence ends within an item.")
                window.skip(int(left))
                return None
            window.require(8)
            group, number, length = _IMPLICIT_HEADERS[little].unpack_from(window.data, window.position)
            tag = group << 16 | number
            if tag == _ITEM:
                window.position += 8
                return int(length)
            if tag == _SEQUENCE_END:
                window.position += 8
                if math.isinf(stop):
                    return None
            elif tag == _ITEM_END:
                self.warn("A delimiter lies where none belongs.")
                window.position += 8
            else:
                self._lost_in_sequence(stop, end)
                return None
        return None

    def _lost_in_sequence(self, stop: float, end: float) -> None:
        if math.isinf(stop):
            self.warn("A sequence of undefined length has no end.")
        else:
            self.warn("A sequence holds bytes that are not an item.")
            self._window.skip(int(end) - self._window.tell())

    def _item(self, scope: _Scope) -> dict[str, Element]:
        self._charge(_ELEMENT_COST)
        scope.encoding = self._item_encoding(scope)
        return self._attributes(scope)

    def _item_encoding(self, scope: _Scope) -> Encoding:
        """Items may turn out implicit where explicit was to be expected, and the other way round."""
        window, encoding = self._window, scope.encoding
        if scope.end - window.tell() < 8 or not window.available(8):
            return encoding
        group, number = _TAGS[encoding.little].unpack_from(window.data, window.position)
        vr = window.data[window.position + 4 : window.position + 6]
        if group == 0xFFFE:
            return encoding
        if encoding.explicit and not (vr.isalpha() and vr.isupper()):
            self.warn("An item is encoded in Implicit VR within Explicit VR.")
            return Encoding(explicit=False, little=encoding.little)
        if not encoding.explicit and vr in self._explicit and vr.decode() == vr_of(group << 16 | number):
            self.warn("An item is encoded in Explicit VR within Implicit VR.")
            return Encoding(explicit=True, little=encoding.little)
        return encoding

    def _folded(self, item: dict[str, Element], held: int, bulk_count: int) -> orjson.Fragment:
        """The item as JSON text."""
        text = orjson.dumps(item)
        self._held = held
        self._charge(len(text) + _BULK_COST * (len(self.bulkdata) - bulk_count) + _ELEMENT_COST)
        return orjson.Fragment(text)

    # -- pixel data

    def _pixel_data(self, scope: _Scope, header: _Header, offset: int) -> None:
        window, length = self._window, header.length
        value_offset, head, fragments = window.tell(), b"", None
        implied = "OB" if length == _UNDEFINED else "OW"  # PS3.5 A.1, A.4
        vr = _PIXEL_VR.get(header.tag, header.vr if header.vr in ("OB", "OW") else implied)
        header = header._replace(vr=vr)
        if length == _UNDEFINED:
            fragments = self._read_fragments(scope)
            length = fragments.end - value_offset
        else:
            window.available(min(length, codestream.HEAD_SIZE))
            head = window.data[window.position : window.position + min(length, codestream.HEAD_SIZE)]
            window.skip(length)
        if length == 0:
            scope.raw.append((header.tag, vr, b"", value_offset))
        elif scope.depth and fragments and len(fragments.offsets) == 1:
            # An icon: the bare codestream is of more use than the items around it.
            self._bulk(scope, header, fragments.offsets[0], fragments.lengths[0])
        else:
            self._bulk(scope, header, value_offset, length)
        if scope.depth == 0 and length and (self.pixels is None or header.tag == PIXEL_DATA):
            self.pixels = PixelElement(
                header.tag, vr, offset, window.tell(), value_offset, length, fragments, head
            )

    def _read_fragments(self, scope: _Scope) -> Fragments:
        fragments = read_fragments(
            self._window,
            little=scope.encoding.little,
            longest_table=self._limits.value_bytes,
            charge=self._charge,
        )
        if not fragments.ended:
            self.warn("Encapsulated pixel data has no end.")
        return fragments

    # -- to JSON

    def _charge(self, cost: int) -> None:
        self._held += cost
        if self._held > self._limits.dataset_bytes:
            raise _too_large()

    def _declare(self, scope: _Scope) -> None:
        """Specific Character Set was read: it holds for this data set and the items in it."""
        text = (scope.value(_CHARACTER_SET) or b"").decode("latin-1").strip(" \0")
        if text:
            scope.charset = character_set(tuple(text.split("\\")))
            if scope.charset.unknown:
                self.warn("Specific Character Set names a repertoire that is not known.")

    def _converted(self, scope: _Scope) -> dict[str, Element]:
        """DICOM JSON of one data set: ascending, no group length, nothing below group 8 (J-01, W-23)."""
        attributes: dict[str, Element] = {}
        last, ascending = -1, True
        charset, little, tag_text = scope.charset, scope.encoding.little, _TAG_TEXT.get
        for tag, vr, value, offset in scope.raw:
            if tag <= last:
                ascending = False
            last = tag
            if tag & 0xFFFF == 0 or tag < 0x00080000:
                continue
            if " " in vr:
                vr = resolved_vr(tag, vr, scope.number, explicit=scope.encoding.explicit)
            if value.__class__ is bytes:
                if len(value) > _SHORT_VALUE:
                    self._charge(_expansion(vr, value))
                try:
                    converted = element(vr, value, charset, little=little)
                except NotANumber:
                    converted = self._bulk_element(scope, tag, vr, len(value), offset)
            elif vr == "SQ":
                converted = {"vr": "SQ", "Value": value} if value else {"vr": "SQ"}
            else:
                converted = self._bulk_element(scope, tag, vr, value, offset)
            attributes[tag_text(tag) or f"{tag:08X}"] = converted
        if "Value" in attributes.get("00080005", ()):
            attributes["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # J-21
        return attributes if ascending else dict(sorted(attributes.items()))

    def _bulk_element(self, scope: _Scope, tag: int, vr: str, length: int, offset: int) -> Element:
        path = f"{scope.prefix}{tag:08X}"
        self.bulkdata.append(BulkValue(path, vr, offset, length))
        return {"vr": vr, "BulkDataURI": path}


def _expansion(vr: str, value: bytes) -> int:
    """Memory that the Python objects of a value take beyond its bytes: lists of numbers and names swell."""
    known = VALUE_REPRESENTATIONS[vr]
    if known.number or vr == "AT":
        return _NUMBER_COST * (len(value) // known.word)
    if known.binary or known.single:
        return 2 * len(value)
    return (_NAME_COST if vr == "PN" else _TEXT_COST) * value.count(b"\\") + len(value)


def _too_large() -> InvalidDicom:
    return InvalidDicom(
        "The data set without its bulkdata is larger than the configured limit.",
        failure_reason=_OUT_OF_RESOURCES,
    )
