"""Walking the text of a DICOM JSON object as the archive writes it: compact, keys of eight digits.

Attribute by attribute, and a sequence item by item: the Python objects of a whole large object would take
ten times its text, and its digits would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from json import JSONDecoder
from typing import Any

# A JSON value at a place of a text: the value, and the place after it.
Decoder = Callable[[str, int], tuple[Any, int]]

# How the archive writes a sequence that holds items.
_ITEMS = '{"vr":"SQ","Value":['
_KEY_LENGTH = len('"00080005":')

_skip: Decoder = JSONDecoder().raw_decode


def decoder(*, number: Callable[[str], Any]) -> Decoder:
    """A decoder that makes of every number what `number` makes of its digits."""
    return JSONDecoder(parse_float=number, parse_int=number).raw_decode


def attributes_of(text: str) -> Iterator[tuple[str, int, int]]:
    """Tag of each attribute, and where its element begins and ends."""
    place = 1
    while text[place] == '"':
        tag, start = text[place + 1 : place + 9], place + _KEY_LENGTH
        place = _end_of(text, start)
        yield tag, start, place
        place += text[place] == ","


def has_items(text: str, start: int) -> bool:
    """Whether the element that begins here is a sequence with items, as items_of takes it."""
    return text.startswith(_ITEMS, start)


def items_of(text: str, start: int, decode: Decoder) -> Iterator[dict[str, Any]]:
    """The items of the sequence that begins here."""
    place = start + len(_ITEMS)
    while text[place] == "{":
        item, place = decode(text, place)
        yield item
        place += text[place] == ","


def _end_of(text: str, start: int) -> int:
    if not has_items(text, start):
        return _skip(text, start)[1]
    place = start + len(_ITEMS)
    while text[place] == "{":
        place = _skip(text, place)[1]
        place += text[place] == ","
    return place + len("]}")
