"""Data sets element by element: sequences, UN, private creators, sloppy writers (P-02..P-06)."""

from __future__ import annotations

import struct
from typing import Any

import orjson
import pytest

from dicomweb.dicom.part10 import Scan, ScanLimits, scan
from dicomweb.errors import InvalidDicom
from tests.dicom.encoded import (
    BIG_ENDIAN_START,
    END,
    IMPLICIT_START,
    START,
    UNDEFINED,
    explicit,
    implicit,
    item,
)

SEQUENCE = 0x30060020  # Structure Set ROI Sequence
ROI_NAME = 0x30060026
NAME = explicit(ROI_NAME, b"LO", b"liver ")
NAME_IMPLICIT = implicit(ROI_NAME, b"liver ")
LIVER = {"30060026": {"vr": "LO", "Value": ["liver"]}}


def read(data: bytes, **limits: int) -> tuple[dict[str, Any], Scan]:
    scanned = scan([data], limits=ScanLimits(**limits))
    return orjson.loads(orjson.dumps(scanned.attributes)), scanned


def explicit_sequence(value: bytes, *, defined: bool) -> bytes:
    if defined:
        return explicit(SEQUENCE, b"SQ", value)
    return explicit(SEQUENCE, b"SQ", value, length=UNDEFINED) + END


@pytest.mark.parametrize("sequence_defined", [True, False])
@pytest.mark.parametrize("item_defined", [True, False])
def test_sequences_of_either_length_read_the_same(sequence_defined: bool, item_defined: bool) -> None:
    nested = explicit_sequence(item(NAME, defined=item_defined), defined=sequence_defined)
    items = item(NAME + nested, defined=item_defined) + item(b"", defined=item_defined)
    attributes, scanned = read(START + explicit_sequence(items, defined=sequence_defined))
    assert attributes["30060020"] == {
        "vr": "SQ",
        "Value": [{"30060020": {"vr": "SQ", "Value": [LIVER]}, **LIVER}, {}],
    }
    assert scanned.warnings == ()


def test_a_sequence_without_items_has_only_its_vr() -> None:
    for defined in (True, False):
        attributes, _ = read(START + explicit_sequence(b"", defined=defined))
        assert attributes["30060020"] == {"vr": "SQ"}


def test_attributes_ascend_whatever_their_order() -> None:
    data = NAME + explicit(0x00100020, b"LO", b"ID") + explicit(0x00081030, b"LO", b"head")
    attributes, _ = read(START + data)
    assert list(attributes) == sorted(attributes)


def test_of_duplicates_the_last_counts() -> None:
    attributes, _ = read(START + explicit(0x00100020, b"LO", b"ID") * 2 + explicit(0x00100020, b"LO", b"IE"))
    assert attributes["00100020"]["Value"] == ["IE"]


def test_group_lengths_and_lower_groups_never_show() -> None:
    lengths = explicit(0x00080000, b"UL", b"\0\0\0\0") + explicit(0x00090000, b"UL", b"\0\0\0\0")
    nested = explicit(SEQUENCE, b"SQ", item(explicit(0x30060000, b"UL", b"\0\0\0\0") + NAME))
    attributes, _ = read(START + lengths + nested + explicit(0x00020010, b"UI", b"1.2\0"))
    assert not [tag for tag in attributes if tag.endswith("0000") or tag < "0008"]
    assert attributes["30060020"]["Value"] == [LIVER]


# --- UN and private elements


def test_un_takes_the_vr_of_the_dictionary() -> None:
    attributes, _ = read(START + explicit(0x00100020, b"UN", b"ID") + explicit(0x00280010, b"UN", b"\2\0"))
    assert attributes["00100020"] == {"vr": "LO", "Value": ["ID"]}
    assert attributes["00280010"] == {"vr": "US", "Value": [2]}


