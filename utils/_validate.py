"""The checks at the door: every public function refuses bad input here, by name."""

from __future__ import annotations

from numbers import Integral, Real

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
        raise ValueError(f"{name} must hold real numbers, got {_short(values)}: {error}") from error
    if array.size == 0:
        raise ValueError(f"{name} must not be empty")
    if np.ma.isMaskedArray(values) or array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold real numbers, got {_short(values)}")
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, shape (n,) or (k, m): got {array.shape}")
    bad = ~(np.abs(array) <= LARGEST)
    if bad.any():
        where = tuple(np.argwhere(bad)[0].tolist())
        raise ValueError(f"{name} must be finite and within {LARGEST:g}, got {array[where]} at {where}")
    return array.astype(np.float64)


def finite_vector(name: str, values) -> np.ndarray:
    """Return ``values`` as a finite float64 ndarray of shape (n,), n >= 1."""
    return finite_array(name, values)


def pairs(name: str, values) -> np.ndarray:
    """Return ``values`` as a finite ndarray of shape (k, 2), rows (b, w), k >= 1."""
    array = finite_array(name, values, ndim=2)
    if array.shape[1] != 2:
        raise ValueError(f"{name} must have shape (k, 2), got shape {array.shape}")
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


def real(name: str, value) -> float:
    """Return ``value``, a real number but no bool, as a float."""
    try:
        if isinstance(value, Real) and not isinstance(value, bool):
            return float(value)
    except OverflowError:
        pass
    raise ValueError(f"{name} must be a real number that a float can hold, got {_short(value)}")


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
        raise ValueError(f"{name} must be a whole number, got {_short(value)}")
    if not least <= value <= most:
        raise ValueError(f"{name} must lie between {least} and {most}, got {_short(value)}")
    return int(value)


def seed(value) -> int:
    """Return ``value`` as a seed that NumPy's legacy generator takes."""
    return count("seed", value, least=0, most=2**32 - 1)


def choice(name: str, value, options) -> str:
    """Return ``value`` if it is one of the strings ``options``."""
    if not (isinstance(value, str) and value in options):
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {_short(value)}")
    return value


def _short(value) -> str:
    """The value for a message, whatever it is; ints of many digits refuse to be printed."""
    try:
        text = repr(value)
    except Exception:
        text = type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
