"""Metadata cut down to the attributes that a client asks for (W-26, an extension of PS3.18 10.4).

    GET .../metadata?includefield=StudyDate,00280030,SharedFunctionalGroupsSequence.PixelMeasuresSequence
    GET .../metadata?excludefield=PerFrameFunctionalGroupsSequence

Names are those of a search. What stays goes out digit by digit as it is stored; a nested path keeps its
sequence's items, each with what was asked for. The UIDs that say which instance it is stay too, unless
they are excluded by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from dicomweb.dicom.json_text import attributes_of, decoder, has_items, items_of
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

# Numbers stay as they are written.
_decode = decoder(number=orjson.Fragment)


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
        kept = []
        for tag, start, end in attributes_of(whole):
            if self._is_wanted(tag):
                is_cut = self._is_cut(tag) and has_items(whole, start)
                kept.append(f'"{tag}":{self._cut(tag, whole, start) if is_cut else whole[start:end]}')
        return f"{{{','.join(kept)}}}".encode()

    def _is_wanted(self, tag: str) -> bool:
        return (self.included is None or tag in self.included) and not _is_whole(self.excluded, tag)

    def _is_cut(self, tag: str) -> bool:
        """Whether only something of the attribute stays."""
        return bool((self.included or {}).get(tag) or self.excluded.get(tag))

    def _cut(self, tag: str, whole: str, start: int) -> str:
        """The sequence that begins here, of each item what stays."""
        only, without = (self.included or {}).get(tag), self.excluded.get(tag) or {}
        items = (_cut_item(item, only, without) for item in items_of(whole, start, _decode))
        return f'{{"vr":"SQ","Value":[{",".join(orjson.dumps(item).decode() for item in items)}]}}'


def _cut_item(item: dict[str, Any], only: _Tree | None, without: _Tree) -> dict[str, Any]:
    return {
        tag: _cut_element(element, (only or {}).get(tag), without.get(tag) or {})
        for tag, element in item.items()
        if (only is None or tag in only) and not _is_whole(without, tag)
    }


def _cut_element(element: dict[str, Any], only: _Tree | None, without: _Tree) -> dict[str, Any]:
    if (only is None and not without) or element.get("vr") != "SQ" or "Value" not in element:
        return element
    return {**element, "Value": [_cut_item(item, only, without) for item in element["Value"]]}


def _is_whole(tree: Mapping[str, Any], tag: str) -> bool:
    """Whether the tree means all of the attribute."""
    return tag in tree and tree[tag] is None


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
