"""Blocks of private elements, found or reserved for creators (PS3.5 7.8.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dicomweb.errors import InvalidDicom

_FIRST, _LAST = 0x10, 0xFF

# Group, element number in the block (00 to FF), creator, and the attribute.
PrivateElement = tuple[str, str, str, Any]


def is_private(tag: str) -> bool:
    """Whether the group is odd. tag: eight hexadecimal digits in upper case."""
    return tag[3] in "13579BDF"


def is_creator(tag: str) -> bool:
    """Whether the element reserves a block: gggg0010 to gggg00FF."""
    return is_private(tag) and tag[4:6] == "00" and tag[6] != "0"


def placed(attributes: Mapping[str, Any], elements: Iterable[PrivateElement]) -> dict[str, Any]:
    """The attributes with the private elements among them, each in a block of its creator.

    attributes: DICOM JSON; its own creators' blocks are used first. The same element of a creator twice goes
    to a further block (PS3.18 F.3.1). Raises InvalidDicom when a group has no block left.
    """
    found = dict(attributes)
    blocks: dict[tuple[str, str], list[str]] = {}
    taken: dict[str, set[str]] = {}
    for tag, element in attributes.items():
        if is_creator(tag):
            creator = next(iter(element.get("Value") or ()), None)
            blocks.setdefault((tag[:4], str(creator or "")), []).append(tag[6:])
            taken.setdefault(tag[:4], set()).add(tag[6:])
        elif is_private(tag):
            taken.setdefault(tag[:4], set()).add(tag[4:6])
    for group, number, creator, element in elements:
        own = blocks.setdefault((group, creator), [])
        block = next((block for block in own if f"{group}{block}{number}" not in found), None)
        if block is None:
            block = _free(taken.setdefault(group, set()))
            own.append(block)
            found[f"{group}00{block}"] = {"vr": "LO", "Value": [creator]}
        found[f"{group}{block}{number}"] = element
    return found


def _free(taken: set[str]) -> str:
    """The lowest block that nobody uses; it is taken then."""
    for number in range(_FIRST, _LAST + 1):
        block = f"{number:02X}"
        if block not in taken:
            taken.add(block)
            return block
    raise InvalidDicom("A private group has no free block for another creator.")
