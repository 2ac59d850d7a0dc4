"""What a search answers: which attributes of which level, and the warnings (PS3.18 10.6.3, Q-40 to Q-60).

Pure. The catalog keeps each level's own attributes as DICOM JSON; a result is the levels that its resource
shows, cut down to what is required or was asked for, plus what only the archive knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import orjson

from dicomweb.dicom import levels
from dicomweb.protocol.attribute_path import Path, with_creator
from dicomweb.protocol.search_filter import (
    Attributes,
    Filter,
    PrivateName,
    compile_filter,
    sequence_items,
    tag_name,
)
from dicomweb.protocol.search_query import Level, SearchQuery
from dicomweb.protocol.search_rows import InstanceRow, Row, SeriesRow, StudyRow, target_of

# --- which attributes ------------------------------------------------------------------------------

_HOME: Mapping[str, Level] = {
    **dict.fromkeys(levels.SERIES, Level.SERIES),
    **dict.fromkeys(levels.STUDY, Level.STUDY),
}

# What the archive computes: sent where the level is shown, or only when asked for.
_COMPUTED: Mapping[Level, frozenset[str]] = {
    Level.STUDY: frozenset(["00080061", "00201206", "00201208"]),
    Level.SERIES: frozenset(["00201209"]),
    Level.INSTANCE: frozenset(["00083002"]),
}
_COMPUTED_WHEN_ASKED = {"00080062": Level.STUDY}

# Returned where there is a value (type C of Tables 10.6.3-3 to 10.6.3-5, and the two descriptions that
# every client asks for).
_IF_KNOWN: Mapping[Level, frozenset[str]] = {
    Level.STUDY: frozenset(["00080201", "00081030"]),
    Level.SERIES: frozenset(["00080201", "0008103E", "00400244", "00400245", "00400275"]),
    Level.INSTANCE: frozenset(["00080201", "00280008", "00280010", "00280011", "00280100"]),
}
_REQUIRED: Mapping[Level, Mapping[str, str]] = {
    Level.STUDY: levels.REQUIRED_OF_STUDY,
    Level.SERIES: levels.REQUIRED_OF_SERIES,
    Level.INSTANCE: levels.REQUIRED_OF_INSTANCE,
}
_REQUEST_ATTRIBUTES = "00400275"
_OF_REQUEST = {"00400009": None, "00401001": None}
# Not of the data set's content: the answer's own.
_CHARACTER_SET = "00080005"
_BINARY = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])


def home_level(tag: int) -> Level:
    """The level an attribute belongs to; an attribute of unknown level is an instance's (Q-12)."""
    name = tag_name(tag)
    for level, computed in _COMPUTED.items():
        if name in computed:
            return level
    return _COMPUTED_WHEN_ASKED.get(name) or _HOME.get(name, Level.INSTANCE)


# Attributes of an item to keep: tag -> what to keep in its items, None for everything.
_Parts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which attributes the results of one query carry.

    shown: levels whose table of required attributes is sent (Q-52). tags: by level, None for all.
    parts: sequences of which only some attributes are sent. matching: sequences of which only the items
    that match are sent (Q-28). private: attributes that are keys, sent with their creator.
    metadata: whether the instance's whole metadata is needed.
    """

    level: Level
    shown: frozenset[Level]
    tags: Mapping[Level, frozenset[str] | None]
    parts: Mapping[str, _Parts] = field(default_factory=dict)
    matching: Mapping[str, Filter] = field(default_factory=dict)
    private: tuple[PrivateName, ...] = ()
    metadata: bool = False

    def needs(self, level: Level) -> bool:
        """Whether any stored attribute of the level is sent."""
        tags = self.tags[level]
        return tags is None or bool(tags)


def select(query: SearchQuery) -> Selection:
    """The attributes that the results of a query carry."""
    selection = _select(query.level, _shown_levels(query), query.included, query.all_fields)
    deep = [key for key in query.keys if key.creator or len(key.path) > 1]
    if not deep:
        return selection
    private = tuple(PrivateName.of(key) for key in deep if key.creator and len(key.path) == 1)
    is_instance = query.level == Level.INSTANCE
    return replace(
        selection,
        matching=compile_filter(deep).items,
        private=private if is_instance else (),
        metadata=selection.metadata or bool(private and is_instance),
    )


# Clients ask for few different sets of attributes.
@lru_cache(maxsize=64)
def _select(level: Level, shown: frozenset[Level], included: tuple[Path, ...], all_fields: bool) -> Selection:
    tags: dict[Level, frozenset[str] | None] = {}
    for one in Level:
        own = _REQUIRED[one].keys() | _IF_KNOWN[one] | _COMPUTED[one] if one in shown else frozenset()
        asked = {
            tag_name(tag) for path in included if home_level(path[0]) == one for tag in with_creator(path[0])
        }
        # Attributes of a level below the resource are not sent, even when asked for.
        tags[one] = frozenset(own | asked) if one <= level else frozenset()
        if all_fields and one in shown:
            tags[one] = None
    instance_tags = tags[Level.INSTANCE]
    at_hand = frozenset(levels.INSTANCE) | _COMPUTED[Level.INSTANCE] | _ANSWER_TAGS
    return Selection(
        level=level,
        shown=shown,
        tags=tags,
        parts=_parts(included, all_fields),
        metadata=level == Level.INSTANCE and (instance_tags is None or not instance_tags <= at_hand),
    )


_ANSWER_TAGS = frozenset(["00080056", "00081190"])


def _shown_levels(query: SearchQuery) -> frozenset[Level]:
    """The resource's own level, and those above that its URL does not fix."""
    fixed = {Level.STUDY: query.study_instance_uid, Level.SERIES: query.series_instance_uid}
    return frozenset(level for level in Level if level <= query.level and not fixed.get(level))


