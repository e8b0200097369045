"""The checks of the exercises on Section 5.2: shapes, a gradient, a batch size.  They need NumPy only."""

from __future__ import annotations

from itertools import product
from numbers import Integral
from operator import eq

import numpy as np

from exercises.core import NotYet, call, exercise, kind, listed, near, number, numbers, recognise
from utils import data, descent

# --- Exercise 5.3: which shape comes out? -------------------------------------------------------

#: Expression -> its shape, and what to say to whoever expects another one.
SHAPES = {
    "C.T": ((1, 85), "`.T` turns the axes around, and C has two of them."),
    "C - y": ((85, 85), "(85,) counts as (1, 85), and then both are stretched to one shape."),
    "A @ params": ((85,), "(85, 2) @ (2,) sums over the axis of length 2."),
    "A.T @ A": ((2, 2), "(2, 85) @ (85, 2) sums over the axis of length 85."),
    "A * y": ("error", "the last axes are compared first: 2 and 85. What then?"),
    "A * C": ((85, 2), "a column is stretched along the axis where it has length 1."),
    "C.mean()": ((), "without `axis` the mean is one number, and a number has no axis."),
    "C.mean(axis=0)": ((1,), "`axis=0` goes away, the other axis stays."),
}


@exercise("5.3", "Put the shapes into `my_shapes`.")
def check_shapes(answer):
    """Check the shapes of the expressions in ``SHAPES``.

    Parameters: answer, a list of as many tuples of ints, or "error" where NumPy raises one.
    """
    if not isinstance(answer, (list, tuple)) or len(answer) != len(SHAPES):
        raise NotYet(f"The answer is a list of {len(SHAPES)}; you handed in {kind(answer)}.")
    good, missing, reasons = [], [], []
    for position, (item, (expression, (shape, hint))) in enumerate(zip(answer, SHAPES.items()), 1):
        if isinstance(item, int) and not isinstance(item, bool):
            raise NotYet(f"Number {position}: a shape is a tuple. With one axis it is ({item},).")
        if _is_shape(item, shape):
            good.append(position)
        elif item is None or item is Ellipsis:
            missing.append(position)
        else:
            reasons.append(f"Number {position}, `{expression}`: {hint}")
    if len(good) == len(SHAPES):
        return f"All {len(SHAPES)} are what NumPy makes of them."
    if missing:
        reasons = [*reasons[:2], f"Still to say: {listed(missing)}."]
    raise NotYet(" ".join(reasons[:3] + [f"Right already: {listed(good)}."] * bool(good)))


def _is_shape(item, shape) -> bool:
    if isinstance(item, str):
        return item == shape
    is_row = isinstance(item, (list, tuple)) and all(isinstance(n, Integral) for n in item)
    return is_row and tuple(item) == shape


# --- Exercise 5.4: a gradient of your own -------------------------------------------------------

GRADIENT_TOLERANCE = 1e-8  # of each derivative, as a share of the largest


@exercise("5.4", "Write the body of `my_gradient`.")
def check_gradient(answer):
    """Check the gradient of the mean squared error of a parabola, y-hat = b + w x + v x^2.

    Parameters: answer, a function of (params, X, y), params = (b, w, v), that returns three floats.
    """
    cases = gradient_cases()
    right = [parabola_gradient(*case) for case in cases]
    sizes = [np.abs(gradient).max() for gradient in right]
    found = [_three_derivatives(answer, *case) for case in cases]

    def same(found, wrong):
        scaled = ([g / size for g, size in zip(gradients, sizes)] for gradients in (found, wrong))
        return near(*scaled, GRADIENT_TOLERANCE)

    if same(found, right):
        return "All three partial derivatives are right, on four sets of points."
    _, X, y = cases[-1]
    mistakes = [
        ([parabola_gradient(params, X, y) for params, _, _ in cases], "Your function always looks at the chapter's points. It should use the X and y that it is given."),
        ([parabola_gradient(*case, seen=2) for case in cases], "Your error y - ŷ leaves out v x²: the parabola belongs into it."),
        ([0 * g for g in right], "Your gradient is zero everywhere: then no step would ever move."),
    ]  # fmt: skip
    faults = {
        "it points downhill, and the gradient points uphill: look at the sign": lambda n: -1,
        "a factor 2 is missing: where did it go?": lambda n: 0.5,
        "it is a sum over the points, and Equation 5.1 is a mean": lambda n: n,
    }
    for chosen in product((False, True), repeat=len(faults)):
        names = [name for name, is_made in zip(faults, chosen) if is_made]
        wrong = [
            gradient * np.prod([faults[name](len(case[1])) for name in names])
            for gradient, case in zip(right, cases)
        ]
        mistakes.append(
            (wrong, f"Your gradient lies on the right line, but {'; and '.join(names)}.")
        )
    for k, name in ((1, "w"), (2, "v")):
        wrong = [np.concatenate([g[:k], g[k - 1 : k], g[k + 1 :]]) for g in right]
        mistakes.append((wrong, f"Your derivative by {name} repeats the one before it: what stands next to {name} in ŷ?"))  # fmt: skip
    recognise(found, mistakes, same)
    good = [same([f[k] for f in found], [r[k] for r in right]) for k in range(3)]
    known = " and ".join(name for name, is_good in zip("bwv", good) if is_good)
    raise NotYet(
        f"The derivative by {'bwv'[good.index(False)]} is not right: differentiate the square first, "
        "then ŷ." + (f" Right already: {known}." if known else "")
    )


