"""Matching keys asked of DICOM JSON: for attributes that have no column (Q-12), and within items (Q-28).

The meaning is that of catalog/search.py, word by word; tests hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dicomweb.dicom.matching import (
    Interval,
    clean_text,
    date_number,
    datetime_interval,
    name_groups,
    number,
    time_interval,
)
from dicomweb.protocol.search_key import (
    ANY,
    ONE,
    AllOf,
    AnyOf,
    Empty,
    NameHasWord,
    NameLike,
    NumberIs,
    Test,
    TextIs,
    TextLike,
    Within,
)
from dicomweb.protocol.search_query import Key

# An object of the DICOM JSON model: tag -> {"vr": ..., "Value": [...]}.
Attributes = Mapping[str, Any]
# Asked of the values of one attribute, empty ones left out: whether the test holds.
Predicate = Callable[[list[Any]], bool]


def tag_name(tag: int) -> str:
    """A tag as DICOM JSON writes it."""
    return f"{tag:08X}"


# --- one attribute ---------------------------------------------------------------------------------


def predicate(test: Test, vr: str) -> Predicate:
    """The test as a function of an attribute's values; any value may satisfy it (Q-30)."""
    if isinstance(test, AnyOf):
        either = [predicate(one, vr) for one in test.tests]
        return lambda values: any(holds(values) for holds in either)
    if isinstance(test, AllOf):
        each = [predicate(one, vr) for one in test.tests]
        return lambda values: all(holds(values) for holds in each)
    if isinstance(test, Empty):
        return lambda values: not values
    of_value = _of_value(test, vr)
    return lambda values: any(of_value(value) for value in values)


def _of_value(test: Test, vr: str) -> Callable[[Any], bool]:
    """A leaf test as a function of one value."""
    match test:
        case TextIs():
            return _text_is(test)
        case TextLike():
            return _text_like(test)
        case NumberIs():
            return lambda value: number(value) == test.value
        case NameLike():
            return _name_like(test)
        case NameHasWord():
            return _name_has_word(test)
        case Within():
            return _within(test, _INTERVALS[vr])
        case _:
            raise TypeError(f"{type(test).__name__} is no test of one value")


def _text_is(test: TextIs) -> Callable[[Any], bool]:
    wanted = frozenset(test.values)
    return lambda value: clean_text(str(value)) in wanted


def _text_like(test: TextLike) -> Callable[[Any], bool]:
    fits = wildcard(test.pattern)
    return lambda value: fits(clean_text(str(value)))


def _name_like(test: NameLike) -> Callable[[Any], bool]:
    patterns = [wildcard(pattern) for pattern in test.patterns]

    def holds(value: Any) -> bool:
        groups = (name_groups(value)[1] or "").split("\n")[1:-1]
        return any(fits(group) for group in groups for fits in patterns)

    return holds


def _name_has_word(test: NameHasWord) -> Callable[[Any], bool]:
    beginning, sounding = f"\t{test.word}", f"\t~{test.sound}\t"

    def holds(value: Any) -> bool:
        framed = name_groups(value)[1] or ""
        return beginning in framed or (test.sound != "" and sounding in framed)

    return holds


def _day(text: str) -> Interval | None:
    day = date_number(text)
    return None if day is None else (day, day)


_Reader = Callable[[str], Interval | None]
_INTERVALS: dict[str, _Reader] = {"DA": _day, "TM": time_interval, "DT": datetime_interval}


def _within(test: Within, read: _Reader) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        found = read(str(value))
        return (
            found is not None
            and (test.last is None or found[0] <= test.last)
            and (test.first is None or found[1] >= test.first)
        )

    return holds


# --- wildcards -------------------------------------------------------------------------------------


def wildcard(pattern: str) -> Callable[[str], bool]:
    """Whether a text fits a pattern of ANY and ONE. Time grows with text times pattern, whatever they hold.

    A regular expression would try every split of the text among the asterisks.
    """
    if ANY not in pattern and ONE not in pattern:
        return pattern.__eq__
    first, *rest = (_piece(piece) for piece in pattern.split(ANY))
    if not rest:
        return lambda text: first.fullmatch(text) is not None
    return partial(_fits, first, rest[:-1], rest[-1], len(pattern.rpartition(ANY)[2]))


