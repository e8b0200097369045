"""The live gradient-descent explorer of Sections 5.1.3, 5.2.4 and 5.3.4.

``Explorer(...)`` as the last line of a notebook cell shows the custom element of gd-explorer.js,
and a still figure where no script runs.  Every number that the element needs is written here, from
``utils``: the script holds none.
"""

from __future__ import annotations

import base64
import html
import io
import json
import math
from numbers import Integral
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from utils import _validate, data, descent, gradients, optimizers, plots, published

SCRIPT = Path(__file__).with_name("gd-explorer.js")
SHOW = ("path", "batches", "optimizers", "all")
SEEDS = (42, 1, 2)  # the first is the chapter's
MAX_STEPS, MAX_EPOCHS = 400, 50  # of a full-batch and of a mini-batch run
RESHUFFLED = {SEEDS[0]: 10}  # seed: epochs whose orders are written out; a kilobyte for ten
RANGE = {
    "b": (0.0, 3.0),
    "w": (0.0, 3.0),
    "lr": (0.001, 3.0),
    "x": (0.0, 1.0),
    "y": (1.0, 3.8),
    "J": (0.005, 20.0),
}
LEVELS = (*plots.LEVELS, 1.0, 2.0, 4.0)
ALL_POINTS = data.load_chapter_data()[0].size
_DEFAULTS = {
    "b": descent.START[0],
    "w": descent.START[1],
    "lr": 0.2,
    "epochs": 10,
    "batch": ALL_POINTS,
    "order": "given",
    "seed": SEEDS[0],
    "optimizer": "gd",
}


def _preset(id, label, note="", *, record=None, **settings) -> dict:
    return {
        "id": id,
        "label": label,
        "note": note,
        "published": None if record is None else _rows(record),
        "settings": settings,
    }


def _rows(record: str) -> list:
    values = published.record(record)["values"]
    return values if isinstance(values[0], list) else [values]


_NO_NUMBERS = "The chapter prints no numbers of this run."
PRESETS = {
    preset["id"]: preset
    for preset in (
        _preset("5.1.3/gd", "5.1.3 Figure 4: 200 steps, \N{GREEK SMALL LETTER ETA} = 0.1",
                record="5.1.3/gd-200-steps", lr=0.1, epochs=200),
        _preset("5.1.3/slow", "5.1.3 Figure 5, left: \N{GREEK SMALL LETTER ETA} = 0.005",
                "Published as \N{GREEK SMALL LETTER ETA} = 0.01, without Equation 5.2's factor 2. "
                f"{_NO_NUMBERS}", lr=0.005, epochs=200),
        _preset("5.1.3/fast", "5.1.3 Figure 5, right: \N{GREEK SMALL LETTER ETA} = 0.8",
                "Published as \N{GREEK SMALL LETTER ETA} = 1.6, without Equation 5.2's factor 2. "
                f"{_NO_NUMBERS}", lr=0.8, epochs=200),
        _preset("5.1.3/diverging", "5.1.3 Equation 5.2 taken at \N{GREEK SMALL LETTER ETA} = 1.6",
                lr=1.6, epochs=200),
        _preset("5.2.3/batch", "5.2.3 Full batch: 10 steps", record="5.2.3/batch-gd-numpy"),
        _preset("5.2.4/shuffled", "5.2.4 Mini-batches of 32, shuffled once",
                record="5.2.4/minibatch-shuffled-numpy", batch=32, order="shuffled"),
        _preset("5.2.4/ordered", "5.2.4 Mini-batches of 32, in order",
                record="5.2.4/minibatch-ordered-numpy", batch=32),
        _preset("5.3.4/sgd", "5.3.4 PyTorch's SGD: 10 steps",
                "PyTorch adds in another order.",
                record="5.3.4/sgd-optimizer"),
        _preset("5.3.4/momentum", "5.3.4 Momentum, 100 steps", _NO_NUMBERS,
                lr=0.1, epochs=100, optimizer="momentum"),
        _preset("5.3.4/rmsprop", "5.3.4 RMSprop, 100 steps", _NO_NUMBERS,
                lr=0.1, epochs=100, optimizer="rmsprop"),
        _preset("5.3.4/adam", "5.3.4 Adam, 100 steps", _NO_NUMBERS,
                lr=0.1, epochs=100, optimizer="adam"),
    )
}  # fmt: skip


