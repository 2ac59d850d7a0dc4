"""Unique identifiers: PS3.5 section 9, and what much old data writes instead."""

from __future__ import annotations

import re

_MAX_LENGTH = 64
_DOTTED_DIGITS = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
# PS3.5 9.1: no leading zeros, a root arc of 0 to 2, the second arc below 40 under roots 0 and 1.
_STRICT = re.compile(r"(?:[01]\.(?:[0-9]|[1-3][0-9])|2\.(?:0|[1-9][0-9]*))(?:\.(?:0|[1-9][0-9]*))*", re.ASCII)


def is_uid(text: str, strict: bool = False) -> bool:
    """Whether text is a UID of at most 64 characters.

    Lenient takes any dotted digits, leading zeros included, which old data is full of.
    """
    pattern = _STRICT if strict else _DOTTED_DIGITS
    return 0 < len(text) <= _MAX_LENGTH and pattern.fullmatch(text) is not None


def trim_uid(text: str) -> str:
    """text without its padding: one NUL by PS3.5 9.1, more and other characters from sloppy writers."""
    return text.strip("\0 \t\r\n")
