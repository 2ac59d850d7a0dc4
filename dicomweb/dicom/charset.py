"""Text of the character repertoires of Specific Character Set (0008,0005): PS3.3 C.12.1.1.2, PS3.5 6.1."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

_ESC = 0x1B
_SEPARATORS = re.compile(r"[\s_-]+")

# Defined Term -> Python codec. Keys as _canonical writes them, so that ISO_IR 100, ISO-IR 100 and
# ISO_IR_100 are one. Supersets of the named set are taken where they agree on every valid text.
_SINGLE_BYTE = {
    "ISO IR 100": "latin-1",
    "ISO IR 101": "iso8859-2",
    "ISO IR 109": "iso8859-3",
    "ISO IR 110": "iso8859-4",
    "ISO IR 144": "iso8859-5",
    "ISO IR 127": "iso8859-6",
    "ISO IR 126": "iso8859-7",
    "ISO IR 138": "iso8859-8",
    "ISO IR 148": "iso8859-9",
    "ISO IR 203": "iso8859-15",
    "ISO IR 166": "tis-620",
    "ISO IR 13": "shift_jis",
}
_WHOLE = {"ISO IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gb18030"}
# G1 of the code extension terms that are multi-byte; the 7-bit ones (87, 159) only come by escape.
_MULTI_BYTE_G1 = {"ISO IR 149": "cp949", "ISO IR 58": "gb18030"}
_ASCII_TERMS = frozenset({"", "ISO IR 6", "ISO IR 87", "ISO IR 159"})

# IANA names (PS3.18 annex D) -> Python codec; also met in (0008,0005) of sloppy writers.
IANA = {
    "US-ASCII": "ascii",
    "ISO-8859-1": "latin-1",
    "ISO-8859-2": "iso8859-2",
    "ISO-8859-3": "iso8859-3",
    "ISO-8859-4": "iso8859-4",
    "ISO-8859-5": "iso8859-5",
    "ISO-8859-6": "iso8859-6",
    "ISO-8859-7": "iso8859-7",
    "ISO-8859-8": "iso8859-8",
    "ISO-8859-9": "iso8859-9",
    "ISO-8859-15": "iso8859-15",
    "TIS-620": "tis-620",
    "ISO-2022-JP": "iso2022_jp_2",
    "ISO-2022-KR": "iso2022_kr",
    "ISO-2022-CN": "gb18030",
    "SHIFT_JIS": "shift_jis",
    "GB2312": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
}

# Escape sequence after ESC -> (designates G1?, codec, kind of code). PS3.3 tables C.12-3 and C.12-4.
_ESCAPES: dict[bytes, tuple[bool, str]] = {
    b"(B": (False, "ascii"),
    b"(J": (False, "ascii"),  # JIS X 0201 romaji: 0x5C stays a backslash, as it separates values (PS3.5 6.2)
    b"$B": (False, "jisx0208"),
    b"$@": (False, "jisx0208"),
    b"$(D": (False, "jisx0212"),
    b"(I": (False, "jisx0201k"),
    b")I": (True, "shift_jis"),
    b"-A": (True, "latin-1"),
    b"-B": (True, "iso8859-2"),
    b"-C": (True, "iso8859-3"),
    b"-D": (True, "iso8859-4"),
    b"-L": (True, "iso8859-5"),
    b"-G": (True, "iso8859-6"),
    b"-F": (True, "iso8859-7"),
    b"-H": (True, "iso8859-8"),
    b"-M": (True, "iso8859-9"),
    b"-b": (True, "iso8859-15"),
    b"-T": (True, "tis-620"),
    b"$)C": (True, "cp949"),
    b"$)A": (True, "gb18030"),
}
_ESCAPE = re.compile(rb"\x1b(" + b"|".join(re.escape(sequence) for sequence in _ESCAPES) + rb")")
_RUN = re.compile(rb"[\x00-\x7f]+|[\x80-\xff]+")
# What sets the code elements back to their initial state (PS3.5 6.1.2.5.3).
_RESETS = re.compile(rb"([\\\t\n\x0c\r]+)")
_NAME_RESETS = re.compile(rb"([\\\t\n\x0c\r^=]+)")


def _canonical(term: str) -> str:
    return _SEPARATORS.sub(" ", term.strip(" \0").upper()).replace("ISO 2022 IR", "ISO IR")


_IANA_CANONICAL = {_canonical(name): codec for name, codec in IANA.items()}


def codec_of(name: str) -> str | None:
    """The Python codec of an IANA name or a DICOM Defined Term without code extensions, None if unknown."""
    term = _canonical(name)
    for table in (_SINGLE_BYTE, _WHOLE, _IANA_CANONICAL):
        if term in table:
            return table[term]
    return "ascii" if term == "ISO IR 6" else None


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """The repertoires that one data set declares.

    codec: of all bytes where no code extensions apply; empty when nothing (or nothing known) is declared.
    g1: codec of bytes from 0x80 until an escape sequence says otherwise, empty when nothing is designated.
    unknown: some term is not one of PS3.3.
    """

    codec: str = ""
    g1: str = ""
    unknown: bool = field(default=False)

    def decode(self, raw: bytes, *, name: bool = False) -> str:
        """raw as text. name: a PN, whose component delimiters also reset the code elements.

        What cannot be decoded becomes U+FFFD; never a lone surrogate. A backslash in the text separates
        values: none comes from the second byte of a character (PS3.5 6.1.2.3).
        """
        if self.codec in _EIGHT_BIT_WHOLE:
            return raw.decode(self.codec, "replace")
        if _ESC in raw:
            return "".join(self._extended(raw, _NAME_RESETS if name else _RESETS))
        if raw.isascii():
            return raw.decode("ascii")
        codec = self.codec or self.g1
        return raw.decode(codec, "replace") if codec else _undeclared(raw)

    def _extended(self, raw: bytes, resets: re.Pattern[bytes]) -> Iterator[str]:
        """ISO 2022 (PS3.5 6.1.2.4, 6.1.2.5): each escape holds until the next one or a reset."""
        initial = self.g1 or self.codec
        g0, g1 = "ascii", initial
        for index, piece in enumerate(_ESCAPE.split(raw)):
            if index % 2:
                is_g1, codec = _ESCAPES[piece]
                if is_g1:
                    g1 = codec
                else:
                    g0 = codec
            elif g0 in _SEVEN_BIT_PAIRS:
                # Delimiters look like halves of characters here: by PS3.5 an escape back comes before one.
                yield from _runs(piece, g0, g1)
            else:
                for part, delimiter in _with_delimiters(piece, resets):
                    yield from _runs(part, g0, g1)
                    if delimiter:
                        yield delimiter
                        g0, g1 = "ascii", initial


_EIGHT_BIT_WHOLE = frozenset({"utf-8", "gb18030"})
_SEVEN_BIT_PAIRS = {"jisx0208": b"", "jisx0212": b"\x8f"}
_HIGH = bytes(byte | 0x80 for byte in range(256))


def _with_delimiters(piece: bytes, resets: re.Pattern[bytes]) -> Iterator[tuple[bytes, str]]:
    pieces = resets.split(piece)
    for index in range(0, len(pieces), 2):
        delimiter = pieces[index + 1].decode("ascii") if index + 1 < len(pieces) else ""
        yield pieces[index], delimiter


def _runs(piece: bytes, g0: str, g1: str) -> Iterator[str]:
    for run in _RUN.findall(piece):
        if run[0] & 0x80:
            yield run.decode(g1, "replace") if g1 else _undeclared(run)
        elif g0 in _SEVEN_BIT_PAIRS:
            yield from _seven_bit(run, _SEVEN_BIT_PAIRS[g0])
        elif g0 == "jisx0201k":
            yield run.translate(_HIGH).decode("shift_jis", "replace")
        else:
            yield run.decode("ascii")


_CONTROLS = re.compile(rb"([\x00-\x20]+)")


def _seven_bit(run: bytes, shift: bytes) -> Iterator[str]:
    """JIS X 0208 or 0212 in 7-bit pairs, by way of EUC-JP; controls and spaces stand for themselves."""
    for index, piece in enumerate(_CONTROLS.split(run)):
        if index % 2:
            yield piece.decode("ascii")
        elif shift:
            high = piece.translate(_HIGH)
            pairs = (shift + high[at : at + 2] for at in range(0, len(high), 2))
            yield b"".join(pairs).decode("euc_jp", "replace")
        else:
            yield piece.translate(_HIGH).decode("euc_jp", "replace")


def _undeclared(raw: bytes) -> str:
    # Writers that declare nothing write UTF-8 or Latin-1, and Latin-1 text is next to never valid UTF-8.
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@lru_cache(maxsize=256)
def character_set(terms: tuple[str, ...]) -> CharacterSet:
    """The character set that the values of Specific Character Set declare.

    Terms are read leniently; an unknown one counts as not declared.
    """
    canonical = [_canonical(term) for term in terms] or [""]
    unknown = any(not _known(term) for term in canonical)
    first = canonical[0]
    if first in _WHOLE:
        return CharacterSet(_WHOLE[first], unknown=unknown)
    if len(canonical) == 1 and first in _IANA_CANONICAL:
        return CharacterSet(_IANA_CANONICAL[first], unknown=unknown)
    g1 = _SINGLE_BYTE.get(first) or _MULTI_BYTE_G1.get(first, "")
    if not g1 and len(canonical) > 1:
        # ASCII first, one 8-bit set beside it: writers that leave its escape out mean that one.
        g1 = next(_eight_bit(canonical), "")
    return CharacterSet(codec="", g1=g1, unknown=unknown)


def _eight_bit(terms: Iterable[str]) -> Iterator[str]:
    for term in terms:
        codec = _SINGLE_BYTE.get(term) or _MULTI_BYTE_G1.get(term) or _WHOLE.get(term)
        if codec:
            yield codec


def _known(term: str) -> bool:
    tables = (_SINGLE_BYTE, _WHOLE, _MULTI_BYTE_G1, _ASCII_TERMS, _IANA_CANONICAL)
    return any(term in table for table in tables)
