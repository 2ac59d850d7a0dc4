"""Traces: many samples as the few points of a line that looks the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicomweb.documents.drawing import Points

Values = NDArray[np.float64]


def thinned(values: Values, most: int) -> tuple[Values, Values]:
    """Positions (in samples) and values of at most about `most` points; every peak stays."""
    if len(values) <= most:
        return np.arange(len(values), dtype=np.float64), values
    step = -(-len(values) // max(1, most // 2))
    starts = np.arange(0, len(values), step)
    padded = np.full(len(starts) * step, np.nan)
    padded[: len(values)] = values
    blocks = padded.reshape(-1, step)
    empty = np.isnan(blocks)
    low = np.where(empty, np.inf, blocks).argmin(axis=1)
    high = np.where(empty, -np.inf, blocks).argmax(axis=1)
    first, second = starts + np.minimum(low, high), starts + np.maximum(low, high)
    positions = np.column_stack([first, second]).ravel()
    return positions.astype(np.float64), values[positions]


def strokes(x: Values, y: Values) -> list[Points]:
    """Lines through the points, broken where a value is missing."""
    there = np.isfinite(x) & np.isfinite(y)
    both = np.column_stack([x, y])
    if there.all():
        return [both] if len(both) else []
    breaks = np.flatnonzero(np.diff(there.astype(np.int8))) + 1
    return [run for run in np.split(both, breaks) if len(run) and np.isfinite(run).all()]