def _parts(included: Sequence[Path], all_fields: bool) -> dict[str, _Parts]:
    """Sequences asked for by paths into them only; Request Attributes by its two required attributes."""
    parts: dict[str, Any] = {}
    if not all_fields:
        parts[_REQUEST_ATTRIBUTES] = dict(_OF_REQUEST)
    for path in included:
        if len(path) > 1:
            _add_part(parts, path)
    for path in included:
        if len(path) == 1:
            parts.pop(tag_name(path[0]), None)
    return parts


def _add_part(parts: _Parts, path: Path) -> None:
    *upper, last = map(tag_name, path)
    for tag in upper:
        inner = parts.setdefault(tag, {})
        if inner is None:
            return  # all of that sequence is asked for already
        parts = inner
    parts[last] = None


# --- one result ------------------------------------------------------------------------------------

_BULKDATA_KEY = b'"BulkDataURI":"'
_ONLINE = {"vr": "CS", "Value": ["ONLINE"]}
_ISO_IR_192 = b'{"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'


@dataclass(frozen=True, slots=True)
class _Fields:
    """What of one level is sent. tags: ascending, None for all. required: sent empty where nothing is stored.

    cut: sequences that are sent in part.
    """

    tags: tuple[str, ...] | None
    required: Mapping[str, Any]
    cut: frozenset[str]

    @classmethod
    def of(cls, selection: Selection, level: Level) -> _Fields:
        tags = selection.tags[level]
        cut = selection.matching.keys() | selection.parts.keys()
        required = _REQUIRED[level] if level in selection.shown else {}
        return cls(
            tags=None if tags is None else tuple(sorted(tags - {_CHARACTER_SET})),
            required={tag: {"vr": vr} for tag, vr in required.items()},
            cut=frozenset(cut if tags is None else cut & tags),
        )


