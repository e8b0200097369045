"""The checks of the exercises in Section 5.5.

Each ``check_...(answer)`` returns a ``Verdict``: right, not yet (and why), or no answer yet.  No
check raises, whatever the answer does.  PyTorch is imported only by the checks that need it.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import itertools
import re
import sys
import textwrap
import warnings
from dataclasses import dataclass
from numbers import Real

import numpy as np

from utils import data, descent, gradients, plots, published

RIGHT, NOT_YET, NO_ANSWER = "right", "not yet", "no answer yet"

#: Numbers of a run count as equal when they differ by less than this, in units of b and w.
RUN_TOLERANCE = 1e-9


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check found: ``exercise``, its number; ``state``, one of ``RIGHT``, ``NOT_YET`` and
    ``NO_ANSWER``; ``message``, what to tell the student."""

    exercise: str
    state: str
    message: str

    @property
    def ok(self) -> bool:
        """Whether the answer is right."""
        return self.state == RIGHT

    def __repr__(self) -> str:
        return textwrap.fill(f"Exercise {self.exercise}: {self.state}. {self.message}", width=78)


class _NotYet(Exception):
    """The answer is not right; the text is meant for the student."""


class _NoAnswer(Exception):
    """Nothing has been answered."""


def _exercise(number: str, todo: str):
    """Turn a function that raises ``_NotYet``, or returns the praise, into a check."""

    def decorate(examine):
        @functools.wraps(examine)
        def check(answer=None) -> Verdict:
            try:
                if _is_unanswered(answer):
                    raise _NoAnswer
                return Verdict(number, RIGHT, examine(answer))
            except _NoAnswer:
                return Verdict(number, NO_ANSWER, f"{todo} Then run this cell again.")
            except _NotYet as reason:
                return Verdict(number, NOT_YET, str(reason))
            except Exception as error:  # noqa: BLE001 - a check must never fall over an answer
                return Verdict(number, NOT_YET, f"The check could not read it: {_say(error)}")

        return check

    return decorate


# --- Exercise 5.1: the six figures ------------------------------------------------------------


@_exercise("5.1", "Put the axes of your six figures into the list.")
def check_figures(axes):
    """Check the six figures of Section 5.1 by what they draw.

    Parameters: axes, a list of six: the Axes of Figures 1, 2, 3, 4 and 6, and for Figure 5 the
    pair of its two Axes.  A matplotlib Figure stands for its Axes.  Points of a path and of a
    learning curve may lie 1e-6 off, a contour line 1e-3 in J.
    """
    if not isinstance(axes, (list, tuple)) or len(axes) != len(_FIGURES):
        raise _NotYet(
            "The answer is a list of six: five Axes, and for Figure 5 a pair of Axes; "
            f"you handed in {_kind(axes)}."
        )
    good, missing, reasons = [], [], []
    for number, (item, examine) in enumerate(zip(axes, _FIGURES), start=1):
        if item is None or item is Ellipsis:
            missing.append(number)
            continue
        try:
            examine(_axes_of(item, 2 if number == 5 else 1))
            good.append(number)
        except _NotYet as reason:
            reasons.append(f"Figure {number}: {reason}")
    if reasons or missing:
        if missing:
            reasons.append(f"Still to draw: {_figures(missing)}.")
        if good:
            reasons.append(f"Right already: {_figures(good)}.")
        raise _NotYet(" ".join(reasons))
    return "All six figures draw the published data, with their levels, ranges and titles."


def _figures(numbers) -> str:
    return ("Figure " if len(numbers) == 1 else "Figures ") + ", ".join(map(str, numbers))


def _axes_of(item, wanted: int) -> list:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    if isinstance(item, Figure):
        item = [ax for ax in item.axes if not hasattr(ax, "_colorbar")]
    found = list(item) if isinstance(item, (list, tuple, np.ndarray)) else [item]
    if not all(isinstance(ax, Axes) for ax in found):
        raise _NotYet(f"this is not an Axes but {_kind(item)}; hand in what `plt.subplots` gave.")
    if len(found) != wanted:
        raise _NotYet(f"{wanted} Axes wanted, {len(found)} found.")
    return found


def _figure_of_points(axes):
    (ax,) = axes
    _need_training_points(ax)
    _need_line(ax, (2.3, 1.2))
    if not np.allclose(ax.get_ylim(), (2.2, 3.6), atol=0.02):
        low, high = ax.get_ylim()
        raise _NotYet(f"the y axis runs from {low:.3g} to {high:.3g}; published: 2.2 to 3.6.")


def _figure_of_candidates(axes):
    (ax,) = axes
    _need_training_points(ax)
    dashed = [(2.3, 3.0), (2.3, 2.0), (2.3, 1.0), (2.3, 0.5)]
    texts = " ".join(_texts(ax))
    numbers = {float(number) for number in re.findall(r"-?\d+\.?\d*", texts)}
    for pair in [*dashed, (2.3, 1.2)]:
        line = _need_line(ax, pair)
        if (pair in dashed) == (line.get_linestyle() == "-"):
            wanted = "dashed" if pair in dashed else "solid"
            raise _NotYet(f"the line {pair} should be {wanted}.")
        if not set(pair) <= numbers:
            raise _NotYet(f"no label names the pair {pair}.")


def _figure_of_contours(axes):
    (ax,) = axes
    contours = _need_contours(ax)
    if contours.colorbar is None:
        raise _NotYet("the colour bar is missing: which line is which level?")
    if not np.allclose([ax.get_xlim(), ax.get_ylim()], (0, 3), atol=0.02):
        raise _NotYet("b and w both run from 0 to 3 in the published figure.")
    _need_labels(ax, "b", "w")


def _figure_of_path(axes):
    (ax,) = axes
    _need_contours(ax)
    _need_path(ax, lr=0.1, published_eta=0.2)


def _figure_of_two_paths(axes):
    for ax, lr, eta in zip(axes, (0.005, 0.8), (0.01, 1.6)):
        _need_contours(ax)
        _need_path(ax, lr=lr, published_eta=eta)
        if str(eta) not in ax.get_title():
            raise _NotYet(f'the panel with the run "eta = {eta}" should say so in its title.')


