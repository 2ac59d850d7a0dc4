"""Stored values to display levels: Modality LUT, VOI LUT, Presentation LUT (PS3.4 N.2, PS3.3 C.11).

Every step looks at one value alone. So for pixels of up to 16 bits the steps run once over all values that
there can be, and the image is one look into that table; other pixels go through in bands of rows.

The default window, where neither request nor data set has one: pixels of 8 bits or fewer without a Modality
LUT are shown as they are; all others from the 0.5th to the 99.5th percentile of the frame's modality values,
pixel padding left out (the whole range where those two are equal, and for RT Dose from 0 up to the maximum).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomweb.dicom.picture import LINEAR_EXACT, Window
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.pixels.rendering.lut import LookupTable, lookup_table
from dicomweb.pixels.rendering.samples import Pixels, stored_bits, stored_values
from dicomweb.pixels.rendering.values import Values
from dicomweb.pixels.rendering.window import stored_window, windowed

Levels = NDArray[np.uint8]
Step = Callable[[NDArray[Any]], NDArray[Any]]

_INTERCEPT, _SLOPE, _MODALITY_LUTS = "00281052", "00281053", "00283000"
_VOI_LUTS = "00283010"
_PRESENTATION_LUTS, _SHAPE = "20500010", "20500020"
_PADDING, _PADDING_LIMIT = "00280120", "00280121"
_LOSSY = "00282110"
_DOSE_SCALING = "3004000E"
_SOP_CLASS, _PHOTOMETRIC = "00080016", "00280004"
# XA, XRF, and the retired biplane XA Image Storage.
_BEAM_INTENSITY = frozenset(f"1.2.840.10008.5.1.4.1.1.12.{number}" for number in (1, 2, 3))

# Share of the frame's range that lossy coding may move padding by; less where nothing says that it was lossy.
_PADDING_NOISE, _LOSSY_PADDING_NOISE = 0.02, 0.1
# Values that are looked at for percentiles: enough for any picture, and bounded for the largest.
_SAMPLED = 1 << 20
# Pixels of one band, so that the floats of a large image never stand in memory at once.
_BAND = 1 << 20


@dataclass(frozen=True, slots=True)
class Grayscale:
    """The steps from stored values to levels. inverted: low values are white."""

    modality: Step
    voi: Step
    presentation: LookupTable | None
    inverted: bool

    def levels(self, stored: NDArray[Any]) -> Levels:
        """Display levels, 0 black to 255 white, of stored values."""
        return self.shown(self.modality(stored))

    def shown(self, modality: NDArray[Any]) -> Levels:
        """The same of modality values."""
        fractions = self.voi(modality)
        if self.presentation is not None:
            # The inputs of a Presentation LUT are the whole range of the step before it (C.11.4).
            last = len(self.presentation.entries) - 1
            inputs = np.rint(fractions * last) + self.presentation.first
            fractions = self.presentation(inputs) / self.presentation.full_scale
        if self.inverted:
            fractions = 1 - fractions
        levels: Levels = np.rint(np.clip(fractions, 0, 1) * 255).astype(np.uint8)
        return levels


def grayscale_levels(words: Pixels, layout: PixelLayout, values: Values, window: Window | None) -> Levels:
    """Display levels (rows, columns) of a frame of one sample a pixel.

    words: as samples.words_of gives them. window: asked for by the client, wins over the data set's.
    """
    padding = padding_of(values, layout, words)
    steps = grayscale(words, layout, values, window, padding)

    def levels(some: Pixels) -> Levels:
        stored = stored_values(some, layout)
        shown = steps.levels(stored)
        # Padding is no picture: it must not glare where low values are white (C.7.5.1.1.2).
        return np.where(padding(stored), np.uint8(0), shown) if padding and steps.inverted else shown

    return by_value(words, levels)


def by_value(words: Pixels, function: Callable[[Pixels], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """A function of single words over an image: by table for short words, in bands for others.

    function: (n,) words to (n,) or (n, 3) bytes.
    """
    flat = words.reshape(-1)
    if words.dtype.kind == "u" and words.dtype.itemsize <= 2 and flat.size > 1 << 12:
        function = _tabled(flat, function)
    first = function(flat[:_BAND])
    if flat.size <= _BAND:
        return first.reshape(*words.shape, *first.shape[1:])
    shown = np.empty((flat.size, *first.shape[1:]), np.uint8)
    shown[:_BAND] = first
    for start in range(_BAND, flat.size, _BAND):
        shown[start : start + _BAND] = function(flat[start : start + _BAND])
    return shown.reshape(*words.shape, *shown.shape[1:])


def _tabled(
    words: Pixels, function: Callable[[Pixels], NDArray[np.uint8]]
) -> Callable[[Pixels], NDArray[np.uint8]]:
    """The same function by a table of the values from the lowest to the highest there is: most scanners use a
    sixteenth of what a word holds. Of negative numbers the words are high ones: both ways are tried."""
    low, high = int(words.min()), int(words.max())
    signed = words.view(words.dtype.str.replace("u", "i"))
    lowest, highest = int(signed.min()), int(signed.max())
    if highest - lowest < high - low:
        low, high = lowest, highest
    table = function(np.arange(low, high + 1).astype(words.dtype))
    first = np.array(low).astype(words.dtype)
    return lambda some: np.take(table, some - first, axis=0) if first else np.take(table, some, axis=0)


def grayscale(
    words: Pixels,
    layout: PixelLayout,
    values: Values,
    window: Window | None = None,
    padding: Step | None = None,
) -> Grayscale:
    """The steps that data set and request ask for. words: the frame, for the default window."""
    modality = _modality(values, layout)
    voi = _voi(values, window, layout) or _default_voi(words, layout, values, modality, padding)
    presentation = next(map(lookup_table, values.items(_PRESENTATION_LUTS)), None)
    return Grayscale(modality, voi, presentation, _is_inverted(values, layout))


def _is_inverted(values: Values, layout: PixelLayout) -> bool:
    """MONOCHROME1 and Presentation LUT Shape INVERSE both say that low values are white (C.11.6).

    A display has a Photometric Interpretation of its own only from a presentation state.
    """
    photometric = values.text(_PHOTOMETRIC) or layout.photometric_interpretation
    return photometric == "MONOCHROME1" or values.text(_SHAPE) == "INVERSE"


# --- Modality LUT (C.11.1) ---------------------------------------------------------------------------------


def _modality(values: Values, layout: PixelLayout) -> Step:
    signed = layout.pixel_representation == 1
    for item in _modality_luts(values):
        table = lookup_table(item, signed=signed)
        if table is not None:
            return table
    slope, intercept = _rescale(values)
    return lambda stored: stored * slope + intercept


def _modality_luts(values: Values) -> list[Values]:
    """In X-ray angiography they lead back to the intensity of the beam: not for display (PS3.4 N.2.1.2)."""
    return [] if values.text(_SOP_CLASS) in _BEAM_INTENSITY else values.items(_MODALITY_LUTS)


def _rescale(values: Values) -> tuple[float, float]:
    slope, intercept = values.number(_SLOPE), values.number(_INTERCEPT)
    if slope is None and intercept is None:
        return values.number(_DOSE_SCALING) or 1.0, 0.0
    return slope or 1.0, intercept or 0.0


def _has_modality_lut(values: Values) -> bool:
    return bool(_modality_luts(values)) or _rescale(values) != (1.0, 0.0)


# --- VOI LUT (C.11.2) --------------------------------------------------------------------------------------


def _voi(values: Values, window: Window | None, layout: PixelLayout) -> Step | None:
    """The client's window, else the first usable VOI LUT of the data set, else its first usable window."""
    if window is None:
        low_inputs = layout.pixel_representation == 1 or _rescale(values)[1] < 0
        for item in values.items(_VOI_LUTS):
            table = lookup_table(item, signed=low_inputs)
            if table is not None:
                return _looked_up(table)
        window = stored_window(values)
    return None if window is None else _windowed_by(window)


