"""Audio samples of eight bits that stand for fourteen or thirteen (ITU-T G.711), as linear values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BYTES = np.arange(256)


def _mu_law_table() -> NDArray[np.float64]:
    turned = ~_BYTES & 0xFF
    exponent, mantissa = turned >> 4 & 7, turned & 0xF
    size = ((mantissa << 3) + 0x84 << exponent) - 0x84
    return np.where(turned & 0x80, -size, size).astype(np.float64)


def _a_law_table() -> NDArray[np.float64]:
    turned = _BYTES ^ 0x55
    exponent, mantissa = turned >> 4 & 7, turned & 0xF
    size = np.where(exponent, (mantissa << 4) + 0x108 << np.maximum(exponent, 1) - 1, (mantissa << 4) + 8)
    return np.where(turned & 0x80, size, -size).astype(np.float64)


MU_LAW = _mu_law_table()
"""Linear value of each mu-law byte, -32124 to 32124."""
A_LAW = _a_law_table()
"""Linear value of each A-law byte, -32256 to 32256."""
