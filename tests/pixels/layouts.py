"""Native frames of every kind of pixel that DICOM knows, made in code: the rows of the transcoding matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dicomweb.dicom.pixel_layout import PixelLayout
from tests.pixels.samples import make_layout


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of pixels. native: a frame of it, little endian, from bit 0."""

    name: str
    layout: PixelLayout
    native: bytes


def _words(layout: PixelLayout, bits: int, seed: int) -> bytes:
    """Pixels of a slope with noise that reach both ends of their range."""
    generator = np.random.default_rng(seed)
    count = layout.rows * layout.columns * layout.samples_per_pixel
    low = -(1 << (bits - 1)) if layout.pixel_representation else 0
    high = low + (1 << bits) - 1
    slope = np.linspace(low, high, count) + generator.normal(0, (high - low) / 50, count)
    values = np.clip(slope, low, high).astype(np.int64)
    values[: layout.samples_per_pixel] = low
    values[-layout.samples_per_pixel :] = high
    kind = "i" if layout.pixel_representation else "u"
    return values.astype(f"<{kind}{layout.bits_allocated // 8}").tobytes()


def _kind(name: str, layout: PixelLayout, *, used: int = 0) -> Kind:
    """used: bits that the values use, where it is not Bits Stored."""
    return Kind(name, layout, _words(layout, used or layout.bits_stored, len(name)))


def _native(
    rows: int,
    columns: int,
    *,
    samples: int = 1,
    bits: int = 8,
    stored: int = 0,
    signed: bool = False,
    photometric: str = "",
    planar: int = 0,
) -> PixelLayout:
    return make_layout(
        rows,
        columns,
        samples=samples,
        bits=bits,
        stored=stored,
        signed=signed,
        photometric=photometric,
        planar=planar,
        encapsulated=False,
    )


def _one_bit(rows: int, columns: int) -> Kind:
    bits = np.random.default_rng(1).integers(0, 2, rows * columns).astype(np.uint8)
    native = np.packbits(bits, bitorder="little").tobytes()
    return Kind(f"1 bit {rows}x{columns}", _native(rows, columns, bits=1), native)


def _sub_sampled() -> Kind:
    layout = _native(12, 10, samples=3, photometric="YBR_FULL_422")
    slope = np.repeat(np.linspace(60, 190, 12 * 10 // 2), 4)
    noise = np.random.default_rng(2).integers(-3, 4, slope.size)
    return Kind("YBR_FULL_422", layout, (slope + noise).astype(np.uint8).tobytes())


def _upper_bits() -> Kind:
    """12 bits that end at bit 15."""
    layout = replace(_native(9, 11, bits=16, stored=12), high_bit=15)
    words = np.frombuffer(_words(layout, 12, 3), "<u2") << 4
    return Kind("12 of 16 bits, high bit 15", layout, words.astype("<u2").tobytes())


KINDS = (
    _kind("8 bits", _native(17, 23)),
    _kind("7 of 8 bits", _native(6, 5, stored=7)),
    _kind("1 of 8 bits", _native(6, 5, stored=1)),
    _kind("8 bits signed", _native(16, 16, signed=True)),
    _kind("8 bits 1x1", _native(1, 1)),
    _kind("8 bits 1x33", _native(1, 33)),
    _kind("8 bits 33x1", _native(33, 1)),
    _kind("8 bits 40x3", _native(40, 3)),
    _kind("MONOCHROME1", _native(8, 9, photometric="MONOCHROME1")),
    _kind("12 of 16 bits", _native(31, 18, bits=16, stored=12)),
    _kind("10 of 16 bits", _native(9, 18, bits=16, stored=10)),
    _kind("8 of 16 bits", _native(9, 18, bits=16, stored=8)),
    _kind("8 of 16 bits signed", _native(9, 18, bits=16, stored=8, signed=True)),
    _kind("16 bits", _native(20, 21, bits=16)),
    _kind("16 bits 1x7", _native(1, 7, bits=16)),
    _kind("16 bits signed", _native(20, 21, bits=16, signed=True)),
    _kind("12 of 16 bits signed", _native(20, 21, bits=16, stored=12, signed=True)),
    _kind("12 of 16 bits, all used", _native(7, 9, bits=16, stored=12), used=16),
    _kind("12 of 16 bits signed, all used", _native(7, 9, bits=16, stored=12, signed=True), used=16),
    _upper_bits(),
    _kind("32 bits", _native(9, 9, bits=32)),
    _kind("32 bits signed", _native(9, 9, bits=32, signed=True)),
    _kind("12 of 32 bits", _native(9, 9, bits=32, stored=12)),
    _kind("16 of 32 bits signed", _native(9, 9, bits=32, stored=16, signed=True)),
    _kind("20 of 32 bits signed", _native(9, 9, bits=32, stored=20, signed=True)),
    _kind("24 of 32 bits", _native(9, 9, bits=32, stored=24)),
    _kind("24 of 32 bits, all used", _native(9, 9, bits=32, stored=24), used=32),
    _one_bit(7, 5),
    _one_bit(16, 16),
    _kind("PALETTE COLOR 8 bits", _native(12, 11, photometric="PALETTE COLOR")),
    _kind("PALETTE COLOR 16 bits", _native(12, 11, bits=16, photometric="PALETTE COLOR")),
    _kind("RGB", _native(19, 14, samples=3)),
    _kind("RGB by plane", _native(19, 14, samples=3, planar=1)),
    _kind("RGB 3x3", _native(3, 3, samples=3)),
    _kind("RGB 1x1", _native(1, 1, samples=3)),
    _kind("RGB 16 bits", _native(8, 10, samples=3, bits=16)),
    _kind("RGB 12 of 16 bits by plane", _native(8, 10, samples=3, bits=16, stored=12, planar=1)),
    _kind("YBR_FULL", _native(10, 12, samples=3, photometric="YBR_FULL")),
    _kind("YBR_FULL by plane", _native(10, 12, samples=3, photometric="YBR_FULL", planar=1)),
    _sub_sampled(),
)
