"""The checks of the exercises on Section 5.4: a wrong plot, early stopping, predictions for new points."""

from __future__ import annotations

from functools import partial
from operator import eq

import numpy as np

from exercises.core import NotYet, call, exercise, kind, near, number, numbers, recognise
from exercises.drawn import axes_of, draws, need_labels
from utils import data, descent, gradients

# --- Exercise 5.9: the plot that flatters -------------------------------------------------------

PLOT_ETA, PLOT_STEPS, PLOT_TOLERANCE = 0.1, 200, 1e-6


def _losses() -> dict[str, np.ndarray]:
    """J along the run of Section 5.1.3, on the training and on the validation points."""
    X, X_val, y, y_val = data.load_chapter_data()
    path = descent.gradient_descent(X, y, lr=PLOT_ETA, steps=PLOT_STEPS).path
    return {
        "training": np.array([gradients.mse(params, X, y) for params in path]),
        "validation": np.array([gradients.mse(params, X_val, y_val) for params in path]),
    }


def draw_wrong_plot(ax):
    """Draw the two learning curves of Exercise 5.9 on ``ax``, with the fault, and return it."""
    for (label, losses), points in zip(_losses().items(), (85, 15)):
        ax.plot(points * losses, "--" if points < 85 else "-", label=label)
    ax.set(xlabel="iteration", ylabel="cost", yscale="log")
    ax.legend()
    return ax


@exercise("5.9", "Draw the two curves, and put their Axes into `my_plot`.")
def check_plot(answer):
    """Check the repaired plot: J on the training and on the validation points along one run.

    Parameters: answer, an Axes with two lines, labelled "training" and "validation".
    """
    (ax,) = axes_of(answer)
    right = _losses()
    lines = {label: [line for line in ax.lines if label[:5] in str(line.get_label()).lower()] for label in right}  # fmt: skip
    for label, found in lines.items():
        if not found:
            raise NotYet(f'No line is labelled "{label}".')
    found = [np.asarray(lines[label][0].get_ydata(), dtype=float) for label in right]
    training, validation = right.values()
    same = partial(near, tolerance=PLOT_TOLERANCE)
    mistakes = (
        ([85 * training, 15 * validation], "Both curves are as they were. What is J at the start in Figure 6, and what is it here?"),
        ([training, 15 * validation], "The training curve is right, the validation curve is not yet."),
        ([85 * training, validation], "The validation curve is right, the training curve is not yet."),
        ([training, 15 / 85 * validation], "You divide both by 85. But the validation points are fewer."),
        ([0.85 * training, 0.15 * validation], "You divide both by 100. But each curve has points of its own."),
        ([validation, training], "The curves are right, and their labels have changed places."),
        ([training[1:], validation[1:]], "The first value, J at the start, is missing in both."),
        ([np.sqrt(training), np.sqrt(validation)], "You draw roots. Equation 5.1 has none."),
        ([np.cumsum(training), np.cumsum(validation)], "Your curves add up from step to step. Each step has a loss of its own."),
    )  # fmt: skip
    if not same(found, list(right.values())):
        recognise(found, mistakes, same)
        sizes = " and ".join(f"{len(values)} values from {values[:1]}" for values in found)
        raise NotYet(
            f"These are other curves, {sizes}. Each should hold J, the mean of Equation 5.1, at the "
            f"start and after each of the {PLOT_STEPS} steps."
        )
    curve = np.column_stack([np.arange(PLOT_STEPS + 1), validation])
    if not draws(ax, curve):
        raise NotYet("The curves are right, but the start should be iteration 0.")
    need_labels(ax, "the iteration", "the cost")
    if ax.get_legend() is None:
        raise NotYet("The curves are right; a legend should say which is which.")
    return (
        f"The old plot showed sums, over 85 points and over 15. The means end at {training[-1]:.4f} "
        f"and {validation[-1]:.4f}."
    )


# --- Exercise 5.10: stop early ------------------------------------------------------------------

STOP_CASES = (
    ((5, 4, 3, 4, 5, 6, 7, 1), 3),
    ((5, 6, 4, 5, 3, 9, 9), 2),
    ((5, 6, 7, 1), 2),
    ((5, 6, 1, 2, 3), 2),
    ((3, 2, 1), 5),
    ((2, 2, 2, 1), 2),
    ((5, 3, 4, 3.5, 3.2, 1), 3),
)


@exercise("5.10", "Write the body of `my_early_stop`.")
def check_early_stop(answer):
    """Check early stopping by a list of validation losses.

    Parameters: answer, a function of (losses, patience) that returns the step, counted from 0, of
    the best loss seen before ``patience`` losses in a row brought no improvement.
    """
    found = [
        number(call(answer, list(losses), patience), "Your function returns")
        for losses, patience in STOP_CASES
    ]
    right = [early_stop(*case) for case in STOP_CASES]
    if found == right:
        return "It stops in time, and it goes back to the best step that it has seen."
    mistakes = [([wrong(*case) for case in STOP_CASES], message) for wrong, message in _WRONG_STOPS]
    recognise(found, mistakes, eq)
    (losses, patience), step, expected = next(
        case for case in zip(STOP_CASES, found, right) if case[1] != case[2]
    )
    raise NotYet(
        f"With the losses {list(losses)} and patience {patience}, your function returns {step:g}; "
        f"expected: {expected}. Follow the list by hand."
    )