class ResultWriter:
    """Rows to DICOM JSON objects. Studies and series that many rows share are read once.

    inflate: what turns an instance row's metadata into JSON. available: in which transfer syntaxes an
    instance can be retrieved.
    """

    def __init__(
        self,
        selection: Selection,
        base_url: str,
        *,
        inflate: Callable[[bytes], bytes] = bytes,
        available: Callable[[InstanceRow], Sequence[str]] = lambda row: (row.transfer_syntax_uid,),
    ) -> None:
        self._selection = selection
        self._fields = {level: _Fields.of(selection, level) for level in Level if selection.needs(level)}
        self._inflate = inflate
        self._available = available
        self._base_url = base_url
        self._bulkdata_key = _BULKDATA_KEY + base_url.encode()
        self._studies: dict[str, dict[str, Any]] = {}
        self._series: dict[tuple[str, str], dict[str, Any]] = {}

    def write(self, row: Row) -> bytes:
        """One result: tags ascending, UTF-8, every URL absolute."""
        found = self._attributes(row)
        found["00081190"] = {"vr": "UR", "Value": [self._base_url + target_of(row).path]}
        if self._selection.level != Level.SERIES:
            found["00080056"] = _ONLINE
        text = orjson.dumps(found, option=orjson.OPT_SORT_KEYS)
        if _BULKDATA_KEY in text:
            text = text.replace(_BULKDATA_KEY, self._bulkdata_key)
        return text if text.isascii() else _ISO_IR_192 + b"," + text[1:]

    def _attributes(self, row: Row) -> dict[str, Any]:
        """Of all levels; an instance repeats the upper ones, where the catalog's word wins over its own."""
        if isinstance(row, StudyRow):
            return self._study_attributes(row)
        if isinstance(row, SeriesRow):
            return {**self._study_of(row.study), **self._series_attributes(row)}
        series = row.series
        return {**self._instance_attributes(row), **self._study_of(series.study), **self._series_of(series)}

    def _study_of(self, row: StudyRow) -> dict[str, Any]:
        found = self._studies.get(row.study_instance_uid)
        if found is None:
            found = self._studies[row.study_instance_uid] = self._study_attributes(row)
            found["0020000D"] = _element("UI", [row.study_instance_uid])
        return found

    def _series_of(self, row: SeriesRow) -> dict[str, Any]:
        key = (row.study.study_instance_uid, row.series_instance_uid)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = self._series_attributes(row)
            found["0020000E"] = _element("UI", [row.series_instance_uid])
        return found

    def _study_attributes(self, row: StudyRow) -> dict[str, Any]:
        computed = {
            "00080062": _element("UI", row.sop_classes),
            "00201206": {"vr": "IS", "Value": [row.number_of_series]},
            "00201208": {"vr": "IS", "Value": [row.number_of_instances]},
        }
        if row.modalities:
            # Without a modality it is left out: an empty one stops a viewer in wide use (V-10, Z-14).
            computed["00080061"] = {"vr": "CS", "Value": row.modalities}
        return self._picked(Level.STUDY, row.attributes, computed)

    def _series_attributes(self, row: SeriesRow) -> dict[str, Any]:
        computed = {"00201209": {"vr": "IS", "Value": [row.number_of_instances]}}
        return self._picked(Level.SERIES, row.attributes, computed)

    def _instance_attributes(self, row: InstanceRow) -> dict[str, Any]:
        computed = {"00083002": _element("UI", self._available(row))}
        stored = row.attributes if row.metadata is None else self._inflate(row.metadata)
        return self._picked(Level.INSTANCE, stored, computed)

    def _picked(self, level: Level, stored: bytes, computed: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes of one level that were selected, required ones always."""
        fields = self._fields.get(level)
        if fields is None:
            return {}
        attributes: dict[str, Any] = {**fields.required, **orjson.loads(stored), **computed}
        if fields.tags is None:  # without a required one whose VR is wrongly one of bytes
            found = {**fields.required, **{tag: attributes[tag] for tag in _textual(attributes)}}
        else:
            found = {tag: attributes[tag] for tag in fields.tags if tag in attributes}
        for tag in fields.cut & found.keys():
            found[tag] = self._reduced(tag, attributes)
        if level == Level.INSTANCE:
            found.update(self._private(attributes))
        return found

    def _private(self, attributes: Attributes) -> dict[str, Any]:
        """Private keys as this instance has them, each with the element that names its creator (Q-53)."""
        tags = (name.tag_in(attributes) for name in self._selection.private)
        return {
            tag: attributes[tag]
            for own in tags
            for tag in (own, f"{own[:4]}00{own[4:6]}")
            if tag in attributes
        }

    def _reduced(self, tag: str, attributes: Attributes) -> Any:
        """The attribute, or of a sequence only the items that match or the attributes asked for."""
        matching = self._selection.matching.get(tag)
        if matching is not None:
            return _element(
                "SQ", [item for item in sequence_items(attributes, tag) if matching.matches(item)]
            )
        parts = self._selection.parts.get(tag)
        if parts is None:
            return attributes[tag]
        return _element("SQ", [_part_of(item, parts) for item in sequence_items(attributes, tag)])


def _element(vr: str, values: Sequence[Any]) -> dict[str, Any]:
    """An attribute of DICOM JSON; without values only its VR (J-03)."""
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def _textual(attributes: Attributes) -> Iterable[str]:
    """All attributes that are no bulk of bytes: what `includefield=all` means (Q-41)."""
    return [
        tag
        for tag, element in attributes.items()
        if element.get("vr") not in _BINARY and tag != _CHARACTER_SET
    ]


def _part_of(item: Attributes, parts: _Parts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag, inner in parts.items():
        if tag not in item:
            continue
        below = inner and [_part_of(lower, inner) for lower in sequence_items(item, tag)]
        found[tag] = item[tag] if inner is None else _element("SQ", below)
    return found


# --- warnings --------------------------------------------------------------------------------------

# The count of further matches is exact up to here: counting on would cost more than the search.
REMAINING_CAP = 1000


def remaining_warning(count: int, *, is_exact: bool) -> str:
    """The sentence of PS3.18 8.3.4.4 on results beyond the answer: so many, or so many and perhaps more."""
    number = str(count) if is_exact else f"at least {count}"
    return f"There are {number} additional results that can be requested"
