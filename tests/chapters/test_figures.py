"""The figures of Section 5.1, checked on what they draw, and the files made of them."""

import hashlib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.quiver import Quiver

from book import figures
from utils import data, descent, gradients, plots, published

ROOT = Path(__file__).resolve().parents[2]
LEVELS = [0.01, 0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.fixture(scope="module")
def all_drawn():
    return figures.run(ROOT / "chapters" / "5-1-math.ipynb")


@pytest.fixture
def drawn(all_drawn):
    return {each.number: each for each in all_drawn if each.number}


@pytest.fixture
def unnumbered(all_drawn):
    """Find a figure without a number by words of its caption."""

    class Captions(dict):
        def __missing__(self, words):
            (found,) = [each.figure for each in all_drawn if words in each.caption]
            return found

    return Captions()


@pytest.fixture(scope="module")
def points():
    X, _, y, _ = data.load_chapter_data()
    return X, y


def scattered(ax):
    return np.asarray(ax.collections[0].get_offsets())


def contour(ax):
    (found,) = [c for c in ax.collections if hasattr(c, "levels")]
    return found


def markers(ax):
    """The lines of an Axes that are dots: (x, y) of each, in the order of drawing."""
    return [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]


def arrows(ax):
    """The tips of the arrow heads, and the line along the steps."""
    (heads,) = ax.patches
    (shafts,) = [
        line for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 2
    ]
    return heads.get_path().vertices[::4], shafts.get_xydata()


def test_there_are_six(drawn):
    assert sorted(drawn) == [1, 2, 3, 4, 5, 6]


def test_figure_1_the_points_and_the_line(drawn, points):
    (ax,) = drawn[1].figure.axes
    np.testing.assert_array_equal(scattered(ax), np.column_stack(points))
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), [[0, 2.3], [1, 3.5]])
    assert ax.get_ylim() == (2.2, 3.6)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x$", "$y$")


def test_figure_2_the_candidates(drawn, points):
    (ax,) = drawn[2].figure.axes
    np.testing.assert_array_equal(scattered(ax), np.column_stack(points))
    slopes = {line.get_ydata()[1] - line.get_ydata()[0]: line for line in ax.lines}
    assert sorted(round(slope, 12) for slope in slopes) == [0.5, 1, 1.2, 2, 3]
    for slope, line in slopes.items():
        assert line.get_ydata()[0] == 2.3
        assert line.is_dashed() == (round(slope, 12) != 1.2)
    labels = {text.get_text(): text.xy for text in ax.texts}
    assert set(labels) == {"(2.3, 3)", "(2.3, 2)", "(2.3, 1)", "(2.3, 0.5)", "(2.3, 1.2)"}
    assert ax.get_ylim() == (2.2, 3.6)
    for text, (x, height) in labels.items():  # each label stands at the end of its own line
        b, w = (float(part) for part in text.strip("()").split(","))
        assert height == pytest.approx(min(b + w, 3.6)) and height == pytest.approx(b + w * x)
    left, right = ax.get_xlim()
    figure = ax.figure
    figure.canvas.draw()
    for text in ax.texts:  # and inside the picture
        box = ax.transData.inverted().transform(text.get_window_extent())
        assert left < box[0, 0] and box[1, 0] < right and box[0, 1] > 2.2 and box[1, 1] <= 3.61


def test_figure_3_the_contours(drawn, points):
    ax, bar = drawn[3].figure.axes
    lines = contour(ax)
    assert lines.levels.tolist() == LEVELS
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 3), (0, 3))
    assert (ax.get_xlabel(), ax.get_ylabel(), bar.get_ylabel()) == ("$b$", "$w$", "$J(b, w)$")
    assert [float(tick.get_text()) for tick in bar.get_yticklabels()] == LEVELS
    for level, path in zip(lines.levels, lines.get_paths()):
        corners = path.vertices[path.codes != path.CLOSEPOLY]
        assert len(corners) > 20
        losses = [gradients.mse(corner, *points) for corner in corners]
        np.testing.assert_allclose(losses, level, atol=2e-4)  # a grid of 301 x 301 points


def assert_path(ax, run):
    dots, start = markers(ax)
    np.testing.assert_array_equal(dots, run.path)
    np.testing.assert_array_equal(start, run.path[:1])
    tips, shafts = arrows(ax)
    np.testing.assert_array_equal(shafts, run.path)
    assert len(tips) == len(run.path) - 1
    inside = ((run.path > 0) & (run.path < 3)).all(axis=1)[1:]
    assert np.abs(tips - run.path[1:])[inside].max() < 0.03  # up to the rim of the dot
    assert contour(ax).levels.tolist() == LEVELS


def test_figure_4_the_descent(drawn, points):
    ax, _ = drawn[4].figure.axes
    run = descent.gradient_descent(*points, start=(1.0, 1.5), lr=0.1, steps=200)
    assert_path(ax, run)
    assert published.compare("5.1.3/gd-200-steps", markers(ax)[0][-1]).max_ulp == 0