def _looked_up(table: LookupTable) -> Step:
    scale = table.full_scale
    return lambda modality: table(modality) / scale


def _windowed_by(window: Window) -> Step:
    return lambda modality: windowed(modality, window)


def _default_voi(
    words: Pixels, layout: PixelLayout, values: Values, modality: Step, padding: Step | None
) -> Step:
    low, high = _default_range(words, layout, values, modality, padding)
    return _windowed_by(Window((low + high) / 2, high - low, LINEAR_EXACT)) if high > low else _shown_flat


def _shown_flat(modality: NDArray[Any]) -> NDArray[Any]:
    """A frame of one value: black where that is zero or less, gray elsewhere."""
    return np.where(modality > 0, 0.5, 0.0)


def _default_range(
    words: Pixels, layout: PixelLayout, values: Values, modality: Step, padding: Step | None
) -> tuple[float, float]:
    """Modality values shown black and white where nothing says which."""
    bits = stored_bits(layout)
    if bits <= 8 and words.dtype.kind == "u" and not _has_modality_lut(values):
        low = -float(1 << (bits - 1)) if layout.pixel_representation == 1 else 0.0
        return low, low + (1 << bits) - 1
    stored = stored_values(_sampled(words), layout)
    if padding is not None:
        stored = stored[~padding(stored)]
    shown = modality(stored)
    shown = shown[np.isfinite(shown)]
    if not shown.size:
        return 0.0, 0.0
    if _DOSE_SCALING in values:
        return 0.0, float(shown.max())
    low, high = (float(edge) for edge in np.percentile(shown, (0.5, 99.5)))
    return (low, high) if high > low else (float(shown.min()), float(shown.max()))