@pytest.mark.parametrize("defined", [True, False])
def test_un_holding_items_is_an_implicit_sequence(defined: bool) -> None:
    items = item(NAME_IMPLICIT) + item(NAME_IMPLICIT, defined=False)
    length = len(items) if defined else UNDEFINED
    data = explicit(SEQUENCE, b"UN", items, length=length) + (b"" if defined else END)
    attributes, _ = read(START + data)
    assert attributes["30060020"] == {"vr": "SQ", "Value": [LIVER, LIVER]}


def test_private_un_of_undefined_length_is_a_sequence() -> None:
    data = explicit(0x00090010, b"LO", b"NOBODY") + explicit(0x00091001, b"UN", length=UNDEFINED)
    attributes, _ = read(START + data + item(NAME_IMPLICIT) + END)
    assert attributes["00091001"] == {"vr": "SQ", "Value": [LIVER]}


def test_un_that_only_the_dictionary_calls_a_sequence_stays_bytes() -> None:
    attributes, _ = read(START + explicit(SEQUENCE, b"UN", b"no items"))
    assert attributes["30060020"] == {"vr": "UN", "InlineBinary": "bm8gaXRlbXM="}


PHILIPS = b"Philips PET Private Group "


@pytest.mark.parametrize("block", [0x10, 0x21])
def test_private_elements_are_numbers_where_their_creator_is_known(block: int) -> None:
    creator = 0x70530000 | block
    scale, factor = creator << 8 & 0xFF00 | 0x70530000, creator << 8 & 0xFF00 | 0x70530009
    for data in (
        START
        + explicit(creator, b"LO", PHILIPS)
        + explicit(scale, b"UN", b"0.5 ")
        + explicit(factor, b"UN", b"2 "),
        IMPLICIT_START + implicit(creator, PHILIPS) + implicit(scale, b"0.5 ") + implicit(factor, b"2 "),
    ):
        attributes, _ = read(data)
        assert attributes[f"{scale:08X}"] == {"vr": "DS", "Value": [0.5]}
        assert attributes[f"{factor:08X}"] == {"vr": "DS", "Value": [2]}
        assert attributes[f"{creator:08X}"] == {"vr": "LO", "Value": [PHILIPS.decode().strip()]}


def test_two_creators_of_one_group_do_not_mix() -> None:
    creators = implicit(0x70530010, b"SOMEONE ") + implicit(0x70530011, PHILIPS)
    attributes, _ = read(
        IMPLICIT_START + creators + implicit(0x70531000, b"2 ") + implicit(0x70531100, b"2 ")
    )
    assert attributes["70531000"] == {"vr": "UN", "InlineBinary": "MiA="}
    assert attributes["70531100"] == {"vr": "DS", "Value": [2]}


# --- VRs that depend on other elements (J-13)


@pytest.mark.parametrize(
    ("representation", "expected"), [(0, ("US", 0xFFFF)), (1, ("SS", -1)), (None, ("US", 0xFFFF))]
)
def test_us_or_ss_follows_pixel_representation(representation: int | None, expected: tuple[str, int]) -> None:
    data = implicit(0x00280106, b"\xff\xff")  # Smallest Image Pixel Value
    nested = implicit(0x00409096, item(implicit(0x00409216, b"\xff\xff")))
    if representation is not None:
        data = implicit(0x00280103, struct.pack("<H", representation)) + data
    attributes, _ = read(IMPLICIT_START + data + nested)
    vr, value = expected
    assert attributes["00280106"] == {"vr": vr, "Value": [value]}
    assert attributes["00409096"]["Value"][0]["00409216"] == {"vr": vr, "Value": [value]}


@pytest.mark.parametrize(("entries", "vr"), [(1, "US"), (256, "OW")])
def test_lut_data_follows_its_descriptor(entries: int, vr: str) -> None:
    lut = implicit(0x00283002, struct.pack("<3H", entries, 0, 16)) + implicit(0x00283006, b"\1\0")
    attributes, _ = read(IMPLICIT_START + implicit(0x00283010, item(lut)))
    assert attributes["00283010"]["Value"][0]["00283006"]["vr"] == vr


# --- bulkdata


