"""Value representations (PS3.5 6.2) as one table: length fields, and how values go into JSON."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ValueRepresentation:
    """One VR.

    long: Explicit VR has a 32-bit length after two reserved bytes (PS3.5 table 7.1-1).
    word: bytes of the units that big endian turns round, 1 where there is nothing to turn.
    number: struct character of one binary number, empty for text and byte strings.
    binary: a byte string, InlineBinary in JSON.
    bulk: JSON may give it by BulkDataURI (PS3.18 F.2.2, table F.2.3-1).
    single: never multi-valued, a backslash is text (PS3.5 6.4).
    charset: its text is in Specific Character Set, otherwise in the default repertoire.
    """

    name: str
    long: bool = False
    word: int = 1
    number: str = ""
    binary: bool = False
    bulk: bool = False
    single: bool = False
    charset: bool = False


def _number(name: str, code: str, word: int, *, long: bool = False) -> ValueRepresentation:
    return ValueRepresentation(name, long=long, word=word, number=code, bulk=True)


def _bytes(name: str, word: int) -> ValueRepresentation:
    return ValueRepresentation(name, long=True, word=word, binary=True, bulk=True)


_ALL = (
    ValueRepresentation("AE"),
    ValueRepresentation("AS"),
    ValueRepresentation("AT", word=2),
    ValueRepresentation("CS"),
    ValueRepresentation("DA"),
    ValueRepresentation("DS", bulk=True),
    ValueRepresentation("DT"),
    _number("FL", "f", 4),
    _number("FD", "d", 8),
    ValueRepresentation("IS", bulk=True),
    ValueRepresentation("LO", charset=True),
    ValueRepresentation("LT", bulk=True, single=True, charset=True),
    _bytes("OB", 1),
    _bytes("OD", 8),
    _bytes("OF", 4),
    _bytes("OL", 4),
    _bytes("OV", 8),
    _bytes("OW", 2),
    ValueRepresentation("PN", charset=True),
    ValueRepresentation("SH", charset=True),
    _number("SL", "i", 4),
    ValueRepresentation("SQ", long=True),
    _number("SS", "h", 2),
    ValueRepresentation("ST", bulk=True, single=True, charset=True),
    _number("SV", "q", 8, long=True),
    ValueRepresentation("TM"),
    ValueRepresentation("UC", long=True, bulk=True, charset=True),
    ValueRepresentation("UI"),
    _number("UL", "I", 4),
    _bytes("UN", 1),
    ValueRepresentation("UR", long=True, single=True),
    _number("US", "H", 2),
    ValueRepresentation("UT", long=True, bulk=True, single=True, charset=True),
    _number("UV", "Q", 8, long=True),
)

VALUE_REPRESENTATIONS = {vr.name: vr for vr in _ALL}
