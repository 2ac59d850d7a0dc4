"""VOI windows: modality values to display fractions from 0 to 1 (PS3.3 C.11.2.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomweb.dicom.picture import LINEAR, LINEAR_EXACT, SIGMOID, Window

Fractions = NDArray[np.floating[Any]]


def windowed(modality: NDArray[Any], window: Window) -> Fractions:
    """Fractions of white, 0 to 1, for modality values. Not a number comes out black."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nan_to_num(_FUNCTIONS[window.function](modality, window.center, window.width))


def is_usable(window: Window) -> bool:
    """Width at least 1 for LINEAR, above 0 for the others (C.11.2.1.2.1, C.11.2.1.3)."""
    return window.width >= 1 if window.function == LINEAR else window.width > 0


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