class Explorer:
    """Gradient descent on the chapter's 85 training points, to be played with.

    Parameters: preset, a key of ``PRESETS``, or a section such as "5.3.4" for its first one; show,
    the controls that are open at once beside learning rate, steps and start: "path" none,
    "batches" batch size, order and seed, "optimizers" the optimizer, "all" both (the others wait
    behind "More controls").  What follows overrides the preset: start, (b, w), each in [0, 3]; lr,
    0.001 ... 3; batch_size, 1 ... 85; order, of ``descent.ORDERS``; seed, of ``SEEDS``, or
    ``RESHUFFLED`` for the order of that name; epochs, from 1 to 400 steps with all 85 points in one
    batch, else to 50, or as ``RESHUFFLED`` says; optimizer, of ``optimizers.OPTIMIZERS``.  name, letters, digits and hyphens, tells the explorers of one page
    apart in its address; by default made from preset and show.
    Raises: ValueError naming the argument.
    """

    def __init__(
        self,
        preset: str = "5.1.3/gd",
        *,
        show: str = "path",
        start=None,
        lr: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        order: str | None = None,
        seed: int | None = None,
        optimizer: str | None = None,
        name: str | None = None,
    ):
        self.preset = _find(preset)
        self.show = _validate.choice("show", show, SHOW)
        settings = {**_DEFAULTS, **PRESETS[self.preset]["settings"]}
        if start is not None:
            b, w = _validate.parameters(start, name="start")
            settings["b"] = _within("start", float(b), RANGE["b"])
            settings["w"] = _within("start", float(w), RANGE["w"])
        if lr is not None:
            settings["lr"] = _within("lr", _validate.positive("lr", lr), RANGE["lr"])
        if batch_size is not None:
            batch_size = _validate.count("batch_size", batch_size, least=1)
            settings["batch"] = _within("batch_size", batch_size, (1, ALL_POINTS))
        if order is not None:
            settings["order"] = _validate.choice("order", order, descent.ORDERS)
        if seed is not None:
            settings["seed"] = _seed(seed, settings["order"])
        most = _most_epochs(settings)
        if epochs is None:
            settings["epochs"] = min(settings["epochs"], most)
        else:
            epochs = _validate.count("epochs", epochs, least=1)
            settings["epochs"] = _within("epochs", epochs, (1, most))
        if optimizer is not None:
            settings["optimizer"] = _validate.choice("optimizer", optimizer, optimizers.OPTIMIZERS)
        self.settings = settings
        if name is None:
            name = f"explorer-{self.preset}-{self.show}".replace(".", "-").replace("/", "-")
        if not isinstance(name, str) or not name.replace("-", "").isalnum() or not name.isascii():
            raise ValueError(f"name must be letters, digits and hyphens, got {name!r}")
        self.name = name

    def __repr__(self) -> str:
        return f"Explorer({self.preset!r}, show={self.show!r}): gradient descent, live in a browser"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """What Jupyter shows: the element, the still figure, or the text, whichever it can."""
        still = self.still()
        return {
            "text/html": f"<script>\n{script()}</script>\n{self.element(still)}",
            "image/svg+xml": still,
            "text/plain": repr(self),
        }

    def element(self, still: str | None = None) -> str:
        """The element's HTML without its script, the still figure (drawn if None) as its child."""
        source = _base64((still or self.still()).encode())
        config = json.dumps(self.config(), separators=(",", ":"), ensure_ascii=False)
        config = html.escape(config, quote=False).replace("'", "&#39;")
        return (
            f"<gd-explorer data-config='{config}'>"
            f'<img src="data:image/svg+xml;base64,{source}" alt="{html.escape(self.alt())}" '
            f'width="720" height="456"></gd-explorer>'
        )

    def config(self) -> dict:
        """Everything that the script is told: data, orders, hyperparameters, presets, ranges."""
        X, _, y, _ = data.load_chapter_data()
        best = gradients.least_squares(X, y)
        limit = gradients.learning_rate_limit(X)
        # v <- momentum v + g is stable on a quadratic up to (1 + momentum) times the plain limit.
        momentum = optimizers.Momentum(1.0).momentum
        return {
            "name": self.name,
            "show": self.show,
            "preset": self.preset,
            "settings": self.settings,
            "defaults": _DEFAULTS,
            "seed": SEEDS[0],
            "x": _base64(X.astype("<f8").tobytes()),
            "y": _base64(y.astype("<f8").tobytes()),
            "hessian": gradients.mse_hessian(X).tolist(),
            "optimum": best.tolist(),
            "minimum": gradients.mse(best, X, y),
            "levels": LEVELS,
            "limits": {
                "gd": (limit, "2/\N{GREEK SMALL LETTER LAMDA}max"),
                "momentum": (
                    (1 + momentum) * limit,
                    f"{2 * (1 + momentum):g}/\N{GREEK SMALL LETTER LAMDA}max",
                ),
            },
            "range": RANGE,
            "steps": MAX_STEPS,
            "epochs": MAX_EPOCHS,
            "orders": {str(seed): _orders(seed) for seed in SEEDS},
            "optimizers": {
                key: _hyperparameters(rule) for key, rule in optimizers.OPTIMIZERS.items()
            },
            "presets": list(PRESETS.values()),
        }

    def run(self) -> descent.Descent:
        """The run of the settings, by ``utils.descent``; as far as it stays finite."""
        X, _, y, _ = data.load_chapter_data()
        s = self.settings
        common = {"start": (s["b"], s["w"]), "lr": s["lr"], "optimizer": s["optimizer"]}
        epochs = s["epochs"]
        while True:
            try:
                if s["batch"] == ALL_POINTS:
                    return descent.gradient_descent(X, y, steps=epochs, **common)
                return descent.minibatch_gradient_descent(
                    X, y, epochs=epochs, batch_size=s["batch"], order=s["order"], seed=s["seed"], **common
                )  # fmt: skip
            except descent.DivergenceError:
                epochs //= 2

    def alt(self) -> str:
        """The still figure in words."""
        run, s = self.run(), self.settings
        (b, w), J = run.path[-1], run.losses[-1]
        start = f"({s['b']:g}, {s['w']:g})"
        if run.losses[0] < J:
            return (
                f"Three panels. Left: level curves of J in the plane of b and w; with learning rate "
                f"{s['lr']:g} the path from {start} jumps further out at every update. "
                f"Right above: the training points and the line. Right below: J grows without bound."
            )
        return (
            f"Three panels. Left: level curves of J in the plane of b and w, with the path of "
            f"{len(run.path) - 1} updates from {start}, learning rate {s['lr']:g}, to "
            f"({b:.4g}, {w:.4g}). Right above: the training points and the line found. "
            f"Right below: J falls from {run.losses[0]:.4g} to {J:.4g}."
        )

    def still(self) -> str:
        """The still figure, as the text of an SVG whose bytes depend on the settings alone."""
        X, _, y, _ = data.load_chapter_data()
        run, best = self.run(), gradients.least_squares(X, y)
        near = int(np.argmax(np.append(np.abs(run.path).max(axis=1) > 100, True)))
        path, losses = run.path[:near], run.losses[:near]
        b, w = (np.linspace(*RANGE[name], 121) for name in "bw")
        with plt.style.context(plots.STYLE):
            figure = plt.figure(figsize=(7.2, 4.56), layout="constrained")
            left, above, below = figure.subplot_mosaic("AB;AC", width_ratios=(1.5, 1)).values()
            surface = gradients.loss_surface(b, w, X, y)
            plots.plot_contours(b, w, surface, levels=LEVELS, best=best, colorbar=False, ax=left)
            left.plot(*path.T, color=plots.ORANGE, linestyle="-", linewidth=0.8)
            plots.plot_gd_path(path, ax=left, arrows=False)
            left.set(xlim=RANGE["b"], ylim=RANGE["w"], title="Parameter space")
            plots.plot_data(X, y, ax=above, label=None)
            plots.plot_line(path[-1], ax=above)
            above.set(xlim=RANGE["x"], ylim=RANGE["y"], title="Data and line")
            plots.plot_learning_curve(losses, ax=below)
            below.set(yscale="log", ylim=RANGE["J"], title="Learning curve")
            figure.suptitle(self._title(), fontsize=10, color=plots.GREY)
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
            plt.close(figure)
        return text.getvalue()

    def _title(self) -> str:
        s = self.settings
        how = "" if s["batch"] == ALL_POINTS else f", batch size {s['batch']}, {s['order']}"
        unit = "steps" if s["batch"] == ALL_POINTS else "epochs"
        return f"{s['optimizer']}, $\\eta$ = {s['lr']:g}, {s['epochs']} {unit}{how}"


