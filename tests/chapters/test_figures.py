"""Every figure of the book, held to what it says: titles, axes, scales, labels with their series,
paths and contours.

``FIGURES`` has a row a figure and a panel for each of its Axes.  Series are expressions in the
names that the page had when it drew the figure, ``utils`` and the helpers below among them.  A label
is that of a line whose style its entry in the legend has, or to which it stands nearest.
"""

import hashlib
import re
from functools import cache

import drawings
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.quiver import Quiver

import explorer
from book import figures
from book.config import Book
from book.proof.records import ROOT
from utils import data, descent, gradients, optimizers, plots

X, X_val, y, y_val = data.load_chapter_data()

# --- helpers of the expressions --------------------------------------------------------------


def run(**settings):
    small = "epochs" in settings
    kind = descent.minibatch_gradient_descent if small else descent.gradient_descent
    return kind(X, y, **{"lr": 0.1, **({} if small else {"steps": 200}), **settings})


def line(b, w, ends=(0, 1)):
    return [(x, b + w * x) for x in ends]


def against(x, y):
    return np.column_stack([x, y])


def mse_on(part, model):
    """The loss of a model on a part of the data, by NumPy."""
    x, t = (column.numpy() for column in part[:])
    weight, bias = (p.detach().numpy() for p in model.parameters())
    return np.mean((t - x @ weight.T - bias) ** 2)


def on_a_parabola(lr, start):
    """Gradient descent on J = u^2, whose curvature is 2."""
    walk = start * (1 - 2 * lr) ** np.arange(5)
    return walk, walk**2


def upright(x):
    """A vertical line; its y are shares of the Axes."""
    return [(x, 0), (x, 1)]


