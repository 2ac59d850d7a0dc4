"""P10 -> JSON -> P10 gives the same data set (J-20), and group 2 is true to what follows it (P-01)."""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread

from dicomweb.dicom.explicit import pixel_word_bits
from dicomweb.dicom.json_model import little_endian
from dicomweb.dicom.part10 import BulkValue, Scan, scan
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, TRANSFER_SYNTAXES
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.dicom.write import Bulk, file_meta, read_json, with_transfer_syntax, write_dataset, write_part10
from dicomweb.errors import InvalidDicom
from tests.builders import make_instance
from tests.dicom.corpus import CORPORA, UNKNOWN_IN_BIG_ENDIAN, differences, paths, read


def no_bulkdata(_uri: str) -> Bulk:
    raise AssertionError("no bulkdata in here")


class Stored:
    """A scanned object and the bytes that its index counts in."""

    def __init__(self, received: bytes) -> None:
        inflated: list[bytes] = []
        self.scanned: Scan = scan([received], on_inflated=inflated.append)
        self.indexed = b"".join(inflated) or received
        self._places = {value.path: value for value in self.scanned.bulkdata}
        self.syntax = TRANSFER_SYNTAXES[self.scanned.transfer_syntax_uid]

    @property
    def json(self) -> bytes:
        return orjson.dumps(self.scanned.attributes)

    def bulk(self, path: str) -> Bulk:
        value = self.value(self._places[path])
        return Bulk(len(value), [value])

    def value(self, place: BulkValue) -> bytes:
        raw = self.indexed[place.offset : place.offset + place.length]
        if self.syntax.little:
            return raw
        layout = self.scanned.pixel_layout
        word = VALUE_REPRESENTATIONS[place.vr].word
        if layout is not None and place.path == layout.tag:
            word = pixel_word_bits(place.vr, layout.bits_allocated) // 8
        return little_endian(raw, word)

    def rewritten(self) -> bytes:
        uid = self.scanned.transfer_syntax_uid if self.syntax.encapsulated else EXPLICIT_LITTLE
        return b"".join(write_part10(read_json(self.json), self.bulk, transfer_syntax_uid=uid))

    def bulk_values(self) -> list[bytes]:
        return [even(self.value(place)) for place in sorted(self.scanned.bulkdata, key=lambda p: p.path)]


def even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def evened(attributes: dict[str, Any], encapsulated: bool) -> dict[str, Any]:
    """Attributes as they are written: binary values of even length, and OB where pixels lie in fragments."""
    for tag, element in attributes.items():
        if tag == "7FE00010" and element["vr"] == "OW" and encapsulated:
            element["vr"] = "OB"
        if "InlineBinary" in element:
            element["InlineBinary"] = even(b64decode(element["InlineBinary"]))
        if element["vr"] == "SQ":
            element["Value"] = [evened(item, encapsulated) for item in element.get("Value", [])]
    return attributes


def stored_files(corpus: str, request: pytest.FixtureRequest) -> Iterator[tuple[str, bytes, Stored]]:
    for path in paths(corpus, request):
        received = path.read_bytes()
        try:
            yield path.name, received, Stored(received)
        except InvalidDicom:
            continue


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_corpus_survives_json_and_back(corpus: str, request: pytest.FixtureRequest) -> None:
    """Seen by our own scan: attributes and bulkdata are equal, element by element."""
    count = 0
    for name, _, stored in stored_files(corpus, request):
        again = Stored(stored.rewritten())
        encapsulated = stored.syntax.encapsulated
        written, kept = (evened(orjson.loads(one.json), encapsulated) for one in (again, stored))
        assert written == kept, name
        assert again.bulk_values() == stored.bulk_values(), name
        count += 1
    assert count > {"pydicom": 60, "shared": 500}[corpus]