def _sampled(words: Pixels) -> Pixels:
    """Words spread evenly over the frame, no more than are needed."""
    flat = words.reshape(-1)
    return flat[:: max(flat.size // _SAMPLED, 1)]


# --- pixel padding (C.7.5.1.1.2) ---------------------------------------------------------------------------


def padding_of(values: Values, layout: PixelLayout, words: Pixels) -> Step | None:
    """Whether stored values are padding; None where the data set has none."""
    value = values.number(_PADDING)
    if value is None:
        return None
    limit = values.number(_PADDING_LIMIT)
    if limit is None:
        stored = stored_values(words, layout)
        noise = _LOSSY_PADDING_NOISE if values.text(_LOSSY) == "01" else _PADDING_NOISE
        edges: tuple[float, ...] = _padding_edges(
            _as_stored(value, layout), float(stored.min()), float(stored.max()), noise
        )
    else:
        edges = _as_stored(value, layout), _as_stored(limit, layout)
    if not edges:
        return None
    low, high = min(edges), max(edges)
    return lambda some: (some >= low) & (some <= high)


def _padding_edges(value: float, darkest: float, brightest: float, noise: float) -> tuple[float, ...]:
    """Values that a single padding value means; none where it lies amid the values of the frame.

    Then it is a plain pixel value, of a writer who filled the attribute in without thought. Lossy coding
    spreads padding by a little to both sides.
    """
    near = noise * (brightest - darkest)
    if not darkest < value < brightest:
        return value, value
    if value - darkest <= near:
        return darkest, 2 * value - darkest
    return (2 * value - brightest, brightest) if brightest - value <= near else ()


def _as_stored(value: float, layout: PixelLayout) -> float:
    """The value in the sign of the pixels, whatever VR it came with."""
    bits = layout.bits_allocated
    if layout.pixel_representation == 1 and value >= 1 << (bits - 1) > 1:
        return value - (1 << bits)
    return value + (1 << bits) if layout.pixel_representation == 0 and value < 0 and bits >= 8 else value
