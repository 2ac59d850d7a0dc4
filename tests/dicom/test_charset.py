"""Text of every Defined Term of G-49, as Python's codecs and PS3.5's own examples have it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.charset import IANA, character_set, codec_of

SAMPLES = {
    "ISO_IR 100": ("latin-1", "Äneas Rüdiger"),
    "ISO_IR 101": ("iso8859-2", "Łódź Žižka"),
    "ISO_IR 109": ("iso8859-3", "Ħaż-Żebbuġ"),
    "ISO_IR 110": ("iso8859-4", "Ķēniņš"),
    "ISO_IR 144": ("iso8859-5", "Люкceмбypг"),
    "ISO_IR 127": ("iso8859-6", "قباني"),
    "ISO_IR 126": ("iso8859-7", "Διονυσιος"),
    "ISO_IR 138": ("iso8859-8", "שרון"),
    "ISO_IR 148": ("iso8859-9", "Çağrı"),
    "ISO_IR 203": ("iso8859-15", "œuvre €"),
    "ISO_IR 166": ("tis-620", "นามสกุล"),
    "ISO_IR 13": ("shift_jis", "ﾔﾏﾀﾞ"),
    "ISO_IR 192": ("utf-8", "王小東 😀"),
    "GB18030": ("gb18030", "王小东"),
    "GBK": ("gbk", "王小东"),
}


@pytest.mark.parametrize("term", SAMPLES)
def test_a_single_set_is_decoded(term: str) -> None:
    codec, text = SAMPLES[term]
    assert character_set((term,)).decode(text.encode(codec)) == text


@pytest.mark.parametrize(
    "term", [term for term in SAMPLES if term.startswith("ISO_IR") and term != "ISO_IR 192"]
)
def test_its_code_extension_term_means_the_same_repertoire(term: str) -> None:
    codec, text = SAMPLES[term]
    extension = term.replace("ISO_IR", "ISO 2022 IR")
    assert character_set((extension,)).decode(text.encode(codec)) == text
    assert character_set(("ISO 2022 IR 6", extension)).decode(text.encode(codec)) == text


ESCAPES = {
    "ISO 2022 IR 100": b"\x1b-A",
    "ISO 2022 IR 101": b"\x1b-B",
    "ISO 2022 IR 109": b"\x1b-C",
    "ISO 2022 IR 110": b"\x1b-D",
    "ISO 2022 IR 144": b"\x1b-L",
    "ISO 2022 IR 127": b"\x1b-G",
    "ISO 2022 IR 126": b"\x1b-F",
    "ISO 2022 IR 138": b"\x1b-H",
    "ISO 2022 IR 148": b"\x1b-M",
    "ISO 2022 IR 203": b"\x1b-b",
    "ISO 2022 IR 166": b"\x1b-T",
    "ISO 2022 IR 13": b"\x1b)I",
}


@pytest.mark.parametrize("term", ESCAPES)
def test_an_escape_switches_the_upper_half_until_a_delimiter(term: str) -> None:
    codec, text = SAMPLES[term.replace(" 2022 IR", "_IR").replace("ISO_IR", "ISO_IR")]
    raw = "Ä=".encode("latin-1") + ESCAPES[term] + text.encode(codec) + "^ü".encode("latin-1")
    assert character_set(("ISO 2022 IR 100", term)).decode(raw, name=True) == f"Ä={text}^ü"


# PS3.5 H.3.1, H.3.2, I.2, K.2.
EXAMPLES = [
    (
        ("", "ISO 2022 IR 87"),
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        ("ISO 2022 IR 13", "ISO 2022 IR 87"),
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    (
        ("", "ISO 2022 IR 149"),
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    (
        ("", "ISO 2022 IR 58"),
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
    ),
]


@pytest.mark.parametrize(("terms", "raw", "text"), EXAMPLES, ids=["H.3.1", "H.3.2", "I.2", "K.2"])
def test_the_examples_of_the_standard(terms: tuple[str, ...], raw: bytes, text: str) -> None:
    assert character_set(terms).decode(raw, name=True) == text


def test_jis_x_0212_is_decoded() -> None:
    text = "丂"
    pair = bytes(byte & 0x7F for byte in text.encode("euc_jp")[1:])
    assert character_set(("", "ISO 2022 IR 159")).decode(b"\x1b$(D" + pair + b"\x1b(B") == text


@pytest.mark.parametrize("separator", ["\\", "\t", "\r\n", "\x0c"])
def test_delimiters_reset_the_code_elements(separator: str) -> None:
    raw = b"\x1b-F" + "Δ".encode("iso8859-7") + separator.encode() + "Ä".encode("latin-1")
    assert character_set(("ISO 2022 IR 100", "ISO 2022 IR 126")).decode(raw) == f"Δ{separator}Ä"


def test_a_second_byte_that_looks_like_a_backslash_separates_nothing() -> None:
    for codec, term in (("gb18030", "GB18030"), ("gbk", "GBK")):
        raw = "誠".encode(codec)  # 0xD5 0x5C
        assert b"\\" in raw
        assert "\\" not in character_set((term,)).decode(raw)
    kanji = b"\x1b$B" + bytes(byte & 0x7F for byte in "椒".encode("euc_jp")) + b"\x1b(B"
    assert "\\" not in character_set(("", "ISO 2022 IR 87")).decode(kanji)


def test_the_byte_5c_separates_even_where_it_shows_a_yen_sign() -> None:
    assert character_set(("ISO_IR 13",)).decode(b"\xd4\\\xcf") == "ﾔ\\ﾏ"


@pytest.mark.parametrize(
    "term", ["ISO-IR 100", "ISO IR 100", "iso_ir 100", "ISO_IR_100", "ISO_IR 100 ", "ISO-8859-1"]
)
def test_terms_are_read_leniently(term: str) -> None:
    assert character_set((term,)).decode(b"\xc4") == "Ä"
    assert not character_set((term,)).unknown


def test_undeclared_text_is_utf_8_or_latin_1() -> None:
    for terms in ((), ("ISO_IR 6",), ("NO SUCH SET",)):
        assert character_set(terms).decode("Jürgen".encode()) == "Jürgen"
        assert character_set(terms).decode("Jürgen".encode("latin-1")) == "Jürgen"
    assert character_set(("NO SUCH SET",)).unknown


def test_iana_names_have_codecs() -> None:
    for name, codec in IANA.items():
        assert codec_of(name) == codec
        "".encode(codec)
    assert codec_of("ISO_IR 144") == "iso8859-5"
    assert codec_of("ISO_IR 6") == "ascii"
    assert codec_of("EBCDIC") is None


@given(
    raw=st.lists(
        st.one_of(
            st.binary(max_size=6), st.sampled_from([b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b(J", b"\x1b$(D"])
        )
    ),
    terms=st.lists(
        st.sampled_from(["", "ISO_IR 192", "GB18030", "ISO_IR 13", "ISO 2022 IR 87", "ISO 2022 IR 149", "x"]),
        max_size=3,
    ),
    name=st.booleans(),
)
def test_any_bytes_are_text_that_utf_8_can_hold(raw: list[bytes], terms: list[str], name: bool) -> None:
    character_set(tuple(terms)).decode(b"".join(raw), name=name).encode("utf-8")
