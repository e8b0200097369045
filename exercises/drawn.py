"""Reading a drawing: which points and lines stand on the Axes that a student hands in."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from exercises.core import NotYet, kind

POINT_TOLERANCE = 1e-6  # how far a drawn point may lie off, in units of its axes

#: What an axis shows -> the words by which its label may say so.
WORDS = {
    "b, the intercept": r"\bb\b|\bintercept|\bbias",
    "w, the slope": r"\bw\b|\bslope|\bweight",
    "the iteration": r"\biter|\bstep|\bupdate|\bepoch",
    "the cost": r"\bcost|\bloss|\berror|\bmse\b|\bJ\b",
}


def axes_of(item, wanted: int = 1) -> list:
    """The Axes that were handed in; a matplotlib Figure stands for those it holds."""
    if isinstance(item, Figure):
        item = [ax for ax in item.axes if not hasattr(ax, "_colorbar")]
    found = np.array(item, dtype=object).ravel().tolist()
    if not all(isinstance(ax, Axes) for ax in found):
        raise NotYet(f"this is not an Axes but {kind(item)}; hand in what `plt.subplots` gave.")
    if len(found) != wanted:
        raise NotYet(f"{wanted} Axes wanted, {len(found)} found.")
    return found


def draws(ax, points) -> bool:
    """Whether every one of ``points``, shape (k, 2), is drawn on ``ax`` by a line, scatter or quiver."""
    sets = [line.get_xydata() for line in ax.lines] + [c.get_offsets() for c in ax.collections]
    drawn = np.ma.concatenate([*sets, np.empty((0, 2))]).filled(np.nan)
    near = np.abs(drawn[:, None] - np.asarray(points)) <= POINT_TOLERANCE  # (drawn, k, 2)
    return bool(near.all(axis=2).any(axis=0).all())


def find_line(ax, b, w):
    """The straight line y = b + w x on ``ax``, with its two ends in x; None if it is not there."""
    for line in ax.lines:
        to_data = line.get_transform() - ax.transData  # `ax.axline` keeps its points elsewhere
        points = to_data.transform(line.get_xydata())
        x, y = points[np.isfinite(points).all(axis=1)].T
        on_it = len(x) > 1 and np.abs(y - b - w * x).max() <= POINT_TOLERANCE
        if on_it and np.ptp(x) > 0.1:
            return line, (x.min(), x.max())
    return None


def need_visible(ax, points, what: str) -> None:
    """Say so if some of ``points`` lie outside the limits of the axes."""
    low, high = np.sort([ax.get_xlim(), ax.get_ylim()], axis=1).T
    if not ((points >= low) & (points <= high)).all():
        raise NotYet(f"the limits of your axes cut off {what}.")


def need_labels(ax, *wanted: str) -> None:
    """Say so if the label of the x or y axis does not name what it shows, a key of ``WORDS``."""
    for axis, what, label in zip("xy", wanted, (ax.get_xlabel(), ax.get_ylabel())):
        if not re.search(WORDS[what], label, re.IGNORECASE):
            raise NotYet(f'the {axis} axis shows {what}; its label says "{label}".')
