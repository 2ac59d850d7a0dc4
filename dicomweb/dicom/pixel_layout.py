"""How the pixels of one instance lie in its data set: all that frame access needs, and no pixel byte."""

from __future__ import annotations

from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """Image Pixel Description (PS3.3 C.7.6.3) and the place of the pixel data element.

    tag: 7FE00010, 7FE00008 or 7FE00009. vr: OB, OW, OF or OD as it goes out in Explicit VR.
    element_offset, element_end: first byte of the element's tag and first byte after the element;
    value_offset, value_length: its value field (native: the pixels; encapsulated: from the item of the
    Basic Offset Table to the end of the last fragment).
    All offsets count from the start of the bytes that are indexed: the received ones, or the inflated
    copy of a deflated data set.
    frames: number of frames that can be located, 0 when pixel data is there but not frame by frame.
    """

    tag: str
    vr: str
    element_offset: int
    element_end: int
    value_offset: int
    value_length: int
    encapsulated: bool
    frames: int
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    photometric_interpretation: str
    planar_configuration: int

    @property
    def frame_bits(self) -> int:
        """Size of one native frame in bits: 1-bit frames are packed without padding between them (M-18)."""
        bits = self.rows * self.columns * self.samples_per_pixel * self.bits_allocated
        if self.photometric_interpretation == "YBR_FULL_422" and not self.encapsulated:
            return bits * 2 // 3  # two luminance samples share one pair of colour differences
        return bits

    @property
    def frame_length(self) -> int:
        """Bytes of one native frame alone: the bits of the last byte that it does not need are there."""
        return (self.frame_bits + 7) // 8

    def to_json(self) -> bytes:
        """The catalog's form of the layout."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, text: bytes) -> PixelLayout:
        """Read back what to_json wrote."""
        return cls(**orjson.loads(text))
