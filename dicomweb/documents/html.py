"""A page as one HTML file: styles inline, no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from dicomweb.documents.page import Entry, Page

# The page may load nothing and run nothing, even if an escape were ever forgotten.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 1rem; }
h2, h3, h4, h5, h6 { font-size: 1.05rem; margin: 1.2rem 0 .3rem; }
h2 { font-size: 1.25rem; border-bottom: 1px solid #8886; }
header { display: flex; flex-wrap: wrap; gap: 0 2rem; border-block: 1px solid #8886; padding: .5rem 0; }
header h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .05em; border: 0; margin: .3rem 0; }
section section { margin-inline-start: 1rem; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .1rem 1rem; margin: .3rem 0; }
dt { color: #6a6f78; max-width: 20rem; }
dd { margin: 0; overflow-wrap: anywhere; }
dd span, p { white-space: pre-wrap; }
h1, h2, h3, h4, h5, h6, dt, dd span { unicode-bidi: plaintext; }
dd > dl, dd > section { margin-inline-start: .5rem; }
.aside { font-size: .85rem; color: #6a6f78; }
.notice { background: #c62828; color: #fff; padding: .3rem .8rem; border-radius: .3rem; }
.notice { display: inline-block; margin-inline-end: .5rem; }
small { color: #6a6f78; }
@media print { body { margin: 0; max-width: none; } section { break-inside: avoid-page; } }
"""
_DEEPEST_HEADING = 6


def written(page: Page, charset: str = "utf-8") -> bytes:
    """The page as text/html in this character set; what it cannot write goes as character references."""
    return "".join(_document(page, charset)).encode(charset, "xmlcharrefreplace")


def _document(page: Page, charset: str) -> Iterator[str]:
    language = f' lang="{escape(page.language)}"' if page.language else ' lang="en"'
    yield f'<!DOCTYPE html>\n<html{language}>\n<head>\n<meta charset="{escape(charset)}">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{escape(page.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    yield f"<h1>{escape(page.title)}</h1>\n"
    for notice in page.notices:
        yield f'<p class="notice" role="note">{escape(notice)}</p>\n'
    if page.facts:
        yield "<header>\n"
        for group in page.facts:
            yield f"<div><h2>{escape(group.label)}</h2>\n{''.join(_list(group.children, 2))}</div>\n"
        yield "</header>\n"
    yield "<main>\n"
    yield from _entries(page.entries, 2)
    yield "</main>\n</body>\n</html>\n"


def _entries(entries: Sequence[Entry], level: int) -> Iterator[str]:
    """Entries in their order: sections, and lists of what stands between them."""
    for heading, run in groupby(entries, key=lambda entry: entry.heading):
        if heading:
            for entry in run:
                yield from _section(entry, level)
        else:
            yield from _list(list(run), level)


def _section(entry: Entry, level: int) -> Iterator[str]:
    name = f"h{min(level, _DEEPEST_HEADING)}"
    yield f"<section{_attributes(entry)}><{name}>{escape(entry.label)}{_detail(entry)}</{name}>\n"
    if entry.value:
        yield f"<p>{_value(entry)}</p>\n"
    yield from _entries(entry.children, level + 1)
    yield "</section>\n"


def _list(entries: Sequence[Entry], level: int) -> Iterator[str]:
    if not entries:
        return
    yield "<dl>\n"
    for entry in entries:
        css = ' class="aside"' if entry.aside else ""
        yield f"<dt{css}>{escape(entry.label)}</dt><dd{css}{_attributes(entry)}>{_value(entry)}"
        # A heading that belongs to an entry stays inside it.
        yield from _entries(entry.children, level + 1)
        yield "</dd>\n"
    yield "</dl>\n"


def _attributes(entry: Entry) -> str:
    anchor = f' id="{escape(entry.anchor)}"' if entry.anchor else ""
    return f'{anchor} lang="{escape(entry.language)}"' if entry.language else anchor


def _value(entry: Entry) -> str:
    text = f"<span>{escape(entry.value)}</span>" if entry.value else ""
    href = entry.link or (f"#{entry.target}" if entry.target else "")
    if href:
        text = f'<a href="{escape(href)}">{text}</a>'
    return text + ("" if entry.heading else _detail(entry))


def _detail(entry: Entry) -> str:
    return f" <small>{escape(entry.detail)}</small>" if entry.detail else ""
