"""Any object as a page that lists its attributes: for what has no form of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dicomweb.dicom.dictionary import keyword_of
from dicomweb.documents.attributes import Item
from dicomweb.documents.page import Entry, Page
from dicomweb.documents.report import title_of
from dicomweb.documents.values import readable

# Bounds of one listing: a segmentation of thousands of frames has millions of attributes.
_MOST_ENTRIES = 5_000
_MOST_ITEMS = 50
_MOST_VALUES = 20
_LONGEST_VALUE = 1_000
_DEEPEST = 20
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def listing_page(document: Item) -> Page:
    """Every attribute by name, sequences below each other."""
    return Page(title=title_of(document), entries=_Listing().entries(document.attributes, 0))


@dataclass(slots=True)
class _Listing:
    left: int = _MOST_ENTRIES

    def entries(self, attributes: Mapping[str, Any], depth: int) -> list[Entry]:
        found: list[Entry] = []
        for tag, element in attributes.items():
            if self.left <= 0:
                return [*found, _LEFT_OUT]
            if isinstance(element, dict):
                self.left -= 1
                found.append(self.entry(tag, element, depth))
        return found

    def entry(self, tag: str, element: Mapping[str, Any], depth: int) -> Entry:
        vr = str(element.get("vr", ""))
        values = element.get("Value")
        name, place = attribute_name(tag), f"({tag[:4]},{tag[4:]})"
        if vr == "SQ":
            items = values if isinstance(values, list) else []
            return Entry(name, _count(len(items)), place, children=self._items(items, depth))
        return Entry(name, _shown(vr, element), place)

    def _items(self, items: list[Any], depth: int) -> list[Entry]:
        if depth >= _DEEPEST:
            return [_LEFT_OUT]
        shown = []
        for number, item in enumerate(items[:_MOST_ITEMS], 1):
            if self.left <= 0:
                break
            if isinstance(item, dict):
                shown.append(Entry(f"Item {number}", children=self.entries(item, depth + 1)))
        return shown if len(shown) == len(items) else [*shown, _LEFT_OUT]


_LEFT_OUT = Entry(value="Further attributes are not shown here; the metadata has all of them.")


def attribute_name(tag: str) -> str:
    """The keyword of a tag in separate words; private ones are named so."""
    number = int(tag, 16)
    keyword = keyword_of(number)
    if keyword:
        return _WORD_BEGINS.sub(" ", keyword)
    return "Private attribute" if number >> 16 & 1 else "Attribute"


def _count(items: int) -> str:
    return f"{items} item{'' if items == 1 else 's'}"


def _shown(vr: str, element: Mapping[str, Any]) -> str:
    if "BulkDataURI" in element or "InlineBinary" in element:
        return "binary value" if "InlineBinary" in element else "value kept apart from the metadata"
    values = element.get("Value")
    if not isinstance(values, list):
        return ""
    texts = ["" if value is None else readable(vr, value) for value in values[:_MOST_VALUES]]
    more = [f"… {len(values)} values"] if len(values) > _MOST_VALUES else []
    text = ", ".join([*texts, *more])
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
