"""A sliding window over chunks of bytes: what a parser reads from without holding the whole object."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

from blake3 import blake3

from dicomweb.errors import InvalidDicom

_INFLATE_PIECE = 256 * 1024
# Ordinary data sets deflate far beyond any sensible ratio while they are small (empty pixels): a bomb is only
# judged by its ratio after this many bytes.
_RATIO_FREE_BYTES = 64 << 20
_OUT_OF_RESOURCES = 0xA700


class CutOff(Exception):
    """The bytes end before the structure that they began."""


class Window:
    """Bytes in hand (`data`, read up to `position`) and the chunks still to come.

    base: place of data[0] counted from the first byte of the first chunk.
    Whoever copies `data` and `position` into locals must take them again after a call of any method here.
    """

    __slots__ = ("_chunks", "base", "data", "position")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.data = b""
        self.position = 0
        self.base = 0

    def tell(self) -> int:
        """Place of the next byte, from the first byte of all."""
        return self.base + self.position

    def available(self, count: int) -> bool:
        """Bring `count` bytes in hand; False when the end comes before, with what is left in hand."""
        if len(self.data) - self.position >= count:
            return True
        pieces = [self.data[self.position :]]
        held = len(pieces[0])
        for chunk in self._chunks:
            pieces.append(chunk)
            held += len(chunk)
            if held >= count:
                break
        self.base += self.position
        self.position = 0
        self.data = pieces[-1] if len(pieces) == 2 and not pieces[0] else b"".join(pieces)
        return held >= count

    def require(self, count: int) -> None:
        """Bring `count` bytes in hand. Raises CutOff."""
        if not self.available(count):
            raise CutOff

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises CutOff."""
        self.require(count)
        start = self.position
        self.position = start + count
        return self.data[start : self.position]

    def skip(self, count: int) -> None:
        """Pass over `count` bytes, holding none of them. Raises CutOff."""
        in_hand = len(self.data) - self.position
        while in_hand < count:
            count -= in_hand
            self._next_chunk()
            in_hand = len(self.data)
        self.position += count

    def drain(self) -> Iterator[bytes]:
        """All that is left, piece by piece, holding none of it."""
        rest = self.data[self.position :]
        self.base += len(self.data)
        self.data, self.position = b"", 0
        if rest:
            yield rest
        for chunk in self._chunks:
            self.base += len(chunk)
            yield chunk

    def _next_chunk(self) -> None:
        self.base += len(self.data)
        self.position = 0
        self.data = b""
        for chunk in self._chunks:
            self.data = chunk
            return
        raise CutOff


class Digesting:
    """Passes chunks on and keeps their length and, from a place on, their BLAKE3."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._hash: blake3 | None = None
        self.length = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.length += len(chunk)
            if self._hash is not None:
                self._hash.update(chunk)
            yield chunk

    def begin(self, in_hand: memoryview) -> None:
        """Digest from here on: `in_hand` was passed on already, but belongs to what is digested."""
        self._hash = blake3()
        self._hash.update(in_hand)

    def digest(self) -> bytes:
        """BLAKE3 of what went by since begin."""
        assert self._hash is not None
        return self._hash.digest()


def inflated(
    window: Window,
    *,
    inflate_bytes: int,
    inflate_ratio: int,
    on_inflated: Callable[[bytes], None] | None,
) -> Iterator[bytes]:
    """Inflate what is left in `window` (Deflated transfer syntaxes: RFC 1951, PS3.5 A.5) within bounds.

    Bytes after the end of the deflate stream are passed over: writers pad to an even length.
    Raises InvalidDicom for a stream that is damaged, cut off, or beyond a bound.
    """
    inflater = zlib.decompressobj(_window_bits(window))
    taken = given = 0
    for chunk in window.drain():
        taken += len(chunk)
        for piece in _pieces(inflater, chunk):
            given += len(piece)
            if given > inflate_bytes or (given > _RATIO_FREE_BYTES and given > taken * inflate_ratio):
                raise InvalidDicom(
                    "The deflated data set inflates beyond the configured limit.",
                    failure_reason=_OUT_OF_RESOURCES,
                )
            if on_inflated is not None:
                on_inflated(piece)
            yield piece
    if not inflater.eof:
        raise InvalidDicom("The deflated data set is cut off.")


def _window_bits(window: Window) -> int:
    # A zlib wrapper is not DICOM, but some writers left it there. 0x78 opens no plausible raw stream: it
    # would be a stored block, whose length and complement follow.
    window.available(2)
    head = window.data[window.position : window.position + 2]
    if head[:1] == b"\x78" and int.from_bytes(head, "big") % 31 == 0:
        return zlib.MAX_WBITS
    return -zlib.MAX_WBITS


def _pieces(inflater: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    while not inflater.eof:
        try:
            piece = inflater.decompress(chunk, _INFLATE_PIECE)
        except zlib.error:
            raise InvalidDicom("The deflated data set cannot be inflated.") from None
        chunk = inflater.unconsumed_tail
        if piece:
            yield piece
        # A full piece may leave output behind in zlib even when all input is taken.
        if not chunk and len(piece) < _INFLATE_PIECE:
            return
