"""Time ``loss_surface`` against a plain double loop over the grid of Section 5.1.2: ``make bench``."""

from __future__ import annotations

import sys
from time import perf_counter

import numpy as np

from utils import data, gradients


def double_loop(b, w, X, y) -> np.ndarray:
    """The mean of the squared errors at each point of the grid, one after the other."""
    J = np.empty((len(w), len(b)))
    for i in range(len(b)):
        for j in range(len(w)):
            J[j, i] = np.mean((y - b[i] - w[j] * X) ** 2)
    return J


def main() -> int:
    X, _, y, _ = data.load_chapter_data()
    grid = np.linspace(0, 3, 301)
    ratios = []
    for _ in range(5):  # side by side, so that both see the same machine
        start = perf_counter()
        slow = double_loop(grid, grid, X, y)
        middle = perf_counter()
        for _ in range(20):
            fast = gradients.loss_surface(grid, grid, X, y)
        ratios.append((middle - start) / ((perf_counter() - middle) / 20))
    difference = np.max(np.abs(fast - slow) / slow)
    print(f"largest relative difference: {difference:.1e}")
    print(
        f"a plain double loop takes {np.median(ratios):.0f} times as long (median of {len(ratios)})"
    )
    return 0 if difference <= 1e-12 and np.median(ratios) >= 1000 else 1


if __name__ == "__main__":
    sys.exit(main())
