"""From the stored form of pixel data to the native one: what changes around the frames, and how frames lie.

Nothing here decodes: a frame's codestream goes to codecs.decode_frame in a worker. Pure functions.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from dicomweb.dicom.explicit import pixel_word_bits
from dicomweb.dicom.frame_index import EncapsulatedFrame
from dicomweb.dicom.json_model import little_endian
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import NATIVE_FRAMES
from dicomweb.pixels.codestream import CodestreamHeader

# Native pixel data has a 32-bit length, and an even one (P-11).
LONGEST_NATIVE = 0xFFFF_FFFE

_FOUR = "1.2.840.10008.1.2.4."
_LOSSY_JPEG = frozenset(f"{_FOUR}{n}" for n in (50, 51, 53, 55))
# Their codecs give RGB for whatever colour went in.
_DECODED_TO_RGB = _LOSSY_JPEG | {f"{_FOUR}{n}" for n in (110, 111, 112)}
_WAVELET = frozenset(f"{_FOUR}{n}" for n in (90, 91, 92, 93, 201, 202, 203))
_SUBSAMPLED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"})
_EXTENDED_OFFSET_TABLE = ("7FE00001", "7FE00002", "7FE00003")
_ITEM = b"\xfe\xff\x00\xe0"
_ITEM_HEADER = struct.Struct("<4sI")
_LENGTH = struct.Struct("<I")


# --- what decoding changes (W-13) --------------------------------------------------------------------------


def decoded_photometric(
    layout: PixelLayout, transfer_syntax_uid: str, header: CodestreamHeader | None = None
) -> str:
    """Photometric Interpretation of the decoded frames (Z-08); native data has no YBR_RCT or ICT (P-13).

    header: of a frame's codestream (codestream.probe). It only matters where the attributes do not tell
    that a JPEG 2000 codestream goes through a component transform.
    """
    stored = layout.photometric_interpretation
    if layout.samples_per_pixel != 3 or transfer_syntax_uid in NATIVE_FRAMES:
        return stored
    transformed = header is not None and header.colour in ("RCT", "ICT", "HP")
    labelled = stored in ("YBR_RCT", "YBR_ICT") and transfer_syntax_uid in _WAVELET
    if transfer_syntax_uid in _DECODED_TO_RGB or transformed or labelled:
        return "RGB"
    return "YBR_FULL" if stored in _SUBSAMPLED else stored


def decoded_attributes(
    layout: PixelLayout, transfer_syntax_uid: str, header: CodestreamHeader | None = None
) -> dict[str, bytes | None]:
    """Elements around the decoded pixel data that differ from the stored ones, for explicit_elements.

    Planar Configuration stays (decode_frame follows it) and is put in where it is missing; what says that
    pixels were once lossy stays, and is put in for a syntax or codestream that always is.
    """
    changes: dict[str, bytes | None] = dict.fromkeys(_EXTENDED_OFFSET_TABLE)
    if layout.samples_per_pixel > 1:
        photometric = decoded_photometric(layout, transfer_syntax_uid, header)
        changes["00280004"] = photometric.encode("ascii", "replace")
        changes["00280006"] = struct.pack("<H", layout.planar_configuration)
    if transfer_syntax_uid in _LOSSY_JPEG or (header is not None and not header.reversible):
        changes["00282110"] = b"01"
    return changes


def decoded_layout(
    layout: PixelLayout, transfer_syntax_uid: str, header: CodestreamHeader | None = None
) -> PixelLayout:
    """The layout of the native pixel data; its offsets are those of the value itself, from 0."""
    native = replace(
        layout,
        vr="OW" if layout.bits_allocated > 8 else "OB",
        element_offset=0,
        element_end=0,
        value_offset=0,
        encapsulated=False,
        photometric_interpretation=decoded_photometric(layout, transfer_syntax_uid, header),
    )
    return replace(native, value_length=native_length(native))


def native_length(layout: PixelLayout) -> int:
    """Bytes of all frames of a native layout, without a pad byte (M-16, M-18)."""
    return (layout.frames * layout.frame_bits + 7) // 8


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
