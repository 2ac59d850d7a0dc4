"""Where the long texts of an XML document lie, found without holding the document: InlineBinary, mostly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def long_texts(chunks: Iterable[bytes], longest: int) -> Iterator[tuple[int, int]]:
    """Offset and length of every run between tags that is longer than `longest` bytes.

    Whatever is no text but looks like it, in a document that is no XML, is found too.
    """
    base, begin, in_text = 0, 0, False
    for chunk in chunks:
        position = 0
        while (found := chunk.find(b"<" if in_text else b">", position)) >= 0:
            place = base + found
            if in_text and place - begin > longest:
                yield begin, place - begin
            begin, in_text, position = place + 1, not in_text, found + 1
        base += len(chunk)
