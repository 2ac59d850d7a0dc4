"""Values as search compares them: the same functions serve the catalog's columns and the query's keys.

What a column holds is made at ingest by these functions, what a query asks for by the same ones, so
that SQL only ever compares bytes and numbers (PS3.4 C.2.2.2). Nothing here knows SQL.

Names are compared without case, accents and width (PS3.4 C.2.2.2.1 lets a server choose):
`Müller`, `MULLER` and `ｍｕｌｌｅｒ` are one. Fuzzy matching (PS3.18 8.3.4.2) is this and nothing else:
every word of the key must be the beginning of a word of the name, or sound like a whole one
(`sound`), in any order and in any component group.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

MICROSECONDS_OF_SECOND = 1_000_000
MICROSECONDS_OF_DAY = 24 * 60 * 60 * MICROSECONDS_OF_SECOND

# Closed interval of microseconds: [from, to].
Interval = tuple[int, int]

_PADDING = " \0\t\r\n"

# --- text ------------------------------------------------------------------------------------------


def clean_text(text: str) -> str:
    """One stored or asked text value without padding, in normal form C (PS3.5 6.2, checklist Q-38).

    A NUL or half a surrogate pair inside is removed too: PostgreSQL has no text that holds one.
    """
    if text.isascii():
        return text.replace("\0", "").strip(_PADDING)
    return unicodedata.normalize("NFC", _UNSTORABLE.sub("", text)).strip(_PADDING)


# Letters that carry no separable accent yet are typed without it.
_PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}
)
# Combining accents of Latin, Greek and Cyrillic. Not every mark: the voicing of kana and the vowel
# signs of Indic scripts tell words apart.
_ACCENTS = re.compile("[\u0300-\u036f]+")
_SPACES = re.compile(r"\s+")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]+")


def fold(text: str) -> str:
    """Text as names are compared: no case, accents, width or doubled spaces. fold(fold(x)) is fold(x)."""
    if text.isascii():
        return _SPACES.sub(" ", text.replace("\0", "").lower()).strip()
    while True:
        folded = _fold_once(text)
        if folded == text:
            return folded
        text = folded


def _fold_once(text: str) -> str:
    wide = unicodedata.normalize("NFKD", _UNSTORABLE.sub("", text)).casefold()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", wide)).translate(_PLAIN_LETTERS)
    return _SPACES.sub(" ", unicodedata.normalize("NFC", bare)).strip()


# --- person names ----------------------------------------------------------------------------------

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def fold_group(group: str) -> str:
    """One component group folded: components trimmed, empty ones at the end dropped (PS3.5 6.2.1)."""
    return "^".join(fold(component) for component in group.split("^")).rstrip("^")


def name_groups(value: object) -> tuple[str | None, str | None]:
    """The two columns of a person name; (None, None) where there is no name.

    value: a PN value of the DICOM JSON model, the text `alphabetic=ideographic=phonetic`, or a list of them.
    Returns the first group that is there folded, mostly the alphabetic one, and the search text: every group
    folded and framed by line feeds, then a word list for fuzzy matching, framed by tabs:
    `"\\nmuller^jorg\\n\\tmuller\\tjorg\\t~MLR\\t~JRK\\t"`. Folded text holds neither line feed, tab nor
    capital letter, so a part of a group is never mistaken for anything else.
    """
    groups = [group for one in _values(value) for group in _folded_groups(one)]
    named = [group for group in groups if group]
    if not named:
        return None, None
    words = list(dict.fromkeys(word for group in named for word in name_words(group)))
    sounds = dict.fromkeys(f"~{code}" for code in map(sound, words) if code)
    frame = "\n" + "\n".join(dict.fromkeys(named)) + "\n"
    return named[0], "\t".join([frame, *words, *sounds, ""])


def _values(value: object) -> Iterable[object]:
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


def _folded_groups(value: object) -> list[str]:
    """All groups of one name, empty ones too, so that the first is the alphabetic one."""
    if isinstance(value, Mapping):
        texts = [value.get(group) or "" for group in _GROUPS]
    else:
        texts = str(value if value is not None else "").split("=")
    return [fold_group(str(text)) for text in texts]


_NAME_WORD = re.compile(r"[^\s^=~,.;:()'`’\"/\\*?_-]+")


def name_words(folded: str) -> list[str]:
    """The words of a folded name or key, wildcards and punctuation taken as gaps."""
    return _NAME_WORD.findall(folded)


# Spellings of one sound, in the order in which they are replaced.
_SPELLINGS = (
    ("sch", "s"), ("sh", "s"), ("ch", "k"), ("ck", "k"), ("ph", "f"), ("th", "t"), ("dt", "t"), ("tz", "s"),
    ("ts", "s"), ("cz", "s"), ("sz", "s"), ("ce", "se"), ("ci", "si"), ("cy", "si"), ("qu", "kv"),
    ("x", "ks"),
)  # fmt: skip
# Letters not named here sound like themselves; a is any vowel.
_SOUND_CLASSES = str.maketrans("bpfvwdtcgkqszyeiouah", "ppffftt" + "kkkkss" + "aaaaaa" + " ")
_LATIN_WORD = re.compile(r"[a-z]{3,}")
_DOUBLED = re.compile(r"(.)\1+")


def sound(word: str) -> str:
    """A rough sound of one folded Latin word, empty where there is none: consonant classes, a leading vowel.

    `smith`, `smyth` and `schmidt` are `SMT`; `meier`, `mayr` and `meyer` are `MR`. Words of other
    scripts and words under three letters have no code, since they would sound like too much.
    """
    if not _LATIN_WORD.fullmatch(word):
        return ""
    for spelling, plain in _SPELLINGS:
        word = word.replace(spelling, plain)
    classes = word.translate(_SOUND_CLASSES)
    code = _DOUBLED.sub(r"\1", classes[:1] + classes[1:].replace("a", "")).replace(" ", "")
    return code.upper() if len(code) > 1 else ""


# --- dates, times and moments ----------------------------------------------------------------------

_DATE = re.compile(r"(\d{4})(\.?)(\d\d)\2(\d\d)")
_TIME = re.compile(r"(\d\d)(?:(:?)(\d\d)(?:\2(\d\d)(?:\.(\d{1,6}))?)?)?")
_MOMENT = re.compile(
    r"(\d{4})(\d\d)?(\d\d)?(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?([+-](?:0\d|1[0-4])[0-5]\d)?"
)


def date_number(text: str) -> int | None:
    """A DA value as the integer yyyymmdd; None when it is no day of the calendar. Takes YYYY.MM.DD."""
    match = _DATE.fullmatch(text.strip(_PADDING)) if text.isascii() else None
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[3]), int(match[4])
    return year * 10_000 + month * 100 + day if _ordinal(year, month, day) else None


def _ordinal(year: int, month: int, day: int) -> int:
    """Days since 0001-01-01, plus one; 0 when there is no such day."""
    try:
        return date(year, month, day).toordinal()
    except ValueError:
        return 0


def time_interval(text: str) -> Interval | None:
    """A TM value as microseconds of the day: all that its precision covers (checklist Q-25).

    `2230` is [22:30:00, 22:30:59.999999]. Takes HH:MM:SS. None when it is no time of day.
    """
    match = _TIME.fullmatch(text.strip(_PADDING)) if text.isascii() else None
    if match is None:
        return None
    hours, minutes, seconds = int(match[1]), int(match[3] or 0), int(match[4] or 0)
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    # A leap second is the last one of its minute: a moment never leaves its day.
    start = ((hours * 60 + minutes) * 60 + min(seconds, 59)) * MICROSECONDS_OF_SECOND
    fraction = match[5]
    if fraction is not None:
        start += int(fraction.ljust(6, "0"))
    return start, start + _time_precision(match) - 1


def _time_precision(match: re.Match[str]) -> int:
    if match[5] is not None:
        return int(10 ** (6 - len(match[5])))
    if match[4] is not None:
        return MICROSECONDS_OF_SECOND
    return (60 if match[3] is not None else 3600) * MICROSECONDS_OF_SECOND


def moment_interval(date_text: str, time_text: str | None) -> Interval | None:
    """A DA and a TM value together as microseconds since 0001-01-01: a whole day without a usable time.

    None without a usable date.
    """
    number = date_number(date_text)
    if number is None:
        return None
    times = time_interval(time_text) if time_text else None
    return day_moment(number, times)


def day_moment(number: int, times: Interval | None = None) -> Interval:
    """The moments of a day (integer yyyymmdd), narrowed to an interval of its microseconds."""
    midnight = (_ordinal(number // 10_000, number // 100 % 100, number % 100) - 1) * MICROSECONDS_OF_DAY
    start, end = times or (0, MICROSECONDS_OF_DAY - 1)
    return midnight + start, midnight + end


def datetime_interval(text: str) -> Interval | None:
    """A DT value as microseconds since 0001-01-01, in UTC where it names its offset, else as it is.

    All that its precision covers: `2024` is the whole year (PS3.5 6.2 DT).
    """
    match = _MOMENT.fullmatch(text.strip(_PADDING)) if text.isascii() else None
    if match is None or (match[4] and not match[3]):
        return None
    year, month, day = int(match[1]), match[2], match[3]
    first = _ordinal(year, int(month or 1), int(day or 1))
    times = time_interval(match[4]) if match[4] else (0, MICROSECONDS_OF_DAY - 1)
    if not first or times is None:
        return None
    last = _last_day(year, month, day, first)
    shift = _offset(match[5])
    start = (first - 1) * MICROSECONDS_OF_DAY + times[0] - shift
    return start, (last - 1) * MICROSECONDS_OF_DAY + times[1] - shift


def _last_day(year: int, month: str | None, day: str | None, first: int) -> int:
    if day is not None:
        return first
    if month is None:
        return _ordinal(year, 12, 31)
    return next(o for o in (_ordinal(year, int(month), d) for d in (31, 30, 29, 28)) if o)


def _offset(text: str | None) -> int:
    """An offset from UTC (`+0130`) in microseconds."""
    if not text:
        return 0
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return (-minutes if text[0] == "-" else minutes) * 60 * MICROSECONDS_OF_SECOND


# --- numbers ---------------------------------------------------------------------------------------


def number(value: Any) -> float | None:
    """An IS, DS or binary number as it compares: `1`, `01` and `1.0` are one. None when not finite."""
    if isinstance(value, str):
        value = value.strip(_PADDING)
        # float() also takes '1_0', 'nan' and digits of other scripts, which no DICOM number is.
        if not value.isascii() or "_" in value:
            return None
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None
