"""The live gradient-descent explorer of the front page and of Sections 5.1.3, 5.2.4 and 5.3.4.

``Explorer(...)`` as the last line of a notebook cell shows the custom element of gd-explorer.js,
and a still figure where no script runs.  Every number that the element needs is written here, from
``utils``: the script holds none.  explorer/__main__.py makes the front page's files.
"""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from utils import _validate, data, descent, gradients, optimizers, plots, published

SCRIPT = Path(__file__).with_name("gd-explorer.js")
STYLE = Path(__file__).with_name("gd-explorer.css")
SHOW = ("path", "batches", "optimizers", "all", "front")
# Of a full-batch run, a mini-batch run, and one whose orders, a tenth of a kilobyte each, are written out
MAX_STEPS, MAX_EPOCHS, MAX_RESHUFFLED = 400, 50, 10
RANGE = {
    "b": (0.0, 3.0), "w": (0.0, 3.0), "lr": (0.001, 3.0),
    "x": (0.0, 1.0), "y": (1.0, 3.8), "J": (0.003, 20.0),
}  # fmt: skip
LEVELS = (*plots.LEVELS, 1.0, 2.0, 4.0)  # inside the first one, a run has arrived
ALL_POINTS = data.load_chapter_data()[0].size
ETA = "\N{GREEK SMALL LETTER ETA}"
_DEFAULTS = {
    "b": descent.START[0], "w": descent.START[1], "lr": 0.2, "epochs": 10,
    "batch": ALL_POINTS, "order": "given", "optimizer": "gd",
}  # fmt: skip


def _preset(
    id, label, note="The chapter prints no numbers of this run.", *, record=None, **settings
):
    values = None if record is None else published.record(record)["values"]
    rows = values if values is None or isinstance(values[0], list) else [values]
    return {"id": id, "label": label, "note": note, "published": rows, "settings": settings}


PRESETS = {
    preset["id"]: preset
    for preset in (
        _preset("5.1.3/gd", f"Figure 4: {ETA} = 0.1", record="5.1.3/gd-200-steps", lr=0.1, epochs=200),
        _preset("5.1.3/slow", f"Figure 5: {ETA} = 0.005", lr=0.005, epochs=200),
        _preset("5.1.3/fast", f"Figure 5: {ETA} = 0.8", lr=0.8, epochs=200),
        _preset("5.1.3/diverging", f"{ETA} = 1.6", lr=1.6, epochs=200),
        _preset("5.2.3/batch", "Full batch", record="5.2.3/batch-gd-numpy"),
        _preset("5.2.4/shuffled", "Batches of 32, shuffled once",
                record="5.2.4/minibatch-shuffled-numpy", batch=32, order="shuffled"),
        _preset("5.2.4/ordered", "Batches of 32, in order",
                record="5.2.4/minibatch-ordered-numpy", batch=32),
        _preset("5.3.4/sgd", "SGD", "PyTorch adds in another order.", record="5.3.4/sgd-optimizer"),
        _preset("5.3.4/momentum", "Momentum", lr=0.1, epochs=100, optimizer="momentum"),
        _preset("5.3.4/rmsprop", "RMSprop", lr=0.1, epochs=100, optimizer="rmsprop"),
        _preset("5.3.4/adam", "Adam", lr=0.1, epochs=100, optimizer="adam"),
    )
}  # fmt: skip

#: By section: what to do, the state it starts from, the answer, and what the answer changes.  The
#: numbers are typed, and tests/explorer/test_explorer.py computes them again.
TASKS = {
    "5.1": (
        (f"Find the largest {ETA} that still arrives.", {"lr": 0.1, "epochs": 200},
         f"{ETA} = 0.805. Just below the red limit the zigzag dies too slowly for 200 steps.",
         {"lr": 0.805}),
        (f"How few steps are enough at {ETA} = 0.1?", {"lr": 0.1, "epochs": 200},
         "119 steps.", {"epochs": 119}),
        (f"At {ETA} = 0.4, find a start from which one step arrives.", {"lr": 0.4, "epochs": 100},
         "Across the valley, for example from (1.2, 0.6): there the way downhill leads straight to "
         f"the best point, and {ETA} is about half the limit, 1/c. From (1, 1.5) it takes 30 steps.",
         {"b": 1.2, "w": 0.6}),
    ),
    "5.2": (
        ("Which batch size arrives first, counted in points?", {"batch": 32, "order": "shuffled"},
         "5, after 305 points. Large batches take too few steps in ten epochs; the smallest never rest.",
         {"batch": 5}),
        (f"One point a batch never rests. Lower {ETA} until it stays.", {"batch": 1, "order": "shuffled"},
         f"At {ETA} = 0.04 it does: the smaller the step, the smaller the noise.", {"lr": 0.04}),
        (f"With one point a batch, raise {ETA} until it diverges.", {"batch": 1, "order": "shuffled"},
         f"From about {ETA} = 0.77 on. This is not the limit of the full batch: each point has a "
         "curvature of its own.", {"lr": 0.8}),
    ),
    "5.3": (
        (f"Which optimizer arrives first at {ETA} = 0.1?", {"lr": 0.1, "epochs": 100},
         "RMSprop, after 20 steps.", {"optimizer": "rmsprop"}),
        ("Make Adam run past b = 2.5.", {"lr": 0.1, "epochs": 100, "optimizer": "adam"},
         f"A larger {ETA} does it: at 0.5 it runs on to b = 2.56 before it turns.", {"lr": 0.5}),
        (f"How large may {ETA} be with momentum?", {"lr": 0.1, "epochs": 200, "optimizer": "momentum"},
         f"{ETA} = 1.54 still arrives: the limit is 1.9 times that of plain descent.", {"lr": 1.54}),
    ),
}  # fmt: skip


