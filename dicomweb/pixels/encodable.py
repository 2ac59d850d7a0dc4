"""What each transfer syntax can hold, from attributes alone (W-15; PS3.5 8.2). No codec runs here."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    HTJ2K,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    RLE_LOSSLESS,
    Family,
    of_families,
)

LOSSY_JPEG = frozenset({JPEG_BASELINE, JPEG_EXTENDED})
WAVELET = of_families(Family.JPEG_2000, Family.HTJ2K)
"""Of the encodable: their colour goes through a component transform, as YBR_RCT or YBR_ICT."""
EXACT_JPEG_2000 = 24
"""Bits that OpenJPEG gives back exactly."""
MOST_RLE_SEGMENTS = 15
# Syntaxes that may lose, and do when a quality is given.
_MAY_LOSE = frozenset({JPEG_LS, JPEG_2000, JPEG_XL, HTJ2K})
_NATIVE = frozenset({ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES})
_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_YBR = frozenset({"YBR_FULL", "YBR_FULL_422"})


@dataclass(frozen=True, slots=True)
class _Limits:
    """Pixels that a syntax can hold (the tables of PS3.5 8.2) and that its encoder here can write.

    allocated: Bits Allocated. stored: Bits Stored at most; colour_stored: of several samples.
    colour: Photometric Interpretations of three samples, before any transform of the encoder.
    lossy: values may change, so they must be unsigned intensities that fill the word from bit 0.
    side: rows and columns at most.
    """

    allocated: frozenset[int]
    stored: int
    colour_stored: int = 16
    colour: frozenset[str] = _YBR | {"RGB"}
    lossy: bool = False
    side: int = 65535

    def hold(self, layout: PixelLayout) -> bool:
        colour = layout.samples_per_pixel == 3
        return (
            layout.bits_allocated in self.allocated
            and layout.bits_stored <= (self.colour_stored if colour else self.stored)
            and layout.samples_per_pixel in (1, 3)
            and (not colour or layout.photometric_interpretation in self.colour)
            and max(layout.rows, layout.columns) <= self.side
            and (not self.lossy or _is_intensity(layout))
        )


def _is_intensity(layout: PixelLayout) -> bool:
    """Whether pixels may come back a little different: unsigned, from bit 0, no index into a palette."""
    return (
        layout.pixel_representation == 0
        and layout.high_bit == layout.bits_stored - 1
        and (layout.samples_per_pixel == 3 or layout.photometric_interpretation in _GREY)
    )


_JPEG_SIDE = 65500  # libjpeg's own
_WORDS = frozenset({8, 16})
_WAVELET_LIMITS = _Limits(frozenset({1, 8, 16, 32}), EXACT_JPEG_2000)
_HTJ2K_LIMITS = _Limits(frozenset({1, 8, 16, 32}), 32)
_JPEG_XL_LIMITS = _Limits(_WORDS, 16, colour=frozenset({"RGB"}))  # PS3.5 8.2.15 has no lossless YBR_FULL
_LIMITS: dict[str, _Limits] = {
    JPEG_BASELINE: _Limits(frozenset({8}), 8, 8, lossy=True, side=_JPEG_SIDE),
    JPEG_EXTENDED: _Limits(_WORDS, 12, 8, lossy=True, side=_JPEG_SIDE),
    JPEG_LOSSLESS: _Limits(_WORDS, 16, side=_JPEG_SIDE),
    **dict.fromkeys(of_families(Family.JPEG_LS), _Limits(_WORDS, 16)),
    **dict.fromkeys(of_families(Family.JPEG_2000), _WAVELET_LIMITS),
    **dict.fromkeys(of_families(Family.HTJ2K), _HTJ2K_LIMITS),
    **dict.fromkeys((JPEG_XL_LOSSLESS, JPEG_XL), _JPEG_XL_LIMITS),
}

ENCODABLE: frozenset[str] = frozenset(_LIMITS) | _NATIVE | {RLE_LOSSLESS}
"""Transfer syntaxes that encoders.encode_frame writes; what each takes is for can_encode to say."""


def can_encode(layout: PixelLayout, transfer_syntax_uid: str) -> bool:
    """Whether native frames of this layout can be put into this syntax.

    .111 is not in the table: it recompresses stored JPEG only (transcode.can_transcode).
    """
    if transfer_syntax_uid not in ENCODABLE or not _is_pixel_data(layout):
        return False
    if transfer_syntax_uid in _NATIVE:
        return True
    if layout.photometric_interpretation == "YBR_FULL_422" and layout.columns % 2:
        return False  # a pair of colour differences without its second pixel
    if transfer_syntax_uid == RLE_LOSSLESS:
        if layout.photometric_interpretation.startswith("YBR_PARTIAL"):
            return False
        return max(layout.bits_allocated // 8, 1) * layout.samples_per_pixel <= MOST_RLE_SEGMENTS
    return _LIMITS[transfer_syntax_uid].hold(layout)


def _is_pixel_data(layout: PixelLayout) -> bool:
    """Float and Double Float Pixel Data are never encapsulated (P-12)."""
    return (
        layout.tag == "7FE00010"
        and layout.bits_allocated in (1, 8, 16, 32)
        and layout.frames > 0
        and layout.frame_bits > 0
    )


def is_lossy(transfer_syntax_uid: str, layout: PixelLayout, quality: int | None) -> bool:
    """Whether encode_frame loses anything of such pixels."""
    if transfer_syntax_uid in LOSSY_JPEG:
        return True
    return (
        quality is not None
        and transfer_syntax_uid in _MAY_LOSE
        and layout.bits_allocated in (8, 16)
        and _is_intensity(layout)
    )


def coded_bits(layout: PixelLayout, transfer_syntax_uid: str) -> int:
    """Bits Stored of the encoded pixels: lossy JPEG knows 8 and 12 bits only."""
    if transfer_syntax_uid in LOSSY_JPEG:
        return 8 if layout.bits_allocated == 8 else 12
    return layout.bits_stored
