"""How frames lie in the bytes of pixel data: native ones by arithmetic, encapsulated ones in fragments."""

from __future__ import annotations

import struct

from dicomweb.dicom.explicit import pixel_word_bits
from dicomweb.dicom.frame_index import EncapsulatedFrame
from dicomweb.dicom.json_model import little_endian
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed

_ITEM = b"\xfe\xff\x00\xe0"
_ITEM_HEADER = struct.Struct("<4sI")
_LENGTH = struct.Struct("<I")


# --- frames of native pixel data ---------------------------------------------------------------------------


def frame_window(layout: PixelLayout, frame_index: int, *, little: bool = True) -> tuple[int, int]:
    """First byte, and byte after the last, of what holds a native frame, from the start of the value.

    1-bit frames begin anywhere in a byte; big-endian words are taken whole.
    """
    first = frame_index * layout.frame_bits
    unit = 8 if little else pixel_word_bits(layout.vr, layout.bits_allocated)
    start, stop = first // unit, -(-(first + layout.frame_bits) // unit)
    return start * unit // 8, stop * unit // 8


def native_frame(data: bytes, layout: PixelLayout, frame_index: int, *, little: bool = True) -> bytes:
    """One frame, little endian, beginning at bit 0 (M-17, M-18).

    data: the bytes that frame_window names. Unused bits of the last byte come out zero.
    """
    start, _ = frame_window(layout, frame_index, little=little)
    if not little:
        data = swap_words(data, pixel_word_bits(layout.vr, layout.bits_allocated))
    shift = frame_index * layout.frame_bits - 8 * start
    length = (layout.frame_bits + 7) // 8
    if shift % 8 == 0 and layout.frame_bits % 8 == 0:
        return data[shift // 8 : shift // 8 + length]
    bits = int.from_bytes(data, "little") >> shift
    return (bits & ((1 << layout.frame_bits) - 1)).to_bytes(length, "little")


class FrameJoiner:
    """Puts frames that each begin at bit 0 one after the other, without bits between them (M-18)."""

    def __init__(self, frame_bits: int) -> None:
        self._frame_bits = frame_bits
        self._held = 0  # bits that do not fill a byte yet
        self._held_bits = 0

    def feed(self, frame: bytes) -> bytes:
        """The next frame; gives the whole bytes that are ready."""
        if self._frame_bits % 8 == 0:
            return frame
        mask = (1 << self._frame_bits) - 1
        bits = (int.from_bytes(frame, "little") & mask) << self._held_bits | self._held
        count = self._held_bits + self._frame_bits
        ready, self._held_bits = divmod(count, 8)
        self._held = bits >> (8 * ready)
        return (bits & ((1 << (8 * ready)) - 1)).to_bytes(ready, "little")

    def finish(self) -> bytes:
        """The last byte, where it is not full."""
        return bytes([self._held]) if self._held_bits else b""


def swap_words(data: bytes, bits: int) -> bytes:
    """Words of so many bits turned from big to little endian; 8 bits or fewer stay as they are.

    For pixel data the word is explicit.pixel_word_bits: OW holds even 1-bit and 8-bit pixels in 16 bits.
    """
    return little_endian(data, max(bits // 8, 1))


# --- frames of encapsulated pixel data ---------------------------------------------------------------------


def join_fragments(span: bytes, frame: EncapsulatedFrame) -> bytes:
    """The bare codestream of a frame (M-15): its span without the item headers between the fragments.

    Raises DecodeFailed where the bytes are not what the index says.
    """
    if frame.fragments == 1:
        return span
    pieces: list[bytes] = []
    end = 0
    for header in _item_headers(span, frame.fragments - 1):
        pieces.append(span[end:header] if not pieces else span[end + _ITEM_HEADER.size : header])
        end = header
    pieces.append(span[end + _ITEM_HEADER.size :])
    return b"".join(pieces)


def _item_headers(span: bytes, count: int) -> list[int]:
    """Places of the item headers in a span: the chain of `count` headers that leads to its very end.

    The length of the first fragment stands before the span, so the chain's beginning is searched: bytes of
    a codestream that look like a header lead to no such chain.
    """
    headers_left: dict[int, int] = {}  # by place; each place is looked at once, or hostile bytes cost squares
    place = span.find(_ITEM)
    while place >= 0:
        if _headers_from(span, place, headers_left) == count:
            chain = [place]
            while len(chain) < count:
                chain.append(_next_header(span, chain[-1]))
            return chain
        place = span.find(_ITEM, place + 1)
    raise DecodeFailed("The fragments of a frame are not where the index says.")


def _headers_from(span: bytes, place: int, known: dict[int, int]) -> int:
    """How many headers follow each other from here to the end of the span; below 0 when the chain breaks."""
    path = []
    while place not in known and span.startswith(_ITEM, place) and place + 8 <= len(span):
        path.append(place)
        place = _next_header(span, place)
    # The index may leave out a pad byte at the end of the last fragment (P-09).
    left = known[place] if place in known else 0 if place - len(span) in (0, 1) else -len(span)
    for place in reversed(path):
        left += 1
        known[place] = left
    return left


def _next_header(span: bytes, place: int) -> int:
    (length,) = _LENGTH.unpack_from(span, place + 4)
    return place + _ITEM_HEADER.size + int(length)
