"""A page as plain text: what belongs below an entry is indented, long lines are wrapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from dicomweb.documents.page import Entry, Page
from dicomweb.errors import DecodeFailed

_WIDTH = 100
_INDENT = 2
# Deeper levels stay where they are, else their text would have no room.
_DEEPEST_INDENT = 20
_UNICODE = frozenset({"utf-8", "gb18030"})
# Signs that this module and the units put in themselves, for character sets that may not have them.
_SIGNS = str.maketrans({"µ": "u", "²": "2", "³": "3", "°": "deg ", "…": "...", "–": "-", "×": "x", "·": "-"})
_TITLE_MARK, _HEADING_MARK = "=", "-"


def written(page: Page, charset: str = "utf-8") -> bytes:
    """The page as text/plain in this character set.

    Raises DecodeFailed where it cannot write a character: what a report says is never changed (G-48).
    """
    text = "\n".join(_lines(page)) + "\n"
    try:
        return text.translate(_SIGNS).encode(charset) if charset not in _UNICODE else text.encode(charset)
    except UnicodeEncodeError:
        raise DecodeFailed(
            "The text has characters that the requested character set does not have."
        ) from None


def _lines(page: Page) -> Iterator[str]:
    yield page.title
    yield _TITLE_MARK * min(len(page.title), _WIDTH)
    for notice in page.notices:
        yield f"*** {notice} ***"
    for group in page.facts:
        yield ""
        yield from _wrapped(f"{group.label}:", 0)
        yield from _entries(group.children, 1)
    yield ""
    yield from _entries(page.entries, 0)


def _entries(entries: Sequence[Entry], depth: int) -> Iterator[str]:
    for entry in entries:
        if entry.heading:
            yield ""
            yield from _heading(entry, depth)
        else:
            yield from _wrapped(_statement(entry), depth)
        yield from _entries(entry.children, depth + 1)


def _heading(entry: Entry, depth: int) -> Iterator[str]:
    text = " ".join(part for part in (entry.label, entry.value, entry.detail) if part)
    yield from _wrapped(text, depth)
    yield _margin(depth) + _HEADING_MARK * min(len(text), _WIDTH - _DEEPEST_INDENT)


def _statement(entry: Entry) -> str:
    value = " ".join(part for part in (entry.value, entry.detail) if part)
    if not entry.label:
        return value
    between = "\n" if "\n" in entry.value else " "
    return f"{entry.label}:{between}{value}" if value else f"{entry.label}:"


def _wrapped(text: str, depth: int) -> Iterator[str]:
    margin = _margin(depth)
    for number, line in enumerate(text.split("\n")):
        begin = margin if number == 0 else margin + " " * _INDENT
        yield from wrap(
            line,
            _WIDTH,
            initial_indent=begin,
            subsequent_indent=margin + " " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]


def _margin(depth: int) -> str:
    return " " * min(depth * _INDENT, _DEEPEST_INDENT)
