"""The checks at the door: every public function refuses bad input here, by name."""

from __future__ import annotations

from numbers import Integral, Real
from reprlib import repr as short

import numpy as np

#: No number may be larger: its square times the square of another, summed, is still a float64.
LARGEST = 1e75


def finite_array(name: str, values, *, ndim: int = 1) -> np.ndarray:
    """Return ``values`` as a float64 ndarray of ``ndim`` axes, not empty, all finite.

    Raises ValueError naming ``name`` for another shape, no entries, NaN, inf, entries beyond
    ``LARGEST``, masked or complex ones, and whatever is not an array of real numbers.
    """
    try:
        array = np.asarray(values)
    except Exception as error:  # a list of uneven rows, a tensor that requires a gradient, ...
        raise ValueError(f"{name} must hold real numbers: {error}") from error
    if array.size == 0:
        raise ValueError(f"{name} must not be empty")
    if np.ma.isMaskedArray(values) or array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold plain real numbers, got {array.dtype}")
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, shape (n,) or (k, m): got {array.shape}")
    with np.errstate(over="ignore"):  # long doubles that float64 cannot hold become inf
        array = array.astype(np.float64)
    bad = ~(np.abs(array) <= LARGEST)
    if bad.any():
        raise ValueError(f"{name} must be finite and below {LARGEST:g}, got {array[bad][0]}")
    return array


def pairs(name: str, values) -> np.ndarray:
    """Return ``values`` as a finite ndarray of shape (k, 2), rows (b, w), k >= 1."""
    if (array := finite_array(name, values, ndim=2)).shape[1] != 2:
        raise ValueError(f"{name} must have shape (k, 2), got shape {array.shape}")
    return array


def points(X, y) -> tuple[np.ndarray, np.ndarray]:
    """Return the data (X, y) as two finite vectors of one shape (n,)."""
    X, y = finite_array("X", X), finite_array("y", y)
    if X.shape != y.shape:
        raise ValueError(f"y must have the shape of X {X.shape}, got shape {y.shape}")
    return X, y


def parameters(params, *, name: str = "params") -> np.ndarray:
    """Return ``params`` as the finite vector (b, w) of shape (2,)."""
    params = finite_array(name, params)
    if params.shape != (2,):
        raise ValueError(f"{name} must be (b, w), got shape {params.shape}")
    return params


def real(name: str, value) -> float:
    """Return ``value``, a real number but no bool, as a float."""
    try:
        if isinstance(value, Real) and not isinstance(value, bool):
            return float(value)
    except OverflowError:
        pass
    raise ValueError(
        f"{name} must be a real number that a float can hold, got {type(value).__name__}"
    )


def positive(name: str, value) -> float:
    """Return ``value`` as a float > 0, finite."""
    number = real(name, value)
    if not 0 < number < float("inf"):
        raise ValueError(f"{name} must be positive and finite, got {number}")
    return number


def fraction(name: str, value) -> float:
    """Return ``value`` as a float with 0 <= value < 1."""
    number = real(name, value)
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {number}")
    return number


def count(name: str, value, *, least: int, most: int = 10**9) -> int:
    """Return ``value`` as an int between ``least`` and ``most``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be a whole number, got {short(value)}")
    if not least <= value <= most:
        raise ValueError(f"{name} must lie between {least} and {most}")
    return int(value)


def seed(value) -> int:
    """Return ``value`` as a seed that NumPy's legacy generator takes."""
    return count("seed", value, least=0, most=2**32 - 1)


def flag(name: str, value) -> bool:
    """Return ``value``, which must be True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {type(value).__name__}")
    return bool(value)


def choice(name: str, value, options) -> str:
    """Return ``value`` if it is one of the strings ``options``."""
    if not (isinstance(value, str) and value in options):
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {short(value)}")
    return value