class Explorer:
    """Gradient descent on the chapter's 85 training points, to be played with.

    Parameters: preset, a key of ``PRESETS``; show, "path" learning rate, start and steps alone,
    "batches" batch size and order too, "optimizers" the optimizer too, "all" both, "front" the two
    pictures and Play; by default what the preset's section is about.
    Raises: ValueError naming the argument.
    """

    def __init__(self, preset="5.1.3/gd", *, show=None):
        self.preset = _validate.choice("preset", preset, PRESETS)
        usual = {"5.1": "path", "5.2": "batches", "5.3": "optimizers"}[self.preset[:3]]
        self.show = usual if show is None else _validate.choice("show", show, SHOW)
        self.settings = {**_DEFAULTS, **PRESETS[self.preset]["settings"]}
        name = "explorer-front" if show == "front" else f"explorer-{self.preset}"
        self.name = name.replace(".", "-").replace("/", "-")

    def __repr__(self) -> str:
        return f"Explorer({self.preset!r}): gradient descent, live in a browser"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """What Jupyter shows: the element, the still figure, or the text, whichever it can."""
        still = self.still()
        return {
            "text/html": f"<script>\n{script()}</script>\n{self.element(still)}",
            "image/svg+xml": still,
            "text/plain": repr(self),
        }

    def element(self, still: str) -> str:
        """The element's HTML without its script, the still figure as its child."""
        source = _base64(still.encode())
        return (
            f'{self.tag()}<img src="data:image/svg+xml;base64,{source}" '
            f'alt="{html.escape(self.alt())}" width="720" height="456"></gd-explorer>'
        )

    def tag(self) -> str:
        """The element's opening tag, with all that the script is told."""
        config = json.dumps(self.config(), separators=(",", ":"), ensure_ascii=False)
        config = html.escape(config, quote=False).replace("'", "&#39;")
        return f"<gd-explorer data-config='{config}'>"

    def config(self) -> dict:
        """Everything that the script is told: data, orders, hyperparameters, presets, tasks."""
        X, _, y, _ = data.load_chapter_data()
        best, section = gradients.least_squares(X, y), self.preset[:3]
        tasks = [] if self.show == "front" else TASKS[section]
        return {
            "name": self.name, "show": self.show, "preset": self.preset,
            "settings": self.settings, "defaults": _DEFAULTS,
            "x": _base64(X.astype("<f8").tobytes()), "y": _base64(y.astype("<f8").tobytes()),
            "hessian": gradients.mse_hessian(X).tolist(),
            "optimum": best.tolist(), "minimum": gradients.mse(best, X, y),
            "levels": LEVELS, "range": RANGE,
            "most": {"steps": MAX_STEPS, "epochs": MAX_EPOCHS, "reshuffled": MAX_RESHUFFLED},
            "orders": _orders() if self.show in ("batches", "all") else "",
            "optimizers": {  # an optimizer's defaults are its own attributes
                key: {k: v for k, v in vars(rule(1.0)).items() if k != "lr" and k[0] != "_"}
                for key, rule in optimizers.OPTIMIZERS.items()
            },
            "presets": [preset for key, preset in PRESETS.items() if key[:3] == section],
            "tasks": tasks,
        }  # fmt: skip

    def run(self) -> descent.Descent:
        """The run of the settings, by ``utils.descent``."""
        return descend(self.settings)

    def alt(self) -> str:
        """The still figure in words."""
        run, s = self.run(), self.settings
        (b, w), J = run.path[-1], run.losses[-1]
        end = f"to ({b:.4g}, {w:.4g})", f"J falls from {run.losses[0]:.4g} to {J:.4g}"
        if run.losses[0] < J:
            end = "that jumps further out at every update", "J grows without bound"
        return (
            f"Three panels. Left: level curves of J in the plane of b and w, with the path of "
            f"{len(run.path) - 1} updates from ({s['b']:g}, {s['w']:g}), learning rate {s['lr']:g}, "
            f"{end[0]}. Right above: the training points and the line. Right below: {end[1]}."
        )

    def still(self) -> str:
        """The still figure, as the text of an SVG whose bytes depend on the settings alone."""
        run, s = self.run(), self.settings
        how = "" if s["batch"] == ALL_POINTS else f", batch size {s['batch']}, {s['order']}"
        unit = "steps" if s["batch"] == ALL_POINTS else "epochs"
        with plt.style.context(plots.STYLE):
            figure = plt.figure(figsize=(7.2, 4.56), layout="constrained")
            left, above, below = figure.subplot_mosaic("AB;AC", width_ratios=(1.5, 1)).values()
            draw_map(left, run)
            draw_data(above, run)
            plots.plot_learning_curve(_near(run).losses, ax=below)
            below.set(yscale="log", ylim=RANGE["J"], title="Learning curve")
            title = f"{s['optimizer']}, $\\eta$ = {s['lr']:g}, {s['epochs']} {unit}{how}"
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=plots.GREY)
            return svg_of(figure)


