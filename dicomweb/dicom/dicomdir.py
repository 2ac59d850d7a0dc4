"""The directory of a File-set: DICOMDIR (PS3.3 F, PS3.10 8; M-08).

    directory = Dicomdir(sop_instance_uid)
    directory.add(attributes, ("DICOM", "S0000001", "I0000001"), transfer_syntax_uid, has_pixels=True)
    data = directory.file()

One study at a time: the records are a patient, a study, its series in the order in which they come, and what
is in each. A record is kept as the bytes that it becomes, some hundred an instance.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.dicom.write import PREAMBLE, file_meta, write_dataset
from dicomweb.errors import InvalidDicom

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

_STORAGE = "1.2.840.10008.5.1.4.1.1."
# By SOP class below the root of Storage; the longest that fits counts, and a dot at the end stands for all
# below. What has pixels and no line here is an IMAGE.
_TYPES = {
    "4.2": "SPECTROSCOPY",
    "9.": "WAVEFORM",
    "11.": "PRESENTATION",
    "34.7": "PLAN",
    "66": "RAW DATA",
    "66.1": "REGISTRATION",
    "66.2": "FIDUCIAL",
    "66.3": "REGISTRATION",
    "66.5": "SURFACE",
    "66.6": "TRACT",
    "67": "VALUE MAP",
    "68.1": "SURFACE SCAN",
    "68.2": "SURFACE SCAN",
    "77.1.5.3": "STEREOMETRIC",
    "78.": "MEASUREMENT",
    "78.6": "SR DOCUMENT",
    "79.1": "SR DOCUMENT",
    "80.1": "MEASUREMENT",
    "88.": "SR DOCUMENT",
    "88.59": "KEY OBJECT DOC",
    "90.1": "ASSESSMENT",
    "91.1": "ANNOTATION",
    "104.": "ENCAP DOC",
    "131": "PRESENTATION",
    "481.2": "RT DOSE",
    "481.3": "RT STRUCTURE SET",
    "481.4": "RT TREAT RECORD",
    "481.5": "RT PLAN",
    "481.6": "RT TREAT RECORD",
    "481.7": "RT TREAT RECORD",
    "481.8": "RT PLAN",
    "481.9": "RT TREAT RECORD",
    **{f"481.{number}": "RADIOTHERAPY" for number in range(10, 26)},
}

# Keys of the records with their VR; what an object does not say is written empty (PS3.3 F.5).
_PATIENT = {"00100010": "PN", "00100020": "LO", "00100030": "DA", "00100040": "CS"}
_STUDY = {
    "00080020": "DA",
    "00080030": "TM",
    "00080050": "SH",
    "00081030": "LO",
    "0020000D": "UI",
    "00200010": "SH",
}
_SERIES = {"00080060": "CS", "0008103E": "LO", "0020000E": "UI", "00200011": "IS"}
_INSTANCE = {"00080023": "DA", "00080033": "TM", "00200013": "IS"}
_CONCEPT = {"0040A043": "SQ"}
_LABEL = {"00700080": "CS", "00700081": "LO", "00700084": "PN"}
_OF_TYPE: dict[str, dict[str, str]] = {
    "SR DOCUMENT": {"0040A491": "CS", "0040A493": "CS"} | _CONCEPT,
    "KEY OBJECT DOC": _CONCEPT,
    "ENCAP DOC": {"00420010": "ST", "00420012": "LO"} | _CONCEPT,
    "PRESENTATION": {"00700082": "DA", "00700083": "TM"} | _LABEL,
    "REGISTRATION": _LABEL,
    "FIDUCIAL": _LABEL,
    "VALUE MAP": _LABEL,
    "RT DOSE": {"3004000A": "CS"},
    "RT STRUCTURE SET": {"30060002": "SH", "30060008": "DA", "30060009": "TM"},
    "RT PLAN": {"300A0002": "SH", "300A0006": "DA", "300A0007": "TM"},
    "RT TREAT RECORD": {"30080250": "DA", "30080251": "TM"},
}

_ITEM = struct.Struct("<HHI")
# Next record, in use, and first record below: always the first elements, so that offsets can be filled in.
_LINKS = struct.Struct("<HH2sHI HH2sHH HH2sHI".replace(" ", ""))
_SEQUENCE = struct.Struct("<HH2sHI")
_HEAD = struct.Struct("<HH2sH HH2sHI HH2sHI HH2sHH".replace(" ", ""))
_IN_USE = 0xFFFF


def record_type(sop_class_uid: str, *, has_pixels: bool) -> str:
    """Directory Record Type of an object (PS3.3 F.4)."""
    below = sop_class_uid.removeprefix(_STORAGE) if sop_class_uid.startswith(_STORAGE) else ""
    first = below.partition(".")[0] + "."
    return _TYPES.get(below) or _TYPES.get(first) or ("IMAGE" if has_pixels else "RAW DATA")


class Dicomdir:
    """Gathers records, then writes the file. sop_instance_uid: of the directory itself."""

    def __init__(self, sop_instance_uid: str) -> None:
        self._sop_instance_uid = sop_instance_uid
        self._above: list[bytes] = []
        self._series: list[tuple[bytes, list[bytes]]] = []
        self._series_instance_uid: Any = None

    def add(
        self,
        attributes: Mapping[str, Any],
        file_id: Sequence[str],
        transfer_syntax_uid: str,
        *,
        has_pixels: bool,
    ) -> None:
        """One more instance; those of a series come one after the other.

        attributes: as read_json gives them. file_id: components of the file's name.
        Raises InvalidDicom for attributes that are not of the DICOM JSON Model.
        """
        if not self._above:
            self._above = [_record("PATIENT", attributes, _PATIENT), _record("STUDY", attributes, _STUDY)]
        series = attributes.get("0020000E")
        if not self._series or series != self._series_instance_uid:
            self._series_instance_uid = series
            self._series.append((_record("SERIES", attributes, _SERIES), []))
        sop_class_uid = str((attributes.get("00080016", {}).get("Value") or [""])[0])
        kind = record_type(sop_class_uid, has_pixels=has_pixels)
        reference = {
            "00041500": {"vr": "CS", "Value": list(file_id)},
            "00041510": {**attributes.get("00080016", {}), "vr": "UI"},
            "00041511": {**attributes.get("00080018", {}), "vr": "UI"},
            "00041512": {"vr": "UI", "Value": [transfer_syntax_uid]},
        }
        keys = _INSTANCE | _OF_TYPE.get(kind, {})
        self._series[-1][1].append(_record(kind, attributes, keys, reference))

    def file(self) -> bytes:
        """The whole DICOMDIR."""
        meta = file_meta(
            sop_class_uid=MEDIA_STORAGE_DIRECTORY,
            sop_instance_uid=self._sop_instance_uid,
            transfer_syntax_uid=EXPLICIT_LITTLE,
        )
        start = len(PREAMBLE) + len(b"DICM") + len(meta) + _HEAD.size + _SEQUENCE.size
        records, first = self._linked(start)
        head = _HEAD.pack(
            *(4, 0x1130, b"CS", 0),
            *(4, 0x1200, b"UL", 4, first),
            *(4, 0x1202, b"UL", 4, first),  # of the one patient, so it is the last one too
            *(4, 0x1212, b"US", 2, 0),
        )
        sequence = _SEQUENCE.pack(4, 0x1220, b"SQ", 0, len(records))
        return PREAMBLE + b"DICM" + meta + head + sequence + records

    def _linked(self, start: int) -> tuple[bytes, int]:
        """All items with the offsets of their neighbours, and the offset of the first.

        start: byte of the file at which the first item begins.
        """
        if not self._above:
            return b"", 0
        patient, study = self._above
        at_study = start + _size(patient)
        position = at_series = at_study + _size(study)
        items = [_item(patient, 0, at_study), _item(study, 0, at_series)]
        for number, (series, leaves) in enumerate(self._series, 1):
            below = position + _size(series)
            after = below + sum(map(_size, leaves))
            items.append(_item(series, after if number < len(self._series) else 0, below))
            items += _chain(leaves, below)
            position = after
        return b"".join(items), start


def _chain(leaves: Sequence[bytes], position: int) -> Iterable[bytes]:
    for number, leaf in enumerate(leaves, 1):
        position += _size(leaf)
        yield _item(leaf, position if number < len(leaves) else 0, 0)


def _size(record: bytes) -> int:
    return _ITEM.size + _LINKS.size + len(record)


def _item(record: bytes, following: int, below: int) -> bytes:
    """A record as an item. following, below: offsets of the next one and of the first one below, or 0."""
    links = _LINKS.pack(
        *(4, 0x1400, b"UL", 4, following), *(4, 0x1410, b"US", 2, _IN_USE), *(4, 0x1420, b"UL", 4, below)
    )
    return _ITEM.pack(0xFFFE, 0xE000, len(links) + len(record)) + links + record


def _record(
    kind: str,
    attributes: Mapping[str, Any],
    keys: Mapping[str, str],
    more: Mapping[str, Any] | None = None,
) -> bytes:
    """What follows the links: type, reference and keys, which may be empty."""
    record = {
        "00041430": {"vr": "CS", "Value": [kind]},
        **(more or {}),
        **{tag: _in_line(attributes.get(tag), vr) for tag, vr in keys.items()},
    }
    return b"".join(write_dataset(record, _no_bulkdata))


def _in_line(element: Any, vr: str) -> Mapping[str, Any]:
    """The attribute, empty where it is missing or too long to stand in the metadata."""
    return element if isinstance(element, Mapping) and "BulkDataURI" not in element else {"vr": vr}


def _no_bulkdata(_uri: str) -> NoReturn:
    raise InvalidDicom("A key of the directory is too long.")