def _figure_of_learning_curve(axes):
    (ax,) = axes
    X, _, y, _ = data.load_chapter_data()
    losses = descent.gradient_descent(X, y, lr=0.1, steps=200).losses
    curve = np.column_stack([np.arange(201), losses])
    if not _draws(ax, curve):
        if _draws(ax, np.column_stack([np.arange(200), losses[1:]])):
            raise _NotYet("the first value, J at the start, is missing: 201 values in all.")
        if _draws(ax, curve * (1, 0.5)):
            raise _NotYet("your values are half of J: is your cost divided by 2N?")
        if _draws(ax, curve * (1, len(X))):
            raise _NotYet("your values are 85 times J: Equation 5.1 is a mean, not a sum.")
        if _draws(ax, curve[:, ::-1]):
            raise _NotYet("the axes have changed places: the iteration goes to the right.")
        fast = descent.gradient_descent(X, y, lr=0.2, steps=200).losses
        if _draws(ax, np.column_stack([np.arange(201), fast])):
            raise _NotYet(_FACTOR_TWO.format(eta=0.2))
        raise _NotYet(
            f"this is not the published curve: 201 values from {losses[0]:.5f} down to "
            f"{losses[-1]:.5f}."
        )
    if ax.get_yscale() != "linear":
        raise _NotYet("the published cost axis is linear.")
    _need_labels(ax, "iteration", "cost")


_FIGURES = (
    _figure_of_points,
    _figure_of_candidates,
    _figure_of_contours,
    _figure_of_path,
    _figure_of_two_paths,
    _figure_of_learning_curve,
)

_FACTOR_TWO = (
    "you ran Equation 5.2 with eta = {eta}. The published run left out the factor 2 of its "
    "gradient, so in terms of Equation 5.2 its eta is another one (Section 5.1.3)."
)


def _drawn_points(ax) -> np.ndarray:
    """All points that lines, scatters, quivers and annotations of ``ax`` stand on, (k, 2)."""
    from matplotlib.collections import PathCollection
    from matplotlib.quiver import Quiver

    sets = [line.get_xydata() for line in ax.lines]
    sets += [c.get_offsets() for c in ax.collections if isinstance(c, PathCollection)]
    sets += [c.XY for c in ax.collections if isinstance(c, Quiver)]
    sets = [np.asarray(points, dtype=float).reshape(-1, 2) for points in sets]
    return np.concatenate([*sets, np.empty((0, 2))])


def _draws(ax, points, tolerance: float = 1e-6) -> bool:
    """Whether every one of ``points`` is drawn on ``ax``."""
    drawn = _drawn_points(ax)
    if not len(drawn):
        return False
    distance = np.abs(drawn[None, :, :] - np.asarray(points)[:, None, :]).max(axis=2)
    return bool((distance.min(axis=1) <= tolerance).all())


def _need_training_points(ax):
    X, X_val, y, y_val = data.load_chapter_data()
    training, validation = np.column_stack([X, y]), np.column_stack([X_val, y_val])
    if _draws(ax, training):
        if _draws(ax, validation):
            raise _NotYet("you draw all 100 points; the figure shows the 85 training points.")
        return
    if _draws(ax, validation):
        raise _NotYet("these are the validation points; the figure shows the 85 training points.")
    if _draws(ax, training[:, ::-1]):
        raise _NotYet("x and y have changed places.")
    raise _NotYet("the 85 training points are not there: is the seed 42, are the data split?")


def _need_line(ax, pair):
    line = _find_line(ax, *pair)
    if line is not None:
        x = line.get_xdata()
        if not np.allclose([min(x), max(x)], (0, 1), atol=1e-6):
            raise _NotYet(f"the line {pair} should run from x = 0 to x = 1.")
        return line
    if _find_line(ax, *pair[::-1]) is not None:
        raise _NotYet(f"in the line {pair}, b and w have changed places: b is where x = 0.")
    X, _, y, _ = data.load_chapter_data()
    if _find_line(ax, *gradients.least_squares(X, y)) is not None:
        raise _NotYet(f"this is the least-squares line; the published line is {pair}.")
    raise _NotYet(f"the line y = {pair[0]:g} + {pair[1]:g} x is not there.")


def _find_line(ax, b, w):
    for line in ax.lines:
        x, y = np.asarray(line.get_xydata(), dtype=float).T
        if len(x) > 1 and np.ptp(x) > 0 and np.allclose(y, b + w * x, atol=1e-6):
            return line
    return None


def _texts(ax) -> list[str]:
    texts = [text.get_text() for text in ax.texts] + [line.get_label() for line in ax.lines]
    legend = ax.get_legend()
    return texts + ([text.get_text() for text in legend.get_texts()] if legend else [])


def _need_labels(ax, xlabel, ylabel):
    for axis, wanted, label in (("x", xlabel, ax.get_xlabel()), ("y", ylabel, ax.get_ylabel())):
        if not re.search(rf"\b{wanted}\b", label, re.IGNORECASE):
            raise _NotYet(f'the {axis} axis should be labelled "{wanted}", not "{label}".')


def _need_contours(ax):
    """Find the contours of J; read the loss and the order of the axes off their lines."""
    from matplotlib.contour import ContourSet

    contours = next((c for c in ax.collections if isinstance(c, ContourSet)), None)
    if contours is None:
        raise _NotYet("the contours of J are missing.")
    levels = np.asarray(contours.levels)
    if levels.shape != (len(plots.LEVELS),) or not np.allclose(levels, plots.LEVELS):
        raise _NotYet(f"the levels should be {', '.join(map(str, plots.LEVELS))}.")
    b, w, level = _vertices(contours)
    if not len(b):
        raise _NotYet("no level is reached: your J is too large. Is it a sum instead of a mean?")
    if not _contours_fit(b, w, level):
        if _contours_fit(w, b, level):
            raise _NotYet(
                "b and w have changed places: `contour(b, w, J)` wants one row of J for each w."
            )
        if _contours_fit(b, w, 2 * level):
            raise _NotYet(
                "your J is half the mean squared error: nothing to halve in Equation 5.1."
            )
        raise _NotYet("these are not level lines of Equation 5.1 on the training points.")
    return contours


def _vertices(contours):
    """The vertices of all contour lines and the level of each: three vectors."""
    parts = [
        (vertices, level)
        for path, level in zip(contours.get_paths(), contours.levels)
        if len(vertices := path.vertices)
    ]
    if not parts:
        return np.empty(0), np.empty(0), np.empty(0)
    b, w = np.concatenate([vertices for vertices, _ in parts]).T
    return b, w, np.concatenate([np.full(len(v), level) for v, level in parts])


def _contours_fit(b, w, level) -> bool:
    X, _, y, _ = data.load_chapter_data()
    J = np.mean((y - b[:, None] - w[:, None] * X) ** 2, axis=1)
    return bool(np.abs(J - level).max() <= 1e-3)


