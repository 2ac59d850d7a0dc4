"""VOI windows: modality values to display fractions from 0 to 1 (PS3.3 C.11.2.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomweb.dicom.picture import LINEAR, LINEAR_EXACT, SIGMOID, Window
from dicomweb.pixels.rendering.values import Values

Fractions = NDArray[np.floating[Any]]

_CENTERS, _WIDTHS, _FUNCTION = "00281050", "00281051", "00281056"


def windowed(modality: NDArray[Any], window: Window) -> Fractions:
    """Fractions of white, 0 to 1, for modality values. Not a number comes out black."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nan_to_num(_FUNCTIONS[window.function](modality, window.center, window.width))


def is_usable(window: Window) -> bool:
    """Width at least 1 for LINEAR, above 0 for the others (C.11.2.1.2.1, C.11.2.1.3)."""
    return window.width >= 1 if window.function == LINEAR else window.width > 0


def stored_window(values: Values) -> Window | None:
    """The first usable window of a data set, None where there is none."""
    function = values.text(_FUNCTION).upper()
    if function not in FUNCTIONS:
        function = LINEAR
    centers, widths = (values.numbers_by_place(tag) for tag in (_CENTERS, _WIDTHS))
    for center, width in zip(centers, widths, strict=False):
        if center is None or width is None:
            continue
        # Writers of floating point pixels give widths below 1, which only the exact function can mean.
        fitting = LINEAR_EXACT if function == LINEAR and 0 < width < 1 else function
        window = Window(center, width, fitting)
        if is_usable(window):
            return window
    return None


def _linear(modality: NDArray[Any], center: float, width: float) -> Fractions:
    """C.11.2.1.2.1: from center - 0.5 - (width - 1) / 2 up to center - 0.5 + (width - 1) / 2."""
    if width <= 1:
        return (modality > center - 0.5).astype(np.float32)
    return np.clip((modality - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _linear_exact(modality: NDArray[Any], center: float, width: float) -> Fractions:
    """C.11.2.1.3.2: from center - width / 2 up to center + width / 2."""
    return np.clip((modality - center) / width + 0.5, 0, 1)


def _sigmoid(modality: NDArray[Any], center: float, width: float) -> Fractions:
    """C.11.2.1.3.1."""
    return 1 / (1 + np.exp(-4 * (modality - center) / width))


_FUNCTIONS: dict[str, Callable[[NDArray[Any], float, float], Fractions]] = {
    LINEAR: _linear,
    LINEAR_EXACT: _linear_exact,
    SIGMOID: _sigmoid,
}
FUNCTIONS = frozenset(_FUNCTIONS)
