"""The checks of the exercises on Section 5.1: the six figures, and a line read off its residuals."""

from __future__ import annotations

import re
from functools import cache, partial

import numpy as np
from matplotlib.contour import ContourSet
from matplotlib.quiver import Quiver
from matplotlib.text import Text

from exercises.core import NotYet, exercise, near, numbers, piece_by_piece, recognise
from exercises.drawn import axes_of, draws, find_line, need_labels, need_visible
from utils import data, descent, gradients, plots

CONTOUR_TOLERANCE = 1e-3  # how far a contour line may lie off its level, in units of J
STEPS, ETA = 200, 0.1  # of Figures 4 and 6, in Equation 5.2
PANELS = {0.005: 0.01, 0.8: 1.6}  # of Figure 5: eta of Equation 5.2 -> the published title
CANDIDATES, BEST = ((2.3, 3.0), (2.3, 2.0), (2.3, 1.0), (2.3, 0.5)), (2.3, 1.2)
TOP = 3.6  # of the y axis of Figures 1 and 2: a line may stop there

MYSTERY = (2.6, 0.6)  # the line whose residuals Exercise 5.2 shows
LINE_TOLERANCE = 0.1


@cache
def points() -> tuple[np.ndarray, np.ndarray]:
    """The training and the validation points, shapes (85, 2) and (15, 2)."""
    X, X_val, y, y_val = data.load_chapter_data()
    return np.column_stack([X, y]), np.column_stack([X_val, y_val])


@cache
def run(lr: float) -> descent.Descent:
    return descent.gradient_descent(*points()[0].T, lr=lr, steps=STEPS)


# --- Exercise 5.1: the six figures ------------------------------------------------------------


@exercise("5.1", "Put the axes of your figures into the list.")
def check_figures(answer):
    """Check the six figures of Section 5.1 by what they draw; style, colours and scales are free.

    Parameters: answer, a list of six: the Axes of Figures 1, 2, 3, 4 and 6, and for Figure 5 the
    pair of its two Axes.  A matplotlib Figure stands for its Axes.
    """

    def examine(number, item):
        _FIGURES[number - 1](*axes_of(item, 2 if number == 5 else 1))

    piece_by_piece(answer, "Figure", examine, len(_FIGURES))
    return "All six figures show what those of Section 5.1 show: points, lines, levels and runs."


def _figure_1(ax):
    _need_training_points(ax)
    _need_line(ax, BEST)


def _figure_2(ax):
    _need_training_points(ax)
    looks = []
    labels = [re.findall(r"\d+\.?\d*", text.get_text()) for text in ax.figure.findobj(Text)]
    for pair in (*CANDIDATES, BEST):
        line = _need_line(ax, pair)
        looks.append((line.get_linestyle(), line.get_linewidth(), line.get_color()))
        if not any(set(pair) <= set(map(float, label)) for label in labels):
            raise NotYet(f"no label names the pair {pair}.")
    if looks.pop() in looks:
        raise NotYet(f"the line {BEST} should look different from the others.")


def _figure_3(ax):
    if _need_contours(ax).colorbar is None:
        raise NotYet("the colour bar is missing: which line is which level?")


def _figure_4(ax):
    _need_contours(ax)
    _need_path(ax, ETA, 2 * ETA)


def _figure_5(*axes):
    if all(draws(ax, run(eta).path) for ax, eta in zip(axes, reversed(PANELS))):
        axes = axes[::-1]  # the panels may stand the other way round
    for ax, (eta, title) in zip(axes, PANELS.items()):
        _need_contours(ax)
        _need_path(ax, eta, title)
        if not any(str(number) in ax.get_title() for number in (eta, title)):
            raise NotYet(f"the panel with eta = {eta} should say so in its title.")


def _figure_6(ax):
    losses = run(ETA).losses
    curve = np.column_stack([np.arange(STEPS + 1), losses])
    if draws(ax, curve):
        return need_labels(ax, "the iteration", "the cost")
    mistakes = (
        (curve[1:] - (1, 0), f"the first value, J at the start, is missing: {STEPS + 1} in all."),
        (curve + (1, 0), "the start is iteration 0, not 1."),
        (curve * (1, 0.5), "your values are half of J: is your cost divided by 2N?"),
        (curve * (1, 85), "your values are 85 times J: Equation 5.1 is a mean, not a sum."),
        (np.column_stack([curve[:, 0], run(2 * ETA).losses]), _other_eta(ETA, 2 * ETA)),
    )
    recognise(ax, mistakes, draws)
    ends = f"from {losses[0]:.5f} down to {losses[-1]:.5f}"
    raise NotYet(f"this is another curve: {STEPS + 1} values are wanted, {ends}.")


_FIGURES = (_figure_1, _figure_2, _figure_3, _figure_4, _figure_5, _figure_6)


def _other_eta(wanted: float, found: float) -> str:
    why = "The published figures have a gradient without the factor 2, and a rate twice as large"
    return f"you ran Equation 5.2 with eta = {found}; here it is eta = {wanted}. ({why}.)"


def _need_training_points(ax):
    training, validation = points()
    if draws(ax, training[:, ::-1]):
        raise NotYet("x and y have changed places.")
    if not draws(ax, training):
        raise NotYet("the 85 training points are not there: is the seed 42, are the data split?")
    if draws(ax, validation):
        raise NotYet("you draw all 100 points; the figure shows the 85 training points.")
    need_visible(ax, training, "some of the training points")


