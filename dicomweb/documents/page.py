"""What a document says, apart from how it looks: a page of entries. html.py and plain_text.py write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement and what belongs below it.

    label: name of what is stated. value: the statement itself; lines are kept. detail: small print about it
    (a code, coordinates). link: relative URL of what is referred to. anchor: name of this place in the
    page; target: the anchor of another one. heading: it begins a section. aside: it says in which context
    the others hold (who observed, of which subject), and no finding. language: tag (RFC 5646) of the text.
    """

    label: str = ""
    value: str = ""
    detail: str = ""
    link: str = ""
    anchor: str = ""
    target: str = ""
    heading: bool = False
    aside: bool = False
    language: str = ""
    children: Sequence[Entry] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One document.

    notices: what a reader must know before the rest (preliminary, not verified). facts: the head of the
    document (patient, study, document), each with its children. language: of the body, "" when not said.
    """

    title: str
    notices: Sequence[str] = ()
    facts: Sequence[Entry] = ()
    entries: Sequence[Entry] = ()
    language: str = ""


def fact(label: str, value: str, detail: str = "") -> Entry:
    """A line of the head."""
    return Entry(label, value, detail)


def said(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that say anything."""
    return [entry for entry in entries if entry.value or entry.children]