def _need_path(ax, *, lr, published_eta):
    X, _, y, _ = data.load_chapter_data()
    path = descent.gradient_descent(X, y, lr=lr, steps=200).path
    if not _draws(ax, path):
        if _draws(ax, path[1:]):
            raise _NotYet("the path should begin with a dot at the start, (1.0, 1.5).")
        if _draws(ax, path[:, ::-1]):
            raise _NotYet("in the path, b and w have changed places: b goes to the right.")
        if _draws(ax, path[:101]):
            raise _NotYet("the path is too short: 200 steps make 201 dots.")
        if _draws(ax, descent.gradient_descent(X, y, lr=published_eta, steps=200).path):
            raise _NotYet(_FACTOR_TWO.format(eta=published_eta))
        raise _NotYet(
            f'the path of the run "eta = {published_eta}" is not there: 200 steps from (1.0, 1.5), '
            "a dot at every iterate. Which eta of Equation 5.2 was it?"
        )
    if not _has_arrows(ax):
        raise _NotYet("the dots are right; the arrows along the steps are missing.")


def _has_arrows(ax) -> bool:
    from matplotlib.quiver import Quiver

    return (
        any(isinstance(collection, Quiver) for collection in ax.collections)
        or len(ax.patches) > 0
        or any(getattr(text, "arrow_patch", None) is not None for text in ax.texts)
    )


# --- Exercise 5.2: how large may eta be? --------------------------------------------------------


@_exercise("5.2", "Put the learning rate that you found into `my_limit`.")
def check_learning_rate_limit(answer):
    """Check the learning rate at which the run of Section 5.1.3 starts to diverge.

    Parameters: answer, a float, within 0.005 of 2 / lambda_max.
    """
    eta = _number(answer)
    X, _, y, _ = data.load_chapter_data()
    small, large = np.linalg.eigvalsh(gradients.mse_hessian(X)).tolist()
    if abs(eta - 2 / large) <= 0.005:
        return "Below this learning rate the run comes home, above it every step takes it further away."
    if eta <= 0:
        raise _NotYet("A learning rate is positive: with a negative one you walk uphill.")
    known = (
        (4 / large, "This is twice the limit. Does your gradient have the 2 of Equation 5.2?"),
        (1.6, "1.6 is the published title of a run without the factor 2. Use Equation 5.2 itself."),
        (1 / large, "This is half the limit: from here on the run zig-zags, but it still arrives."),
        (2 / (small + large), "This is a very good learning rate, but the run still converges a bit above it."),
        (2 / small, "This is the limit of the flattest direction; the steepest one gives way long before."),
        (large, "This is how strongly J curves in its steepest direction, not yet a learning rate."),
    )  # fmt: skip
    for value, message in known:
        if abs(eta - value) <= 0.005:
            raise _NotYet(message)
    if eta < 2 / large:
        loss = descent.gradient_descent(X, y, lr=eta, steps=200).losses[-1]
        raise _NotYet(
            f"With eta = {eta:g} the run still converges: J falls from 1.35302 to {loss:.5f} in 200 "
            "steps. Go higher."
        )
    try:
        loss = f"{descent.gradient_descent(X, y, lr=eta, steps=200).losses[-1]:.3g}"
    except descent.DivergenceError:
        loss = "more than a float can hold"
    raise _NotYet(f"With eta = {eta:g} the run diverges: after 200 steps J is {loss}. Go lower.")


# --- Exercise 5.3: a gradient of your own -------------------------------------------------------


@_exercise("5.3", "Write the body of `my_gradient`.")
def check_gradient(answer):
    """Check the gradient of the mean squared error of a parabola, y-hat = b + w x + v x^2.

    Parameters: answer, a function of (params, X, y), params = (b, w, v), that returns three floats,
    each within 1e-8 of the largest.
    """
    cases = _gradient_cases()
    right = [_parabola_gradient(*case) for case in cases]
    found = [_three_derivatives(answer, *case) for case in cases]
    if _same(found, right):
        return "All three partial derivatives are right, on four sets of points."
    _, X, y = cases[-1]
    if _same(found, [_parabola_gradient(params, X, y) for params, _, _ in cases]):
        raise _NotYet(
            "Your function always looks at the chapter's points. It should use the X and y that it is given."
        )
    _explain_length(found, right, np.array([len(X) for _, X, _ in cases]))
    if _same(found, [_parabola_gradient(*case, seen=2) for case in cases]):
        raise _NotYet("Your error y - ŷ leaves out v x²: the parabola belongs into it.")
    good = [_same([f[k] for f in found], [r[k] for r in right]) for k in range(3)]
    k = good.index(False)
    name, known = "bwv"[k], " and ".join(n for n, is_good in zip("bwv", good) if is_good)
    if k > 0 and _same([f[k] for f in found], [r[k - 1] for r in right]):
        raise _NotYet(
            f"Your derivative with respect to {name} repeats the one before it: "
            f"what stands next to {name} in ŷ?"
        )
    raise _NotYet(
        f"The derivative with respect to {name} is not right: differentiate the square first, "
        f"then ŷ with respect to {name}." + (f" Right already: {known}." if known else "")
    )


def _gradient_cases():
    random = np.random.RandomState(0)
    cases = [
        (random.randn(3), random.rand(n), random.randn(n))
        for n in (5, 12, 30)
    ]  # fmt: skip
    X, _, y, _ = data.load_chapter_data()
    return [*cases, (np.array([1.0, 1.5, -0.5]), X, y)]


def _parabola_gradient(params, X, y, *, seen: int = 3) -> np.ndarray:
    """The gradient of mean (y - b - w x - v x^2)^2; ``seen`` terms of it stand in the error."""
    powers = np.stack([np.ones_like(X), X, X * X])  # (3, n)
    error = y - np.asarray(params)[:seen] @ powers[:seen]
    return -2 * (powers * error).mean(axis=1)


def _three_derivatives(function, params, X, y) -> np.ndarray:
    given = [array.copy() for array in (params, X, y)]
    value = _call(function, *given)
    if not all(np.array_equal(a, b) for a, b in zip(given, (params, X, y))):
        raise _NotYet("Your function changes what it is given. Compute new numbers instead.")
    array = _array(value, "gradient")
    if array.shape in ((3, len(X)), (len(X), 3)):
        raise _NotYet(
            "You return a gradient for every single point. Take the mean over the points."
        )
    if array.shape in ((3, 1), (1, 3)):
        raise _NotYet(f"Return three plain numbers, shape (3,); yours has shape {array.shape}.")
    if array.shape != (3,):
        raise _NotYet(
            "Three parameters b, w, v make three partial derivatives; "
            f"your function returns {_kind(value)}."
        )
    return array


