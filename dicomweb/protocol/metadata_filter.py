"""Metadata cut down to the attributes that a client asks for (W-26, an extension of PS3.18 10.4).

    GET .../metadata?includefield=StudyDate,00280030,SharedFunctionalGroupsSequence.PixelMeasuresSequence
    GET .../metadata?excludefield=PerFrameFunctionalGroupsSequence

Names are those of a search. What stays goes out digit by digit as it is stored; a nested path keeps its
sequence's items, each with what was asked for. The UIDs that say which instance it is stay too, unless
they are excluded by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from json import JSONDecoder
from typing import Any

import orjson

from dicomweb.protocol.attribute_path import (
    Fields,
    Path,
    ignored,
    parameter_values,
    parse_fields,
    with_creator,
)

# Tag -> what of its items is meant, None for the whole attribute.
_Tree = dict[str, Any]

_CHARACTER_SET = 0x00080005
_IDENTITY = (_CHARACTER_SET, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
_KEY_LENGTH = len('"00080005":')


def _integer(text: str) -> Any:
    """Digits that orjson would refuse or write otherwise stay as they are."""
    return int(text) if len(text) < 16 and text != "-0" else orjson.Fragment(text)


_skip = JSONDecoder().raw_decode
_decode = JSONDecoder(parse_float=orjson.Fragment, parse_int=_integer).raw_decode


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    """What stays of each data set. included: None for all of it. warnings: plain sentences."""

    included: Mapping[str, Any] | None = None
    excluded: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether every attribute stays."""
        return self.included is None and not self.excluded

    @property
    def key(self) -> str:
        """The same for filters that do the same."""
        return orjson.dumps((self.included, self.excluded), option=orjson.OPT_SORT_KEYS).decode()

    def apply(self, text: bytes) -> bytes:
        """DICOM JSON of one data set as the archive writes it, cut down."""
        whole = text.decode()
        kept: list[str] = []
        place = 1
        while whole[place] == '"':
            tag, start = whole[place + 1 : place + 9], place + _KEY_LENGTH
            element, place = (_decode if self._is_cut(tag) else _skip)(whole, start)
            if self._is_wanted(tag):
                value = self._cut(tag, element) if self._is_cut(tag) else whole[start:place]
                kept.append(f'"{tag}":{value}')
            place += whole[place] == ","
        return f"{{{','.join(kept)}}}".encode()

    def _is_wanted(self, tag: str) -> bool:
        return (self.included is None or tag in self.included) and not _is_whole(self.excluded, tag)

    def _is_cut(self, tag: str) -> bool:
        """Whether only something of the attribute stays."""
        return bool((self.included or {}).get(tag) or self.excluded.get(tag))

    def _cut(self, tag: str, element: dict[str, Any]) -> str:
        if parts := (self.included or {}).get(tag):
            element = _only(element, parts)
        if parts := self.excluded.get(tag):
            element = _without(element, parts)
        return orjson.dumps(element).decode()


def _is_whole(tree: Mapping[str, Any], tag: str) -> bool:
    """Whether the tree means all of the attribute."""
    return tag in tree and tree[tag] is None


def _only(element: dict[str, Any], parts: _Tree) -> dict[str, Any]:
    """The element, its items with these attributes only."""
    return _of_items(
        element,
        lambda item: {
            tag: _only(inner, parts[tag]) if parts[tag] else inner
            for tag, inner in item.items()
            if tag in parts
        },
    )


def _without(element: dict[str, Any], parts: _Tree) -> dict[str, Any]:
    """The element, its items without these attributes."""
    return _of_items(
        element,
        lambda item: {
            tag: _without(inner, parts[tag]) if parts.get(tag) else inner
            for tag, inner in item.items()
            if not _is_whole(parts, tag)
        },
    )


def _of_items(element: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    if element.get("vr") != "SQ" or "Value" not in element:
        return element
    return {**element, "Value": [change(item) for item in element["Value"]]}


def parse_metadata_filter(query: bytes) -> MetadataFilter:
    """The filter of a raw query string. A name that is not known is ignored with a warning.

    Raises InvalidRequest.
    """
    values = parameter_values(query, ("includefield", "excludefield"))
    included, excluded = (parse_fields(values[name]) for name in ("includefield", "excludefield"))
    unknown = (*excluded.unknown, "all") if excluded.all else excluded.unknown
    warnings = [
        *ignored("The includefield", included.unknown),
        *ignored("The excludefield", unknown),
    ]
    return MetadataFilter(_included(included), _tree(excluded.paths), tuple(warnings))


def _included(fields: Fields) -> _Tree | None:
    """None where nothing was asked for, or all of it; unknown names alone leave the identity."""
    if fields.all or not (fields.paths or fields.unknown):
        return None
    tree = _tree((*path[:-1], tag) for path in fields.paths for tag in with_creator(path[-1]))
    return tree | {f"{tag:08X}": None for tag in _IDENTITY}


def _tree(paths: Iterable[Path]) -> _Tree:
    """The paths as a tree; a whole attribute takes in the paths below it."""
    tree: _Tree = {}
    for path in paths:
        *upper, last = (f"{tag:08X}" for tag in path)
        parts: _Tree | None = tree
        for tag in upper:
            parts = parts.setdefault(tag, {}) if parts is not None else None
        if parts is not None:
            parts[last] = None
    return tree