def _piece(piece: str) -> re.Pattern[str]:
    return re.compile("".join("." if char == ONE else re.escape(char) for char in piece), re.DOTALL)


def _fits(
    first: re.Pattern[str],
    middle: Iterable[re.Pattern[str]],
    last: re.Pattern[str],
    last_length: int,
    text: str,
) -> bool:
    """Each piece between asterisks is taken where it first fits; the last one must end the text."""
    match = first.match(text)
    for piece in middle:
        if match is None:
            return False
        match = piece.search(text, match.end())
    return (
        match is not None
        and len(text) - last_length >= match.end()
        and last.fullmatch(text, len(text) - last_length) is not None
    )


# --- data sets -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PrivateName:
    """A private attribute by its creator: the block is found in each data set (PS3.5 7.8.1, Q-13)."""

    creator: str
    group: str
    element: str

    @classmethod
    def of(cls, key: Key) -> PrivateName:
        tag = tag_name(key.path[-1])
        return cls(key.creator, tag[:4], tag[6:])

    def tag_in(self, attributes: Attributes) -> str:
        """Its tag in this data set, empty where its creator has no block there."""
        blocks = f"{self.group}00"
        for tag in attributes:
            if tag.startswith(blocks) and self.creator in map(clean_text, map(str, values(attributes, tag))):
                return f"{self.group}{tag[6:]}{self.element}"
        return ""


@dataclass(slots=True)
class Filter:
    """Keys of one data set or item, by tag: what the attribute must be, and what its items must hold."""

    tests: dict[str, Predicate] = field(default_factory=dict)
    items: dict[str, Filter] = field(default_factory=dict)
    private: list[tuple[PrivateName, Predicate]] = field(default_factory=list)
    # Texts that occur in the JSON of every data set that can match: a cheap refusal without parsing.
    needed: tuple[bytes, ...] = ()

    def matches(self, attributes: Attributes) -> bool:
        """Whether the data set or item satisfies every key; item keys in one and the same item."""
        return (
            all(holds(values(attributes, tag)) for tag, holds in self.tests.items())
            and all(holds(values(attributes, name.tag_in(attributes))) for name, holds in self.private)
            and all(
                any(map(item.matches, sequence_items(attributes, tag))) for tag, item in self.items.items()
            )
        )


def compile_filter(keys: Iterable[Key]) -> Filter:
    """All keys as one filter of data sets; keys below one sequence meet in one item."""
    root = Filter()
    for key in keys:
        node = root
        for tag in key.path[:-1]:
            node = node.items.setdefault(tag_name(tag), Filter())
        if key.creator:
            node.private.append((PrivateName.of(key), predicate(key.test, key.vr)))
        else:
            node.tests[tag_name(key.path[-1])] = predicate(key.test, key.vr)
    present = [tag for tag, holds in root.tests.items() if not holds([])]
    root.needed = tuple(f'"{tag}"'.encode() for tag in [*present, *root.items])
    return root


def values(attributes: Attributes, tag: str) -> list[Any]:
    """The values of an attribute that are not empty."""
    element = attributes.get(tag)
    if not element:
        return []
    if "BulkDataURI" in element or "InlineBinary" in element:
        return [_Opaque()]
    return [value for value in element.get("Value", ()) if value not in (None, "", {})]


class _Opaque:
    """A value that lies outside the data set: there is one, but it equals nothing that can be asked for."""

    def __str__(self) -> str:
        return ""


def sequence_items(attributes: Attributes, tag: str) -> list[Attributes]:
    """The items of a sequence; none where the attribute is absent or no sequence."""
    element = attributes.get(tag) or {}
    return [item for item in element.get("Value", ()) if isinstance(item, Mapping)]
