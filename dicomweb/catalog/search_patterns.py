"""Patterns of a search as PostgreSQL takes them: LIKE, regular expressions, groups of names. Pure."""

from __future__ import annotations

from dicomweb.protocol.search_key import ANY, ONE

_LIKE_SPECIAL = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})
_LIKE_WILDCARDS = str.maketrans({ANY: "%", ONE: "_"})


def escape_like(text: str) -> str:
    """Text as LIKE takes it literally."""
    return text.translate(_LIKE_SPECIAL)


def like(pattern: str) -> str:
    """A pattern of ANY and ONE for LIKE."""
    return escape_like(pattern).translate(_LIKE_WILDCARDS)


def group_expression(pattern: str) -> str:
    """A regular expression that finds a whole component group between its line feeds."""
    parts = {ANY: "[^\n]*", ONE: "[^\n]"}
    # A backslash before a letter or digit would be a class; before anything else it is the character.
    body = "".join(parts.get(c) or (c if c.isalnum() or ord(c) > 127 else f"\\{c}") for c in pattern)
    return f"\n{body}\n"


def has_groups(groups: str, count: int) -> str:
    """Whether a name has so many component groups, as its indexes put it (schemas/sql/0002, 0005)."""
    return f"{groups} LIKE E'{count * _GROUP}" + r"\n\t%'"


# A group in the column of all groups, as LIKE finds any.
_GROUP = r"\n%"
