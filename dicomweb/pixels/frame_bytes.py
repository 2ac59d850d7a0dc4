"""How frames lie in the bytes of pixel data: native ones by arithmetic, encapsulated ones in fragments."""

from __future__ import annotations

from dicomweb.dicom.encapsulation import FragmentReader
from dicomweb.dicom.explicit import pixel_word_bits
from dicomweb.dicom.frame_index import EncapsulatedFrame
from dicomweb.dicom.json_model import little_endian
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed, InvalidDicom

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


def join_fragments(items: bytes, frame: EncapsulatedFrame) -> bytes:
    """The bare codestream of a frame (M-15), without the header of each of its fragments.

    items: what `frame.items` names. Raises DecodeFailed where the bytes are not what the index says.
    """
    if frame.fragments == 1:
        _, length = frame.items
        return items[length - frame.span : length]
    try:
        codestream = FragmentReader().feed(items)
    except InvalidDicom:
        codestream = b""
    if len(codestream) != frame.length:
        raise DecodeFailed("The fragments of a frame are not where the index says.")
    return codestream