# Where pydicom's readings differ although the data sets are equal.
_EXPLAINED: dict[str, str | tuple[str, ...]] = {
    "fo-dicom__chrGB2312.dcm": "(0010,0010)",  # pydicom leaves escape sequences in the text
    # Offset tables of encapsulated icons, which have one frame, come out empty.
    "fo-dicom__GH133.dcm": ("(0088,0200)/0/(7FE0,0010)", "(07A3,10CE)/0/(7FE0,0010)"),
    # What was sent as UN is little endian in big endian too; pydicom turns what its dictionary knows.
    UNKNOWN_IN_BIG_ENDIAN: tuple(f"({group:04X}," for group in range(0x09, 0x7F, 2)),
    "dicom-test-files__emri_small_jpeg_2k_lossless_too_short.dcm": "(",  # pydicom reads nothing of it
}
_CHARACTER_SET = "(0008,0005)"  # JSON is UTF-8, and says so


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_corpus_survives_json_and_back_seen_by_pydicom(
    corpus: str, request: pytest.FixtureRequest
) -> None:
    unexplained: dict[str, list[str]] = {}
    for name, received, stored in stored_files(corpus, request):
        one, other = read(received), read(stored.rewritten())
        found = [
            line
            for line in differences(one, other, little=stored.syntax.little)
            if _CHARACTER_SET not in line and not line.startswith(_EXPLAINED.get(name, "-"))
        ]
        if found:
            unexplained[name] = found
    assert unexplained == {}


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.50", EXPLICIT_LITTLE])
def test_a_new_transfer_syntax_makes_us_the_implementation(uid: str) -> None:
    received = make_instance()
    meta = with_transfer_syntax(scan([received]).file_meta, uid)
    again = dcmread(BytesIO(bytes(128) + b"DICM" + meta), force=True).file_meta
    assert again.TransferSyntaxUID == uid
    assert again.ImplementationVersionName == "DICOMWEB_ARCHIVE"
    assert again.MediaStorageSOPInstanceUID == scan([received]).sop_instance_uid
    assert again.FileMetaInformationGroupLength == len(meta) - 12


def test_group_2_has_its_required_elements() -> None:
    meta = file_meta(sop_class_uid="1.2.3", sop_instance_uid="1.2.3.4", transfer_syntax_uid=EXPLICIT_LITTLE)
    again = dcmread(BytesIO(bytes(128) + b"DICM" + meta), force=True).file_meta
    assert [int(tag) for tag in again.keys()][:6] == [  # noqa: SIM118
        0x00020000,
        0x00020001,
        0x00020002,
        0x00020003,
        0x00020010,
        0x00020012,
    ]


@given(value=st.floats(-1e300, 1e300) | st.integers(-(10**12), 10**12))
def test_a_number_fits_its_decimal_string(value: float) -> None:
    written = b"".join(write_dataset({"00101030": {"vr": "DS", "Value": [value]}}, no_bulkdata))
    text = written[8:].decode().strip()
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-8, abs=1e-300)


def test_digits_of_numbers_are_kept() -> None:
    attributes = read_json(b'{"00101030": {"vr": "DS", "Value": [1.50, 2, 1e3]}}')
    assert b"".join(write_dataset(attributes, no_bulkdata))[8:] == b"1.50\\2\\1e3"


def test_text_beyond_ascii_is_written_in_utf_8_and_says_so() -> None:
    name = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}
    written = b"".join(write_dataset({"00100010": {"vr": "PN", "Value": [name]}}, no_bulkdata))
    assert written.startswith(struct.pack("<HH2sH", 8, 5, b"CS", 10) + b"ISO_IR 192")
    assert written.rstrip().endswith("Yamada^Tarou=山田^太郎".encode())


def test_empty_values_keep_their_place() -> None:
    attributes: dict[str, Any] = {
        "00080008": {"vr": "CS", "Value": ["A", None, "B"]},
        "00081140": {"vr": "SQ", "Value": [{}]},
        "00081150": {"vr": "UI"},
    }
    written = b"".join(write_dataset(attributes, no_bulkdata))
    assert written[8:12] == b"A\\\\B"
    assert scanned_back(written) == attributes


def scanned_back(dataset: bytes) -> dict[str, Any]:
    identity = {
        "00080016": {"vr": "UI", "Value": ["1.2"]},
        "00080018": {"vr": "UI", "Value": ["1.2.3"]},
        "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.3"]},
    }
    head = b"".join(write_part10(identity, no_bulkdata, transfer_syntax_uid=EXPLICIT_LITTLE))
    found: dict[str, Any] = orjson.loads(orjson.dumps(scan([head + dataset]).attributes))
    return {tag: element for tag, element in found.items() if tag not in identity}


@pytest.mark.parametrize(
    "attributes",
    [
        {"0010": {"vr": "LO"}},
        {"ZZZZZZZZ": {"vr": "LO"}},
        {"00100020": []},
        {"00100020": {"Value": ["1"]}},
        {"00280010": {"vr": "US", "Value": [70000]}},
        {"00280010": {"vr": "US", "Value": ["x"]}},
        {"00280010": {"vr": "US", "Value": 3}},
        {"00420011": {"vr": "OB", "InlineBinary": "not base64!"}},
        {"00101030": {"vr": "DS", "Value": [True]}},
        {"00201208": {"vr": "IS", "Value": [float("inf")]}},
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": 3}]}},
    ],
)
def test_json_outside_the_model_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(InvalidDicom):
        b"".join(write_dataset(attributes, no_bulkdata))
