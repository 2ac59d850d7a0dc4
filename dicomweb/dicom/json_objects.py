"""Where the data sets of a DICOM JSON document lie, found without holding the document (PS3.18 F.2.1).

A document may hold thousands of instances, and a value of any length: data sets are parsed one by one, and
long strings (InlineBinary, mostly) are left where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dicomweb.errors import InvalidRequest

# Strings up to here are parsed with their data set.
LONG_STRING = 256 << 10
# A sequence takes three levels of JSON; the scan allows 80 sequences.
_DEEPEST = 250
_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BETWEEN = b" \t\r\n,"


@dataclass(frozen=True, slots=True)
class JsonObject:
    """One data set: `length` bytes at `offset` of the document.

    long_strings: (offset, length) of the contents of strings beyond LONG_STRING, without their quotes.
    """

    offset: int
    length: int
    long_strings: tuple[tuple[int, int], ...] = ()


def json_objects(chunks: Iterable[bytes]) -> Iterator[JsonObject]:
    """The data sets of an array, or the one that stands alone, as far as brackets and quotes tell.

    Whether each is JSON shows when it is parsed. Raises InvalidRequest where the document as a whole is not
    an array of objects, or is cut off.
    """
    splitter = _Splitter()
    for chunk in chunks:
        yield from splitter.feed(chunk)
    splitter.close()


@dataclass(slots=True)
class _Splitter:
    """level: of brackets. top: the level at which data sets begin, 1 within an array; None before the first
    bracket. string: offset of the string that is open, or -1. commas: between data sets, found: of these."""

    offset: int = 0
    level: int = 0
    top: int | None = None
    ended: bool = False
    begin: int = 0
    string: int = -1
    escaped: bool = False
    commas: int = 0
    found: int = 0
    long_strings: list[tuple[int, int]] = field(default_factory=list)

    def feed(self, chunk: bytes) -> Iterator[JsonObject]:
        position = 0
        if self.offset == 0:
            position = len(_BYTE_ORDER_MARK) if chunk.startswith(_BYTE_ORDER_MARK) else 0
        while position < len(chunk):
            if self.string >= 0:
                position = self._in_string(chunk, position)
                continue
            found = _OUTSIDE.search(chunk, position)
            end = found.start() if found else len(chunk)
            if self.level <= (self.top or 0):
                self._between(chunk[position:end])
            if found is None:
                break
            position = end + 1
            if (complete := self._token(found[0], self.offset + end)) is not None:
                yield complete
        self.offset += len(chunk)

    def _between(self, text: bytes) -> None:
        """What stands before, between and after data sets."""
        if text.strip(_BETWEEN):
            raise _not_json()
        self.commas += text.count(b",")

    def _in_string(self, chunk: bytes, position: int) -> int:
        """Go on to the end of the string, or of the chunk."""
        if self.escaped:
            self.escaped = False
            return position + 1
        found = _INSIDE.search(chunk, position)
        if found is None:
            return len(chunk)
        if found[0] == b"\\":
            self.escaped = True
            return found.end()
        length = self.offset + found.start() - self.string
        if length > LONG_STRING:
            self.long_strings.append((self.string, length))
        self.string = -1
        return found.end()

    def _token(self, token: bytes, place: int) -> JsonObject | None:
        if self.ended or (self.top is None and token not in b"[{"):
            raise _not_json()
        if token == b'"':
            if self.level == self.top:
                raise _not_json()
            self.string = place + 1
        elif token in b"[{":
            self._open(token, place)
        else:
            return self._close(place)
        return None

    def _open(self, token: bytes, place: int) -> None:
        if self.top is None:
            self.top = 1 if token == b"[" else 0
        elif self.level == self.top and token == b"[":
            raise _not_json()
        if self.level == self.top:
            if self.commas != self.found:
                raise _not_json()
            self.found += 1
            self.begin, self.long_strings = place, []
        self.level += 1
        if self.level > _DEEPEST:
            raise InvalidRequest("The metadata is nested deeper than any data set.")

    def _close(self, place: int) -> JsonObject | None:
        assert self.top is not None
        self.level -= 1
        self.ended = self.level == 0
        if self.level != self.top:
            return None
        return JsonObject(self.begin, place + 1 - self.begin, tuple(self.long_strings))

    def close(self) -> None:
        if not self.ended:
            raise InvalidRequest("The metadata is cut off, or no JSON.", hint=_HINT)
        if self.commas != max(self.found - 1, 0):
            raise _not_json()


_HINT = "Send one JSON array with a data set of the DICOM JSON Model for each instance (PS3.18 F)."


def _not_json() -> InvalidRequest:
    return InvalidRequest("The metadata is not a JSON array of data sets.", hint=_HINT)
