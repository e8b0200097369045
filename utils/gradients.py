"""The loss of simple linear regression, its gradient, Hessian and optimum (Section 5.1).

Everywhere params = (b, w) is the intercept and the slope, and the data are X, y of shape (n,).
"""

from __future__ import annotations

import numpy as np

from utils import _validate


def mse(params, X, y) -> float:
    """Mean squared error J(b, w) of Equation 5.1, in squared units of y.

    Parameters: params, (b, w); X, y, ndarrays of shape (n,).
    Raises: ValueError naming ``params``, ``X`` or ``y``.
    """
    b, w = _validate.parameters(params)
    X, y = _validate.points(X, y)
    return _mse(b, w, X, y)


def mse_gradient(params, X, y) -> np.ndarray:
    """Gradient (dJ/db, dJ/dw) of the mean squared error, Equation 5.2.

    The order of the operations is that of the equation; it gives the published digits.

    Parameters: params, (b, w); X, y, ndarrays of shape (n,).
    Returns: ndarray of shape (2,).
    Raises: ValueError naming ``params``, ``X`` or ``y``.
    """
    b, w = _validate.parameters(params)
    X, y = _validate.points(X, y)
    return _mse_gradient(b, w, X, y)


def mse_hessian(X) -> np.ndarray:
    """Hessian of J, the same at every (b, w): 2 [[1, mean x], [mean x, mean x^2]].

    Parameters: X, ndarray of shape (n,).  Returns: ndarray of shape (2, 2).
    Raises: ValueError naming ``X``.
    """
    X = _validate.finite_array("X", X)
    mean = X.mean()
    return 2 * np.array([[1.0, mean], [mean, np.mean(X * X)]])


def least_squares(X, y) -> np.ndarray:
    """The (b, w) at which J is smallest, from the normal equations of Section 5.1.2, centred.

    Parameters: X, y, ndarrays of shape (n,), X not all equal.
    Returns: ndarray of shape (2,).
    Raises: ValueError naming ``X``, or ``y``.
    """
    X, y = _validate.points(X, y)
    if np.ptp(X) < 1 / _validate.LARGEST:
        raise ValueError(f"X must hold at least two different values, all are {X[0]}")
    dx = X - X.mean()
    w = np.sum(dx * (y - y.mean())) / np.sum(dx * dx)  # not np.dot: its last bit is the machine's
    return np.array([y.mean() - w * X.mean(), w])


def loss_surface(b, w, X, y) -> np.ndarray:
    """J on the grid of all (b, w), exact and without touching the data again at any grid point.

    J is quadratic, so J(b, w) = J* + 1/2 d' H d, where d is the distance from the least-squares
    optimum, H the Hessian and J* the loss there.  One pass over the data gives the three.

    Parameters: b, ndarray of shape (p,); w, ndarray of shape (q,); X, y, ndarrays of shape (n,).
    Returns: ndarray of shape (q, p), as matplotlib's ``contour(b, w, J)`` takes it.
    Raises: ValueError naming the argument.
    """
    b, w = _validate.finite_array("b", b), _validate.finite_array("w", w)
    X, y = _validate.points(X, y)
    best = least_squares(X, y)
    (h_bb, h_bw), (_, h_ww) = 0.5 * mse_hessian(X)
    db, dw = b - best[0], w - best[1]
    # J = (2 h_bw dw) (db) + (1) (h_bb db^2) + (h_ww dw^2 + J*) (1): three products a grid point
    left = np.stack([2 * h_bw * dw, np.ones_like(dw), h_ww * dw * dw + _mse(*best, X, y)], axis=1)
    right = np.stack([db, h_bb * db * db, np.ones_like(db)])
    return left @ right  # (q, 3) @ (3, p)


def learning_rate_limit(X) -> float:
    """The eta at and above which gradient descent on J is no longer sure to converge, 2 / lambda_max.

    lambda_max is the largest eigenvalue of the Hessian, in units of 1 / eta.

    Parameters: X, ndarray of shape (n,).  Raises: ValueError naming ``X``.
    """
    return float(2 / np.linalg.eigvalsh(mse_hessian(X))[-1])


def _mse(b, w, X, y) -> float:
    return float(np.mean((y - b - w * X) ** 2))


def _mse_gradient(b, w, X, y) -> np.ndarray:
    error = 2 * (y - b - w * X)
    return np.array([np.mean(error * (-1)), np.mean(error * (-X))])
