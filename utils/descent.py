"""Gradient descent on the mean squared error, full-batch and mini-batch (Sections 5.1.3 to 5.2.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils import _validate
from utils.gradients import _mse, _mse_gradient, learning_rate_limit
from utils.optimizers import OPTIMIZERS

START = (1.0, 1.5)
ORDERS = ("given", "shuffled", "reshuffled")


class DivergenceError(ArithmeticError):
    """A run left the finite numbers."""


@dataclass(frozen=True)
class Descent:
    """One run: ``path``, ndarray of shape (updates + 1, 2), every (b, w) with the start first;
    ``losses``, ndarray of shape (updates + 1,), J on all points at each of them;
    ``updates_per_epoch``, how many updates see every point once."""

    path: np.ndarray
    losses: np.ndarray
    updates_per_epoch: int = 1

    @property
    def per_epoch(self) -> np.ndarray:
        """The path at the start and after each epoch, ndarray of shape (epochs + 1, 2)."""
        return self.path[:: self.updates_per_epoch]


def gradient_descent(X, y, *, start=START, lr: float, steps: int, optimizer: str = "gd") -> Descent:
    """Take ``steps`` steps against the gradient of all points: Equation 5.2.

    Parameters: X, y, ndarrays of shape (n,); start, (b, w); lr, the learning rate eta > 0;
    steps >= 0; optimizer, a key of ``optimizers.OPTIMIZERS``.
    Raises: ValueError naming the argument; DivergenceError naming step, lr and the limit.
    """
    steps = _validate.count("steps", steps, least=0)
    X, y = _validate.points(X, y)
    return _descend(X, y, (slice(None) for _ in range(steps)), start, lr, optimizer, 1)


def minibatch_gradient_descent(
    X,
    y,
    *,
    start=START,
    lr: float,
    epochs: int,
    batch_size: int = 32,
    order: str = "given",
    optimizer: str = "gd",
    seed: int = 42,
) -> Descent:
    """Update once per mini-batch; the last batch of an epoch may be smaller (Section 5.2.4).

    Parameters: as for ``gradient_descent``; epochs >= 0; batch_size >= 1, n or more is full batch;
    order, "given" takes the points as they are, "shuffled" shuffles them once before the first
    epoch, "reshuffled" before every epoch; seed, of NumPy's legacy generator for the shuffles.
    Raises: ValueError naming the argument; DivergenceError naming step, lr and the limit.
    """
    X, y = _validate.points(X, y)
    epochs = _validate.count("epochs", epochs, least=0)
    batch_size = _validate.count("batch_size", batch_size, least=1)
    _validate.choice("order", order, ORDERS)
    batches = _batches(X.size, epochs, batch_size, order, _validate.seed(seed))
    return _descend(X, y, batches, start, lr, optimizer, -(-X.size // batch_size))


def _batches(n: int, epochs: int, batch_size: int, order: str, seed: int):
    random, indices = np.random.RandomState(seed), np.arange(n)
    for epoch in range(epochs):
        if order == "reshuffled" or (order == "shuffled" and epoch == 0):
            random.shuffle(indices)
        for first in range(0, n, batch_size):
            yield indices[first : first + batch_size]


def _descend(X, y, batches, start, lr, optimizer, updates_per_epoch) -> Descent:
    params = _validate.parameters(start, name="start")
    _validate.choice("optimizer", optimizer, OPTIMIZERS)
    rule = OPTIMIZERS[optimizer](lr)
    path, losses = [params], [_mse(*params, X, y)]
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is reported below, by step
        for step, batch in enumerate(batches, start=1):
            params = rule._step(params, _mse_gradient(*params, X[batch], y[batch]))
            loss = _mse(*params, X, y)
            if not (np.isfinite(params).all() and np.isfinite(loss)):
                raise DivergenceError(
                    f"not finite any more at step {step} with lr={rule.lr:g}: gradient descent on "
                    f"these points is stable only for lr < 2/lambda_max = {learning_rate_limit(X):.5f}"
                )
            path.append(params)
            losses.append(loss)
    return Descent(np.array(path), np.array(losses), updates_per_epoch)
