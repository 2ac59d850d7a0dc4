"""What was read of a data set turned into DICOM JSON (PS3.18 annex F), and the places of its bulkdata."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dicomweb.dicom.charset import CharacterSet
from dicomweb.dicom.dictionary import VR_OF_TAG, resolved_vr
from dicomweb.dicom.json_model import Element, NotANumber, element
from dicomweb.dicom.limits import Budget
from dicomweb.dicom.scope import Scope
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS

_FIRST_OF_DATA_SETS = 0x00080000


class _TagTexts(dict[int, str]):
    """Tags as DICOM JSON writes them; private ones are kept too, up to a bound."""

    def __missing__(self, tag: int) -> str:
        text = f"{tag:08X}"
        if len(self) < _KEPT_TAGS:
            self[tag] = text
        return text


_TAG_TEXTS = _TagTexts({tag: f"{tag:08X}" for tag in VR_OF_TAG})
# Memory of one value of many as a Python object, and the length up to which a value cannot hold many.
_NUMBER_COST, _TEXT_COST, _NAME_COST, _SHORT_VALUE = 36, 64, 350, 16
# Most values of an instance are those of the one before it: to look one up costs a fifth of converting it.
# At most 4 MB for each of a few character sets.
_KEPT_LENGTH, _KEPT_VALUES, _KEPT_CHARSETS = 64, 4096, 8
_KEPT_TAGS = 1 << 15

# (VR, value) -> the element, and its charge.
_Kept = dict[tuple[str, bytes], tuple[Element, int]]


@dataclass(frozen=True, slots=True)
class BulkValue:
    """A value given by BulkDataURI: `length` bytes at `offset` of the indexed bytes.

    path: tag, or tag/item index/tag for nested ones. vr: tells the word size where bytes are to be swapped.
    """

    path: str
    vr: str
    offset: int
    length: int


class JsonMaker:
    """Makes the JSON of one object's data sets; bulkdata grows with each."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.bulkdata: list[BulkValue] = []

    # Elements are shared between data sets: nobody changes them.

    def converted(self, scope: Scope) -> dict[str, Element]:
        """DICOM JSON of one data set: ascending, no group length, nothing below group 8 (J-01, W-23)."""
        attributes: dict[str, Element] = {}
        last, ascending = -1, True
        charset, little = scope.charset, scope.encoding.little
        kept = _kept_elements(charset, little)
        for tag, vr, value, offset in scope.raw:
            if tag <= last:
                ascending = False
            last = tag
            if tag & 0xFFFF == 0 or tag < _FIRST_OF_DATA_SETS:
                continue
            if " " in vr:
                vr = resolved_vr(tag, vr, scope.number, explicit=scope.encoding.explicit)
            if value.__class__ is bytes:
                known = kept.get((vr, value))
                if known is None:
                    cost = _expansion(vr, value) if len(value) > _SHORT_VALUE else 0
                    self._budget.charge(cost)
                    try:
                        converted = element(vr, value, charset, little=little)
                    except NotANumber:
                        converted = self._bulk_element(scope, tag, vr, len(value), offset)
                    else:
                        _keep(kept, vr, value, converted, cost)
                else:
                    converted, cost = known
                    if cost:
                        self._budget.charge(cost)
            elif vr == "SQ":
                converted = {"vr": "SQ", "Value": value} if value else {"vr": "SQ"}
            else:
                converted = self._bulk_element(scope, tag, vr, value, offset)
            attributes[_TAG_TEXTS[tag]] = converted
        if "Value" in attributes.get("00080005", ()):
            attributes["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # J-21
        return attributes if ascending else dict(sorted(attributes.items()))

    def _bulk_element(self, scope: Scope, tag: int, vr: str, length: int, offset: int) -> Element:
        path = f"{scope.prefix}{tag:08X}"
        self.bulkdata.append(BulkValue(path, vr, offset, length))
        return {"vr": vr, "BulkDataURI": path}


@lru_cache(maxsize=_KEPT_CHARSETS)
def _kept_elements(charset: CharacterSet, little: bool) -> _Kept:  # noqa: ARG001 -- the key of the cache
    return {}


def _keep(kept: _Kept, vr: str, value: bytes, converted: Element, cost: int) -> None:
    if len(value) > _KEPT_LENGTH:
        return
    if len(kept) >= _KEPT_VALUES:
        kept.clear()
    kept[vr, value] = converted, cost


def _expansion(vr: str, value: bytes) -> int:
    """Memory that the Python objects of a value take beyond its bytes: lists of numbers and names swell."""
    known = VALUE_REPRESENTATIONS[vr]
    if known.number or vr == "AT":
        return _NUMBER_COST * (len(value) // known.word)
    if known.binary or known.single:
        return 2 * len(value)
    return (_NAME_COST if vr == "PN" else _TEXT_COST) * value.count(b"\\") + len(value)
