"""Reading a drawing: which points and lines stand on the Axes that a student hands in."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

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
    if isinstance(item, np.ndarray):
        item = item.ravel().tolist()
    found = list(item) if isinstance(item, (list, tuple)) else [item]
    if not all(isinstance(ax, Axes) for ax in found):
        raise NotYet(f"this is not an Axes but {kind(item)}; hand in what `plt.subplots` gave.")
    if len(found) != wanted:
        raise NotYet(f"{wanted} Axes wanted, {len(found)} found.")
    return found


def draws(ax, points) -> bool:
    """Whether every one of ``points``, shape (k, 2), is drawn on ``ax`` by a line, scatter or quiver."""
    sets = [line.get_xydata() for line in ax.lines]
    sets += [c.get_offsets() for c in ax.collections if isinstance(c, PathCollection)]
    sets += [c.XY for c in ax.collections if isinstance(c, Quiver)]
    sets = [np.ma.filled(np.ma.asarray(s, dtype=float), np.nan).reshape(-1, 2) for s in sets]
    drawn = np.concatenate([*sets, np.empty((0, 2))])
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    if not len(drawn):
        return False
    distance = np.abs(drawn[None, :, :] - np.asarray(points)[:, None, :]).max(axis=2)
    return bool((distance.min(axis=1) <= POINT_TOLERANCE).all())


def find_line(ax, b, w):
    """The straight line y = b + w x on ``ax``, with its two ends in x; None if it is not there."""
    for line in ax.lines:
        if hasattr(line, "get_slope"):  # of `ax.axline`: it has no ends
            (x, y), slope = line.get_xy1(), line.get_slope()
            if slope is None:
                x2, y2 = line.get_xy2()
                slope = (y2 - y) / (x2 - x) if x2 != x else np.inf
            if abs(slope - w) + abs(y - b - w * x) <= POINT_TOLERANCE:
                return line, (-np.inf, np.inf)
            continue
        points = np.asarray(line.get_xydata(), dtype=float)
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


def texts(ax) -> list[str]:
    """All texts and legend entries on ``ax``."""
    legend = ax.get_legend()
    found = [*ax.texts, *(legend.get_texts() if legend else [])]
    return [text.get_text() for text in found] + [line.get_label() for line in ax.lines]