def _need_line(ax, pair):
    b, w = pair
    found = find_line(ax, b, w)
    if found:
        line, (left, right) = found
        if left > 0.05 or right < min(0.95, (TOP - b) / w - 0.05):
            raise NotYet(
                f"the line {pair} should run from x = 0 to x = 1, or to where it leaves the axes."
            )
        return line
    mistakes = (
        ((w, b), f"in the line {pair}, b and w have changed places: b is where x = 0."),
        (gradients.least_squares(*points()[0].T), f"your line is the least-squares line; the figure shows {pair}."),
    )  # fmt: skip
    recognise(ax, mistakes, lambda ax, wrong: find_line(ax, *wrong))
    raise NotYet(f"the line y = {b:g} + {w:g} x is not there.")


def _need_contours(ax):
    """Find the contours of J; read the loss and the order of the axes off their lines."""
    contours = next((c for c in ax.collections if isinstance(c, ContourSet)), None)
    if contours is None or contours.filled:
        raise NotYet("the contours of J are missing; `ax.contour` draws them.")
    if not set(plots.LEVELS) <= {round(float(level), 9) for level in contours.levels}:
        raise NotYet(f"the levels should be {plots.LEVELS}.")
    lines = zip(contours.levels, contours.get_paths())
    vertices = np.array([(*vertex, level) for level, path in lines for vertex in path.vertices])
    if not len(vertices):
        raise NotYet("no level is reached: your J is too large. Is it a sum instead of a mean?")
    if not _on_level(vertices):
        mistakes = (
            (vertices[:, [1, 0, 2]], "b and w have changed places: `contour(b, w, J)` wants one row of J for each w."),
            (vertices * (1, 1, 2), "your J is half the mean squared error: nothing to halve in Equation 5.1."),
        )  # fmt: skip
        recognise(None, mistakes, lambda _, wrong: _on_level(wrong))
        if _on_level(vertices, tolerance=10 * CONTOUR_TOLERANCE):
            raise NotYet("your grid is too coarse; 301 points on each axis are enough.")
        raise NotYet("these are not level lines of Equation 5.1 on the training points.")
    need_visible(ax, gradients.least_squares(*points()[0].T), "the minimum of J")
    need_labels(ax, "b, the intercept", "w, the slope")
    return contours


def _on_level(vertices, tolerance=CONTOUR_TOLERANCE) -> bool:
    """Whether J at (b, w) is the level, in rows (b, w, level) along contour lines."""
    b, w, level = vertices.T[:, :, None]
    X, y = points()[0].T
    return near(np.mean((y - b - w * X) ** 2, axis=1), level[:, 0], tolerance)


def _need_path(ax, eta, published_title):
    path = run(eta).path
    if not draws(ax, path):
        mistakes = (
            (path[1:], "the path should begin with a dot at the start, (1.0, 1.5)."),
            (path[:, ::-1], "in the path, b and w have changed places: b goes to the right."),
            (path[:101], f"the path is too short: {STEPS} steps make {STEPS + 1} dots."),
            (run(published_title).path, _other_eta(eta, published_title)),
        )
        recognise(ax, mistakes, draws)
        raise NotYet(f"the path with eta = {eta} is not there: {STEPS + 1} dots from (1.0, 1.5).")
    need_visible(ax, path, "a part of the path")
    arrows = any(isinstance(collection, Quiver) for collection in ax.collections) or ax.patches
    if not (arrows or any(getattr(text, "arrow_patch", None) for text in ax.texts)):
        raise NotYet("the dots are right; the arrows along the steps are missing.")


# --- Exercise 5.2: a line, read off its residuals -----------------------------------------------


def mystery_residuals() -> np.ndarray:
    """The residuals y - b - w x of somebody's line on the training points, shape (85,)."""
    X, y = points()[0].T
    return y - MYSTERY[0] - MYSTERY[1] * X


@exercise("5.2", "Put the pair (b, w) into `my_line`.")
def check_residuals(answer):
    """Check the line that was read off its residuals.

    Parameters: answer, a pair (b, w), each within ``LINE_TOLERANCE``.
    """
    found = numbers(answer, "a pair (b, w)", (2,))
    line, best = np.array(MYSTERY), gradients.least_squares(*points()[0].T)
    trend = best - line  # the residuals run along it
    close = partial(near, tolerance=LINE_TOLERANCE)
    if close(found, line):
        wrong_by = f"b is {-trend[0]:.2f} too large, and w {trend[1]:.2f} too small"
        return f"The residuals run along the best line minus this one: {wrong_by}."
    mistakes = (
        (line[::-1], "These two look right, but b comes first, then w."),
        (trend, "This is the line along which the residuals run. Which line has to be added to it to give the best line?"),
        (-trend, "This is by how much the line is wrong. Which line is it, then?"),
        (best, "This is the best line: its residuals show no trend."),
        (best + trend, "You went the wrong way: where y - ŷ is negative, the line runs above the points."),
    )  # fmt: skip
    recognise(found, mistakes, close)
    for name, other, is_right in zip("bw", "wb", np.abs(found - line) <= LINE_TOLERANCE):
        if is_right:
            raise NotYet(f"{name} is right, {other} is not within {LINE_TOLERANCE} yet.")
    raise NotYet("Neither b nor w is right yet. How high is the cloud at x = 0, and at x = 1?")
