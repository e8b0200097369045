"""Rules that turn gradients into updates, with PyTorch's formulas and defaults (Section 5.3.4).

Each optimizer is made once per run and remembers what it needs; ``step(params, gradient)`` takes
two vectors of one shape and returns the new parameters.
"""

from __future__ import annotations

import numpy as np

from utils import _validate


class GradientDescent:
    """theta <- theta - lr * g: Equation 5.2, ``torch.optim.SGD(lr)``."""

    def __init__(self, lr: float):
        self.lr = _validate.positive("lr", lr)

    def step(self, params, gradient) -> np.ndarray:
        """Return the new parameters.  Raises: ValueError naming ``params`` or ``gradient``."""
        params = _validate.finite_array("params", params)
        gradient = _validate.finite_array("gradient", gradient)
        if gradient.shape != params.shape:
            raise ValueError(f"gradient must have shape {params.shape}, got {gradient.shape}")
        return self._step(params, gradient)

    def _step(self, params: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        return params - self.lr * gradient


class Momentum(GradientDescent):
    """v <- momentum * v + g, theta <- theta - lr * v: ``torch.optim.SGD(lr, momentum)``."""

    def __init__(self, lr: float, momentum: float = 0.9):
        super().__init__(lr)
        self.momentum = _validate.fraction("momentum", momentum)
        self._velocity = 0.0

    def _step(self, params: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        self._velocity = self.momentum * self._velocity + gradient
        return params - self.lr * self._velocity


class RMSprop(GradientDescent):
    """Divide each component by the root of its recent mean square: ``torch.optim.RMSprop``."""

    def __init__(self, lr: float, alpha: float = 0.99, eps: float = 1e-8):
        super().__init__(lr)
        self.alpha, self.eps = _validate.fraction("alpha", alpha), _validate.positive("eps", eps)
        self._square = 0.0

    def _step(self, params: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        self._square = self.alpha * self._square + (1 - self.alpha) * gradient * gradient
        return params - self.lr * gradient / (np.sqrt(self._square) + self.eps)


class Adam(GradientDescent):
    """Momentum and RMSprop together, both corrected for their start at 0: ``torch.optim.Adam``."""

    def __init__(self, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8):
        super().__init__(lr)
        betas = _validate.parameters(betas, name="betas")
        self.betas = tuple(_validate.fraction("betas", beta) for beta in betas.tolist())
        self.eps = _validate.positive("eps", eps)
        self._mean, self._square, self._steps = 0.0, 0.0, 0

    def _step(self, params: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        beta1, beta2 = self.betas
        self._steps += 1
        self._mean = beta1 * self._mean + (1 - beta1) * gradient
        self._square = beta2 * self._square + (1 - beta2) * gradient * gradient
        root = np.sqrt(self._square) / np.sqrt(1 - beta2**self._steps) + self.eps
        return params - self.lr / (1 - beta1**self._steps) * (self._mean / root)


OPTIMIZERS = {"gd": GradientDescent, "momentum": Momentum, "rmsprop": RMSprop, "adam": Adam}