def test_figure_5_the_two_learning_rates(drawn, points):
    left, right = drawn[5].figure.axes
    titles = [r"$\eta = 0.005$", r"$\eta = 0.8$"]  # the eta of Equation 5.2
    assert [left.get_title(), right.get_title()] == titles
    for ax, lr, end in ((left, 0.005, (1.891, 1.814)), (right, 0.8, (2.312, 1.155))):
        run = descent.gradient_descent(*points, start=(1.0, 1.5), lr=lr, steps=200)
        assert_path(ax, run)
        np.testing.assert_allclose(run.path[-1], end, atol=6e-4)


def test_figure_6_the_learning_curve(drawn, points):
    linear, logarithmic = drawn[6].figure.axes
    assert (linear.get_yscale(), logarithmic.get_yscale()) == ("linear", "log")
    for ax in (linear, logarithmic):
        line = ax.lines[0]
        assert line.get_xdata().tolist() == list(range(201))
        assert line.get_ydata()[0] == pytest.approx(1.35302, abs=5e-6)
        assert line.get_ydata()[-1] == pytest.approx(0.00823, abs=5e-6)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("iteration", "cost $J$")
    smallest = gradients.mse(gradients.least_squares(*points), *points)
    np.testing.assert_allclose(logarithmic.lines[1].get_ydata(), smallest, rtol=1e-12)


def test_the_squares_of_the_residuals_are_squares(unnumbered, points):
    """The picture beside Equation 5.1: each side is a residual, and equal on paper."""
    ax = unnumbered["squares as areas"].axes[0]
    (line,) = [line for line in ax.lines if line.get_color() == plots.BLUE]
    (x0, y0), (x1, y1) = line.get_xydata()
    w = (y1 - y0) / (x1 - x0)
    assert len(ax.patches) == 6 and ax.get_aspect() == 1
    for square in ax.patches:
        point = points[0] == square.get_x()
        residual = (points[1][point] - y0 - w * (square.get_x() - x0)).item()
        assert square.get_width() == square.get_height() == pytest.approx(abs(residual))
        ends = square.get_y(), square.get_y() + square.get_height()
        assert max(ends) == pytest.approx(
            max(points[1][point].item(), y0 + w * (square.get_x() - x0))
        )


def test_the_way_downhill_is_minus_the_gradient(unnumbered, points):
    ax = unnumbered["way downhill"].axes[0]
    (arrows,) = [each for each in ax.collections if isinstance(each, Quiver)]
    for place, u, v in zip(arrows.XY, arrows.U, arrows.V):
        np.testing.assert_allclose((u, v), -gradients.mse_gradient(place, *points), rtol=1e-9)
        assert gradients.mse(place, *points) == pytest.approx(0.1, abs=2e-4)
    assert ax.get_aspect() == 1, "right angles are seen as such"


def test_the_files_are_what_the_notebook_draws(drawn, tmp_path):
    made = figures.save(list(drawn.values()), tmp_path)
    assert len(made) == 12
    stored = sorted(path.name for path in (ROOT / "figures").iterdir())
    assert stored == sorted(path.name for path in made), "run `make figures`"
    for path in made:
        if path.suffix == ".svg":
            kept = (ROOT / "figures" / path.name).read_bytes()
            assert digest(kept) == digest(path.read_bytes()), f"{path.name}: run `make figures`"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- the helpers -----------------------------------------------------------------------------

GRID = np.linspace(0, 3, 7)


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plots.plot_data([0.0, 1.0], [1.0, 2.0], ax=ax),
        lambda ax: plots.plot_line((1, 2), ax=ax),
        lambda ax: plots.plot_candidates([(1, 2)], (1, 1), ax=ax),
        lambda ax: plots.plot_contours(GRID, GRID, np.add.outer(GRID, GRID), ax=ax),
        lambda ax: plots.plot_gd_path([(1, 1), (2, 2)], ax=ax),
        lambda ax: plots.plot_learning_curve([3.0, 2.0, 1.0], ax=ax),
    ],
    ids=["data", "line", "candidates", "contours", "gd_path", "learning_curve"],
)
def test_a_helper_draws_where_it_is_told_and_changes_no_style(draw):
    before = dict(plt.rcParams)
    _, (left, right) = plt.subplots(1, 2)
    right.set_xlabel("mine")
    assert draw(right) is right
    assert right.get_xlabel() == "mine"
    assert not left.has_data() and right.has_data()
    assert draw(None) not in (left, right)
    assert dict(plt.rcParams) == before
    plt.close("all")


def test_colours_stay_apart_in_grey_and_on_white():
    def lightness(color):
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)
        ]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    def contrast(a, b):
        light, dark = sorted((lightness(a), lightness(b)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    for color in (plots.INK, plots.BLUE, plots.ORANGE, plots.TEAL):
        assert contrast(color, plots.PAPER) >= 4.5, (
            f"{to_hex(color)} is too pale for text and lines"
        )
    assert contrast(plots.GREY, plots.PAPER) >= 3
    assert contrast(plots.BLUE, plots.INK) > 1.5 and contrast(plots.GREY, plots.BLUE) > 1.5
