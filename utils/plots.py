"""Drawing: each helper draws on the Axes that it is given and returns it.

Nothing here computes a loss or a path, shows a figure or changes global style, but for
``use_style``.  The colours differ in lightness as well as in hue, for grey print and all readers.
"""

from __future__ import annotations

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from utils import _validate

INK, GREY, PAPER = "#1f2430", "#7d8594", "#ffffff"
BLUE, ORANGE, TEAL = "#1f5fa8", "#c8500a", "#0e7c6b"
LEVELS = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5)  # the published contour levels of J
STYLE = pathlib.Path(__file__).with_name("book.mplstyle")


def use_style() -> None:
    """Set the book's style, and in a notebook vector figures whose bytes do not change by the run."""
    plt.style.use(STYLE)
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None})
    except (ImportError, AttributeError):  # no IPython here: a script
        pass


def plot_data(X, y, *, ax=None, label: str | None = "training points"):
    """Scatter the points (x_i, y_i).

    Parameters: X, y, ndarrays of shape (n,); ax, Axes or None for a new one; label, legend text.
    Raises: ValueError naming the argument.
    """
    X, y = _validate.points(X, y)
    ax = _axes(ax, xlabel="$x$", ylabel="$y$")
    ax.scatter(X, y, s=20, color=GREY, edgecolors=PAPER, linewidths=0.4, label=label, zorder=2)
    return ax


def plot_line(params, *, x=(0.0, 1.0), ax=None, label: str | None = None, **style):
    """Draw the line y = b + w x between the two ends ``x``.

    Parameters: params, (b, w); x, the two ends; ax, Axes or None; label, legend text; style, of
    ``Axes.plot``.
    Raises: ValueError naming the argument.
    """
    b, w = _validate.parameters(params)
    x = _validate.parameters(x, name="x")
    ax = _axes(ax, xlabel="$x$", ylabel="$y$")
    ax.plot(x, b + w * x, label=label, **{"color": BLUE, "zorder": 3, **style})
    return ax


def plot_candidates(candidates, best, *, x=(0.0, 1.0), y=None, ax=None):
    """Draw candidate lines dashed and ``best`` solid, each labelled with its pair (b, w).

    A line that leaves the heights ``y`` is cut there, and its label stands at the cut.

    Parameters: candidates, pairs (b, w), shape (k, 2); best, (b, w); x, the two ends; y, the
    lowest and the highest height to be shown, or None for all; ax, Axes or None.
    Raises: ValueError naming the argument.
    """
    lines = _validate.pairs("candidates", candidates).tolist()
    best = _validate.parameters(best, name="best").tolist()
    right = _validate.parameters(x, name="x")[1]
    for pair in lines:
        ax = plot_line(pair, x=x, ax=ax, color=ORANGE, linestyle=(0, (5, 3)), linewidth=1.2)
    ax = plot_line(best, x=x, ax=ax, linewidth=2.2)
    low, high = ax.get_ylim() if y is None else _increasing("y", _validate.parameters(y, name="y"))
    ax.set_ylim(low, high)
    for (b, w), color in [*((pair, ORANGE) for pair in lines), (best, BLUE)]:
        height = min(max(b + w * right, low), high)
        cut = height != b + w * right and w != 0
        end = (height - b) / w if cut else right
        place = {"va": ("top" if height == high else "bottom") if cut else "center", "color": color}
        ax.annotate(f"({b:g}, {w:g})", (end, height), (5, 0), textcoords="offset points", **place)
    return ax