def early_stop(losses, patience, **fault) -> int:
    return _stop(losses, patience, **fault)[0]


def _stop(losses, patience, *, better=lambda loss, best, before: loss < best, forget=True):
    """The best step, and the step at which the reading stops; the options are easily got wrong."""
    best = waited = step = 0
    for step in range(1, len(losses)):
        if better(losses[step], losses[best], losses[step - 1]):
            best, waited = step, 0 if forget else waited
        else:
            waited += 1
        if waited == patience:
            break
    return best, step


_WRONG_STOPS = (
    (lambda losses, patience: int(np.argmin(losses)), "You look at the whole list, and so into the future: a training that has stopped never sees the later losses."),
    (lambda losses, patience: _stop(losses, patience)[1], "You return the step at which the training stops. Asked for is the best step before it: that is where the parameters are worth keeping."),
    (lambda losses, patience: losses[early_stop(losses, patience)], "You return the loss; asked for is its step, counted from 0."),
    (lambda losses, patience: early_stop(losses, patience) + 1, "You count the steps from 1. The start is step 0."),
    (lambda losses, patience: early_stop(losses, patience, forget=False), "Patience comes back with every improvement: count only the bad steps in a row."),
    (lambda losses, patience: early_stop(losses, patience + 1), "You stop one step too late: `patience` bad losses in a row are enough."),
    (lambda losses, patience: early_stop(losses, max(patience - 1, 1)), "You stop one step too early: wait for `patience` bad losses in a row."),
    (lambda losses, patience: early_stop(losses, patience, better=lambda loss, best, _: loss <= best), "A loss as large as the best one is no improvement, but you take it for one."),
    (lambda losses, patience: early_stop(losses, patience, better=lambda loss, _, before: loss < before), "You compare each loss with the one before it. Compare with the best so far."),
)  # fmt: skip


# --- Exercise 5.11: train, validate, predict ------------------------------------------------------

DISTANCE = 0.002  # mean squared, from the curve without noise
NEW_POINTS = 20
CURVE = (2.0, 1.0, -0.8)  # b, w and v of y = b + w x + v x^2


def bent_points(n: int = 100, *, seed: int = 42) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw n points around a curve, noise of standard deviation 0.1, and new x without their y.

    Parameters: n, number of points; seed, of NumPy's legacy generator.
    Returns: X and y, ndarrays of shape (n,); X_new, ndarray of shape (NEW_POINTS,); X and X_new are
    uniform on [-1, 1).
    """
    random = np.random.RandomState(seed)
    X = random.uniform(-1, 1, n)
    noise, X_new = 0.1 * random.randn(n), random.uniform(-1, 1, NEW_POINTS)
    return X, _curve(X) + noise, X_new


def _curve(X) -> np.ndarray:
    return CURVE[0] + CURVE[1] * X + CURVE[2] * X**2


@exercise("5.11", "Put your predictions into `my_predictions`.")
def check_predictions(answer):
    """Check predictions for the new points: close to the curve that the points lie around.

    Parameters: answer, NEW_POINTS floats, in the order of X_new; their mean squared distance from
    the curve is at most DISTANCE.
    """
    found = numbers(answer, "list of predictions")
    if found.shape in ((NEW_POINTS, 1), (1, NEW_POINTS)):
        raise NotYet(f"Your predictions have shape {found.shape}; flatten them: `.reshape(-1)`.")
    if found.shape != (NEW_POINTS,):
        raise NotYet(f"There are {NEW_POINTS} new points; you handed in {kind(answer)}.")
    X, y, X_new = bent_points()
    right = _curve(X_new)

    def distance(values) -> float:
        return float(np.mean((found - values) ** 2))

    if distance(right) <= DISTANCE:
        return (
            f"The mean squared distance from the curve is {distance(right):.5f}. The noise of a "
            "single point is 0.01: many points together know more than one."
        )
    parts = [np.polyval(np.polyfit(X, y, degree), X_new) for degree in (0, 1)]
    mistakes = (
        (parts[0], "You predict the mean of y for every x. Has the training begun, and do the shapes in the loss agree?"),
        (parts[1], "These are the predictions of a straight line, and the points bend. Which model had the smaller validation loss?"),
        (_curve(X[:NEW_POINTS]), "These belong to the points that you trained with, not to `X_new`."),
        (np.zeros(NEW_POINTS), "You predict 0 everywhere: has the model been trained?"),
    )  # fmt: skip
    recognise(found, mistakes, lambda _, wrong: distance(wrong) <= DISTANCE)
    if distance(right[np.argsort(right)][np.argsort(np.argsort(found))]) <= DISTANCE:
        raise NotYet("The right values in another order: were the new points shuffled or sorted?")
    raise NotYet(
        f"The mean squared distance from the curve is {distance(right):.4f}; at most {DISTANCE} is "
        "wanted. Train longer, and go back to the step with the smallest validation loss."
    )
