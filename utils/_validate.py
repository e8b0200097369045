"""The checks at the door: every public function refuses bad input here, by name."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np


def finite_vector(name: str, values) -> np.ndarray:
    """Return ``values`` as a float64 ndarray of shape (n,), n >= 1, all finite.

    Raises ValueError naming ``name`` for another shape, no entries, NaN, inf or non-numbers.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold real numbers, got {values!r:.80}") from error
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty")
    if not np.isfinite(array).all():
        where = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[where]} at index {where}")
    return array


def points(X, y) -> tuple[np.ndarray, np.ndarray]:
    """Return the data (X, y) as two finite vectors of one shape (n,)."""
    X, y = finite_vector("X", X), finite_vector("y", y)
    if X.shape != y.shape:
        raise ValueError(f"y must have the shape of X {X.shape}, got shape {y.shape}")
    return X, y


def parameters(params, *, name: str = "params") -> np.ndarray:
    """Return ``params`` as the finite vector (b, w) of shape (2,)."""
    params = finite_vector(name, params)
    if params.shape != (2,):
        raise ValueError(f"{name} must be (b, w), got shape {params.shape}")
    return params


def positive(name: str, value) -> float:
    """Return ``value`` as a finite float > 0."""
    number = _real(name, value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    return number


def fraction(name: str, value) -> float:
    """Return ``value`` as a float with 0 <= value < 1."""
    number = _real(name, value)
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}")
    return number


def count(name: str, value, *, least: int) -> int:
    """Return ``value`` as an int that is at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def seed(value) -> int:
    """Return ``value`` as a seed that NumPy's legacy generator takes, 0 ... 2**32 - 1."""
    number = count("seed", value, least=0)
    if number >= 2**32:
        raise ValueError(f"seed must be below 2**32, got {number}")
    return number


def choice(name: str, value, options) -> str:
    """Return ``value`` if it is one of the strings ``options``."""
    if value not in tuple(options):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")
    return value


def _real(name: str, value) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a real number, got {value!r}")
    return float(value)