def epochs_of(size):
    losses = run(lr=0.2, epochs=10, batch_size=size).losses
    return against(np.arange(len(losses)) / -(-85 // size), losses)


def measured(loading, size, row):
    return list(loading["batch_sizes"][size].values())[row]


def span(loading, size, row, offset):
    way = measured(loading, size, row)
    return [(way["low"], row + offset), (way["high"], row + offset)]


BOTH = np.linalg.eigvalsh(gradients.mse_hessian(X))
HELPERS = {"X85": X, "y85": y, "X15": X_val, "y15": y_val, "best85": gradients.least_squares(X, y)}
HELPERS |= {"np": np, "gradients": gradients, "descent": descent, "optimizers": optimizers}
HELPERS |= {"both": BOTH, "etas_fine": np.linspace(0, 0.9, 400), "run_of": run, "segment": line}
HELPERS |= {
    f.__name__: f for f in (against, mse_on, on_a_parabola, upright, epochs_of, measured, span)
}

# --- the table -------------------------------------------------------------------------------

BW = {"x": "$b$", "y": "$w$"}
XY = {"x": "$x$", "y": "$y$", "points": "against(X85, y85)"}
COST = {"x": "iteration", "y": "cost $J$"}
LOG = {"scales": ("linear", "log")}
LOGLOG = {"scales": ("log", "log")}
BAR = {"y": "$J(b, w)$", "scales": ("linear", "function"), "ticks": "0.01 0.10 0.20 0.30 0.40 0.50"}
OPTIMIZERS = {
    "gradient descent": "gd",
    "momentum": "momentum",
    "RMSprop": "rmsprop",
    "Adam": "adam",
}
CANDIDATES = ["2.3, 3", "2.3, 2", "2.3, 1", "2.3, 0.5", "2.3, 1.2"]
TITLES = ("batch,\n2 steps", "mini-batch,\n6 steps", "stochastic,\n170 steps")


def work(name, n, sizes):
    """The series of a panel of the first figure on mini-batches."""
    label = {85: "all points", 1_000_000: "all points"}
    return [
        (
            label.get(size, f"batches of {size}"),
            f"against([points_seen(k + 1, {n}, {size}) for k in range(len(runs[{n}, {size}]))],"
            f" np.array(runs[{n}, {size}]) - loss_of(*{name})[1])",
        )
        for size in sizes
    ]


def still(settings):
    """The three panels of the explorer's still."""
    path = f"run_of({settings}).path"
    return [
        {
            **BW,
            "title": "Every line is a point (b, w)",
            "any lines": True,
            "texts": ["start", "best"],
        },
        {
            **XY,
            "title": "Data and line",
            "lines": [("start", f"segment(*{path}[0])"), ("", f"segment(*{path}[-1])")],
        },
        {**COST, **LOG, "title": "Learning curve", "lines": [("", f"run_of({settings}).losses")]},
    ]


FIGURES = {
    "5-1-math": {
        "Figure 1. The training": [
            {
                **XY,
                "ylim": (2.2, 3.6),
                "lines": [("$y = 2.3 + 1.2\\,x$", "segment(2.3, 1.2)")],
                "legend": ["training points"],
            }
        ],
        "Figure 2. Five": [
            {**XY, "lines": [(f"({pair})", f"segment({pair})") for pair in CANDIDATES]}
        ],
        "The same five": [{**BW, "lines": [(f"({pair})", f"[({pair})]") for pair in CANDIDATES]}],
        "Six of": [
            {
                "x": "$x$",
                "y": "$y$",
                "any lines": True,
                "texts": [
                    r"$y_i - \hat y_i$",
                    r"$($$y_i - \hat y_i$$)^2$",
                    r"$\hat y = b + w\,x$",
                ],
            }
        ],
        "Figure 3.": [{**BW, "xlim": (0, 3), "ylim": (0, 3)}, BAR],
        "The way": [{**BW, "best": "best85", "any lines": True}],
        "Figure 4.": [{**BW, "path": "run_of().path"}, BAR],
        "Figure 5.": [
            {**BW, "title": rf"$\eta = {lr}$", "path": f"run_of(lr={lr}).path"}
            for lr in (0.005, 0.8)
        ],
        "Four steps": [
            {
                "x": "$u$",
                "y": "$J$",
                "title": rf"$\eta = {lr}$",
                "path": f"against(*on_a_parabola({lr}, {start}))",
                "lines": [("", "against(u, u**2)")],
            }
            for lr, start in ((0.2, 2), (0.8, 2), (1.1, 1))
        ],
        "Figure 6.": [
            {**COST, "title": "linear axis", "lines": [("", "run_of().losses")]},
            {
                **COST,
                **LOG,
                "title": "log axis",
                "lines": [("", "run_of().losses"), ("", "2 * [gradients.mse(best85, X85, y85)]")],
            },
        ],
    },
    "5-2-numpy": {
        "One pass": [
            {
                "ticks": "batch mini-batch stochastic",
                "parts": [1, 3, 85],
                "texts": ["85", "1 step", "32", "32", "21", "3 steps", "85 steps"],
            }
        ],
        "Two epochs": [
            {
                "x": "$b$",
                "y": "$w$",
                "title": title,
                "path": f"run_of(lr=0.2, epochs=2, batch_size={size}, order='reshuffled').path",
            }
            for size, title in zip((85, 32, 1), TITLES)
        ],
    },
    "5-3-pytorch": {
        "The graph": [
            {
                "texts": [
                    "$y$\nNone",
                    "$b$\nAccumulateGrad",
                    "$y - b$\nSubBackward0",
                    "$w$\nAccumulateGrad",
                    "$X$\nNone",
                    "$w X$\nMulBackward0",
                    "$y - b - w X$\nSubBackward0",
                    "$(y - b - w X)^2$\nPowBackward0",
                    "$J$\nMeanBackward0",
                ]
            }
        ]
    },
    "5-4-dataloader": {
        "Learning curves": [
            {
                **LOG,
                "x": "epoch",
                "y": "cost $J$",
                "lines": [
                    ("training", "training", "mse_on(train_part, model)"),
                    ("validation", "validation", "mse_on(validation_part, model)"),
                ],
            }
        ],
        "What the program": [
            {
                **LOG,
                "x": "epoch (the first is 0)",
                "y": "cost",
                "lines": [
                    ("training", "training", "mse_on(train_part, model)"),
                    ("validation", "validation", "mse_on(validation_part, model)"),
                    ("", "[(np.argmin(validation), mse_on(validation_part, loaded))]"),
                ],
            },
            {
                "x": "x",
                "y": "y",
                "lines": [
                    ("", "against(X, y)"),
                    ("", "segment(loaded.bias.item(), loaded.weight.item())"),
                    (
                        "",
                        "[(x, loaded.bias.item() + x * loaded.weight.item()) for x in (0.25, 0.8)]",
                    ),
                ],
            },
        ],
    },
    "5-5-exercises": {
        "The residuals": [
            {
                "x": "$x$",
                "y": "residual",
                "points": "against(X85, y85 - 2.6 - 0.6 * X85)",
                "lines": [("", "[0, 0]")],
            }
        ],
        "Three curves": [
            {
                **XY,
                "lines": [
                    (f"v = {v}", f"against(x, 2.3 + 1.2 * x + {v} * x**2)")
                    for v in (-0.5, 0.0, 0.5)
                ],
            }
        ],
        "The loss after": [
            {
                **LOG,
                "x": "epoch",
                "y": "cost",
                "lines": [
                    ("batches of 1", "epochs_of(1)"),
                    ("batches of 85", "epochs_of(85)"),
                    ("", "[0.0105, 0.0105]"),
                ],
            }
        ],
        "A plot": [
            {
                **LOG,
                "x": "iteration",
                "y": "cost",
                "lines": [
                    ("training", "85 * run_of().losses"),
                    ("validation", "[15 * gradients.mse(p, X15, y15) for p in run_of().path]"),
                ],
            }
        ],
        "A run from": [
            {
                **COST,
                "lines": [
                    ("training", "late.losses", "gradients.mse(late.path[-1], X85, y85)"),
                    ("validation", "[gradients.mse(p, X15, y15) for p in late.path]"),
                    ("", "[(np.argmin(val_losses), min(val_losses))]"),
                ],
            }
        ],
        "The 100 points": [
            {
                "x": "$x$",
                "y": "$y$",
                "points": "against(X_bent, y_bent)",
                "lines": [("", "against(X_new, 0 * X_new)")],
            }
        ],
    },
    "beyond-learning-rate": {
        "Figure 1.": [
            {
                **BW,
                "best": "best85",
                "texts": [r"$\lambda_{\rm min} = 0.14041$", r"$\lambda_{\rm max} = 2.46339$"],
            }
        ],
        "Figure 2.": [
            {
                "x": r"$\eta$",
                "y": r"$|1 - \eta\,\lambda|$",
                "lines": [
                    ("", "against(etas_fine, np.abs(1 - etas_fine[:, None] * both).max(1))"),
                    ("flat axis", "against(etas_fine, np.abs(1 - etas_fine * both[0]))"),
                    ("steep axis", "against(etas_fine, np.abs(1 - etas_fine * both[1]))"),
                    ("best", "[(2 / both.sum(), (both[1] - both[0]) / both.sum())]"),
                    ("limit", "upright(2 / both[1])"),
                ],
            }
        ],
        "Figure 3.": [
            {
                **LOGLOG,
                "x": r"$\eta$",
                "y": "steps",
                "lines": [
                    ("at most, by theory", "against(line, [steps_predicted(e) for e in line])"),
                    ("counted", "against(etas, [steps_needed(X, y, start, e) for e in etas])"),
                    ("limit", "upright(2 / both[1])"),
                ],
            }
        ],
        "Figure 4.": [
            {
                **BW,
                "title": r"$x$ as it is, $\eta = 0.768$",
                "path": "run_of(lr=2 / both.sum(), steps=40).path",
                "best": "best85",
            },
            {
                "x": r"$b + w\,\overline{x}$",
                "y": r"$w\,s$",
                "title": r"$x$ standardised, $\eta = 0.5$",
                "data": "Z, y",
                "path": "descent.gradient_descent(Z, y, start=start_z, lr=0.5, steps=1).path",
                "best": "gradients.least_squares(Z, y)",
            },
        ],
    },
    "beyond-optimizers": {
        "Figure 1.": [
            {
                "x": "$b$",
                "y": "$w$",
                "title": title,
                "path": f"run_of(steps=60, optimizer={name!r}).path",
                "best": "best85",
            }
            for title, name in OPTIMIZERS.items()
        ],
        "Figure 2.": [
            {
                **LOG,
                "x": "iteration",
                "y": "J minus its minimum",
                "lines": [
                    (
                        label,
                        f"run_of(steps=60, optimizer={name!r}).losses - gradients.mse(best85, X85, y85)",
                    )
                    for label, name in OPTIMIZERS.items()
                ],
            }
        ],
        "Figure 3.": [
            {
                **LOGLOG,
                "x": "learning rate",
                "y": "steps",
                "lines": [
                    (
                        label,
                        f"against(grid, [steps_to(optimizers.OPTIMIZERS[{name!r}](lr), most=1000)"
                        " for lr in grid])",
                    )
                    for label, name in OPTIMIZERS.items()
                ],
            }
        ],
    },
    "beyond-minibatches": {
        "Figure 1.": [
            {
                **LOGLOG,
                "x": "points looked at",
                "y": r"$J - J_{\min}$" if n == 85 else "",
                "title": f"{n} points",
                "lines": [
                    *work(name, n, sizes),
                    ("", f"2 * [0.1 * loss_of(*{name})[1]]"),
                ],
            }
            for name, n, sizes in (
                ("small", 85, (8, 32, 85)),
                ("large", 1_000_000, (8, 32, 256, 1_000_000)),
            )
        ],
        "Figure 2.": [
            {
                **LOG,
                "x": "update",
                "y": r"$J - J_{\min}$",
                "lines": [
                    entry
                    for size in (8, 32, 128)
                    for entry in (
                        ("", f"floors[{size}, 0.2][:1500]"),
                        (
                            f"batches of {size}",
                            "against(np.arange(25, 1476), [np.mean(floors"
                            f"[{size}, 0.2][k:k + 50]) for k in range(1451)])",
                        ),
                        ("", f"2 * [floor({size}, 0.2)]"),
                    )
                ],
            }
        ],
    },
    "beyond-loading": {
        "Figure 1.": [
            {
                "x": "times as fast as item by item",
                "scales": ("log", "linear"),
                "ticks": "list(loading['batch_sizes']['32'])",
                "lines": [
                    entry
                    for size, offset in (("32", -0.12), ("1024", 0.12))
                    for row in range(6)
                    for entry in (
                        ("", f"span(loading, {size!r}, {row}, {offset})"),
                        (
                            f"batch size {size}" if row == 0 else "",
                            f"[(measured(loading, {size!r}, {row})['ratio'], {row} + {offset})]",
                        ),
                    )
                ]
                + [("", "upright(1)")],
            }
        ]
    },
    "notes": {
        "The published": [
            {
                **BW,
                "title": r"$\eta$ = 1.6",
                "best": "best85",
                "path": [
                    ("halved gradient", "run_of(lr=0.8).path"),
                    ("Equation 5.2", "run_of(lr=1.6).path[:2]"),
                ],
            },
            {
                **COST,
                **LOG,
                "title": r"$\eta$ = 1.6",
                "lines": [
                    ("halved gradient", "run_of(lr=0.8).losses"),
                    ("Equation 5.2", "run_of(lr=1.6).losses[:61]"),
                ],
            },
        ]
    },
    "beyond-workers": {
        "Figure 1.": [
            {**BW, "title": title, "lines": [("", f"[run_of(lr=0.2, steps={steps}).path[-1]]")]}
            for title, steps in (
                ("at the start", 0),
                ("after ten steps, arrows four times as long", 10),
            )
        ]
    },
}

STILLS = {
    "5.1.3/gd": "lr=0.1, steps=200",
    "5.2.4/shuffled": "lr=0.2, epochs=10, batch_size=32, order='shuffled'",
    "5.3.4/adam": "lr=0.1, steps=100, optimizer='adam'",
}
FIGURES["explorer"] = {name: still(settings) for name, settings in STILLS.items()}

# --- the check -------------------------------------------------------------------------------


@cache
def drawn(page: str) -> list[drawings.Drawn]:
    """What a page draws; of the explorer, the stills."""
    if page != "explorer":
        slow = "devices-meet" if page == "5-3-pytorch" else None  # nothing drawn depends on it
        return drawings.run(ROOT / "chapters" / f"{page}.ipynb", without=slow)
    made, closed = [], explorer.svg_of
    explorer.svg_of = made.append
    try:
        for preset in STILLS:
            explorer.Explorer(preset).still()
    finally:
        explorer.svg_of = closed
    plt.close("all")
    return [drawings.Drawn(name, figure, {}) for name, figure in zip(STILLS, made)]


def same(found, expected) -> bool:
    return np.shape(found) == np.shape(expected) and np.allclose(found, expected, rtol=1e-9)


def draws(line, expected) -> bool:
    """A line draws a series: one number is its last height, a vector all heights, pairs all points."""
    expected = np.asarray(expected, float)
    if not expected.ndim:
        return same(line.get_ydata()[-1], expected)
    drawn = np.ma.filled(np.asarray(line.get_xydata(), float), np.nan)
    drawn, expected = (np.nan_to_num(each, posinf=-1) for each in (drawn, expected))
    return same(drawn if expected.ndim == 2 else drawn[:, 1], expected)


def look(artist) -> tuple:
    return to_hex(artist.get_color()), artist.get_linestyle(), artist.get_marker()


def nearest_text(ax, line) -> str:
    """The text of an Axes that stands nearest to a line, on paper."""
    ends = line.get_transform().transform(line.get_xydata())
    points = np.concatenate([np.linspace(*pair, 60) for pair in zip(ends, [*ends[1:], ends[-1]])])

    def distance(text):
        place = getattr(text, "xy", text.get_position())
        return np.nanmin(np.hypot(*(points - ax.transData.transform(place)).T))

    return min((text for text in ax.texts if text.get_text()), key=distance).get_text()


def check_labels(ax, labels: dict, more: list, texts: list):
    """Each label in the legend looks as its line does; each written beside a line is beside its own."""
    legend = ax.get_legend() or next(iter(ax.figure.legends), None)
    entries = zip(legend.get_texts(), legend.legend_handles) if legend else ()
    entries = {text.get_text(): handle for text, handle in entries}
    for label, line in labels.items():
        if label in entries:
            assert look(entries[label]) == look(line), f"{label} looks like another line"
        else:
            assert nearest_text(ax, line) == label, f"{label} stands beside another line"
    if ax.get_legend():
        assert entries.keys() == labels.keys() | set(more)
    written = [text.get_text() for text in ax.texts if text.get_text()]
    assert written == (texts or [label for label in labels if label not in entries])


def check_path(ax, dots, start, expected):
    """The dots are the path, the circle is its start, and an arrow ends at every dot inside."""
    assert draws(dots, expected) and draws(start, expected[:1])
    tips = np.concatenate([patch.get_path().vertices[::4] for patch in ax.patches])
    low, high = np.transpose([ax.get_xlim(), ax.get_ylim()])
    for end in expected[1:][((expected > low) & (expected < high)).all(axis=1)[1:]]:
        assert np.abs((tips - end) / (high - low)).max(axis=1).min() < 0.02


def check_panel(ax, panel: dict, names: dict):
    def of(expression):
        return eval(expression, {**names, **HELPERS}) if isinstance(expression, str) else expression

    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == tuple(
        panel.get(key, "") for key in ("title", "x", "y")
    )
    assert (ax.get_xscale(), ax.get_yscale()) == panel.get("scales", ("linear", "linear"))
    if "ticks" in panel:
        wanted = panel["ticks"].split() if "(" not in panel["ticks"] else of(panel["ticks"])
        assert [tick.get_text() for tick in ax.get_yticklabels()] == wanted
    for axis in (ax.xaxis, ax.yaxis):
        for place, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels()):
            if re.fullmatch(r"[\d.]+", label.get_text()):
                assert np.isclose(float(label.get_text()), place), f"{label} stands at {place}"
    for limits, found in (("xlim", ax.get_xlim()), ("ylim", ax.get_ylim())):
        assert found == panel.get(limits, found)
    if "parts" in panel:
        assert [len(each.get_paths()) for each in ax.collections] == panel["parts"]
    scatters = [each for each in ax.collections if isinstance(each, PathCollection)]
    assert len(scatters) == ("points" in panel)
    if scatters:
        assert same(np.asarray(scatters[0].get_offsets()), of(panel["points"]))
    for contours in (each for each in ax.collections if hasattr(each, "levels")):
        for level, path in zip(contours.levels, contours.get_paths()):
            losses = [
                gradients.mse(v, *of(panel.get("data", "X85, y85"))) for v in path.vertices[::5]
            ]
            assert np.allclose(losses, level, rtol=0.02, atol=2e-4)
    lines, labels = list(ax.lines), {}
    if "best" in panel:
        cross = lines.pop(0)
        assert cross.get_marker() == "x" and draws(cross, [of(panel["best"])])
    paths = panel.get("path", [])
    for label, expression in [("", paths)] if isinstance(paths, str) else paths:
        shafts, dots, start, *lines = lines
        assert draws(shafts, of(expression))
        check_path(ax, dots, start, of(expression))
        labels |= {label: dots} if label else {}
    if "any lines" not in panel:
        assert len(lines) == len(panel.get("lines", ()))
        for line, (label, *series) in zip(lines, panel.get("lines", ())):
            for expression in series:
                assert draws(line, of(expression)), f"{label or 'a line'} is not {expression}"
            labels |= {label: line} if label else {}
    check_labels(ax, labels, panel.get("legend", []), panel.get("texts", []))


@pytest.mark.parametrize("page", FIGURES)
def test_the_figures_of_the_page_draw_what_they_say(page):
    rows = FIGURES[page].items()
    assert len(drawn(page)) == len(rows), [each.caption for each in drawn(page)]
    for each, (words, panels) in zip(drawn(page), rows):
        assert each.caption.startswith(words)
        assert len(each.figure.axes) == len(panels), each.caption
        for number, (ax, panel) in enumerate(zip(each.figure.axes, panels), 1):
            try:
                check_panel(ax, panel, each.names)
            except Exception as error:
                error.add_note(f"in {page}, panel {number} of the figure '{words}'")
                raise


def test_every_page_that_draws_has_its_rows():
    pages = [page.source for page in Book.read(ROOT).pages if page.is_notebook]
    drawing = {p.stem for p in pages if "plt.show()" in (ROOT / p).read_text("utf-8")}
    assert drawing == FIGURES.keys() - {"explorer"}


# --- what is particular to one figure --------------------------------------------------------


def figure_of(words: str):
    (found,) = [each.figure for each in drawn("5-1-math") if words in each.caption]
    return found


def test_figure_2_ends_its_lines_and_labels_inside_the_picture():
    (ax,) = figure_of("Figure 2.").axes
    for each in ax.lines:
        assert each.is_dashed() == (round(np.ptp(each.get_ydata()), 12) != 1.2)
    assert ax.get_ylim() == (2.2, 3.6)
    for text in ax.texts:  # each label stands at the end of its own line
        x, height = text.xy
        b, w = (float(part) for part in text.get_text().strip("()").split(","))
        assert height == pytest.approx(min(b + w, 3.6)) and height == pytest.approx(b + w * x)
    left, right = ax.get_xlim()
    ax.figure.canvas.draw()
    for text in ax.texts:  # and inside the picture
        box = ax.transData.inverted().transform(text.get_window_extent())
        assert left < box[0, 0] and box[1, 0] < right and box[0, 1] > 2.2 and box[1, 1] <= 3.61


def test_the_squares_of_the_residuals_are_squares():
    """The picture beside Equation 5.1: each side is a residual, and equal on paper."""
    ax = figure_of("squares as areas").axes[0]
    (drawn_line,) = [each for each in ax.lines if each.get_color() == plots.BLUE]
    (x0, y0), (x1, y1) = drawn_line.get_xydata()
    w = (y1 - y0) / (x1 - x0)
    assert len(ax.patches) == 6 and ax.get_aspect() == 1
    for square in ax.patches:
        height = y[square.get_x() == X].item()
        on_line = y0 + w * (square.get_x() - x0)
        assert square.get_width() == square.get_height() == pytest.approx(abs(height - on_line))
        ends = square.get_y(), square.get_y() + square.get_height()
        assert max(ends) == pytest.approx(max(height, on_line))
    beside, inside, along = (text.get_position() for text in ax.texts)
    assert 0 < square.get_x() - beside[0] < 0.05 and ends[0] < beside[1] < ends[1]
    assert square.get_bbox().contains(*inside)
    assert abs(y0 + w * along[0] - along[1]) < 0.2


def test_the_way_downhill_is_minus_the_gradient():
    ax = figure_of("way downhill").axes[0]
    (arrows,) = [each for each in ax.collections if isinstance(each, Quiver)]
    for place, u, v in zip(arrows.XY, arrows.U, arrows.V):
        np.testing.assert_allclose((u, v), -gradients.mse_gradient(place, X, y), rtol=1e-9)
        assert gradients.mse(place, X, y) == pytest.approx(0.1, abs=2e-4)
    assert ax.get_aspect() == 1, "right angles are seen as such"


def test_the_files_are_what_the_notebook_draws(tmp_path):
    made = figures.stored(ROOT / "chapters" / "5-1-math.ipynb")
    stored = sorted(path.name for path in (ROOT / "figures").iterdir())
    wanted = sorted(f"{name}.{kind}" for name in made for kind in ("png", "svg"))
    assert len(made) == 6 and stored == wanted, "run `make figures`"
    numbered = [each for each in drawn("5-1-math") if each.number]
    for each, (name, picture) in zip(numbered, made.items(), strict=True):
        each.figure.savefig(
            path := tmp_path / "drawn.svg", bbox_inches="tight", metadata={"Date": None}
        )
        for text in (picture, path.read_text("utf-8")):
            kept = (ROOT / "figures" / f"{name}.svg").read_bytes()
            assert digest(kept) == digest(text.encode()), f"{name}: run `make figures`"


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
