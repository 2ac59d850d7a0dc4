"""One pass over an encoded data set: DICOM JSON of what is small, places of what is large (PS3.5 section 7).

The two loops over elements are the hot path of storing: they work on local variables and hand anything
that is not a short plain value to a method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from dicomweb.dicom.charset import character_set
from dicomweb.dicom.dictionary import VR_OF_TAG
from dicomweb.dicom.element_header import HeaderReader
from dicomweb.dicom.element_json import BulkValue, JsonMaker
from dicomweb.dicom.encapsulation import Fragments, read_fragments
from dicomweb.dicom.json_model import Element, little_endian
from dicomweb.dicom.limits import Budget, ScanLimits, too_large, value_too_long
from dicomweb.dicom.scope import (
    EXPLICIT_HEADERS,
    IMPLICIT_HEADERS,
    LENGTHS,
    Encoding,
    Header,
    Scope,
)
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
# A sequence that has cost this much keeps its further items as JSON text (an orjson.Fragment), a tenth of
# the memory of Python objects: enhanced multi-frame objects have tens of thousands of items.
_FOLD_COST = 2 << 20
_FOLDED_COST = 100
# Never folded: the catalog looks into the items of Request Attributes Sequence.
_UNFOLDED = frozenset({0x00400275})
# orjson writes at most 254 levels, and a sequence takes three.
_DEEPEST = 80


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where a top-level pixel data element lies; fragments is None for native pixels."""

    tag: int
    vr: str
    element_offset: int
    element_end: int
    value_offset: int
    value_length: int
    fragments: Fragments | None


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
    """Reads one data set from a window.

    After read(): pixels, the top-level pixel data; extended, the Extended Offset Tables by tag; padded, zeros
    ended a data set without pixels, so that nothing else may follow.
    """

    def __init__(self, window: Window, limits: ScanLimits) -> None:
        self._window = window
        self._limits = limits
        self._explicit = _explicit_plan(limits)
        self._implicit = _implicit_plan(limits)
        self._headers = HeaderReader(window, self._explicit, self.warn)
        self._depth_limit = min(limits.sequence_depth, _DEEPEST)
        self._top: Scope | None = None
        self._budget = Budget(limits.dataset_bytes)
        self._json = JsonMaker(self._budget)
        self._warnings: dict[str, None] = {}
        self.pixels: PixelElement | None = None
        self.extended: dict[int, bytes] = {}
        self.padded = False

    @property
    def bulkdata(self) -> list[BulkValue]:
        """What was given by BulkDataURI."""
        return self._json.bulkdata

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found odd, each sentence once."""
        return tuple(self._warnings)

    def warn(self, sentence: str) -> None:
        """Note a sentence, which holds no value of the data set."""
        self._warnings[sentence] = None

    def read(self, encoding: Encoding) -> dict[str, Element]:
        """The data set as DICOM JSON, attributes ascending. Raises InvalidDicom, CutOff."""
        self._top = Scope(encoding, math.inf, "", None)
        attributes = self._attributes(self._top)
        if "00080005" not in attributes and not orjson.dumps(attributes).isascii():
            declared = {"vr": "CS", "Value": ["ISO_IR 192"]}  # G-45
            attributes = dict(sorted({**attributes, "00080005": declared}.items()))
        return attributes

    def uid(self, tag: int) -> str:
        """A top-level UID read so far, also when reading ended in an error; empty when there is none."""
        raw = self._top.value(tag) if self._top else None
        return "" if raw is None else raw.decode("latin-1").strip("\0 \t\r\n")

    def _attributes(self, scope: Scope) -> dict[str, Element]:
        if scope.encoding.explicit:
            self._explicit_elements(scope)
        else:
            self._implicit_elements(scope)
        return self._json.converted(scope)

    # -- the loops

    def _explicit_elements(self, scope: Scope) -> None:
        window, plan, append, end = self._window, self._explicit, scope.raw.append, scope.end
        header = EXPLICIT_HEADERS[scope.encoding.little].unpack_from
        long_length = LENGTHS[scope.encoding.little].unpack_from
        most, held = self._limits.dataset_bytes, self._budget.held
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
                            raise too_large()
                        append((group << 16 | number, vr, data[start:stop], base + start))
                        i = stop
                        if group == 8 and number == 5:
                            self._declare(scope)
                        continue
            window.position, self._budget.held = i, held
            if not (self._more(scope) and self._special(scope)):
                return
            held, data, i, base = self._budget.held, window.data, window.position, window.base
            bound = min(len(data), end - base)

    def _implicit_elements(self, scope: Scope) -> None:
        window, plan, append, end = self._window, self._implicit, scope.raw.append, scope.end
        header = IMPLICIT_HEADERS[scope.encoding.little].unpack_from
        most, held, vr_of_tag = self._limits.dataset_bytes, self._budget.held, VR_OF_TAG.get
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
                        raise too_large()
                    append((tag, vr, data[start:stop], base + start))
                    i = stop
                    if tag == _CHARACTER_SET:
                        self._declare(scope)
                    continue
            window.position, self._budget.held = i, held
            if not (self._more(scope) and self._special(scope)):
                return
            held, data, i, base = self._budget.held, window.data, window.position, window.base
            bound = min(len(data), end - base)

    def _more(self, scope: Scope) -> bool:
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

    def _special(self, scope: Scope) -> bool:
        """Read the element at hand, whatever it is; False when it ends the data set."""
        window = self._window
        offset = window.tell()
        if scope.depth == 0 and self._headers.is_trailer(scope, after_pixels=self.pixels is not None):
            self.warn("Bytes that are no element follow the last one.")
            self.padded = self.pixels is None
            return False
        header = self._headers.read(scope)
        if not header.vr:
            return self._delimiter(header.tag, scope)
        if header.length != _UNDEFINED and window.tell() + header.length > scope.end:
            self.warn("An element runs past the end of its item.")
            header = header._replace(length=max(0, int(scope.end) - window.tell()))
        self._budget.charge(_ELEMENT_COST)
        if header.tag in _PIXEL_TAGS and header.vr.startswith(("O", "UN")):
            self._pixel_data(scope, header, offset)
        elif header.length == _UNDEFINED:
            self._undefined(scope, header)
        elif header.vr != "SQ":
            self._value(scope, header)
        elif header.stated or self._headers.begins_with_item(header):
            self._sequence(scope, header, window.tell() + header.length)
        else:
            self._value(scope, header._replace(vr="UN"))
        return True

    def _delimiter(self, tag: int, scope: Scope) -> bool:
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

    def _undefined(self, scope: Scope, header: Header) -> None:
        """UN of undefined length is a sequence in Implicit VR Little Endian (CP-246, PS3.5 6.2.2)."""
        if header.vr.startswith("O"):
            offset = self._window.tell()
            self._bulk(scope, header, offset, self._read_fragments(scope).end - offset)
        elif header.vr == "SQ" or not header.stated:
            self._sequence(scope, header, math.inf)
        else:
            raise InvalidDicom("A value of undefined length is neither a sequence nor pixel data.")

    def _value(self, scope: Scope, header: Header) -> None:
        """A value of defined length that the loops did not take: long, binary, UN, or across chunks."""
        window, limits, (tag, vr, length, _, _) = self._window, self._limits, header
        if scope.depth == 0 and tag in (EXTENDED_OFFSETS, EXTENDED_LENGTHS) and length <= limits.value_bytes:
            self._budget.charge(length)
            window.require(length)
            self.extended[tag] = window.data[window.position : window.position + length]
        offset, (ceiling, bulk) = window.tell(), self._ceiling(vr)
        of_un = header.encoding.little and not scope.encoding.little
        if length <= ceiling:
            self._budget.charge(length)
            value = window.take(length)
            scope.raw.append((tag, vr, _as_big_endian(value, vr) if of_un else value, offset))
            if tag == _CHARACTER_SET:
                self._declare(scope)
            return
        window.skip(length)
        if not bulk:
            raise value_too_long()
        # Readers turn bulkdata by its VR, so that of little-endian words must stay unknown.
        words = of_un and _word(vr) > 1
        self._bulk(scope, header._replace(vr="UN") if words else header, offset, length)

    def _ceiling(self, vr: str) -> tuple[int, bool]:
        """Longest plain value, and whether a longer one may be bulkdata."""
        known = VALUE_REPRESENTATIONS.get(vr)
        if known is None:  # one that is not resolved yet: 'OB or OW', 'US or SS'
            return (self._limits.inline_text_bytes if vr == "US or SS" else self._limits.inline_bytes), True
        if known.binary:
            return self._limits.inline_bytes, True
        return (self._limits.inline_text_bytes if known.bulk else self._limits.value_bytes), known.bulk

    def _bulk(self, scope: Scope, header: Header, offset: int, length: int) -> None:
        self._budget.charge(_BULK_COST)
        scope.raw.append((header.tag, header.vr, length or b"", offset))

    # -- sequences

    def _sequence(self, scope: Scope, header: Header, stop: float) -> None:
        """Read the items of a sequence: up to `stop` or, where that is infinite, to its delimiter."""
        if scope.depth >= self._depth_limit:
            raise InvalidDicom("Sequences are nested deeper than the configured limit.")
        window, cost, offset = self._window, 0, self._window.tell()
        items: list[Any] = []
        scope.raw.append((header.tag, "SQ", items, offset))
        while (tag_length := self._item_header(scope, header, stop)) is not None:
            held, bulk_count = self._budget.held, len(self._json.bulkdata)
            end = min(stop, scope.end)
            if tag_length != _UNDEFINED:
                if window.tell() + tag_length > end:
                    self.warn("An item runs past the end of its sequence.")
                end = min(end, window.tell() + tag_length)
            prefix = f"{scope.prefix}{header.tag:08X}/{len(items)}/"
            item: Any = self._item(Scope(header.encoding, end, prefix, scope))
            if tag_length != _UNDEFINED and window.tell() < end:
                self.warn("An item ends before its length does.")
                window.skip(int(end) - window.tell())
            cost += self._budget.held - held
            if cost > _FOLD_COST and header.tag not in _UNFOLDED:
                item = self._folded(item, held, bulk_count)
            items.append(item)

    def _item_header(self, scope: Scope, header: Header, stop: float) -> int | None:
        """The length of the next item, the window moved to its value; None at the end of the sequence."""
        window, little = self._window, header.encoding.little
        end = min(stop, scope.end)
        while (left := end - window.tell()) > 0:
            if left < 8:
                self.warn("A sequence ends within an item.")
                window.skip(int(left))
                return None
            window.require(8)
            group, number, length = IMPLICIT_HEADERS[little].unpack_from(window.data, window.position)
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

    def _item(self, scope: Scope) -> dict[str, Element]:
        self._budget.charge(_ELEMENT_COST)
        scope.encoding = self._headers.item_encoding(scope)
        return self._attributes(scope)

    def _folded(self, item: dict[str, Element], held: int, bulk_count: int) -> orjson.Fragment:
        """The item as JSON text, in bytes of just its size: orjson's own were made larger, and shrunk."""
        text = bytes(memoryview(orjson.dumps(item)))
        self._budget.held = held
        bulk_cost = _BULK_COST * (len(self._json.bulkdata) - bulk_count)
        # Half the text, as it is longer than what was read; so the limit says how much may be received.
        self._budget.charge(_FOLDED_COST + len(text) // 2 + bulk_cost)
        return orjson.Fragment(text)

    # -- pixel data

    def _pixel_data(self, scope: Scope, header: Header, offset: int) -> None:
        window, length = self._window, header.length
        value_offset, fragments = window.tell(), None
        implied = "OB" if length == _UNDEFINED else "OW"  # PS3.5 A.1, A.4
        vr = _PIXEL_VR.get(header.tag, header.vr if header.vr in ("OB", "OW") else implied)
        header = header._replace(vr=vr)
        if length == _UNDEFINED:
            fragments = self._read_fragments(scope)
            length = fragments.end - value_offset
        else:
            window.skip(length)
        if scope.depth and fragments and len(fragments.offsets) == 1:
            # An icon: the bare codestream is of more use than the items around it.
            self._bulk(scope, header, fragments.offsets[0], fragments.lengths[0])
        else:
            self._bulk(scope, header, value_offset, length)
        if scope.depth == 0 and length and (self.pixels is None or header.tag == PIXEL_DATA):
            self.pixels = PixelElement(header.tag, vr, offset, window.tell(), value_offset, length, fragments)

    def _read_fragments(self, scope: Scope) -> Fragments:
        fragments = read_fragments(
            self._window,
            little=scope.encoding.little,
            longest_table=self._limits.value_bytes,
            charge=self._budget.charge,
        )
        if not fragments.ended:
            self.warn("Encapsulated pixel data has no end.")
        return fragments

    def _declare(self, scope: Scope) -> None:
        """Specific Character Set was read: it holds for this data set and the items in it."""
        text = (scope.value(_CHARACTER_SET) or b"").decode("latin-1").strip(" \0")
        if text:
            scope.charset = character_set(tuple(text.split("\\")))
            if scope.charset.unknown:
                self.warn("Specific Character Set names a repertoire that is not known.")


def _as_big_endian(value: bytes, vr: str) -> bytes:
    """The value of an element sent as UN is little endian in every transfer syntax (PS3.5 6.2.2); the rest of
    a big-endian data set is not, so it is turned to be read with the others."""
    return little_endian(value, _word(vr))


def _word(vr: str) -> int:
    """Bytes of a VR's words; 2 where it is not resolved yet: 'OB or OW', 'US or SS'."""
    known = VALUE_REPRESENTATIONS.get(vr)
    return 2 if known is None else known.word
