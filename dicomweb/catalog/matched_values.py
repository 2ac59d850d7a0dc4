"""Values of attributes as the catalog's columns hold them: bounded, and fit for PostgreSQL's text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from dicomweb.dicom import matching

# Values of an attribute that are looked at.
LONGEST_LIST = 64
# Characters of a searchable text. Far beyond what the VRs allow (64), and small enough in UTF-8 for an
# entry of a B-tree, which may not pass 2704 bytes.
_LONGEST_TEXT = 512
# Of the names that came last: a study's instances bear the same. Folding one costs a fourth of all columns.
_KEPT_NAMES, _LONGEST_KEPT = 128, 1024
_DIGITS = tuple("-0123456789")

Attributes = Mapping[str, Any]


def _values(attributes: Attributes, tag: str) -> list[Any]:
    """Values of an element, none when it is absent, empty or not values (bulkdata)."""
    element = attributes.get(tag)
    values = element.get("Value") if element is not None else None
    return values if isinstance(values, list) else []


def items(attributes: Attributes, tag: str) -> Iterator[Attributes]:
    """Items of a sequence."""
    return (item for item in _values(attributes, tag) if isinstance(item, dict))


def texts(attributes: Attributes, tag: str) -> Iterator[str]:
    """Its non-empty texts as they are compared. A number is taken as its text: VRs in the wild are wrong."""
    for value in _values(attributes, tag):
        plain = _plain(value)
        if isinstance(plain, str | int | float):
            text = matching.clean_text(str(plain)[:_LONGEST_TEXT])
            if text:
                yield text


def first_text(attributes: Attributes, tag: str) -> str | None:
    """The first of its texts."""
    return next(texts(attributes, tag), None)


def first_number(attributes: Attributes, tag: str) -> float | None:
    """Its first value as a number, None where it is none."""
    values = _values(attributes, tag)
    return matching.number(_plain(values[0])) if values else None


def _plain(value: Any) -> Any:
    """A value as Python knows it. A number may be kept as a fragment with the digits of its text (J-07).

    Only those digits are taken: they may be beyond every double, and a fragment of anything else is no key.
    """
    if not isinstance(value, orjson.Fragment):
        return value
    text = orjson.dumps(value).decode()
    return text if text[:1] in _DIGITS else None


def person_name(attributes: Attributes, tag: str) -> tuple[str | None, str | None]:
    """The two columns of a person name: its first group, and all groups for wildcards and words."""
    short = [_shorten(value) for value in _values(attributes, tag)[:LONGEST_LIST]]
    if not short:
        return None, None
    names = orjson.dumps(short)
    return _kept_name(names) if len(names) <= _LONGEST_KEPT else _name_columns(names)


def _name_columns(names: bytes) -> tuple[str | None, str | None]:
    first, groups = matching.name_groups(orjson.loads(names))
    return first[:_LONGEST_TEXT] if first else None, groups


_kept_name = lru_cache(maxsize=_KEPT_NAMES)(_name_columns)


def _shorten(name: Any) -> Any:
    if isinstance(name, dict):
        return {group: str(text)[:_LONGEST_TEXT] for group, text in name.items()}
    return str(_plain(name))[:_LONGEST_TEXT] if name is not None else None
