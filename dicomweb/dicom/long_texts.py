"""Where the long base64 of an XML document lies, found without holding the document: InlineBinary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_WHITE = b" \t\r\n"
_CDATA = b"<!["


def long_texts(chunks: Iterable[bytes], longest: int) -> Iterator[tuple[int, int]]:
    """Offset and length of every run between tags that is longer than `longest` bytes and of base64 only.

    Such bytes mean themselves: no reference, markup or encoding of XML says otherwise, and where characters
    take several bytes there are others between. All other text is for the parser of XML, and so is what comes
    after a CDATA section, in which brackets are no tags.
    """
    base, begin, in_text, plain, blank, tail = 0, 0, False, True, True, b""
    for chunk in chunks:
        if _CDATA in chunk or _CDATA in tail + chunk[:2]:
            return
        position, tail = 0, (tail + chunk[-2:])[-2:]
        while (found := chunk.find(b"<" if in_text else b">", position)) >= 0:
            place = base + found
            if in_text and plain and place - begin > longest:
                rest = chunk[position:found].translate(None, _WHITE)
                if not rest.translate(None, _BASE64) and (rest or not blank):
                    yield begin, place - begin
            begin, in_text, position = place + 1, not in_text, found + 1
            plain, blank = True, True
        if in_text and plain:
            rest = chunk[position:].translate(None, _WHITE)
            plain, blank = not rest.translate(None, _BASE64), blank and not rest
        base += len(chunk)