def test_long_values_are_bulkdata_that_leads_to_the_bytes() -> None:
    document, text = bytes(range(256)) * 8, b"long " * 4000
    nested = explicit(SEQUENCE, b"SQ", item() + item(explicit(0x00420011, b"OB", document)))
    data = START + explicit(0x0040A160, b"UT", text) + explicit(0x00420011, b"OB", document) + nested
    attributes, scanned = read(data)
    assert attributes["00420011"] == {"vr": "OB", "BulkDataURI": "00420011"}
    assert attributes["0040A160"] == {"vr": "UT", "BulkDataURI": "0040A160"}
    assert attributes["30060020"]["Value"][1]["00420011"]["BulkDataURI"] == "30060020/1/00420011"
    found = {value.path: data[value.offset : value.offset + value.length] for value in scanned.bulkdata}
    assert found == {"00420011": document, "0040A160": text, "30060020/1/00420011": document}


@pytest.mark.parametrize("size", [1024, 1025])
def test_small_byte_strings_are_inline(size: int) -> None:
    attributes, _ = read(START + explicit(0x00420011, b"OB", bytes(size)))
    assert ("InlineBinary" in attributes["00420011"]) == (size <= 1024)


@pytest.mark.parametrize("vr", ["PN", "LO", "UI", "DA", "CS", "SH", "AT", "UR"])
def test_vrs_that_may_not_be_bulkdata_are_not(vr: str) -> None:
    value = b"12345678" * 4000
    attributes, _ = read(START + explicit(0x00091001, vr.encode(), value))
    assert "BulkDataURI" not in attributes["00091001"]


def test_numbers_that_json_cannot_say_are_bulkdata() -> None:
    data = START + explicit(0x00189073, b"FD", struct.pack("<2d", 1.0, float("nan")))
    data += explicit(0x00189074, b"FL", struct.pack("<f", float("inf")))
    attributes, scanned = read(data)
    assert attributes["00189073"] == {"vr": "FD", "BulkDataURI": "00189073"}
    assert attributes["00189074"] == {"vr": "FL", "BulkDataURI": "00189074"}
    assert [data[value.offset :][: value.length] for value in scanned.bulkdata][1] == struct.pack(
        "<f", float("inf")
    )


def test_icons_are_bulkdata_however_small() -> None:
    icon = explicit(0x7FE00010, b"OW", b"\1\2\3\4")
    encapsulated = explicit(0x7FE00010, b"OB", item() + item(b"\xff\xd8icon\xff\xd9"), length=UNDEFINED) + END
    data = START + explicit(0x00880200, b"SQ", item(icon) + item(encapsulated))
    attributes, scanned = read(data)
    assert attributes["00880200"]["Value"][0]["7FE00010"] == {
        "vr": "OW",
        "BulkDataURI": "00880200/0/7FE00010",
    }
    assert scanned.pixel_layout is None
    assert [data[value.offset :][: value.length] for value in scanned.bulkdata] == [
        b"\1\2\3\4",
        b"\xff\xd8icon\xff\xd9",
    ]


def test_big_endian_words_come_out_little() -> None:
    data = (
        BIG_ENDIAN_START
        + explicit(0x00280009, b"AT", b"\0\x18\x10\x63", order=">")
        + explicit(0x00281201, b"OW", b"\1\2", order=">")
    )
    attributes, _ = read(data)
    assert attributes["00280009"] == {"vr": "AT", "Value": ["00181063"]}
    assert attributes["00281201"] == {"vr": "OW", "InlineBinary": "AgE="}


# --- sloppy writers


def test_an_unknown_vr_has_a_32_bit_length() -> None:
    attributes, _ = read(START + struct.pack("<HH2sHI", 0x0099, 0x1001, b"ZZ", 0, 2) + b"ab" + NAME)
    assert attributes["00991001"] == {"vr": "UN", "InlineBinary": "YWI="}
    assert attributes["30060026"] == LIVER["30060026"]


