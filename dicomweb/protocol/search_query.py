"""The query string of a search becomes a SearchQuery (PS3.18 8.3.4, 10.6.1; checklist G-04 to G-10, Q-*).

Pure: raw query string in, value out. What is wrong with a known parameter raises InvalidRequest; a name
that is not known is ignored and named in a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from dicomweb.dicom.dictionary import private_vr_of, vr_of
from dicomweb.dicom.matching import clean_text
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.attribute_path import Path, ignored, is_walkable, parse_fields, parse_path
from dicomweb.protocol.next_page import CURSOR, StudyPlace
from dicomweb.protocol.search_key import (
    REVERSED,
    AnyOf,
    MatchingOptions,
    Test,
    TextIs,
    Universal,
    Within,
    any_of,
    decode,
    parse_test,
)

# More keys than any client asks, few enough that each may cost a test per row.
MAX_KEYS = 100
# Of offset and limit: what PostgreSQL takes, beyond any archive.
_MAX_NUMBER = 2**62


class Level(IntEnum):
    """What one result of a search is."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, slots=True)
class Key:
    """One matching key: the attribute, its VR by the dictionary (empty when not known), what it must be.

    creator: of a private attribute, whose block may be another in every data set (Q-13).
    """

    path: Path
    vr: str
    test: Test
    creator: str = ""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search as asked for.

    study_instance_uid, series_instance_uid: fixed by the path, else empty.
    keys: all must hold; universal ones are only in `included`.
    included: attributes to return besides the required ones: includefield and every key's.
    limit: None where the client leaves it to the server.
    offset: results to pass over. after: of studies, only those behind this place in the order.
    warnings: plain sentences on what was ignored.
    """

    level: Level
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    keys: tuple[Key, ...] = ()
    included: tuple[Path, ...] = ()
    all_fields: bool = False
    limit: int | None = None
    offset: int = 0
    after: StudyPlace | None = None
    warnings: tuple[str, ...] = ()


def parse_search(
    query: bytes, level: Level, *, study_instance_uid: str = "", series_instance_uid: str = ""
) -> SearchQuery:
    """Parse a raw query string (still percent-encoded) for the resource of this level.

    Raises InvalidRequest, whose text never repeats a value.
    """
    parameters = _Parameters.split(query)
    creators = _creators(parameters.attributes)
    asked = [_attribute(name, value, creators) for name, value in parameters.attributes]
    known = [attribute for attribute in asked if attribute is not None]
    options = MatchingOptions(
        fuzzy=parameters.switch("fuzzymatching"),
        empty_value=parameters.switch("emptyvaluematching"),
        multiple_value=parameters.switch("multiplevaluematching"),
    )
    keys = _keys(known, options)
    fields = parse_fields(parameters.named.get("includefield", ()))
    used = {_creator_path(attribute.path) for attribute in known if attribute.creator}
    named = zip(parameters.attributes, asked, strict=True)
    unused = [name for (name, _), found in named if found is None and parse_path(name) not in used]
    return SearchQuery(
        level=level,
        study_instance_uid=study_instance_uid,
        series_instance_uid=series_instance_uid,
        keys=tuple(key for key in keys if not isinstance(key.test, Universal)),
        included=tuple(dict.fromkeys([*fields.paths, *(key.path for key in keys if not key.creator)])),
        all_fields=fields.all,
        limit=parameters.number("limit"),
        offset=parameters.number("offset") or 0,
        after=parameters.place(level),
        warnings=(
            *ignored("The query parameter", unused),
            *ignored("The includefield", fields.unknown),
        ),
    )


# --- parameters ------------------------------------------------------------------------------------

# Known names that are no attributes. Those that other rooms read are here so that nobody warns of them.
_SEARCH_NAMES = frozenset(
    [
        "fuzzymatching",
        "emptyvaluematching",
        "multiplevaluematching",
        "includefield",
        "limit",
        "offset",
        CURSOR,
    ]
)
_OTHER_NAMES = frozenset(["accept", "charset"])
_SWITCHES = {b"true": True, b"false": False}
_DIGITS = re.compile(rb"[0-9]+")


@dataclass(frozen=True, slots=True)
class _Parameters:
    """The query string taken apart, values still percent-encoded."""

    named: Mapping[str, Sequence[bytes]]
    attributes: Sequence[tuple[str, bytes]]

    @classmethod
    def split(cls, query: bytes) -> _Parameters:
        named: dict[str, list[bytes]] = {}
        attributes = []
        for pair in query.split(b"&"):
            if not pair:
                continue
            raw_name, _, value = pair.partition(b"=")
            name = decode(raw_name).strip(" \0")
            if name in _SEARCH_NAMES:
                named.setdefault(name, []).append(value)
            elif name not in _OTHER_NAMES:
                attributes.append((name, value))
        return cls(named, attributes)

    def _once(self, name: str) -> bytes | None:
        values = self.named.get(name, ())
        if len(values) > 1:
            raise InvalidRequest(f"The parameter {name} is given more than once.")
        return decode(values[0]).strip(" \0").encode() if values else None

    def switch(self, name: str) -> bool:
        """A parameter that is true or false, absent: false."""
        value = self._once(name)
        if value is not None and value not in _SWITCHES:
            raise InvalidRequest(f"The parameter {name} must be true or false.")
        return value is not None and _SWITCHES[value]

    def number(self, name: str) -> int | None:
        """A parameter that is an unsigned integer (Q-44)."""
        value = self._once(name)
        if value is None:
            return None
        if not _DIGITS.fullmatch(value):
            raise InvalidRequest(f"The parameter {name} must be an unsigned whole number.")
        # int() of thousands of digits is slow, and refused by Python itself.
        return _MAX_NUMBER if len(value.lstrip(b"0")) > 18 else int(value)

    def place(self, level: Level) -> StudyPlace | None:
        """Behind which study the page begins."""
        value = self._once(CURSOR)
        if value is not None and level != Level.STUDY:
            raise InvalidRequest(f"The parameter {CURSOR} is of searches for studies only.")
        return None if value is None else StudyPlace.parse(value.decode())


# --- attributes ------------------------------------------------------------------------------------

# What a query says about itself, not about what it looks for: queries are UTF-8 (G-45).
_NOT_MATCHED = frozenset([0x00080005, 0x00080201])


def _is_private(tag: int) -> bool:
    return tag >> 16 & 1 == 1


@dataclass(frozen=True, slots=True)
class _Attribute:
    """A matching key before its value is read."""

    name: str
    path: Path
    vr: str
    value: bytes
    creator: str = ""


def _creator_path(path: Path) -> Path | None:
    """Where the creator of a private attribute stands, None for any other attribute (PS3.5 7.8.1)."""
    group, element = divmod(path[-1], 1 << 16)
    return (*path[:-1], group << 16 | element >> 8) if group & 1 and element >= 0x1000 else None


def _creators(attributes: Iterable[tuple[str, bytes]]) -> dict[Path, str]:
    """Private creators that the query names, by where it says that they stand."""
    found = {}
    for name, value in attributes:
        path = parse_path(name)
        if path is not None and _is_private(path[-1]) and _creator_path(path) is None:
            found[path] = clean_text(decode(value.replace(b"+", b" ")))
    return found


def _attribute(name: str, value: bytes, creators: Mapping[Path, str]) -> _Attribute | None:
    """The attribute a parameter names, None for a parameter to be ignored (G-04).

    Raises InvalidRequest where a step on the way is no sequence.
    """
    path = parse_path(name)
    if path is None or path[-1] in _NOT_MATCHED or any(map(_is_private, path[:-1])):
        return None
    if not is_walkable(path):
        raise InvalidRequest(f"In the matching key {name} only the last step may be other than a sequence.")
    if not _is_private(path[-1]):
        return _Attribute(name, path, vr_of(path[-1]), value)
    creator = creators.get(_creator_path(path) or (), "")
    return _Attribute(name, path, private_vr_of(creator, path[-1]), value, creator) if creator else None


def _keys(attributes: Sequence[_Attribute], options: MatchingOptions) -> list[Key]:
    """One key an attribute: repeated UI keys join to a list, any other repeat is refused (Q-33)."""
    keys: dict[Path, Key] = {}
    for attribute in attributes:
        test = parse_test(attribute.name, attribute.value, attribute.vr, options)
        earlier = keys.get(attribute.path)
        if earlier is not None:
            test = _joined(attribute, earlier.test, test)
        keys[attribute.path] = Key(attribute.path, attribute.vr, test, attribute.creator)
    if len(keys) > MAX_KEYS:
        raise InvalidRequest(f"A search takes at most {MAX_KEYS} matching keys.")
    for attribute in attributes:
        if _is_reversed(keys[attribute.path].test) and not _is_combined(attribute.path, keys):
            raise InvalidRequest(f"The value of the matching key {attribute.name} {REVERSED}.")
    return list(keys.values())


# Time -> the date that it makes one interval with.
_DATES: Mapping[Path, Path] = {(0x00080030,): (0x00080020,), (0x00400245,): (0x00400244,)}


def _is_reversed(test: Test) -> bool:
    if isinstance(test, AnyOf):
        return any(map(_is_reversed, test.tests))
    return isinstance(test, Within) and test.is_reversed


def _is_combined(time: Path, keys: Mapping[Path, Key]) -> bool:
    """Whether a range of more than one day goes with the time, so that the earlier time is of a later day."""
    date = keys.get(_DATES.get(time, ()))
    return (
        date is not None
        and isinstance(keys[time].test, Within)
        and isinstance(date.test, Within)
        and date.test.is_range
        and (date.test.first is None or date.test.first != date.test.last)
    )


def _joined(attribute: _Attribute, earlier: Test, later: Test) -> Test:
    if attribute.vr != "UI":
        raise InvalidRequest(f"The matching key {attribute.name} is given more than once.")
    if isinstance(earlier, TextIs) and isinstance(later, TextIs):
        return any_of([earlier, later])
    return Universal() if Universal() in (earlier, later) else any_of([earlier, later])
