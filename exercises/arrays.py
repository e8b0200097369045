"""The checks of the exercises on Section 5.2: shapes, a gradient, a batch size.  They need NumPy only."""

from __future__ import annotations

from itertools import chain, combinations
from math import prod

import numpy as np

from exercises.core import NotYet, call, exercise, numbers, piece_by_piece, recognise
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
    piece_by_piece(answer, "Number", _examine_shape, len(SHAPES))
    return f"All {len(SHAPES)} are what NumPy makes of them."


def _examine_shape(number, found):
    expression, (shape, hint) = list(SHAPES.items())[number - 1]
    if isinstance(found, int):
        raise NotYet(f"a shape is a tuple. With one axis it is ({found},).")
    if (tuple(found) if isinstance(found, (list, tuple)) else str(found)) != shape:
        raise NotYet(f"`{expression}`: {hint}")


# --- Exercise 5.4: a gradient of your own -------------------------------------------------------

GRADIENT_TOLERANCE = 1e-8  # of each derivative, as a share of the largest


@exercise("5.4", "Write the body of `my_gradient`.")
def check_gradient(answer):
    """Check the gradient of the mean squared error of a parabola, y-hat = b + w x + v x^2.

    Parameters: answer, a function of (params, X, y), params = (b, w, v), that returns three floats.
    """
    cases = gradient_cases()
    found = np.array([_three_derivatives(answer, *case) for case in cases])  # (4, 3)
    right = np.array([parabola_gradient(*case) for case in cases])
    tolerance = GRADIENT_TOLERANCE * np.abs(right).max(axis=1, keepdims=True)

    def close(found, wrong):  # which of the three derivatives
        return (np.abs(found - wrong) <= tolerance).all(axis=0)

    good = close(found, right)
    if good.all():
        return "All three partial derivatives are right, on four sets of points."
    *_, (_, X, y) = cases
    mistakes = [
        ([parabola_gradient(params, X, y) for params, _, _ in cases], "Your function always looks at the chapter's points. It should use the X and y that it is given."),
        ([parabola_gradient(*case, seen=2) for case in cases], "Your error y - ŷ leaves out v x²: the parabola belongs in it."),
        (right[:, [0, 0, 2]], "Your derivative by w repeats that by b: what stands next to w in ŷ?"),
        (right[:, [0, 1, 1]], "Your derivative by v repeats that by w: what stands next to v in ŷ?"),
    ]  # fmt: skip
    factors = {
        "it points downhill, and the gradient points uphill: look at the sign": -1,
        "a factor 2 is missing: where did it go?": 0.5,
        "it is a sum over the points, and Equation 5.1 is a mean": [[len(y)] for _, _, y in cases],
    }
    for faults in chain.from_iterable(combinations(factors, k) for k in (1, 2, 3)):
        wrong = prod(map(factors.get, faults), start=right)
        message = f"Your gradient lies on the right line, but {'; and '.join(faults)}."
        mistakes.append((wrong, message))
    recognise(found, mistakes, lambda found, wrong: close(found, wrong).all())
    wrong = " and ".join(np.array(list("bwv"))[~good])
    raise NotYet(f"By {wrong}, it is not right yet: differentiate the square first, then ŷ.")


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


def _three_derivatives(function, *case) -> np.ndarray:
    n = len(case[1])
    each = "You return a gradient for every single point. Take the mean over the points."
    nested = "Return three plain numbers in one list; each of yours has brackets of its own."
    mistakes = (((3, n), each), ((n, 3), each), ((3, 1), nested), ((1, 3), nested))
    given = list(map(np.copy, case))
    value = call(function, *given)
    if not all(map(np.array_equal, given, case)):
        raise NotYet("Your function changes what it is given. Compute new numbers instead.")
    return numbers(value, "a list of three derivatives, by b, w and v", (3,), mistakes)


# --- Exercise 5.5: choose a batch size ----------------------------------------------------------

BOUND, EPOCHS, ETA = 0.0105, 10, 0.2


@exercise("5.5", "Put a whole number into `my_batch_size`.")
def check_batch_size(answer):
    """Check a batch size: equal batches, and J <= BOUND after every update of the last epoch.

    Parameters: answer, an int from 1 to 85.
    """
    size = numbers(answer, "one number", ()).item()
    if size not in range(1, 86):
        raise NotYet(f"A batch holds a whole number of points, from 1 to all 85, not {size:g}.")
    size = int(size)
    if 85 % size:
        raise NotYet(f"Batches of {size} leave a last batch of {85 % size}: not all are equal.")
    X, _, y, _ = data.load_chapter_data()
    run = descent.minibatch_gradient_descent(X, y, lr=ETA, epochs=EPOCHS, batch_size=size)
    last = run.losses[-run.updates_per_epoch :]
    between = f"between {last.min():.4f} and {last.max():.4f}"
    if last.max() <= BOUND:
        return f"Equal batches, and J stays {between} in the last epoch: many quiet updates."
    if last.min() <= BOUND:
        raise NotYet(f"Too noisy: J jumps {between} in the last epoch. Larger batches are quieter.")
    updates = EPOCHS * run.updates_per_epoch
    raise NotYet(f"Too few updates: after {updates}, J is still {last[-1]:.4f}. Smaller batches?")