@pytest.mark.parametrize("vr", [b"\0\0", b"??", b"  "])
def test_a_blanked_out_vr_is_looked_up(vr: bytes) -> None:
    attributes, scanned = read(START + struct.pack("<HH2sH", 0x0010, 0x0020, vr, 2) + b"ID" + NAME)
    assert attributes["00100020"] == {"vr": "LO", "Value": ["ID"]}
    assert scanned.warnings


def test_an_implicit_element_among_explicit_ones_is_read() -> None:
    attributes, _ = read(START + implicit(0x00100020, b"ID") + NAME)
    assert attributes["00100020"] == {"vr": "LO", "Value": ["ID"]}


def test_items_may_be_of_the_other_encoding() -> None:
    attributes, _ = read(START + explicit(SEQUENCE, b"SQ", item(NAME_IMPLICIT)))
    assert attributes["30060020"]["Value"] == [LIVER]
    attributes, _ = read(IMPLICIT_START + implicit(SEQUENCE, item(NAME)))
    assert attributes["30060020"]["Value"] == [LIVER]


def test_an_element_that_overruns_its_item_is_clipped() -> None:
    overrun = explicit(ROI_NAME, b"LO", b"liver ", length=200)
    attributes, scanned = read(START + explicit(SEQUENCE, b"SQ", item(overrun)) + explicit(0x30080010, b"SQ"))
    assert attributes["30060020"]["Value"] == [LIVER]
    assert "30080010" in attributes
    assert scanned.warnings


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(NAME, id="not an item"),
        pytest.param(item(NAME) + b"\1\2\3", id="three bytes too many"),
        pytest.param(item(NAME) + END, id="a delimiter although the length is known"),
        pytest.param(implicit(0xFFFEE00D) + item(NAME), id="an end before the beginning"),
        pytest.param(
            implicit(0xFFFEE000, NAME, length=len(NAME) + 100), id="an item longer than its sequence"
        ),
        pytest.param(implicit(0xFFFEE000, NAME, length=UNDEFINED), id="an item without end"),
    ],
)
def test_a_damaged_sequence_leaves_the_rest_of_the_data_set(value: bytes) -> None:
    attributes, _ = read(START + explicit(SEQUENCE, b"SQ", value) + explicit(0x30080010, b"SQ"))
    assert attributes["30080010"] == {"vr": "SQ"}


def test_a_sequence_whose_end_is_missing_ends_at_the_next_element() -> None:
    data = explicit(SEQUENCE, b"SQ", item(NAME), length=UNDEFINED) + explicit(0x30080010, b"SQ")
    attributes, scanned = read(START + data)
    assert attributes["30060020"]["Value"] == [LIVER]
    assert attributes["30080010"] == {"vr": "SQ"}
    assert scanned.warnings


@pytest.mark.parametrize("stray", [0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD])
def test_stray_delimiters_are_passed_over(stray: int) -> None:
    attributes, scanned = read(START + implicit(stray) + NAME)
    assert attributes["30060026"] == LIVER["30060026"]
    assert scanned.warnings


def test_odd_lengths_are_read() -> None:
    attributes, _ = read(START + explicit(0x00100020, b"LO", b"odd") + NAME)
    assert attributes["00100020"]["Value"] == ["odd"]


def test_a_text_of_undefined_length_is_refused() -> None:
    with pytest.raises(InvalidDicom):
        read(START + explicit(0x0040A160, b"UT", length=UNDEFINED) + item(b"text") + END)


# --- character sets in context (J-21, G-45)


