"""The chapter's dataset and its split into training and validation points (Section 5.2.1)."""

from __future__ import annotations

import numpy as np

from utils import _validate

TRUE_B, TRUE_W, NOISE = 2.3, 1.2, 0.1


def make_data(n: int = 100, *, seed: int = 42) -> tuple[np.ndarray, np.ndarray]:
    """Draw n points around the line y = 2.3 + 1.2 x, noise of standard deviation 0.1.

    NumPy's legacy generator is used because its stream is frozen by NumPy's own policy
    (NEP 19): the same seed gives the same points under every version, up to roundoff.

    Parameters: n, number of points, 1 ... 10**8; seed, 0 ... 2**32 - 1.
    Returns: X, ndarray of shape (n,), uniform on [0, 1); y, ndarray of shape (n,).
    Raises: ValueError naming ``n`` or ``seed``.
    """
    n, seed = _validate.count("n", n, least=1, most=10**8), _validate.seed(seed)
    random = np.random.RandomState(seed)
    X = random.rand(n)
    y = TRUE_B + TRUE_W * X + NOISE * random.randn(n)
    return X, y


def train_val_split(X, y, *, test_size: float = 0.15, seed: int = 42) -> tuple[np.ndarray, ...]:
    """Split the points at random, into the same parts as scikit-learn's ``train_test_split``.

    Parameters: X, y, ndarrays of shape (n,), n >= 2; test_size, the share set aside, in (0, 1).
    Returns: X_train, X_val, y_train, y_val, each a vector.
    Raises: ValueError naming the argument.
    """
    X, y = _validate.points(X, y)
    if X.size < 2:
        raise ValueError(f"X must hold at least 2 points to be split, got {X.size}")
    test_size = _validate.positive("test_size", _validate.fraction("test_size", test_size))
    aside = int(np.ceil(test_size * X.size))  # scikit-learn rounds the share up
    if aside >= X.size:
        raise ValueError(f"test_size {test_size} leaves none of the {X.size} points to train on")
    order = np.random.RandomState(_validate.seed(seed)).permutation(X.size)
    parts = order[aside:], order[:aside]
    return tuple(values[part] for values in (X, y) for part in parts)


def load_chapter_data() -> tuple[np.ndarray, ...]:
    """Return the chapter's own data: 85 training and 15 validation points, seed 42.

    Returns: X_train, X_val, y_train, y_val of shapes (85,), (15,), (85,), (15,).
    """
    return train_val_split(*make_data())