def gradient_cases() -> list[tuple]:
    """The parameters and points on which a gradient is tried, the chapter's points last."""
    random = np.random.RandomState(0)
    cases = [(random.randn(3), random.rand(n), random.randn(n)) for n in (5, 12, 30)]
    X, _, y, _ = data.load_chapter_data()
    return [*cases, (np.array([1.0, 1.5, -0.5]), X, y)]


def parabola_gradient(params, X, y, *, seen: int = 3) -> np.ndarray:
    """The gradient of mean (y - b - w x - v x^2)^2; ``seen`` terms of it stand in the error."""
    powers = np.stack([np.ones_like(X), X, X * X])  # (3, n)
    error = y - np.asarray(params)[:seen] @ powers[:seen]
    return -2 * (powers * error).mean(axis=1)


def _three_derivatives(function, params, X, y) -> np.ndarray:
    given = [array.copy() for array in (params, X, y)]
    value = call(function, *given)
    if not all(np.array_equal(a, b) for a, b in zip(given, (params, X, y))):
        raise NotYet("Your function changes what it is given. Compute new numbers instead.")
    array = numbers(value, "gradient")
    each = "You return a gradient for every single point. Take the mean over the points."
    nested = f"Return three plain numbers, shape (3,); yours has shape {array.shape}."
    mistakes = (((3, len(X)), each), ((len(X), 3), each), ((3, 1), nested), ((1, 3), nested))
    recognise(array.shape, mistakes, eq)
    if array.shape != (3,):
        raise NotYet(
            "Three parameters b, w, v make three partial derivatives; "
            f"your function returns {kind(value)}."
        )
    return array


# --- Exercise 5.5: choose a batch size ----------------------------------------------------------

BOUND, EPOCHS, ETA = 0.0105, 10, 0.2


@exercise("5.5", "Put a whole number into `my_batch_size`.")
def check_batch_size(answer):
    """Check a batch size: equal batches, and J <= BOUND after every update of the last epoch.

    Parameters: answer, an int from 1 to 85.
    """
    size = number(answer)
    if size != int(size):
        raise NotYet(f"A batch holds a whole number of points, not {size:g}.")
    size = int(size)
    if not 1 <= size <= 85:
        raise NotYet(f"A batch holds at least 1 and at most all 85 points, not {size}.")
    if 85 % size:
        raise NotYet(f"Batches of {size} leave a last batch of {85 % size}: not all are equal.")
    X, _, y, _ = data.load_chapter_data()
    run = descent.minibatch_gradient_descent(X, y, lr=ETA, epochs=EPOCHS, batch_size=size)
    last = run.losses[-run.updates_per_epoch :]
    if last.max() <= BOUND:
        return (
            f"Equal batches, and J stays between {last.min():.4f} and {last.max():.4f} in the last "
            "epoch: many updates, and quiet ones."
        )
    if last.min() <= BOUND:
        raise NotYet(
            f"Too noisy: with batches of {size}, J jumps between {last.min():.4f} and "
            f"{last.max():.4f} within the last epoch. More points a batch make quieter gradients."
        )
    raise NotYet(
        f"Too few updates: batches of {size} give {EPOCHS * run.updates_per_epoch} in {EPOCHS} epochs, "
        f"and J is still {last[-1]:.4f}. Smaller batches update more often."
    )