def test_items_take_over_the_character_set_or_declare_their_own() -> None:
    greek, cyrillic = "Διον".encode("iso8859-7"), "Люк ".encode("iso8859-5")
    own = explicit(0x00080005, b"CS", b"ISO_IR 144") + explicit(ROI_NAME, b"LO", cyrillic)
    items = item(explicit(ROI_NAME, b"LO", greek)) + item(own) + item(explicit(ROI_NAME, b"LO", greek))
    declared = explicit(0x00080005, b"CS", b"ISO_IR 126")
    attributes, _ = read(START + declared + explicit(SEQUENCE, b"SQ", items))
    assert attributes["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    names = [entry["30060026"]["Value"] for entry in attributes["30060020"]["Value"]]
    assert names == [["Διον"], ["Люк"], ["Διον"]]
    assert attributes["30060020"]["Value"][1]["00080005"]["Value"] == ["ISO_IR 192"]


def test_text_beyond_ascii_declares_unicode_in_json() -> None:
    attributes, _ = read(START + explicit(0x00100020, b"LO", "Jürgen".encode()))
    assert attributes["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert attributes["00100020"]["Value"] == ["Jürgen"]
    assert "00080005" not in read(START)[0]


# --- memory


def test_long_sequences_are_folded_to_text_that_says_the_same() -> None:
    document = explicit(0x00420011, b"OB", bytes(2000))
    one = item(NAME + document + explicit(0x00409096, b"SQ", item(NAME)))
    count = 5000
    attributes, scanned = read(START + explicit(SEQUENCE, b"SQ", one * count))
    items = attributes["30060020"]["Value"]
    assert len(items) == count == len(scanned.bulkdata)
    assert isinstance(scanned.attributes["30060020"]["Value"][-1], orjson.Fragment)
    for index in (0, count - 1):
        expected = {"vr": "OB", "BulkDataURI": f"30060020/{index}/00420011"}
        assert items[index] == {
            "00409096": {"vr": "SQ", "Value": [LIVER]},
            "00420011": expected,
            **LIVER,
        } | {"00420011": expected}
    assert list(items[0]) == sorted(items[0])


def test_thousands_of_frames_fit_the_limit() -> None:
    position = item(explicit(0x00200032, b"DS", b"-100.5\\200.25\\3.125 "))
    groups = explicit(0x00209113, b"SQ", position) + explicit(
        0x00209111, b"SQ", item(explicit(0x00209157, b"UL", bytes(8)))
    )
    data = START + explicit(0x52009230, b"SQ", item(groups) * 30_000, length=UNDEFINED) + END
    assert len(scan([data]).attributes["52009230"]["Value"]) == 30_000


# --- values that came before


def test_a_value_that_came_before_is_read_by_its_own_character_set_byte_order_and_vr() -> None:
    text, number = bytes((0xC3, 0xBC)), b"\x01\x02"
    latin, utf8 = explicit(0x00080005, b"CS", b"ISO_IR 100"), explicit(0x00080005, b"CS", b"ISO_IR 192")
    study = explicit(0x00081030, b"LO", text)
    for _ in range(2):
        assert read(START + latin + study)[0]["00081030"]["Value"] == ["\u00c3\u00bc"]
        assert read(START + utf8 + study)[0]["00081030"]["Value"] == ["\u00fc"]
        assert read(START + explicit(0x00280010, b"US", number))[0]["00280010"]["Value"] == [0x0201]
        assert read(START + explicit(0x00280010, b"SS", number))[0]["00280010"]["vr"] == "SS"
        big = explicit(0x00280010, b"US", number, order=">")
        assert read(BIG_ENDIAN_START + big)[0]["00280010"]["Value"] == [0x0102]


def test_more_different_values_than_are_kept_are_each_read_right() -> None:
    values = [f"{number:>16}".encode() for number in range(9000)]
    data = b"".join(explicit(0x00091000 + at, b"LO", value) for at, value in enumerate(values))
    for _ in range(2):
        attributes, _scanned = read(START + data)
        assert [attributes[f"{0x00091000 + at:08X}"]["Value"] for at in range(9000)] == [
            [value.decode()] for value in values
        ]


def test_values_that_came_before_count_against_the_memory_of_each_data_set() -> None:
    data = START + b"".join(
        explicit(0x00091000 + at, b"LO", b"a\\b\\c\\d\\e\\f\\g\\h\\i\\") for at in range(100)
    )
    assert len(read(data, dataset_bytes=200_000)[0]) > 100
    for _ in range(2):
        with pytest.raises(InvalidDicom, match="larger than the configured limit"):
            read(data, dataset_bytes=50_000)