def script() -> str:
    """gd-explorer.js as a page carries it: without comment lines, blank lines and indentation."""
    lines = (line.strip() for line in SCRIPT.read_text(encoding="utf-8").splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def _find(preset: str) -> str:
    for key in PRESETS:
        if preset == key or (isinstance(preset, str) and key.startswith(preset + "/")):
            return key
    raise ValueError(f"preset must be one of {', '.join(map(repr, PRESETS))}, got {preset!r}")


def _seed(seed, order: str) -> int:
    known = RESHUFFLED if order == "reshuffled" else SEEDS
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed not in known:
        raise ValueError(
            f"seed must be one of {', '.join(map(str, known))} with order={order!r}, got {seed!r}"
        )
    return int(seed)


def _most_epochs(settings: dict) -> int:
    if settings["batch"] == ALL_POINTS:
        return MAX_STEPS
    return RESHUFFLED[settings["seed"]] if settings["order"] == "reshuffled" else MAX_EPOCHS


def _within(name: str, value, limits):
    low, high = limits
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must lie in {low:g} ... {high:g}, got {value!r}")
    return value


def _orders(seed: int) -> str:
    """The shuffled orders of one epoch or more as descent draws them, one character an index."""
    random, indices = np.random.RandomState(seed), np.arange(ALL_POINTS)
    text = ""
    for _ in range(RESHUFFLED.get(seed, 1)):
        random.shuffle(indices)
        text += "".join(chr(40 + index) for index in indices)  # from "(" on: no quotes to escape
    return text


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _hyperparameters(rule) -> dict:
    """The defaults of an optimizer, read from its own attributes."""
    made = vars(rule(1.0))
    return {key: value for key, value in made.items() if key != "lr" and not key.startswith("_")}
