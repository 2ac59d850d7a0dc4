"""Specific Character Sets, decoded to UTF-8 in JSON (PS3.5 6.1, Annexes H to K)."""

from __future__ import annotations

from conformance.suite.check import expect, shows
from conformance.suite.dictionary import tag_of
from conformance.suite.objects import make
from conformance.suite.part10 import Element
from conformance.suite.session import Attributes, Session, first

# Defined Term -> (encoded, text)
SINGLE_BYTE: dict[str, tuple[bytes, str]] = {
    "ISO_IR 6": (b"Smith^John", "Smith^John"),
    "ISO_IR 100": ("Buc^Jérôme".encode("latin-1"), "Buc^Jérôme"),
    "ISO_IR 101": ("Wałęsa^Łukasz".encode("iso8859-2"), "Wałęsa^Łukasz"),
    "ISO_IR 109": ("Ĉu^Ĝi".encode("iso8859-3"), "Ĉu^Ĝi"),
    "ISO_IR 110": ("Ķēniņš^Ģirts".encode("iso8859-4"), "Ķēniņš^Ģirts"),
    "ISO_IR 144": ("Люкceмбypг".encode("iso8859-5"), "Люкceмбypг"),
    "ISO_IR 127": ("قباني^لنزار".encode("iso8859-6"), "قباني^لنزار"),
    "ISO_IR 126": ("Διονυσιος".encode("iso8859-7"), "Διονυσιος"),
    "ISO_IR 138": ("שרון^דבורה".encode("iso8859-8"), "שרון^דבורה"),
    "ISO_IR 148": ("Çavuşoğlu^Şükran".encode("iso8859-9"), "Çavuşoğlu^Şükran"),
    "ISO_IR 203": ("Œuvre^Žofie €".encode("iso8859-15"), "Œuvre^Žofie €"),
    "ISO_IR 166": ("นามสกุล^ชื่อ".encode("tis-620"), "นามสกุล^ชื่อ"),
    "ISO_IR 13": ("ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis"), "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    "ISO_IR 192": ("Wang^XiaoDong 王".encode(), "Wang^XiaoDong 王"),
    "GB18030": ("王^小东".encode("gb18030"), "王^小东"),
    "GBK": ("王^小东".encode("gbk"), "王^小东"),
}


def _kanji(text: str, back: bytes = b"\x1b(B") -> bytes:
    """JIS X 0208 in G0; back: the escape to what G0 held before."""
    return b"\x1b$B" + text.encode("euc_jp").translate(bytes(n & 0x7F for n in range(256))) + back


def _korean(text: str) -> bytes:
    return b"\x1b$)C" + text.encode("euc_kr")


def _chinese(text: str) -> bytes:
    return b"\x1b$)A" + text.encode("gb2312")


# (Specific Character Set, encoded Patient's Name, groups)
NAMES: tuple[tuple[tuple[str, ...], bytes, tuple[str, str, str]], ...] = (
    (
        ("", "ISO 2022 IR 87"),
        b"Yamada^Tarou="
        + _kanji("山田")
        + b"^"
        + _kanji("太郎")
        + b"="
        + _kanji("やまだ")
        + b"^"
        + _kanji("たろう"),
        ("Yamada^Tarou", "山田^太郎", "やまだ^たろう"),
    ),
    (
        ("ISO 2022 IR 13", "ISO 2022 IR 87"),
        "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis") + b"=" + _kanji("山田", b"\x1b(J") + b"^" + _kanji("太郎", b"\x1b(J"),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ", "山田^太郎", ""),
    ),
    (
        ("", "ISO 2022 IR 149"),
        b"Hong^Gildong="
        + _korean("洪")
        + b"^"
        + _korean("吉洞")
        + b"="
        + _korean("홍")
        + b"^"
        + _korean("길동"),
        ("Hong^Gildong", "洪^吉洞", "홍^길동"),
    ),
    (
        ("", "ISO 2022 IR 58"),
        b"Zhang^XiaoDong=" + _chinese("张") + b"^" + _chinese("小东"),
        ("Zhang^XiaoDong", "张^小东", ""),
    ),
    (
        ("ISO 2022 IR 100", "ISO 2022 IR 144"),
        "Dürer".encode("latin-1") + b"^" + b"\x1b-L" + "Иван".encode("iso8859-5"),
        ("Dürer^Иван", "", ""),
    ),
)


def _stored_with(session: Session, terms: tuple[str, ...], elements: dict[int, Element]) -> Attributes:
    instance = make(session, extra=elements, SpecificCharacterSet=list(terms))
    session.stored(instance)
    found = session.search("/studies", f"StudyInstanceUID={instance.study}")
    expect(found, "not found afterwards")
    metadata = session.metadata(instance.path)[0]
    shown, searched = (one.get(tag_of("PatientName"), {}).get("Value") for one in (metadata, found[0]))
    expect(shown == searched, f"{terms[-1]}: {shown} in metadata, {searched} in search")
    return metadata


@shows("G-49", "J-21", "G-45")
def single_byte_and_chinese_character_sets(session: Session) -> str:
    wrong = []
    for term, (encoded, text) in SINGLE_BYTE.items():
        metadata = _stored_with(session, (term,), {0x00100010: Element("PN", encoded)})
        seen = metadata[tag_of("PatientName")]["Value"][0].get("Alphabetic")
        charset = first(metadata, "00080005", "absent")
        if seen != text or charset not in ("ISO_IR 192", *(["absent"] if text.isascii() else [])):
            wrong.append(f"{term} ({seen!r}, {charset})")
    expect(not wrong, f"wrong: {', '.join(wrong)}")
    return f"{len(SINGLE_BYTE)} Defined Terms"


@shows("G-49", "G-51")
def code_extensions(session: Session) -> str:
    wrong = []
    for terms, encoded, groups in NAMES:
        metadata = _stored_with(session, terms, {0x00100010: Element("PN", encoded)})
        seen = metadata[tag_of("PatientName")]["Value"][0]
        keys = ("Alphabetic", "Ideographic", "Phonetic")
        wanted = {key: group for key, group in zip(keys, groups, strict=True) if group}
        if seen != wanted:
            wrong.append(f"{terms[-1]}: {seen}")
    expect(not wrong, "; ".join(wrong))
    return f"{len(NAMES)} names with escapes that end at ^ and ="


@shows("G-51")
def second_bytes_like_a_backslash_do_not_split(session: Session) -> str:
    text, encoded = "乗", b"\x81\x5c"
    elements = {0x00081030: Element("LO", encoded + b"\\second")}
    for term in ("GB18030", "GBK"):
        metadata = _stored_with(session, (term,), elements)
        expect(metadata[tag_of("StudyDescription")].get("Value") == [text, "second"],
               f"{term}: {metadata[tag_of('StudyDescription')].get('Value')}")  # fmt: skip
    return f"{encoded.hex()} is one character"
