"""Vectors of patient space in mm: x to the left, y to the back, z to the head (PS3.3 C.7.6.2.1.1).

Plain numbers: the server places slices and cameras itself, without the libraries of the workers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = tuple[float, float, float]


def vector(values: Sequence[float]) -> Vector:
    """Three numbers of a list."""
    x, y, z = values
    return float(x), float(y), float(z)


def plus(a: Vector, b: Vector, times: float = 1.0) -> Vector:
    """a + times * b."""
    return a[0] + times * b[0], a[1] + times * b[1], a[2] + times * b[2]


def minus(a: Vector, b: Vector) -> Vector:
    """a - b."""
    return plus(a, b, -1.0)


def scaled(a: Vector, factor: float) -> Vector:
    """factor * a."""
    return a[0] * factor, a[1] * factor, a[2] * factor


def dot(a: Vector, b: Vector) -> float:
    """Scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """Vector product: right-handed, as patient space is."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def length(a: Vector) -> float:
    """Euclidean length."""
    return math.sqrt(dot(a, a))


def unit(a: Vector) -> Vector | None:
    """The same direction with length 1; None where there is no direction."""
    size = length(a)
    return scaled(a, 1 / size) if math.isfinite(size) and size > 1e-9 else None


def turned(a: Vector, axis: Vector, degrees: float) -> Vector:
    """Turned around an axis of length 1, right-handed (Rodrigues)."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along = scaled(axis, dot(axis, a) * (1 - cosine))
    return plus(plus(scaled(a, cosine), cross(axis, a), sine), along)