def descend(settings: dict) -> descent.Descent:
    X, _, y, _ = data.load_chapter_data()
    s = {**settings, "start": (settings["b"], settings["w"])}
    common = {name: s[name] for name in ("start", "lr", "optimizer")}
    if s["batch"] == ALL_POINTS:
        return descent.gradient_descent(X, y, steps=s["epochs"], **common)
    batches = {"epochs": s["epochs"], "batch_size": s["batch"], "order": s["order"]}
    return descent.minibatch_gradient_descent(X, y, **batches, **common)


def _near(run: descent.Descent) -> descent.Descent:
    """The run until it is far off the map."""
    end = int(np.argmax(np.append(np.abs(run.path).max(axis=1) > 100, True)))
    return descent.Descent(run.path[:end], run.losses[:end])


def draw_map(ax, run: descent.Descent) -> None:
    X, _, y, _ = data.load_chapter_data()
    b, w = (np.linspace(*RANGE[name], 121) for name in "bw")
    surface, best = gradients.loss_surface(b, w, X, y), gradients.least_squares(X, y)
    plots.plot_contours(b, w, surface, levels=LEVELS, best=best, colorbar=False, ax=ax)
    path = _near(run).path
    ax.plot(*path.T, color=plots.ORANGE, linestyle="-", linewidth=0.8)
    places = np.unique((50 * path).round(), axis=0, return_index=True)[1]  # one dot a place
    plots.plot_gd_path(path[np.sort(places)], ax=ax, arrows=False)
    for name, (x, y) in (("start", path[0]), ("best", best)):
        ax.annotate(name, (x, y), (7, 5), textcoords="offset points", color=plots.INK)
    ax.set(xlim=RANGE["b"], ylim=RANGE["w"], title="Every line is a point (b, w)")


def draw_data(ax, run: descent.Descent) -> None:
    X, _, y, _ = data.load_chapter_data()
    plots.plot_data(X, y, ax=ax, label=None)
    plots.plot_line(run.path[0], ax=ax, color=plots.ORANGE, linestyle="--", linewidth=1.2)
    plots.plot_line(_near(run).path[-1], ax=ax)
    ax.annotate("start", (0.5, run.path[0] @ (1, 0.5)), (6, -8), textcoords="offset points")
    ax.set(xlim=RANGE["x"], ylim=RANGE["y"], title="Data and line")


def svg_of(figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def script() -> str:
    """gd-explorer.js as a page carries it: its style sheet inside, no comments, no indentation.

    book/site/render.py does the same, because the site imports nothing of the chapter.
    """
    return _squeezed(SCRIPT).replace(f'"{STYLE.name}"', json.dumps(_squeezed(STYLE)))


def _squeezed(path: Path) -> str:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("//", "/*")))


def _orders() -> str:
    """The orders of the reshuffled epochs as descent draws them, one character an index."""
    random, indices = np.random.RandomState(42), np.arange(ALL_POINTS)
    text = ""
    for _ in range(MAX_RESHUFFLED):
        random.shuffle(indices)
        text += "".join(chr(40 + index) for index in indices)  # from "(" on: no quotes to escape
    return text


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
