"""Base64 as it stands in JSON text, decoded piece by piece (PS3.18 F.2.7)."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as InvalidBase64
from collections.abc import Iterable, Iterator

from dicomweb.errors import InvalidDicom

# JSON writers may escape what base64 is made of: / often, + by some, and line breaks.
_ESCAPE = re.compile(rb"\\(?:u00([0-9A-Fa-f]{2})|([^u]))")
_LONGEST_ESCAPE = len(rb"\u002B")
_WHITE = b" \t\r\n"
_LINE_BREAKS = {b"n": b"", b"r": b"", b"t": b""}


def decoded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes that the contents of a JSON string stand for. Raises InvalidDicom."""
    held = b""
    for text in _unescaped(chunks):
        text = held + text
        whole = len(text) - len(text) % 4
        held = text[whole:]
        if whole:
            yield _decoded(text[:whole])
    if held:
        yield _decoded(held)


def _decoded(text: bytes) -> bytes:
    try:
        return b64decode(text, validate=True)
    except InvalidBase64:
        raise InvalidDicom("An InlineBinary of the data set is not base64.") from None


def _unescaped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        text = held + chunk
        # An escape may go on in the next chunk.
        cut = text.rfind(b"\\", max(len(text) - _LONGEST_ESCAPE, 0))
        complete = cut < 0 or _ESCAPE.match(text, cut) is not None
        text, held = (text, b"") if complete else (text[:cut], text[cut:])
        yield _plain(text)
    yield _plain(held)


def _plain(text: bytes) -> bytes:
    if b"\\" in text:
        text = _ESCAPE.sub(_meant, text)
    return text.translate(None, _WHITE)


def _meant(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes([int(escape[1], 16)])
    return _LINE_BREAKS.get(escape[2], escape[2])
