"""Overlay planes 60xx and display shutters, in the pixels of the image (PS3.3 C.9.2, C.7.6.11, C.7.6.15)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.pixels.rendering.samples import Pixels, lowest_bit, stored_bits
from dicomweb.pixels.rendering.values import Values

Mask = NDArray[np.bool_]

GROUPS = tuple(f"60{number:02X}" for number in range(0, 0x20, 2))
"""Repeating groups of overlay planes."""
_LONGEST_SIDE = 1 << 16
_MOST_VERTICES = 4096


# --- overlays ----------------------------------------------------------------------------------------------


def overlay_masks(
    words: Pixels, layout: PixelLayout, values: Values, frame_index: int
) -> Iterator[tuple[str, Mask]]:
    """(group, pixels that are set) of each overlay plane of a frame. words: as words_of gives them."""
    for group in GROUPS:
        if f"{group}3000" in values or f"{group}0102" in values:
            mask = overlay_mask(words, layout, values, group, frame_index)
            if mask is not None:
                yield group, mask


def overlay_mask(
    words: Pixels, layout: PixelLayout, values: Values, group: str, frame_index: int
) -> Mask | None:
    """Pixels that one overlay plane sets; None where there is no such plane."""
    plane = _plane(values, group, frame_index)
    if plane is None:
        return _embedded(words, layout, values, group)
    mask = np.zeros(words.shape[:2], np.bool_)
    top, left = _origin(values, group)
    _paste(mask, plane, top, left)
    return mask


def _plane(values: Values, group: str, frame_index: int) -> Mask | None:
    """The overlay's own bits for the frame."""
    rows, columns = values.integer(f"{group}0010"), values.integer(f"{group}0011")
    data = values.data(f"{group}3000")
    if not data or not (0 < rows <= _LONGEST_SIDE and 0 < columns <= _LONGEST_SIDE):
        return None
    frames = max(values.integer(f"{group}0015", 1), 1)
    index = frame_index + 1 - values.integer(f"{group}0051", 1) if frames > 1 else 0
    if not 0 <= index < frames:
        return None
    start, count = index * rows * columns, rows * columns
    if (start + count + 7) // 8 > len(data):
        return None
    touched = np.frombuffer(data, np.uint8)[start // 8 : (start + count + 7) // 8]
    bits = np.unpackbits(touched, bitorder="little")[start % 8 :][:count]
    return bits.reshape(rows, columns).astype(np.bool_)


def _embedded(words: Pixels, layout: PixelLayout, values: Values, group: str) -> Mask | None:
    """The retired form: one of the bits of the pixel words that hold no pixel."""
    if f"{group}0102" not in values or words.ndim != 2 or words.dtype.kind != "u":
        return None
    bit = values.integer(f"{group}0102")
    low = lowest_bit(layout)
    if not 0 <= bit < layout.bits_allocated or low <= bit < low + stored_bits(layout):
        return None
    return (words >> bit & 1).astype(np.bool_)


def _origin(values: Values, group: str) -> tuple[int, int]:
    """(top, left) from 0 of an overlay in the image."""
    origin = values.numbers(f"{group}0050")
    return (int(origin[0]) - 1, int(origin[1]) - 1) if len(origin) == 2 else (0, 0)


def _paste(mask: Mask, plane: Mask, top: int, left: int) -> None:
    """Set what of a plane lies inside the image."""
    rows, columns = mask.shape
    inside = plane[max(-top, 0) : max(rows - top, 0), max(-left, 0) : max(columns - left, 0)]
    if inside.size:
        top, left = max(top, 0), max(left, 0)
        mask[top : top + inside.shape[0], left : left + inside.shape[1]] |= inside


# --- shutters ----------------------------------------------------------------------------------------------

_SHAPE, _OVERLAY_GROUP = "00181600", "00181623"
_LEFT, _RIGHT, _UPPER, _LOWER = "00181602", "00181604", "00181606", "00181608"
_CENTER, _RADIUS, _VERTICES = "00181610", "00181612", "00181620"


def shutter_mask(words: Pixels, layout: PixelLayout, values: Values, frame_index: int) -> Mask | None:
    """Pixels that the shutters hide; None where there is no shutter."""
    shapes = values.texts(_SHAPE)
    hidden: Mask | None = None
    for shape in shapes:
        mask = (
            _bitmap(words, layout, values, frame_index)
            if shape == "BITMAP"
            else _outside(words.shape[0], words.shape[1], values, shape)
        )
        if mask is not None:
            hidden = mask if hidden is None else hidden | mask
    return hidden


def _bitmap(words: Pixels, layout: PixelLayout, values: Values, frame_index: int) -> Mask | None:
    """A bitmap shutter hides the pixels that an overlay sets (C.7.6.15)."""
    group = f"{values.integer(_OVERLAY_GROUP):04X}"
    return overlay_mask(words, layout, values, group, frame_index) if group in GROUPS else None


def _outside(rows: int, columns: int, values: Values, shape: str) -> Mask | None:
    inside = _SHAPES[shape](rows, columns, values) if shape in _SHAPES else None
    return None if inside is None else ~inside


def _rectangle(rows: int, columns: int, values: Values) -> Mask | None:
    edges = [values.number(tag) for tag in (_LEFT, _UPPER, _RIGHT, _LOWER)]
    left, upper, right, lower = (0 if edge is None else edge for edge in edges)
    if None in edges or left > right or upper > lower:
        return None
    row, column = np.ogrid[1 : rows + 1, 1 : columns + 1]
    return (row >= upper) & (row <= lower) & (column >= left) & (column <= right)


def _circle(rows: int, columns: int, values: Values) -> Mask | None:
    center, radius = values.numbers(_CENTER), values.number(_RADIUS)
    if len(center) != 2 or radius is None or radius <= 0:
        return None
    row, column = np.ogrid[1 : rows + 1, 1 : columns + 1]
    return (row - center[0]) ** 2 + (column - center[1]) ** 2 <= radius**2


def _polygon(rows: int, columns: int, values: Values) -> Mask | None:
    numbers = np.clip(values.numbers(_VERTICES)[: 2 * _MOST_VERTICES], -_LONGEST_SIDE, _LONGEST_SIDE) - 1
    if len(numbers) < 6 or len(numbers) % 2:
        return None
    picture = Image.new("1", (columns, rows))
    corners = zip(numbers[1::2].tolist(), numbers[::2].tolist(), strict=True)
    ImageDraw.Draw(picture).polygon(list(corners), fill=1)
    return np.asarray(picture, np.bool_)


_SHAPES: dict[str, Callable[[int, int, Values], Mask | None]] = {
    "RECTANGULAR": _rectangle,
    "CIRCULAR": _circle,
    "POLYGONAL": _polygon,
}