def _explain_length(found, right, n):
    """Raise if the answers are all multiples of the right gradients: sign, 2, mean or sum."""
    factors = np.array([float(f @ r / (r @ r)) for f, r in zip(found, right)])
    if not _same(found, [c * r for c, r in zip(factors, right)]):
        return
    for scale, summed in ((factors, False), (factors / n, True)):
        if np.ptp(scale) > 1e-8 * np.abs(scale).max() or not scale.any():
            continue
        if np.isclose(scale[0], 0.5) and not summed:
            raise _NotYet(
                "Your gradient has the right direction but half the length: where did the 2 go?"
            )
        faults = []
        if scale[0] < 0:
            faults.append("it points downhill, and the gradient points uphill: look at the sign")
        if summed:
            faults.append("it is a sum over the points, and Equation 5.1 is a mean")
        size = abs(scale[0])
        if np.isclose(size, 0.5):
            faults.append("a factor 2 is missing: where did it go?")
        elif not np.isclose(size, 1):
            faults.append(f"its length is {size:.4g} times the right one")
        raise _NotYet("Your gradient lies on the right line, but " + "; and ".join(faults) + ".")
    if not factors.any():
        raise _NotYet("Your gradient is zero everywhere: then no step would ever move.")


def _same(found, right, tolerance: float = 1e-8) -> bool:
    return all(
        np.allclose(f, r, rtol=0, atol=tolerance * max(np.abs(r).max(), 1e-3))
        for f, r in zip(found, right)
    )


# --- Exercise 5.4: unequal batches --------------------------------------------------------------


@_exercise("5.4", "Write the body of `my_weights`.")
def check_point_weights(answer):
    """Check how much each point counts in one epoch of mini-batches taken in order.

    Parameters: answer, a function of (n, batch_size) that returns n weights with the sum 1, each
    within 1e-12.
    """
    cases = [(85, 32), (85, 84), (10, 5), (7, 3)]
    found = [_weights(answer, *case) for case in cases]
    if _close(found, [_point_weights(*case) for case in cases]):
        return "All weights are right, for equal batches and for unequal ones."
    for wrong, message in _WRONG_WEIGHTS:
        if _close(found, [wrong(*case) for case in cases]):
            raise _NotYet(message)
    for (n, size), weights in zip(cases, found):
        if not np.isclose(weights.sum(), 1):
            raise _NotYet(
                f"Your weights for {n} points in batches of {size} add up to {weights.sum():.4g}, "
                "not to 1."
            )
    raise _NotYet(
        "Your weights add up to 1, but they are shared out in another way. Write down the mean of "
        "the batch means, and read off the factor before one point."
    )


