"""One matching key of a search: the text of a query value becomes a test of stored values (PS3.4 C.2.2.2).

A test says what a stored value must be, in the normal forms of dicom/matching.py; catalog/search.py
writes it as SQL, protocol/search_filter.py asks it of DICOM JSON. Both mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote_to_bytes

from dicomweb.dicom.matching import (
    Interval,
    clean_text,
    date_number,
    datetime_interval,
    fold,
    fold_group,
    name_words,
    number,
    sound,
    time_interval,
)
from dicomweb.dicom.uid import is_uid, trim_uid
from dicomweb.errors import InvalidRequest

# Wildcards inside a pattern, so that every other character is literal. Private use: no stored text has them
# as far as it is known, and a key that has them loses them.
ANY = "\ue000"
ONE = "\ue001"

# More cost time without saying more.
MAX_WILDCARDS = 32
_LONGEST_PATTERN = 1024
# A longer name is only searched as it is written.
_MAX_FUZZY_WORDS = 16


@dataclass(frozen=True, slots=True)
class Universal:
    """Matches everything, also what has no value (C.2.2.2.3)."""


@dataclass(frozen=True, slots=True)
class Empty:
    """The attribute is absent or has no value (C.2.2.2.7)."""


@dataclass(frozen=True, slots=True)
class TextIs:
    """The text is one of these; also the list of UIDs (C.2.2.2.1, C.2.2.2.2)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextLike:
    """The text fits the pattern, written with ANY and ONE (C.2.2.2.4)."""

    pattern: str


@dataclass(frozen=True, slots=True)
class NameLike:
    """Some component group, folded, fits one of these patterns, each with or without wildcards."""

    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameHasWord:
    """Some word of the name begins with this one, or sounds like it (fuzzy matching)."""

    word: str

    @property
    def sound(self) -> str:
        """The code that a whole word of the name may have instead, or empty."""
        return sound(self.word)


@dataclass(frozen=True, slots=True)
class NumberIs:
    """The number equals this one, however it was written (IS, DS and the binary numbers)."""

    value: float


@dataclass(frozen=True, slots=True)
class Within:
    """The date, time or moment lies within [first, last]; None is open (C.2.2.2.1, C.2.2.2.5).

    In the units of dicom/matching.py: yyyymmdd for DA, microseconds of the day for TM, microseconds
    since 0001-01-01 for DT. is_range: asked for as a range, so that a date and a time combine.
    """

    first: int | None
    last: int | None
    is_range: bool = False

    @property
    def is_reversed(self) -> bool:
        """Whether it ends before it begins: a time of day may, together with a range of dates (Q-26)."""
        return self.first is not None and self.last is not None and self.first > self.last


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the tests holds."""

    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the tests hold, each by any value of the attribute (C.2.2.2.8)."""

    tests: tuple[Test, ...]


