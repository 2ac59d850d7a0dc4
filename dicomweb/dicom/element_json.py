"""What was read of a data set turned into DICOM JSON (PS3.18 annex F), and the places of its bulkdata."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.dicom.dictionary import VR_OF_TAG, resolved_vr
from dicomweb.dicom.json_model import Element, NotANumber, element
from dicomweb.dicom.limits import Budget
from dicomweb.dicom.scope import Scope
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS

_FIRST_OF_DATA_SETS = 0x00080000
_TAG_TEXT = {tag: f"{tag:08X}" for tag in VR_OF_TAG}
# Memory of one value of many as a Python object, and the length up to which a value cannot hold many.
_NUMBER_COST, _TEXT_COST, _NAME_COST, _SHORT_VALUE = 36, 64, 350, 16


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

    def converted(self, scope: Scope) -> dict[str, Element]:
        """DICOM JSON of one data set: ascending, no group length, nothing below group 8 (J-01, W-23)."""
        attributes: dict[str, Element] = {}
        last, ascending = -1, True
        charset, little, tag_text = scope.charset, scope.encoding.little, _TAG_TEXT.get
        for tag, vr, value, offset in scope.raw:
            if tag <= last:
                ascending = False
            last = tag
            if tag & 0xFFFF == 0 or tag < _FIRST_OF_DATA_SETS:
                continue
            if " " in vr:
                vr = resolved_vr(tag, vr, scope.number, explicit=scope.encoding.explicit)
            if value.__class__ is bytes:
                if len(value) > _SHORT_VALUE:
                    self._budget.charge(_expansion(vr, value))
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

    def _bulk_element(self, scope: Scope, tag: int, vr: str, length: int, offset: int) -> Element:
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