def plot_contours(b, w, J, *, levels=LEVELS, best=None, colorbar: bool = True, ax=None):
    """Draw the level lines of a loss over the parameter space.

    Parameters: b, shape (p,), and w, shape (q,), increasing; J, shape (q, p), as ``loss_surface``
    returns it; levels, positive and increasing, some of them heights of J (a single one has no
    colour bar); best, (b, w) to be marked by a cross, or None; ax, Axes or None.
    Raises: ValueError naming the argument.
    """
    b, w = _increasing("b", b), _increasing("w", w)
    J = _validate.finite_array("J", J, ndim=2)
    if J.shape != (w.size, b.size):
        raise ValueError(f"J must have shape {(w.size, b.size)}, got shape {J.shape}")
    levels = _increasing("levels", levels, least=1)
    if levels[0] <= 0 or not ((J.min() < levels) & (levels < J.max())).any():
        raise ValueError(f"levels must be positive, one between {J.min():g} and {J.max():g}")
    best = None if best is None else _validate.parameters(best, name="best")
    colorbar = _validate.flag("colorbar", colorbar) and levels.size > 1
    ax = _axes(ax, xlabel="$b$", ylabel="$w$")
    lines = ax.contour(b, w, J, levels=levels, cmap="cividis", vmin=0, vmax=1.25 * levels[-1])
    if best is not None:
        ax.plot(*best, marker="x", color=INK, markersize=7, markeredgewidth=1.8, zorder=5)
    if colorbar:
        ax.figure.colorbar(lines, ax=ax, label="$J(b, w)$").lines[0].set_linewidth(6)
    return ax


def plot_gd_path(path, *, ax=None, color=ORANGE, label: str | None = None, arrows: bool = True):
    """Draw the iterates of a run as dots, and each step as an arrow, in the parameter space.

    Parameters: path, shape (k, 2), rows (b, w), the start first; ax, the Axes with the contours,
    or None; color; label, legend text; arrows, whether the steps are drawn.
    Raises: ValueError naming the argument.
    """
    path = _validate.pairs("path", path)
    if not is_color_like(color):
        raise ValueError(f"color must be a colour that matplotlib knows, got {color!r:.60}")
    arrows = _validate.flag("arrows", arrows) and len(path) > 1
    ax = _axes(ax, xlabel="$b$", ylabel="$w$")
    if arrows:
        ax.plot(*path.T, color=INK, linestyle="-", linewidth=0.7, zorder=3)
    ax.plot(*path.T, "o", color=color, markersize=2.4, label=label, zorder=4)
    ax.plot(*path[0], marker="o", markersize=7, color=PAPER, markeredgecolor=color, zorder=5)
    if arrows:
        ax.add_patch(PathPatch(_arrow_heads(path, ax), color=INK, linewidth=0, zorder=3))
    return ax


def plot_learning_curve(losses, *, ax=None, label: str | None = None, **style):
    """Draw the loss against the iteration, the start being iteration 0.

    Parameters: losses, shape (k,); ax, Axes or None; label, legend text; style, of ``Axes.plot``.
    Raises: ValueError naming the argument.
    """
    losses = _validate.finite_array("losses", losses)
    ax = _axes(ax, xlabel="iteration", ylabel="cost $J$")
    ax.plot(np.arange(losses.size), losses, label=label, **{"color": BLUE, **style})
    return ax


def _arrow_heads(path: np.ndarray, ax, *, points: float = 6.5) -> Path:
    """A triangle at the end of every step, ``points`` long on paper or as long as the step; all
    are one path, which keeps the figure small."""
    ax.autoscale_view()  # the triangles are measured on paper, so the limits must stand
    ends = ax.transData.transform(path)
    steps = np.diff(ends, axis=0)
    lengths = np.hypot(*steps.T)[:, None]
    forward = np.divide(steps, lengths, out=np.zeros_like(steps), where=lengths > 0)
    forward *= np.minimum(points * ax.figure.dpi / 72, lengths)
    side = 0.35 * forward[:, ::-1] * (-1, 1)
    tips = ends[1:] - 0.15 * forward  # the dot covers the last bit
    triangles = np.stack([tips, tips - forward + side, tips - forward - side, tips], axis=1)
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(steps))
    return Path(ax.transData.inverted().transform(triangles.reshape(-1, 2)), codes)


def _increasing(name: str, values, *, least: int = 2) -> np.ndarray:
    values = _validate.finite_array(name, values)
    if values.size < least or (np.diff(values) <= 0).any():
        raise ValueError(f"{name} must increase and hold at least {least} values")
    return values


def _axes(ax, *, xlabel: str, ylabel: str):
    """Return ``ax``, or a new one with these labels; labels that are there already stay."""
    if ax is None:
        _, ax = plt.subplots()
    if not isinstance(ax, Axes):
        raise ValueError(f"ax must be a matplotlib Axes or None, got {ax!r:.60}")
    ax.set_xlabel(ax.get_xlabel() or xlabel)
    ax.set_ylabel(ax.get_ylabel() or ylabel)
    return ax
