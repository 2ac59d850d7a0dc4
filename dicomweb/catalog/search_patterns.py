"""Patterns of a search as PostgreSQL takes them: LIKE, regular expressions, groups of names. Pure."""

from __future__ import annotations

from dicomweb.protocol.search_key import ANY, ONE, has_wildcard

_LIKE_SPECIAL = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})
_LIKE_WILDCARDS = str.maketrans({ANY: "%", ONE: "_"})


def escape_like(text: str) -> str:
    """Text as LIKE takes it literally."""
    return text.translate(_LIKE_SPECIAL)


def like(pattern: str) -> str:
    """A pattern of ANY and ONE for LIKE."""
    return escape_like(pattern).translate(_LIKE_WILDCARDS)


def beginning(pattern: str) -> tuple[str, str] | None:
    """The texts that begin as a pattern says: from the first up to, and without, the second, in the order of
    their characters' numbers. None where it says more than how a text begins."""
    prefix = pattern.removesuffix(ANY)
    if prefix == pattern or has_wildcard(prefix) or not prefix.strip(_LAST):
        return None
    return prefix, _following(prefix)


_SURROGATES = range(0xD800, 0xE000)
_LAST = chr(0x10FFFF)


def _following(prefix: str) -> str:
    """The first text after all that begin with a prefix."""
    kept = prefix.rstrip(_LAST)
    number = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if number in _SURROGATES else number)


# Capital letters as letters without another case (schemas/sql/0006): trigrams of pg_trgm are blind to case,
# and what is asked in another case than stored would be looked for in every row that has it in its own.
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CASELESS = "".join(chr(ord("あ") + number) for number in range(len(_CAPITALS)))
_WITH_CASE = str.maketrans(_CAPITALS, _CASELESS)


def with_case(column: str) -> str:
    """A column as its index of trigrams holds it."""
    return f"translate({column}, '{_CAPITALS}', '{_CASELESS}')"


def like_with_case(pattern: str) -> str:
    """A pattern for LIKE of such a column."""
    return like(pattern).translate(_WITH_CASE)


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