def _sizes(n: int, batch_size: int) -> np.ndarray:
    """The size of the batch that each point is in, shape (n,)."""
    return np.minimum(batch_size, n - np.arange(n) // batch_size * batch_size)


def _point_weights(n: int, batch_size: int) -> np.ndarray:
    return 1 / (_sizes(n, batch_size) * -(-n // batch_size))


_WRONG_WEIGHTS = (
    (
        lambda n, size: np.full(n, 1 / n),
        (
            "You give every point the same weight. That holds where all batches are equal; here the "
            "last one is smaller, and its mean counts as much as any other."
        ),
    ),
    (
        lambda n, size: 1 / _sizes(n, size),
        (
            "Inside each batch you are right. But your weights add up to the number of batches: an "
            "epoch takes the mean over its batches."
        ),
    ),
    (
        lambda n, size: np.full(n, 1 / (size * -(-n // size))),
        "You take the last batch to be full. How many points are left for it?",
    ),
    (
        lambda n, size: _sizes(n, size) / _sizes(n, size).sum(),
        "It is the other way round: in a larger batch a point shares the mean with more others.",
    ),
    (
        lambda n, size: np.where(_sizes(n, size) == size, 1 / (n // size * size), 0.0),
        "You leave the last batch out, as `drop_last=True` would. Here it counts.",
    ),
    (
        lambda n, size: _point_weights(n, size)[::-1],
        "The weights are right, but the small batch comes last, not first.",
    ),
)


def _weights(function, n, size) -> np.ndarray:
    value = _call(function, n, size)
    weights = _array(value, "weights")
    if weights.shape == (-(-n // size),) != (n,):
        raise _NotYet(
            f"You return one weight for each batch; the exercise asks for one a point: {n}."
        )
    if weights.shape != (n,):
        raise _NotYet(
            f"{n} points in batches of {size} need {n} weights; your function returns {_kind(value)}."
        )
    return weights


def _close(found, right) -> bool:
    return all(np.allclose(f, r, rtol=0, atol=1e-12) for f, r in zip(found, right))


# --- Exercise 5.5: choose a batch size ----------------------------------------------------------


@_exercise("5.5", "Put a whole number into `my_batch_size`.")
def check_batch_size(answer):
    """Check a batch size: equal batches, and J <= 0.0105 after every update of the tenth epoch.

    Parameters: answer, an int from 1 to 85.
    """
    number = _number(answer)
    if number != int(number):
        raise _NotYet(f"A batch holds a whole number of points, not {number:g}.")
    size = int(number)
    if not 1 <= size <= 85:
        raise _NotYet(f"A batch holds at least 1 and at most all 85 points, not {size}.")
    if 85 % size:
        raise _NotYet(
            f"Batches of {size} leave a last batch of {85 % size}: "
            "85 does not divide evenly, so the points would not count alike."
        )
    X, _, y, _ = data.load_chapter_data()
    run = descent.minibatch_gradient_descent(X, y, lr=0.2, epochs=10, batch_size=size)
    last = run.losses[-run.updates_per_epoch :]
    if last.max() <= 0.0105:
        return "Equal batches: small enough for many updates, large enough for quiet ones."
    if last.min() <= 0.0105:
        raise _NotYet(
            f"Too noisy: with batches of {size}, J jumps between {last.min():.4f} and "
            f"{last.max():.4f} within the last epoch. More points a batch make quieter gradients."
        )
    raise _NotYet(
        f"Too few updates: batches of {size} give {10 * run.updates_per_epoch} in ten epochs, and J is still "
        f"{last[-1]:.4f}. Smaller batches update more often."
    )


# --- Exercises 5.6 and 5.7: spot the bug --------------------------------------------------------


@_exercise("5.6", "Repair the loop in `my_training`.")
def check_swinging_run(answer):
    """Check a repaired training loop: the ten steps of Section 5.3.3.

    Parameters: answer, a function of tensors X and y of shape (n,) that returns ten rows [b, w],
    floats within 1e-9.
    """
    _examine_training(answer)
    return "Ten steps, and each one sees its own gradient only."


@_exercise("5.7", "Repair the loop in `my_training_again`.")
def check_second_step(answer):
    """Check a repaired training loop: the ten steps of Section 5.3.3.

    Parameters: answer, a function of tensors X and y of shape (n,) that returns ten rows [b, w],
    floats within 1e-9.
    """
    _examine_training(answer)
    return "All ten steps run: b and w stay the tensors whose gradient autograd fills in."


_TRAINING_ERRORS = (
    (
        r"does not require grad",
        (
            "The backward pass finds nothing to differentiate: after the first update, b and w are new "
            "tensors that autograd does not watch. Change the old ones in place."
        ),
    ),
    (
        r"leaf Variable that requires grad",
        (
            "Now you update in place, but autograd is watching: an update is not part of the formula. "
            "Tell PyTorch not to record it."
        ),
    ),
    (
        r"NoneType",
        (
            "Some gradient is None. Only a leaf gets one: a new tensor made from b is no leaf, and "
            "before the first backward pass there is none at all."
        ),
    ),
    (
        r"backward through the graph a second time",
        "The loss belongs inside the loop: each step needs its own forward pass.",
    ),
)


def _examine_training(function):
    import torch

    X_train, _, y_train, _ = data.load_chapter_data()
    X, y = torch.from_numpy(X_train), torch.from_numpy(y_train)
    rows = _rows(_call(function, X, y, errors=_TRAINING_ERRORS), 10, "step")
    right = descent.gradient_descent(X_train, y_train, lr=0.2, steps=10).path[1:]
    if _near(rows, right):
        return
    _explain_rows(rows, right)
    for wrong, message in _WRONG_TRAINING:
        if _near(rows, wrong(X_train, y_train)):
            raise _NotYet(message)
    start = np.array(descent.START)
    first, expected = rows[0] - start, right[0] - start
    factor = float(first @ expected / (expected @ expected))
    if abs(factor - 1) > 1e-6 and np.allclose(first, factor * expected, atol=1e-9):
        raise _NotYet(
            f"Your first step is {factor:.4g} times as long as it should be: is eta 0.2, and the loss a mean?"
        )
    if not _near(rows[:1], right[:1]):
        raise _NotYet("Already the first step differs: start at (1.0, 1.5) and take eta = 0.2.")
    wrong_step = 1 + int(np.argmax(np.abs(rows - right).max(axis=1) > RUN_TOLERANCE))
    raise _NotYet(f"The first {wrong_step - 1} steps are right, step {wrong_step} is not.")


def _steps(X, y, *, keep=(0, 0), sign: int = -1) -> np.ndarray:
    """Ten steps whose gradients pile up where ``keep`` is 1, as without ``zero_grad``."""
    params, pile, rows = np.array(descent.START), np.zeros(2), []
    for _ in range(10):
        pile = pile * keep + gradients.mse_gradient(params, X, y)
        params = params + sign * 0.2 * pile
        rows.append(params)
    return np.array(rows)


_WRONG_TRAINING = (
    (
        functools.partial(_steps, keep=(1, 1)),
        (
            "The run still swings. Each backward pass adds to `.grad`; step two walks along the "
            "gradients of both steps. Who clears them, and inside the loop?"
        ),
    ),
    (
        functools.partial(_steps, keep=(1, 0)),
        "The gradient of w is cleared, that of b still piles up.",
    ),
    (
        functools.partial(_steps, keep=(0, 1)),
        "The gradient of b is cleared, that of w still piles up.",
    ),
    (
        lambda X, y: np.tile(descent.START, (10, 1)),
        "Nothing moves: you clear the gradients before the update has used them.",
    ),
    (
        lambda X, y: np.tile(_steps(X, y)[-1], (10, 1)),
        "All ten rows are the last one: you stored the same memory ten times. Store numbers.",
    ),
    (
        functools.partial(_steps, sign=1),
        "You walk uphill: a step goes against the gradient.",
    ),
)


# --- Exercise 5.8: a batch on the wrong device --------------------------------------------------


@_exercise("5.8", "Repair the loop in `my_epoch`.")
def check_device(answer):
    """Check that an epoch moves its batches to the device, without needing a second device.

    Parameters: answer, a function of (model, loader, optimizer, device) that trains one epoch and
    returns [b, w], floats within 1e-9.  The check's batches are those of ``faraway``.
    """
    import torch

    X, _, y, _ = data.load_chapter_data()
    device = torch.device("cpu", 0)
    model, loader, optimizer = _epoch_parts(X, y, device)
    try:
        value, error = answer(model, loader, optimizer, device), None
    except NotImplementedError:
        raise _NoAnswer from None
    except Exception as reason:  # noqa: BLE001 - whatever the student's code raises
        value, error = None, reason
    _explain_moves(loader.moves, error, {str(device), "cpu"})
    if error is not None:
        raise _NotYet(f"The batches are moved, but your function stops with {_say(error)}")
    _need_given_device(answer, X, y)
    if value is None:
        raise _NotYet("Your function returns None. Is a `return` missing?")
    right = descent.minibatch_gradient_descent(X, y, lr=0.2, epochs=1).path[-1]
    array = _array(value, "[b, w]").reshape(-1)
    if array.shape == (2,) and _near(array, right):
        return "Inputs and targets follow the model to whatever device it lives on."
    raise _NotYet(
        "The batches are moved, but the numbers are not those of one epoch: leave the rest of the "
        "loop as it was, and return [b, w]."
    )


def faraway(loader):
    """Wrap a DataLoader so that its batches behave as if they lay on another device.

    They refuse any arithmetic until ``.to(device)`` has moved them.  So the error that a batch
    left on the CPU causes beside a model on a GPU can be seen on any machine.

    Parameters: loader, an iterable of pairs (inputs, targets) of tensors.
    """
    return _Faraway(loader)


class _Faraway:
    def __init__(self, loader):
        self._loader, self.moves = loader, []

    def __len__(self):
        return len(self._loader)

    def __iter__(self):
        for pair in self._loader:
            yield tuple(
                _faraway_tensor(tensor, name, self.moves)
                for tensor, name in zip(pair, ("inputs", "targets"))
            )


class FarawayError(RuntimeError):
    """Arithmetic with a batch that was not moved to the model's device."""


def _faraway_tensor(tensor, name, moves):
    tensor = tensor.as_subclass(_faraway_class())
    tensor.far_name, tensor.far_moves = name, moves
    return tensor


@functools.cache
def _faraway_class():
    import torch

    class FarawayTensor(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            name = getattr(func, "__name__", str(func))
            if name in ("to", "cuda", "cpu"):
                return _move(name, *args, **kwargs)
            if name in ("size", "dim", "numel", "__len__", "nelement") or func in (
                torch.Tensor.shape.__get__,
                torch.Tensor.ndim.__get__,
                torch.Tensor.dtype.__get__,
            ):
                with torch._C.DisableTorchFunctionSubclass():
                    return func(*args, **kwargs)
            raise FarawayError(
                "Expected all tensors to be on the same device, but found at least two devices: "
                "the model's, and the one where this batch still lies"
            )

    return FarawayTensor


def _move(name, tensor, *args, **kwargs):
    """Note where the student moves the batch, and hand over a plain CPU tensor."""
    import torch

    places = [a for a in (*args, kwargs.get("device")) if isinstance(a, (str, int, torch.device))]
    plain = tensor.as_subclass(torch.Tensor)
    if name == "to" and not places:  # .to(dtype) leaves the device alone
        return _faraway_tensor(plain.to(*args, **kwargs), tensor.far_name, tensor.far_moves)
    place = "cuda" if name == "cuda" else "cpu" if name == "cpu" else places[0]
    tensor.far_moves.append((tensor.far_name, place))
    if str(place).startswith("cuda") or name != "to":
        return plain
    return plain.to(*args, **kwargs)


def _epoch_parts(X, y, device):
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    X, y = (torch.from_numpy(values).reshape(-1, 1) for values in (X, y))
    model = torch.nn.Linear(1, 1, dtype=torch.float64)
    with torch.no_grad():
        model.bias.fill_(descent.START[0])
        model.weight.fill_(descent.START[1])
    model = model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    return model, faraway(DataLoader(TensorDataset(X, y), batch_size=32)), optimizer


def _explain_moves(moves, error, allowed):
    moved = {name for name, _ in moves}
    elsewhere = [str(place) for _, place in moves if str(place) not in allowed]
    if elsewhere:
        raise _NotYet(
            f'You move the batches to "{elsewhere[0]}", wherever the model is. Use the `device` that '
            "the function is given."
        )
    if isinstance(error, FarawayError):
        if not moved:
            raise _NotYet(
                "The batches never move: the model is on its device, and they lie on another one "
                "when the model meets them."
            )
        if len(moved) == 1:
            (one,) = moved
            other = "targets" if one == "inputs" else "inputs"
            raise _NotYet(
                f"The {one} are moved, the {other} are not; the loss needs both in one place."
            )
        raise _NotYet(
            "You call `.to(device)`, but `.to` does not change a tensor: it returns a new one. Keep it."
        )
    if isinstance(error, AttributeError) and "_Faraway" in str(error):
        raise _NotYet(
            "A loader lies on no device and cannot be moved; its batches can, one by one."
        )
    if error is None and not moved:
        raise _NotYet("Your function never uses the batches of the loader that it is given.")


def _need_given_device(function, X, y):
    """Run once more on PyTorch's device without numbers: a device named in the code shows."""
    import torch

    model, loader, optimizer = _epoch_parts(X, y, torch.device("meta"))
    with contextlib.suppress(Exception):  # numbers cannot be read there; only the moves matter
        function(model, loader, optimizer, torch.device("meta"))
    _explain_moves(loader.moves, None, {"meta"})


# --- Exercise 5.9: multiple regression ----------------------------------------------------------


def plane_data(n: int = 100, *, seed: int = 42) -> tuple[np.ndarray, np.ndarray]:
    """Draw n points around the plane y = 2.3 + 1.2 x1 - 0.7 x2, noise of standard deviation 0.1.

    Parameters: n, number of points; seed, of NumPy's legacy generator.
    Returns: X, ndarray of shape (n, 2), uniform on [0, 1); y, ndarray of shape (n,).
    """
    random = np.random.RandomState(seed)
    X = random.rand(n, 2)
    return X, 2.3 + X @ (1.2, -0.7) + 0.1 * random.randn(n)


@_exercise("5.9", "Put your trained model into `my_model`.")
def check_plane_model(answer):
    """Check a trained module for two features: loss within 1e-6 of the smallest on ``plane_data``.

    Parameters: answer, a ``torch.nn.Module`` that maps (n, 2) to (n, 1) in float64.
    """
    import torch

    if isinstance(answer, type) and issubclass(answer, torch.nn.Module):
        raise _NotYet("This is a class; hand in the trained model, an instance of it.")
    if not isinstance(answer, torch.nn.Module):
        raise _NotYet(f"The answer is a trained `nn.Module`; you handed in {_kind(answer)}.")
    X, y = plane_data()
    prediction = _predict(answer, X)
    if prediction.shape == (100, 100) or prediction.shape == (100, 2):
        raise _NotYet(
            f"Your model returns shape {prediction.shape}: one response a point has shape (100, 1)."
        )
    if prediction.shape != (100, 1):
        raise _NotYet(
            f"Your model should return shape (100, 1), one row a point; it returns {prediction.shape}."
        )
    prediction = prediction[:, 0]
    if not np.isfinite(prediction).all():
        raise _NotYet("Your model predicts NaN or inf: the training diverged. Take a smaller eta.")
    ones = np.ones((100, 1))
    loss = float(np.mean((y - prediction) ** 2))
    best = float(np.mean((y - _fit(np.hstack([ones, X]), y)) ** 2))
    if loss - best <= 1e-6:
        return f"Its loss, {loss:.6f}, is the smallest possible one to within 1e-6: two slopes and an intercept."
    wrong = (
        (
            _fit(ones, y),
            (
                "Your model predicts the mean of y everywhere. Compare the shapes in the loss: (100, 1) minus "
                "(100,) is a table of 100 x 100."
            ),
        ),
        (_fit(X, y), "Your plane goes through 0: the intercept is missing."),
        (_fit(np.hstack([ones, X[:, :1]]), y), "Your model ignores the second feature."),
        (_fit(np.hstack([ones, X[:, 1:]]), y), "Your model ignores the first feature."),
    )
    for values, message in wrong:
        if np.abs(prediction - values).max() <= 2e-2:
            raise _NotYet(message)
    raise _NotYet(
        f"Its loss is {loss:.6f}; the smallest possible one is {best:.6f}. The model has the right "
        "form: train it longer, or with a larger eta."
    )


def _predict(model, X) -> np.ndarray:
    import torch

    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    errors = (
        (
            r"cannot be multiplied|size mismatch|expected.*features",
            "Your model does not take points with two features: how many go in, how many come out?",
        ),
        (
            r"dtype|Double|Float",
            (
                "Your model computes in float32, PyTorch's default; the data are float64. The book uses "
                "float64 throughout."
            ),
        ),
    )
    with torch.no_grad():
        value = _call(model, torch.from_numpy(X).to(device), errors=errors)
    if not _is_tensor(value):
        raise _NotYet(f"Your model should return a tensor; it returns {_kind(value)}.")
    return value.detach().cpu().double().numpy()


def _fit(columns, y) -> np.ndarray:
    """The least-squares predictions of y from these columns."""
    return columns @ np.linalg.lstsq(columns, y, rcond=None)[0]


# --- Exercise 5.10: the shuffled DataLoader run -------------------------------------------------


@_exercise("5.10", "Put the ten rows of your run into `my_rows`.")
def check_dataloader_run(answer):
    """Check the shuffled run of Section 5.4.1.

    Parameters: answer, ten rows [b, w], one an epoch, floats within 1e-9.
    """
    record = "5.4.1/dataloader-shuffled"
    rows = _rows(answer, 10, "epoch")
    right = np.array(published.record(record)["values"], dtype=float)
    if _near(rows, right):
        return "Ten epochs, twenty published numbers, and all of them are yours."
    _explain_rows(rows, right)
    if _near(rows, np.array(published.record("5.4.1/dataloader-ordered")["values"], dtype=float)):
        raise _NotYet("This is the run in the given order: `shuffle` is off.")
    for name in ("shuffled", "reshuffled"):
        X, _, y, _ = data.load_chapter_data()
        run = descent.minibatch_gradient_descent(X, y, lr=0.2, epochs=10, order=name)
        if _near(rows, run.per_epoch[1:]):
            raise _NotYet(
                "This run is shuffled by NumPy's generator; the DataLoader asks PyTorch's."
            )
    for models, times in ((0, "not once"), (1, "once")):
        if _near(rows, _loader_run(models)):
            raise _NotYet(
                f"You are close. Between the seed and your run, `nn.Linear` was constructed {times}, "
                "and each time it draws two numbers. How often in Sections 5.3.6 and 5.4.1 together?"
            )
    if any(_near(rows, _loader_run(models)) for models in (3, 4)):
        raise _NotYet(
            "You are close, but too much was drawn from the stream. How often was `nn.Linear` "
            "constructed, and in which dtype? In float64 it draws twice as much."
        )
    if _near(rows, _loader_run(2, seed_each_epoch=True)):
        raise _NotYet("You set the seed again in every epoch, so every epoch has the same order.")
    raise _NotYet(
        f"Your first epoch ends at ({rows[0][0]:.6f}, {rows[0][1]:.6f}), the published one at "
        f"({right[0][0]:.6f}, {right[0][1]:.6f}). Another seed, or something else drew from PyTorch's "
        "random stream in between?"
    )


def _loader_run(models: int, *, seed_each_epoch: bool = False) -> np.ndarray:
    """The run of Section 5.4.1 after ``models`` constructions of nn.Linear; leaves the stream alone."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    X, _, y, _ = data.load_chapter_data()
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    params, rows = np.array(descent.START), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        for _ in range(models):
            torch.nn.Linear(1, 1)
        loader = DataLoader(dataset, batch_size=32, shuffle=True)
        for _ in range(10):
            if seed_each_epoch:
                torch.manual_seed(42)
            for x_batch, y_batch in loader:
                params = params - 0.2 * gradients.mse_gradient(
                    params, x_batch.numpy(), y_batch.numpy()
                )
            rows.append(params)
    return np.array(rows)


# --- Exercise 5.11: stop early ------------------------------------------------------------------


@_exercise("5.11", "Write the body of `my_early_stop`.")
def check_early_stop(answer):
    """Check early stopping by a list of validation losses.

    Parameters: answer, a function of (losses, patience) that returns the step, counted from 0, of
    the best loss seen before ``patience`` losses in a row brought no improvement.
    """
    found = [_step(answer, *case) for case in _STOP_CASES]
    right = [_early_stop(*case) for case in _STOP_CASES]
    if found == right:
        return "It stops in time, and it goes back to the best step that it has seen."
    for wrong, message in _WRONG_STOPS:
        if found == [wrong(*case) for case in _STOP_CASES]:
            raise _NotYet(message)
    (losses, patience), step, expected = next(
        case for case in zip(_STOP_CASES, found, right) if case[1] != case[2]
    )
    raise _NotYet(
        f"With the losses {list(losses)} and patience {patience}, your function returns {step:g}; "
        f"expected: {expected}. Follow the list by hand."
    )


_STOP_CASES = (
    ((5, 4, 3, 4, 5, 6, 7, 1), 3),
    ((5, 6, 4, 5, 3, 9, 9), 2),
    ((5, 6, 7, 1), 2),
    ((5, 6, 1, 2, 3), 2),
    ((3, 2, 1), 5),
    ((2, 2, 2, 1), 2),
    ((5, 3, 4, 3.5, 3.2, 1), 3),
)


def _early_stop(losses, patience, *, bad=lambda loss, best, before: loss >= best, forget=True):
    """The step of the best loss; the two options are what is easily got wrong."""
    best, waited = 0, 0
    for step, loss in enumerate(losses):
        if step == 0:
            continue
        if bad(loss, losses[best], losses[step - 1]):
            waited += 1
        else:
            waited = 0 if forget else waited
        if loss < losses[best]:
            best = step
        if waited == patience:
            break
    return best


def _last_step(losses, patience):
    """The step at which the training stops, instead of the best one."""
    for end in range(1, len(losses) + 1):
        if end - 1 - _early_stop(losses[:end], patience) == patience:
            return end - 1
    return len(losses) - 1


_WRONG_STOPS = (
    (
        lambda losses, patience: int(np.argmin(losses)),
        (
            "You look at the whole list, and so into the future: a training that has stopped never sees "
            "the later losses."
        ),
    ),
    (
        _last_step,
        (
            "You return the step at which the training stops. Asked for is the best step before it: that is "
            "where the parameters are worth keeping."
        ),
    ),
    (
        lambda losses, patience: losses[_early_stop(losses, patience)],
        "You return the loss; asked for is its step, counted from 0.",
    ),
    (
        lambda losses, patience: _early_stop(losses, patience) + 1,
        "You count the steps from 1. The start is step 0.",
    ),
    (
        lambda losses, patience: _early_stop(losses, patience, forget=False),
        "Patience comes back with every improvement: count only the bad steps in a row.",
    ),
    (
        lambda losses, patience: _early_stop(losses, patience + 1),
        "You stop one step too late: `patience` bad losses in a row are enough.",
    ),
    (
        lambda losses, patience: _early_stop(losses, max(patience - 1, 1)),
        "You stop one step too early: wait for `patience` bad losses in a row.",
    ),
    (
        lambda losses, patience: _early_stop(
            losses, patience, bad=lambda loss, best, _: loss > best
        ),
        "A loss as large as the best one is no improvement, but you take it for one.",
    ),
    (
        lambda losses, patience: _early_stop(
            losses, patience, bad=lambda loss, _, before: loss >= before
        ),
        "You compare each loss with the one before it. Compare with the best so far.",
    ),
)


def _step(function, losses, patience) -> float:
    value = _call(function, list(losses), patience)
    return _number(value, "Your function returns")


# --- Reading answers ----------------------------------------------------------------------------


def _is_unanswered(answer) -> bool:
    if answer is None or answer is Ellipsis:
        return True
    if isinstance(answer, (list, tuple)) and len(answer):
        return all(_is_unanswered(item) for item in answer)
    return _is_stub(answer)


def _is_stub(answer) -> bool:
    """Whether ``answer`` is a function without a body: ``...``, ``pass`` or a docstring alone."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP")]
    return all(
        step.opname.startswith(("LOAD_CONST", "RETURN_")) and step.argval in (None, Ellipsis)
        for step in steps
    )


def _call(function, *arguments, errors=()):
    """Call the student's function; what goes wrong becomes a message."""
    if not callable(function):
        raise _NotYet(
            f"The answer is a function, without brackets behind it; you handed in {_kind(function)}."
        )
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = function(*arguments)
    except NotImplementedError:
        raise _NoAnswer from None
    except Exception as error:  # noqa: BLE001 - whatever the student's code raises
        for pattern, message in errors:
            if re.search(pattern, str(error)):
                raise _NotYet(message) from error
        raise _NotYet(f"Your function stops with {_say(error)}") from error
    if value is None:
        raise _NotYet("Your function returns None. Is a `return` missing?")
    return value


def _say(error) -> str:
    """The kind of an error and the first line of its text."""
    text = (str(error).strip().splitlines() or [""])[0]
    return (
        f"{type(error).__name__}: {textwrap.shorten(text, 160)}" if text else type(error).__name__
    )


def _kind(value) -> str:
    """What ``value`` is, in a few words."""
    if _is_tensor(value):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Real):
        return "one number"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "a function" if callable(value) else f"an object of type {type(value).__name__}"


def _is_tensor(value) -> bool:
    torch = sys.modules.get("torch")  # who holds a tensor has imported it
    return torch is not None and isinstance(value, torch.Tensor)


def _number(value, lead: str = "You handed in") -> float:
    """Return one finite Python number, or say what ``value`` is instead."""
    if _is_tensor(value):
        raise _NotYet(
            f"{lead} a tensor. A one-element tensor is still a tensor; `.item()` gives its number."
        )
    if isinstance(value, str):
        raise _NotYet(f"{lead} a text. Leave the quotation marks away.")
    if isinstance(value, bool) or not isinstance(value, (Real, np.floating, np.integer)):
        raise _NotYet(f"{lead} {_kind(value)}; asked for is one number.")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not np.isfinite(number):
        raise _NotYet(f"{lead} {number}: somewhere the run left the finite numbers.")
    return number


def _array(value, what: str) -> np.ndarray:
    """Return finite numbers as an array, or say what is wrong with them."""
    if _is_tensor(value):
        raise _NotYet(
            f"The {what} is a tensor. Python numbers are wanted: `.item()` of one entry, `.tolist()` of many."
        )
    if isinstance(value, (str, dict, set)) or callable(value):
        raise _NotYet(f"The {what} should be numbers, not {_kind(value)}.")
    if any(_is_tensor(leaf) for leaf in _leaves(value)):
        raise _NotYet(f"The {what} holds tensors. Take the Python number out of each: `.item()`.")
    if any(isinstance(leaf, str) for leaf in _leaves(value)):
        raise _NotYet(f"The {what} holds texts. Leave the quotation marks away: `float(...)`.")
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _NotYet(f"The {what} should be numbers in rows of one length.") from None
    if not np.isfinite(array).all():
        raise _NotYet(f"The {what} holds NaN or inf: somewhere the numbers got out of hand.")
    return array


def _leaves(value):
    if isinstance(value, (list, tuple)):
        return itertools.chain.from_iterable(map(_leaves, value))
    return iter([value])


def _rows(value, count: int, unit: str) -> np.ndarray:
    """Return ``count`` rows [b, w] of a run, or say what is wrong with their shape."""
    rows = _array(value, "list of rows")
    if rows.shape == (2, count):
        raise _NotYet(
            f"You return all b and then all w; one row [b, w] for each {unit} is asked for."
        )
    if rows.ndim == 3 and rows.shape == (count, 2, 1):
        raise _NotYet("Each number sits in a list of its own; `.item()` takes it out.")
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise _NotYet(
            f"{count} rows [b, w] are asked for; this is {_kind(value)}, shape {rows.shape}."
        )
    if len(rows) == count + 1 and np.allclose(rows[0], descent.START):
        raise _NotYet(f"Leave the start out: one row after each {unit}, {count} in all.")
    if len(rows) == 3 * count:
        raise _NotYet(
            f"You have a row for each batch, {len(rows)} of them; one for each {unit} is enough."
        )
    if len(rows) != count:
        raise _NotYet(f"{count} rows are asked for, one for each {unit}; these are {len(rows)}.")
    if np.allclose(rows[0], descent.START) and not np.allclose(rows[1], descent.START):
        raise _NotYet(
            f"Your first row is the start. Store the row after the update of each {unit}."
        )
    return rows


def _explain_rows(rows, right):
    """Raise if the rows are right but for their columns or their dtype."""
    if _near(rows[:, ::-1], right):
        raise _NotYet("Your numbers are right, but b comes first, then w.")
    if _near(rows, right, tolerance=1e-5):
        raise _NotYet("Nearly: the digits stop at float32. The book uses float64.")


def _near(found, right, tolerance: float = RUN_TOLERANCE) -> bool:
    return np.shape(found) == np.shape(right) and bool(np.abs(found - right).max() < tolerance)
