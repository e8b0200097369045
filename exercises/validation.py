"""The checks of the exercises on Section 5.4: a wrong plot, early stopping, predictions for new points."""

from __future__ import annotations

import numpy as np

from exercises.core import NotYet, call, exercise, near, numbers, recognise
from exercises.drawn import axes_of, draws, need_labels
from utils import data, descent, gradients

# --- Exercise 5.9: the plot that flatters -------------------------------------------------------

PLOT_ETA, PLOT_STEPS, PLOT_TOLERANCE = 0.1, 200, 1e-6


LABELS = ("training", "validation")


def _losses() -> np.ndarray:
    """J along the run of Section 5.1.3, shape (2, 201): on the training and the validation points."""
    X, X_val, y, y_val = data.load_chapter_data()
    path = descent.gradient_descent(X, y, lr=PLOT_ETA, steps=PLOT_STEPS).path
    return np.array([[gradients.mse(p, *of) for p in path] for of in ((X, y), (X_val, y_val))])


def draw_wrong_plot(ax):
    """Draw the two learning curves of Exercise 5.9 on ``ax``, with the fault, and return it."""
    for label, losses, points, style in zip(LABELS, _losses(), (85, 15), ("-", "--")):
        ax.plot(points * losses, style, label=label)
    ax.set(xlabel="iteration", ylabel="cost", yscale="log")
    ax.legend()
    return ax


@exercise("5.9", "Draw the two curves, and put their Axes into `my_plot`.")
def check_plot(answer):
    """Check the repaired plot: J on the training and on the validation points along one run.

    Parameters: answer, an Axes with two lines, labelled "training" and "validation".
    """
    (ax,) = axes_of(answer)
    found, right = [], _losses()
    for label in LABELS:
        lines = [line for line in ax.lines if label[:5] in str(line.get_label()).lower()]
        if not lines:
            raise NotYet(f'No line is labelled "{label}".')
        found.append(np.asarray(lines[0].get_ydata(), dtype=float))

    def same(found, wrong):
        return near(np.concatenate(found), np.concatenate(wrong), PLOT_TOLERANCE)

    mistakes = (
        (right * [[85], [15]], "Both curves are as they were. What is J at the start in Figure 6, and what is it here?"),
        (right * [[1], [15]], "The training curve is right, the validation curve is not yet."),
        (right * [[85], [1]], "The validation curve is right, the training curve is not yet."),
        (right * [[1], [15 / 85]], "You divide both by 85. But the validation points are fewer."),
        (right * [[0.85], [0.15]], "You divide both by 100. But each curve has points of its own."),
        (right[::-1], "The curves are right, and their labels have changed places."),
        (right[:, 1:], "The first value, J at the start, is missing in both."),
        (np.sqrt(right), "You draw roots. Equation 5.1 has none."),
    )  # fmt: skip
    if not same(found, right):
        recognise(found, mistakes, same)
        sizes = " and ".join(f"{len(values)} values from {values[:1]}" for values in found)
        raise NotYet(f"These are other curves, {sizes}. {PLOT_STEPS + 1} values of J are wanted.")
    if not draws(ax, np.column_stack([np.arange(PLOT_STEPS + 1), right[1]])):
        raise NotYet("The curves are right, but the start should be iteration 0.")
    need_labels(ax, "the iteration", "the cost")
    if ax.get_legend() is None:
        raise NotYet("The curves are right; a legend should say which is which.")
    ends = "{:.4f} and {:.4f}".format(*right[:, -1])
    return f"The old plot showed sums, over 85 points and over 15. The means end at {ends}."


# --- Exercise 5.10: stop early ------------------------------------------------------------------

STOP_CASES = (
    ((5, 4, 3, 4, 5, 6, 7, 1), 3),
    ((5, 6, 4, 5, 3, 9, 9), 2),
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
    found = []
    for losses, patience in STOP_CASES:
        value = call(answer, list(losses), patience)
        found.append(numbers(value, "one number, a step", ()).item())
    right = [early_stop(*case) for case in STOP_CASES]
    if found == right:
        return "It stops in time, and it goes back to the best step that it has seen."
    recognise(found, [([w(*case) for case in STOP_CASES], message) for w, message in _WRONG_STOPS])
    k = np.not_equal(found, right).argmax()
    losses, patience = STOP_CASES[k]
    case = f"With the losses {list(losses)} and patience {patience}"
    raise NotYet(f"{case}, you return {found[k]:g}; expected: {right[k]}. Follow the list by hand.")


def early_stop(losses, patience, *, better=lambda loss, best, before: loss < best, forget=True):
    """The best step before ``patience`` losses in a row without a better one, or a mistaken one.

    Parameters: better, whether a loss is an improvement; forget, whether that ends the waiting.
    """
    best = waited = 0
    for step in range(1, len(losses)):
        if better(losses[step], losses[best], losses[step - 1]):
            best, waited = step, 0 if forget else waited
        else:
            waited += 1
        if waited == patience:
            break
    return best


_WRONG_STOPS = (
    (lambda losses, patience: int(np.argmin(losses)), "You look at the whole list, and so into the future: a training that has stopped never sees the later losses."),
    (lambda losses, patience: min(early_stop(losses, patience) + patience, len(losses) - 1), "You return the step at which the training stops. Asked for is the best step before it."),
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


def bent_points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw 100 points around a curve, noise of standard deviation 0.1, and new x without their y.

    Returns: X and y, ndarrays of shape (100,); X_new, ndarray of shape (NEW_POINTS,); X and X_new
    are uniform on [-1, 1).
    """
    random = np.random.RandomState(42)
    X = random.uniform(-1, 1, 100)
    noise, X_new = 0.1 * random.randn(100), random.uniform(-1, 1, NEW_POINTS)
    return X, _curve(X) + noise, X_new


def _curve(X) -> np.ndarray:
    return CURVE[0] + CURVE[1] * X + CURVE[2] * X**2


@exercise("5.11", "Put your predictions into `my_predictions`.")
def check_predictions(answer):
    """Check predictions for the new points: close to the curve that the points lie around.

    Parameters: answer, NEW_POINTS floats, in the order of X_new; their mean squared distance from
    the curve is at most DISTANCE.
    """
    flat = "Your predictions come one in a list; flatten them: `.reshape(-1)`."
    shapes = (((NEW_POINTS, 1), flat), ((1, NEW_POINTS), flat))
    found = numbers(answer, f"a list of {NEW_POINTS} predictions", (NEW_POINTS,), shapes)
    X, y, X_new = bent_points()
    right = _curve(X_new)

    def distance(values, found=found) -> float:
        return float(np.mean((found - values) ** 2))

    if distance(right) <= DISTANCE:
        much = f"The mean squared distance from the curve is {distance(right):.5f}"
        return (
            f"{much}. For one point the mean square of the noise is 0.01: many together know more."
        )
    parts = [np.polyval(np.polyfit(X, y, degree), X_new) for degree in (0, 1)]
    mistakes = (
        (parts[0], "You predict the mean of y for every x. Has the training begun, and do the shapes in the loss agree?"),
        (parts[1], "These are the predictions of a straight line, and the points bend. Which model had the smaller validation loss?"),
    )  # fmt: skip
    recognise(found, mistakes, lambda _, wrong: distance(wrong) <= DISTANCE)
    if distance(np.sort(right), np.sort(found)) <= DISTANCE:
        raise NotYet("The right values in another order: were the new points shuffled or sorted?")
    far = f"The mean squared distance from the curve is {distance(right):.4f}"
    raise NotYet(f"{far}; at most {DISTANCE} is wanted. Train longer, and keep the best state.")