Test = (
    Universal | Empty | TextIs | TextLike | NameLike | NameHasWord | NumberIs | Within | AnyOf | AllOf
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MatchingOptions:
    """The switches of PS3.18 8.3.4.2 to 8.3.4.4, all off by default."""

    fuzzy: bool = False
    empty_value: bool = False
    multiple_value: bool = False


@dataclass(frozen=True, slots=True)
class _Grammar:
    """How the values of a VR are written in a query.

    plus_is_space: by checklist G-09. holds_comma: an encoded comma is data. several: a backslash
    separates values. conjoins: `multiplevaluematching` asks for all of them (C.2.2.2.8).
    """

    plus_is_space: bool
    holds_comma: bool
    several: bool
    conjoins: bool
    parse: Callable[[str, MatchingOptions], Test]


def parse_test(name: str, raw_value: bytes, vr: str, options: MatchingOptions) -> Test:
    """The test that one query value asks for.

    name: the attribute as the client wrote it, for the error. raw_value: still percent-encoded.
    Raises InvalidRequest, whose text never repeats the value: it may be patient data.
    """
    grammar = _GRAMMARS.get(vr, _TEXT)
    try:
        values = _values(raw_value, grammar)
        tests = [_parse_one(value, grammar, options, len(values)) for value in values]
    except _BadValue as error:
        raise InvalidRequest(f"The value of the matching key {name} {error}.") from None
    if not tests or any(isinstance(test, Universal) for test in tests):
        return Universal()
    if len(tests) == 1:
        return tests[0]
    if options.multiple_value and grammar.conjoins:
        return AllOf(tuple(tests))
    return any_of(tests)


def any_of(tests: Sequence[Test]) -> Test:
    """One of the tests, with all plain texts in one list: 5,000 UIDs stay one comparison."""
    texts = [value for test in tests if isinstance(test, TextIs) for value in test.values]
    others = [test for test in tests if not isinstance(test, TextIs)]
    merged: list[Test] = [TextIs(tuple(dict.fromkeys(texts)))] if texts else []
    merged += others
    return merged[0] if len(merged) == 1 else AnyOf(tuple(merged))


class _BadValue(Exception):
    """What is wrong with a value, as the end of a sentence."""


_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def decode(raw: bytes) -> str:
    """Percent-decoded UTF-8 (PS3.18 8.1). Raises InvalidRequest."""
    try:
        return _decode(raw)
    except _BadValue as error:
        raise InvalidRequest(f"A query parameter {error}.") from None


def _decode(raw: bytes) -> str:
    if _BAD_ESCAPE.search(raw):
        raise _BadValue("has a percent sign without two hexadecimal digits")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise _BadValue("is not UTF-8") from None


# What clients pad values with; of nothing but that, a value would become one that matches everything.
_PADDING = " \0\t\r\n"
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")


def _values(raw: bytes, grammar: _Grammar) -> list[str]:
    """The values of a list: raw commas first, then what else separates in this VR (checklist G-08)."""
    if grammar.plus_is_space:
        raw = raw.replace(b"+", b" ")
    values = [_decode(piece) for piece in raw.split(b",")]
    if not grammar.holds_comma:
        values = [piece for value in values for piece in value.split(",")]
    if grammar.several:
        values = [piece for value in values for piece in value.split("\\")]
    for value in values:
        if _CONTROL.search(value.rstrip(_PADDING) or value):
            raise _BadValue("holds a control character")
    return [text for text in map(clean_text, values) if text]


def _parse_one(value: str, grammar: _Grammar, options: MatchingOptions, count: int) -> Test:
    if not value.strip("*"):
        return Universal()
    if options.empty_value and value == '""':
        return Empty()
    if count > 1 and options.multiple_value and grammar.conjoins:
        # C.2.2.2.8: no wildcards among several values.
        value = value.replace("*", _LITERAL_STAR).replace("?", _LITERAL_QUESTION)
    return grammar.parse(value, options)


# --- text ------------------------------------------------------------------------------------------

_LITERAL_STAR = "\ue002"
_LITERAL_QUESTION = "\ue003"
_TO_PATTERN = str.maketrans({"*": ANY, "?": ONE, _LITERAL_STAR: "*", _LITERAL_QUESTION: "?"})
_ANYS = re.compile(f"{ANY}+")


def _pattern(value: str) -> str:
    pattern = _ANYS.sub(ANY, value.replace(ANY, "").replace(ONE, "").translate(_TO_PATTERN))
    if pattern.count(ANY) > MAX_WILDCARDS:
        raise _BadValue(f"has more than {MAX_WILDCARDS} asterisks")
    if has_wildcard(pattern) and len(pattern) > _LONGEST_PATTERN:
        raise _BadValue(f"has wildcards and more than {_LONGEST_PATTERN} characters")
    return pattern


def has_wildcard(pattern: str) -> bool:
    """Whether a pattern is more than one literal text."""
    return ANY in pattern or ONE in pattern


def _parse_text(value: str, _options: MatchingOptions) -> Test:
    pattern = _pattern(value)
    return TextLike(pattern) if has_wildcard(pattern) else TextIs((pattern,))


def _parse_exact(value: str, _options: MatchingOptions) -> Test:
    return TextIs((value,))


def _parse_tag(value: str, _options: MatchingOptions) -> Test:
    return TextIs((value.upper(),))


def _parse_uid(value: str, _options: MatchingOptions) -> Test:
    uid = trim_uid(value)
    if not is_uid(uid):
        raise _BadValue("is not a UID or a list of UIDs")
    return TextIs((uid,))


# --- names -----------------------------------------------------------------------------------------


def _parse_name(value: str, options: MatchingOptions) -> Test:
    """A name as asked for: each group that is given must match some group of the stored name (Q-37)."""
    pattern = _pattern(value)
    groups = [group for group in map(fold_group, pattern.split("=")) if group.strip(ANY)]
    if not groups:
        return Universal()
    literal = _all_of([NameLike(_name_patterns(group)) for group in groups])
    words = name_words(fold(pattern.replace(ANY, " "))) if options.fuzzy and ONE not in pattern else []
    if not 0 < len(words) <= _MAX_FUZZY_WORDS:
        return literal
    return AnyOf((literal, _all_of([NameHasWord(word) for word in words])))


def _all_of(tests: Sequence[Test]) -> Test:
    return tests[0] if len(tests) == 1 else AllOf(tuple(tests))


def _name_patterns(group: str) -> tuple[str, ...]:
    """The pattern, and `doe` beside `doe^*`: the delimiter of an empty component is not stored."""
    patterns = [group]
    while group.endswith(f"^{ANY}"):
        group = group[:-1].rstrip("^")
        if group:
            patterns.append(group)
    return tuple(patterns)


# --- numbers, dates and times ----------------------------------------------------------------------


def _parse_number(value: str, _options: MatchingOptions) -> Test:
    result = number(value)
    if result is None:
        raise _BadValue("is not a number")
    return NumberIs(result)


def _date_interval(text: str) -> Interval | None:
    day = date_number(text)
    return None if day is None else (day, day)


_DateReader = Callable[[str], Interval | None]


REVERSED = "is a range that ends before it begins"


def _parse_range(read: _DateReader, form: str, value: str, _options: MatchingOptions) -> Test:
    """A single value or `a-b`, `a-`, `-b`, all inclusive, each covering its precision (Q-24, Q-25)."""
    single = read(value)
    if single is not None:
        return Within(*single)
    first, dash, last = _split_range(value)
    ends = read(first) if first else None, read(last) if last else None
    if not dash or (first and ends[0] is None) or (last and ends[1] is None) or not (first or last):
        raise _BadValue(f"is not a {form} or a range of them")
    within = Within(ends[0] and ends[0][0], ends[1] and ends[1][1], is_range=True)
    if within.is_reversed and read is not time_interval:  # of a time, only its date can tell
        raise _BadValue(REVERSED)
    return within


# A moment may end in an offset from UTC, whose minus is not the range's.
_RANGE = re.compile(r"([^-]*(?:(?<=[0-9])-(?:0\d|1[0-4])[0-5]\d(?=-|$))?)(-)(.*)", re.ASCII | re.DOTALL)


def _split_range(value: str) -> tuple[str, str, str]:
    match = _RANGE.fullmatch(value)
    return (match[1].strip(), match[2], match[3].strip()) if match else (value, "", "")


def _parse_binary(_value: str, _options: MatchingOptions) -> Test:
    raise _BadValue("cannot be matched, because the attribute is binary; only an empty value is allowed")


def _parse_sequence(_value: str, _options: MatchingOptions) -> Test:
    raise _BadValue("must be empty, because the attribute is a sequence: name an attribute in its items")


_parse_date = partial(_parse_range, _date_interval, "date (YYYYMMDD)")
_parse_time = partial(_parse_range, time_interval, "time (HHMMSS)")
_parse_moment = partial(_parse_range, datetime_interval, "date and time (YYYYMMDDHHMMSS)")

_TEXT = _Grammar(plus_is_space=True, holds_comma=True, several=True, conjoins=False, parse=_parse_text)
_CONJOINED_TEXT = _Grammar(
    plus_is_space=True, holds_comma=True, several=True, conjoins=True, parse=_parse_text
)
_CODE = _Grammar(plus_is_space=True, holds_comma=False, several=True, conjoins=True, parse=_parse_text)
_LONG_TEXT = _Grammar(plus_is_space=True, holds_comma=True, several=False, conjoins=False, parse=_parse_text)
_ADDRESS = _Grammar(plus_is_space=False, holds_comma=True, several=False, conjoins=False, parse=_parse_text)
_NAME = _Grammar(plus_is_space=True, holds_comma=True, several=True, conjoins=True, parse=_parse_name)
_AGE = _Grammar(plus_is_space=False, holds_comma=False, several=True, conjoins=True, parse=_parse_exact)
_TAG = _Grammar(plus_is_space=False, holds_comma=False, several=True, conjoins=True, parse=_parse_tag)


def _separated(parse: Callable[[str, MatchingOptions], Test]) -> _Grammar:
    """Values that hold neither commas nor spaces; several are alternatives."""
    return _Grammar(plus_is_space=False, holds_comma=False, several=True, conjoins=False, parse=parse)


_UID, _NUMBER, _BINARY = _separated(_parse_uid), _separated(_parse_number), _separated(_parse_binary)
_DATE, _TIME, _MOMENT = _separated(_parse_date), _separated(_parse_time), _separated(_parse_moment)
_SEQUENCE = _separated(_parse_sequence)

# A VR that is not here (none known for the tag) is matched as text.
_GRAMMARS: dict[str, _Grammar] = {
    "AE": _CONJOINED_TEXT, "LO": _CONJOINED_TEXT, "SH": _CONJOINED_TEXT, "UC": _CONJOINED_TEXT,
    "CS": _CODE, "PN": _NAME, "AS": _AGE, "AT": _TAG,
    "LT": _LONG_TEXT, "ST": _LONG_TEXT, "UT": _LONG_TEXT, "UR": _ADDRESS,
    "UI": _UID, "DA": _DATE, "TM": _TIME, "DT": _MOMENT,
    **dict.fromkeys(["IS", "DS", "FL", "FD", "SL", "SS", "UL", "US", "SV", "UV", "US or SS"], _NUMBER),
    **dict.fromkeys(["OB", "OD", "OF", "OL", "OV", "OW", "UN"], _BINARY),
    **dict.fromkeys(["OB or OW", "US or OW", "US or SS or OW"], _BINARY),
    "SQ": _SEQUENCE,
}  # fmt: skip
