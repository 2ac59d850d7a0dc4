"""Values in the DICOM JSON Model (PS3.18 annex F, J-01..J-21)."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dicomweb.dicom.charset import character_set
from dicomweb.dicom.json_model import NotANumber, element, little_endian
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS

ASCII = character_set(())
TEXT_VRS = [
    vr.name for vr in VALUE_REPRESENTATIONS.values() if not (vr.number or vr.binary or vr.name == "SQ")
]


def converted(vr: str, raw: bytes, *terms: str, little: bool = True) -> dict[str, Any]:
    result: dict[str, Any] = orjson.loads(orjson.dumps(element(vr, raw, character_set(terms), little=little)))
    return result


@given(
    vr=st.sampled_from([name for name in VALUE_REPRESENTATIONS if name != "SQ"]),
    raw=st.binary(max_size=80),
    terms=st.sampled_from(
        [(), ("ISO_IR 192",), ("ISO_IR 13",), ("", "ISO 2022 IR 87"), ("GB18030",), ("", "ISO 2022 IR 149")]
    ),
    little=st.booleans(),
)
def test_any_bytes_make_strict_json(vr: str, raw: bytes, terms: tuple[str, ...], little: bool) -> None:
    try:
        text = orjson.dumps(element(vr, raw, character_set(terms), little=little))
    except NotANumber:
        assert vr in ("FL", "FD")
        return

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    parsed = json.loads(text, parse_constant=refuse)
    assert set(parsed) in ({"vr"}, {"vr", "Value"}, {"vr", "InlineBinary"})
    assert parsed.get("Value") != []
    assert "" not in parsed.get("Value", ())


@pytest.mark.parametrize("vr", [name for name in VALUE_REPRESENTATIONS if name != "SQ"])
def test_an_empty_value_has_only_its_vr(vr: str) -> None:
    assert converted(vr, b"") == {"vr": vr}


@pytest.mark.parametrize("vr", TEXT_VRS)
@pytest.mark.parametrize("blank", [b" ", b"\0", b"    \0"])
def test_padding_alone_is_an_empty_value(vr: str, blank: bytes) -> None:
    if vr != "AT":
        assert converted(vr, blank) == {"vr": vr}


@pytest.mark.parametrize("vr", ["LO", "SH", "CS", "UC", "DA", "UI", "AE"])
def test_empty_values_between_others_are_null(vr: str) -> None:
    assert converted(vr, b"1\\\\2 ") == {"vr": vr, "Value": ["1", None, "2"]}
    assert converted(vr, b"\\") == {"vr": vr}


@pytest.mark.parametrize("vr", ["LT", "ST", "UT", "UR"])
def test_a_backslash_is_data_in_texts(vr: str) -> None:
    assert converted(vr, b"a\\b ") == {"vr": vr, "Value": ["a\\b"]}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"1.50", "1.50"),
        (b"-0.000100 ", "-0.000100"),
        (b"1E3", "1E3"),
        (b"512", "512"),
        (b"-7", "-7"),
        (b"0", "0"),
        (b"1.0", "1.0"),
        (b"12345678901234567890123", "12345678901234567890123"),
        (b"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        (b"+5", "5"),
        (b"007", "7"),
        (b".5", "0.5"),
        (b"5.", "5.0"),
        (b" 3 ", "3"),
    ],
)
@pytest.mark.parametrize("vr", ["DS", "IS"])
def test_numbers_keep_their_digits(vr: str, raw: bytes, text: str) -> None:
    expected = f'{{"vr":"{vr}","Value":[{text}]}}'
    assert orjson.dumps(element(vr, raw, ASCII)).decode() == expected


@pytest.mark.parametrize(
    "raw", [b"1,5", b"abc", b"1_0", b"NaN", b"Infinity", b"1e999", b"0x10", b"1 2", "٣".encode(), b"--1"]
)
@pytest.mark.parametrize("vr", ["DS", "IS"])
def test_text_that_is_no_number_stays_text(vr: str, raw: bytes) -> None:
    assert converted(vr, raw) == {"vr": vr, "Value": [raw.decode("latin-1")]}


@given(st.from_regex(rb"[+-]?[0-9]{0,30}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,3})?", fullmatch=True))
@example(b"9007199254740993")
@example(b"18446744073709551616")
def test_every_decimal_is_the_number_it_says(raw: bytes) -> None:
    values = converted("DS", raw).get("Value", [None])
    try:
        number = float(raw)
    except ValueError:
        assert not isinstance(values[0], int | float)
        return
    if math.isfinite(number):
        assert float(values[0]) == number
        assert not isinstance(values[0], str)
    else:
        assert isinstance(values[0], str)


@pytest.mark.parametrize(
    ("vr", "code", "values"),
    [
        ("US", "H", [0, 65535]),
        ("SS", "h", [-32768, 7]),
        ("UL", "I", [1 << 31]),
        ("SL", "i", [-(1 << 31), 1]),
        ("FL", "f", [0.5, -2.0]),
        ("FD", "d", [1 / 3]),
        ("UV", "Q", [1 << 53]),
        ("SV", "q", [-(1 << 53)]),
    ],
)
@pytest.mark.parametrize("little", [True, False])
def test_binary_numbers_are_numbers(vr: str, code: str, values: list[float], little: bool) -> None:
    raw = struct.pack(f"{'<' if little else '>'}{len(values)}{code}", *values)
    assert converted(vr, raw, little=little) == {"vr": vr, "Value": values}


def test_integers_beyond_a_double_are_text() -> None:
    assert converted("UV", struct.pack("<Q", (1 << 53) + 1))["Value"] == ["9007199254740993"]
    assert converted("SV", struct.pack("<q", -(1 << 53) - 1))["Value"] == ["-9007199254740993"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("vr", "code"), [("FL", "<f"), ("FD", "<d")])
def test_what_json_cannot_say_is_raised(vr: str, code: str, value: float) -> None:
    with pytest.raises(NotANumber):
        element(vr, struct.pack(code, value), ASCII)


def test_not_a_number_may_stand_in_byte_strings() -> None:
    assert "InlineBinary" in converted("OF", struct.pack("<f", math.nan))


@pytest.mark.parametrize("vr", ["US", "FD", "AT", "SV"])
def test_bytes_that_are_no_whole_numbers_stay_bytes(vr: str) -> None:
    assert converted(vr, b"abc") == {"vr": "UN", "InlineBinary": "YWJj"}


def test_tags_are_eight_upper_case_digits() -> None:
    assert converted("AT", b"\xe0\x7f\x10\x00\x18\x00\xab\xcd") == {
        "vr": "AT",
        "Value": ["7FE00010", "0018CDAB"],
    }


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("Doe^Jane ", {"Alphabetic": "Doe^Jane"}),
        (
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"},
        ),
        ("=山田", {"Ideographic": "山田"}),
        ("Doe==", {"Alphabetic": "Doe"}),
        ("Doe^^^^", {"Alphabetic": "Doe^^^^"}),
        ("a=b=c=d", {"Alphabetic": "a", "Ideographic": "b", "Phonetic": "c"}),
    ],
)
def test_names_have_their_groups(raw: str, value: dict[str, str]) -> None:
    assert converted("PN", raw.encode(), "ISO_IR 192") == {"vr": "PN", "Value": [value]}


def test_names_without_any_letter_are_empty() -> None:
    assert converted("PN", b"==") == {"vr": "PN"}
    assert converted("PN", b"A\\=\\B") == {
        "vr": "PN",
        "Value": [{"Alphabetic": "A"}, None, {"Alphabetic": "B"}],
    }


@given(raw=st.binary(max_size=40), word=st.sampled_from([1, 2, 4, 8]))
def test_turning_words_twice_changes_nothing(raw: bytes, word: int) -> None:
    turned = little_endian(raw, word)
    assert little_endian(turned, word) == raw
    assert turned[:word] == raw[:word][:: -1 if len(raw) >= word else 1]
