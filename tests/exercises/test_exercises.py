"""Section 5.5: every solution passes its check, and every typical mistake hears its own message."""

from __future__ import annotations

import ast
import itertools
import math
import os
import random
import re
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

os.environ.setdefault("ATEN_CPU_CAPABILITY", "default")

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from torch import nn

from exercises import arrays, core, drawn, figures, training, validation
from utils import data, descent, gradients, plots

PAGE = Path(__file__).resolve().parents[2] / "chapters" / "5-5-exercises.ipynb"
CELLS = nbformat.read(PAGE, as_version=4).cells
X, X_VAL, Y, Y_VAL = data.load_chapter_data()

#: number of the exercise -> its check
CHECKS = {
    check.number: check
    for check in (
        figures.check_figures,
        figures.check_residuals,
        arrays.check_shapes,
        arrays.check_gradient,
        arrays.check_batch_size,
        training.check_silent_faults,
        training.check_travelling_model,
        training.check_rates,
        validation.check_plot,
        validation.check_early_stop,
        validation.check_predictions,
    )
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


# --- The page ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts():
    """Number of an exercise -> its cells: from its heading to the next."""
    found, number = {}, None
    for cell in CELLS:
        heading = re.search(r"^### Exercise ([\d.]+\d)\. ", cell.source, re.MULTILINE)
        number = heading.group(1) if cell.cell_type == "markdown" and heading else number
        found.setdefault(number, []).append(cell)
    return found


def test_every_exercise_stands_there_unanswered():
    """What the check cells print; that the solutions pass, nbval sees: each ends in an assertion."""
    stored = {cell.id: cell.outputs for cell in CELLS if cell.id.startswith("check-")}
    expected = {f"check-{number.replace('.', '-')}": check() for number, check in CHECKS.items()}
    assert list(stored) == list(expected)
    for id, verdict in expected.items():
        assert verdict.state == core.NO_ANSWER
        assert stored[id][-1]["data"]["text/plain"] == repr(verdict)


def test_each_exercise_has_a_task_a_hint_a_start_a_check_and_a_folded_solution(parts):
    assert [number for number in parts if number] == list(CHECKS)
    for number, cells in parts.items():
        if number is None:
            continue
        dashed = number.replace(".", "-")
        ids = [cell.id for cell in cells]
        assert ids.index(f"start-{dashed}") + 1 == ids.index(f"check-{dashed}")
        texts = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        assert "**Hand in**" in texts
        assert '.callout-tip title="Hint' in texts and 'collapse="true"' in texts
        assert number == "5.1" or "*Beyond the chapter. Follows [Section 5." in texts
        solutions = [cell for cell in cells if cell.id.startswith("solution-")]
        assert f"assert {CHECKS[number].__name__}(" in "".join(c.source for c in solutions)


def test_a_solution_is_folded_and_shows_nothing():
    """Quarto folds code and not outputs, so a solution has none: it ends in an assertion."""
    for cell in CELLS:
        is_solution = cell.id.startswith("solution-")
        assert is_solution == ("solution" in cell.metadata.get("tags", []))
        if is_solution and cell.cell_type == "code":
            assert '#| code-fold: true\n#| code-summary: "Solution' in cell.source
            assert cell.outputs == []


def test_code_is_at_most_76_characters_wide():
    for cell in CELLS:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if not line.startswith("#|")]
            outputs = [o.get("text", o.get("data", {}).get("text/plain", "")) for o in cell.outputs]
            for line in [*lines, *"\n".join(outputs).splitlines()]:
                assert len(line) <= 76, (cell.id, line)


#: number -> what its statement says, made from the constants that the check uses
STATEMENTS = {
    "5.1": [
        f"$10^{{{math.log10(drawn.POINT_TOLERANCE):.0f}}}$ off",
        f"$10^{{{math.log10(figures.CONTOUR_TOLERANCE):.0f}}}$ in $J$",
        "the levels {}, {}, {}, {}, {} and {},".format(*plots.LEVELS),
        f"{figures.STEPS} steps of",
        f"with $\\eta = {figures.ETA}$: a dot",
        "$\\eta = {}$ and $\\eta = {}$, with".format(*figures.PANELS),
        *(f"$({b:g}, {w:g})$" for b, w in (*figures.CANDIDATES, figures.BEST)),
        f"$({descent.START[0]}, {descent.START[1]})$",
    ],
    "5.2": [f"may be {figures.LINE_TOLERANCE} off"],
    "5.3": [*(f"{k}. `{e}`\n" for k, e in enumerate(arrays.SHAPES, 1)), "list of eight tuples"],
    "5.4": [f"be $10^{{{math.log10(arrays.GRADIENT_TOLERANCE):.0f}}}$ of the largest one off"],
    "5.5": [
        f"at most {arrays.BOUND} after",
        f"You have {arrays.EPOCHS} epochs,\n$\\eta = {arrays.ETA}$",
    ],
    "5.6": [f"be $10^{{{math.log10(training.RUN_TOLERANCE):.0f}}}$ off", "ten rows `[b, w]`"],
    "5.8": [
        f"at most {training.GOAL} times",
        f"at most\n{training.SGD_STEPS} steps",
        f"at most {training.ADAM_STEPS}. ",
        f"Give up after {training.MOST_STEPS}.",
    ],
    "5.9": [
        f"{validation.PLOT_STEPS} steps from",
        f"$\\eta = {validation.PLOT_ETA}$",
        f"{validation.PLOT_STEPS + 1} values each",
        f"may be $10^{{{math.log10(validation.PLOT_TOLERANCE):.0f}}}$ off",
    ],
    "5.11": [
        f"may be at most {validation.DISTANCE}.",
        f"{validation.NEW_POINTS} new $x$",
        f"list of {validation.NEW_POINTS} Python floats",
    ],
}


@pytest.mark.parametrize(
    ("number", "words"), [(n, w) for n, all_words in STATEMENTS.items() for w in all_words]
)
def test_a_statement_quotes_the_constants_of_its_check(parts, number, words):
    text = "\n".join(cell.source for cell in parts[number] if cell.cell_type == "markdown")
    assert words in text


def test_the_constants_that_a_statement_spells_out_are_these():
    assert len(arrays.SHAPES) == 8 and training.RUN_STEPS == 10
    at_common_rate = [
        training.steps_to_goal(rule(0.02)) for rule in (training.GradientDescent, training.Adam)
    ]
    assert at_common_rate == pytest.approx([700, 700], rel=0.05)  # "both need about 700 steps"


# --- What the checks compare with -----------------------------------------------------------------


def test_the_gradient_that_the_check_expects_is_the_gradient():
    """Finite difference = NumPy formula = autograd."""

    def loss(params, x, y):
        b, w, v = params
        return ((y - b - w * x - v * x * x) ** 2).mean()

    for params, x, y in arrays.gradient_cases():
        ours = arrays.parabola_gradient(params, x, y)
        leaf = torch.tensor(params, requires_grad=True)
        loss(leaf, torch.tensor(x), torch.tensor(y)).backward()
        np.testing.assert_allclose(ours, leaf.grad.numpy(), rtol=1e-12, atol=1e-14)
        moves = 1e-6 * np.eye(3)
        slopes = [(loss(params + d, x, y) - loss(params - d, x, y)) / 2e-6 for d in moves]
        np.testing.assert_allclose(ours, slopes, rtol=1e-6, atol=1e-8)


def test_the_shapes_that_the_check_expects_are_those_of_numpy():
    C, A = X.reshape(-1, 1), np.column_stack([np.ones(85), X])
    names = {"C": C, "y": Y, "A": A, "params": np.array([1.0, 1.5])}
    for expression, (shape, _) in arrays.SHAPES.items():
        if shape == "error":
            with pytest.raises(ValueError, match="broadcast"):
                eval(expression, names)
        else:
            assert np.shape(eval(expression, names)) == shape


def test_the_steps_that_the_check_counts_are_those_of_pytorch():
    x, y = training.plane_data()
    columns = np.column_stack([np.ones(100), x])
    smallest = np.mean((y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]) ** 2)
    inputs, targets = torch.tensor(columns), torch.tensor(y)
    for ours, theirs, lr in (
        (training.GradientDescent, torch.optim.SGD, 0.03),
        (training.Adam, torch.optim.Adam, 0.2),
    ):
        theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        optimizer, count = theirs([theta], lr=lr), 0
        while (loss := torch.mean((targets - inputs @ theta) ** 2)) > training.GOAL * smallest:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            count += 1
        assert training.steps_to_goal(ours(lr)) == count


def test_at_a_common_rate_sgd_and_adam_look_alike_or_sgd_diverges():
    for lr in (0.01, 0.02, 0.03):
        sgd, adam = (
            training.steps_to_goal(r(lr)) for r in (training.GradientDescent, training.Adam)
        )
        assert abs(sgd / adam - 1) < 0.1
    assert math.isnan(training.steps_to_goal(training.GradientDescent(0.031)))


def test_the_faulty_runs_that_the_check_knows_are_those_of_the_loop():
    for table, piled in itertools.product((False, True), repeat=2):
        rows = loop(*[TABLE] * table, *[NEVER] * piled)(torch.tensor(X), torch.tensor(Y))
        expected = training.training_run(X, Y, table=table, piled=piled)
        np.testing.assert_allclose(rows, expected, atol=1e-12)


# --- Right answers in other clothes -------------------------------------------------------------


def right_predictions():
    *_, x_new = validation.bent_points()
    return validation._curve(x_new) + math.sqrt(0.9 * validation.DISTANCE)


SHAPES = [shape for shape, _ in arrays.SHAPES.values()]

RIGHT = [
    ("5.2", lambda: figures.MYSTERY),
    ("5.2", lambda: [2.6 + 0.099, np.float64(0.6 - 0.099)]),
    ("5.3", lambda: SHAPES),
    ("5.3", lambda: [list(s) if isinstance(s, tuple) else s for s in SHAPES]),
    ("5.3", lambda: [torch.Size(s) if isinstance(s, tuple) else s for s in SHAPES]),
    ("5.4", lambda: arrays.parabola_gradient),
    ("5.4", lambda: lambda *case: tuple(arrays.parabola_gradient(*case).tolist())),
    ("5.5", lambda: 5),
    ("5.5", lambda: np.int64(5)),
    ("5.6", lambda: loop()),
    ("5.6", lambda: loop(*LAST)),
    ("5.6", lambda: loop(("nn.Parameter(b), nn.Parameter(w)", "model.bias, model.weight"), ("rows = []", "model.bias.data, model.weight.data, rows = b, w, []"))),
    ("5.6", lambda: loop((STORE, f"np.array({STORE})"))),
    ("5.6", lambda: loop(("torch.mean((", "nn.MSELoss()(prediction, y.reshape(-1, 1)) + 0 * torch.mean(("))),
    ("5.7", lambda: model_class()),
    ("5.7", lambda: model_class(register="nn.Parameter({}, requires_grad=False)")),
    ("5.7", lambda: edited("5.7", (", mean)", ", mean.reshape(1, 1))"))),
    ("5.8", lambda: (0.03, 0.2)),
    ("5.8", lambda: np.array([0.0285, 0.9])),
    ("5.9", lambda: loss_plot()),
    ("5.9", lambda: loss_plot(yscale="linear", labels=("Validation set", "Training set"), order=-1)),
    ("5.9", lambda: loss_plot(xlabel="step", ylabel="mean squared error")),
    ("5.10", lambda: validation.early_stop),
    ("5.10", lambda: lambda *case: np.int64(validation.early_stop(*case))),
    ("5.11", lambda: right_predictions()),
    ("5.11", lambda: right_predictions().tolist()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "make"), RIGHT, ids=[f"{n}-{k}" for k, (n, _) in enumerate(RIGHT)]
)
def test_a_right_answer_in_other_clothes_passes(number, make):
    verdict = CHECKS[number](make())
    assert verdict.ok, verdict


# --- Wrong answers, each with the message meant for it ------------------------------------------


def scaled(factor):
    """A gradient of the right direction; ``factor`` is a number or a function of n."""
    return lambda params, x, y: (
        (factor(len(x)) if callable(factor) else factor) * arrays.parabola_gradient(params, x, y)
    )


def changed(change):
    """A gradient whose three parts went through ``change``, a function of (g, params, X, y)."""
    return lambda *case: change(arrays.parabola_gradient(*case), *case)


def changes_arguments(params, x, y):
    gradient = arrays.parabola_gradient(params, x, y)
    y -= y.mean()
    return gradient


def edited(number, *edits):
    """What the page's solution defines first, after some of its texts were replaced."""
    (cell,) = [cell for cell in CELLS if cell.id == f"solution-{number.replace('.', '-')}"]
    source = cell.source.split("\n\nassert ")[0]
    for old, new in edits:
        assert old in source
        source = source.replace(old, new)
    names = {"torch": torch, "nn": nn, "np": np, "__name__": "page"}
    exec(source, names)
    return next(value for value in list(names.values())[5:] if callable(value))


def loop(*edits):
    return edited("5.6", *edits)


FIRST_OPTIMIZER = [
    ("1, dtype=torch.float64)", "1, dtype=torch.float64)\n    old = torch.optim.SGD(model.parameters(), lr=0.2)"),
    ("optimizer.step", "old.step"),
]  # fmt: skip
TABLE = ("y.reshape(-1, 1)", "y")
NEVER = ("optimizer.zero_grad()", "pass")
MIDDLE = ("optimizer.zero_grad()\n        loss.backward()", "loss.backward()\n        optimizer.zero_grad()")  # fmt: skip
LAST = [NEVER, ("optimizer.step()", "optimizer.step(); optimizer.zero_grad()")]
FLOAT32 = ("torch.float64", "torch.float32")
STORE = "[model.bias.item(), model.weight.item()]"


def rows_of(text):
    return loop(("return rows", f"return {text}"))


def tires_after_three(X, y):
    return loop()(X, y)[:3] + loop(("lr=0.2", "lr=0.1"))(X, y)[3:]


def model_class(*, register=None, forward=None):
    """The class of Exercise 5.7; in ``register`` {} stands for mean or std."""
    names = ("mean", "std") if register else ()
    edits = [
        (f'self.register_buffer("{n}", {n})', f"self.{n} = {register.format(n)}") for n in names
    ]
    return edited("5.7", *edits, *([("self.linear((x - self.mean) / self.std)", forward)] * bool(forward)))  # fmt: skip


def loss_plot(factors=(1, 1), *, labels=("training", "validation"), order=1, rows=slice(None),
              change=lambda losses: losses, legend=True, yscale="log", xlabel="iteration", ylabel="cost"):  # fmt: skip
    """The plot of Exercise 5.9; ``order`` -1 draws the validation losses first."""
    ax = plt.subplots()[1]
    curves = [factor * losses for factor, losses in zip(factors, validation._losses())]
    for losses, label in zip(curves[::order], labels):
        ax.plot(change(losses[rows]), label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale=yscale)
    if legend:
        ax.legend()
    return ax


def stop(*edits):
    return edited("5.10", *edits)


def polynomial(degree):
    x, y, x_new = validation.bent_points()
    return np.polyval(np.polyfit(x, y, degree), x_new)


def with_shape(position, shape):
    return [shape if k == position else right for k, right in enumerate(SHAPES, 1)]


WRONG = [
    # 5.2
    ("5.2", lambda: (0.6, 2.6), "b comes first, then w"),
    ("5.2", lambda: (-0.29, 0.56), "the line along which the residuals run"),
    ("5.2", lambda: (0.29, -0.56), "by how much the line is wrong"),
    ("5.2", lambda: (2.31, 1.16), "the best line: its residuals show no trend"),
    ("5.2", lambda: (2.03, 1.71), "You went the wrong way"),
    ("5.2", lambda: (2.6, 1.0), "b is right, w is not within 0.1"),
    ("5.2", lambda: (2.0, 0.6), "w is right, b is not within 0.1"),
    ("5.2", lambda: (2.6 + 0.101, 0.6), "w is right, b is not within 0.1"),
    ("5.2", lambda: (9, 9), "Neither b nor w"),
    ("5.2", lambda: (2.6, 0.6, 1), "Asked for is a pair (b, w); this is a tuple of 3"),
    ("5.2", lambda: (2.6, math.nan), "NaN or inf"),
    ("5.2", lambda: torch.tensor([2.6, 0.6]), "`.tolist()` of many"),
    ("5.2", lambda: ("2.6", "0.6"), "Leave the quotation marks away"),
    # 5.3
    *[("5.3", lambda k=k: with_shape(k, "?"), f"Number {k}: `{e}`: {hint}") for k, (e, (_, hint)) in enumerate(arrays.SHAPES.items(), 1)],
    ("5.3", lambda: with_shape(3, 85), "With one axis it is (85,)."),
    ("5.3", lambda: with_shape(3, ...), "Still to do: 3."),
    ("5.3", lambda: with_shape(2, (85, 1)), "Right already: 1, 3, 4, 5, 6, 7, 8."),
    ("5.3", lambda: SHAPES[:7], "a list of 8"),
    # 5.4
    ("5.4", lambda: scaled(0.5), "a factor 2 is missing: where did it go?"),
    ("5.4", lambda: scaled(-1), "look at the sign"),
    ("5.4", lambda: scaled(-0.5), "look at the sign; and a factor 2 is missing"),
    ("5.4", lambda: scaled(lambda n: n), "Equation 5.1 is a mean"),
    ("5.4", lambda: scaled(lambda n: n / 2), "where did it go?; and it is a sum"),
    ("5.4", lambda: scaled(lambda n: -n / 2), "look at the sign; and a factor 2"),
    ("5.4", lambda: scaled(3), "By b and w and v, it is not right yet"),
    ("5.4", lambda: lambda p, x, y: arrays.parabola_gradient(p, X, Y), "It should use the X and y that it is given"),
    ("5.4", lambda: lambda *case: arrays.parabola_gradient(*case, seen=2), "leaves out v x²"),
    ("5.4", lambda: changed(lambda g, *_: [g[0], g[1], g[1]]), "what stands next to v in ŷ?"),
    ("5.4", lambda: changed(lambda g, *_: [g[0], g[0], g[2]]), "what stands next to w in ŷ?"),
    ("5.4", lambda: changed(lambda g, *_: [g[0], g[1], -g[2]]), "By v, it is not right"),
    ("5.4", lambda: changed(lambda g, *_: [g[0], -g[1], g[2]]), "By w, it is not right"),
    ("5.4", lambda: changed(lambda g, p, x, y: np.ones((3, len(x)))), "Take the mean over the points"),
    ("5.4", lambda: changed(lambda g, *_: g.reshape(3, 1)), "brackets of its own"),
    ("5.4", lambda: changed(lambda g, *_: g[:2]), "three derivatives, by b, w and v; this is an array of shape (2,)"),
    ("5.4", lambda: changes_arguments, "changes what it is given"),
    ("5.4", lambda: changed(lambda g, *_: None), "Is a `return` missing?"),
    ("5.4", lambda: lambda p, x, y: 1 / 0, "stops with ZeroDivisionError"),
    ("5.4", lambda: [1, 2, 3], "without brackets behind it"),
    # 5.5
    ("5.5", lambda: 32, "leave a last batch of 21"),
    ("5.5", lambda: 1, "Too noisy: J jumps between 0.0080 and 0.0212"),
    ("5.5", lambda: 17, "after 50, J is still 0.0112"),
    ("5.5", lambda: 85, "after 10, J is still 0.0398"),
    ("5.5", lambda: 5.5, "to all 85, not 5.5"),
    ("5.5", lambda: 0, "from 1 to all 85"),
    ("5.5", lambda: 100, "from 1 to all 85"),
    ("5.5", lambda: "5", "quotation marks"),
    ("5.5", lambda: torch.tensor(5), "`.item()` of one entry"),
    ("5.5", lambda: math.inf, "out of hand"),
    # 5.6
    ("5.6", lambda: loop(*FIRST_OPTIMIZER), "Nothing moves"),
    ("5.6", lambda: loop(MIDDLE), "Nothing moves"),
    ("5.6", lambda: loop(*FIRST_OPTIMIZER, MIDDLE, TABLE), "Nothing moves"),
    ("5.6", lambda: loop(TABLE), "every prediction meets every response"),
    ("5.6", lambda: loop(NEVER), "never cleared, and pile up"),
    ("5.6", lambda: loop(NEVER, TABLE), "pile up, and the loss is a mean over a table"),
    ("5.6", lambda: loop(FLOAT32, ("rows = []", "X, y, rows = X.float(), y.float(), []")), "the digits stop at float32"),
    ("5.6", lambda: loop(("lr=0.2", "lr=0.1")), "Step 1 is the first that differs"),
    ("5.6", lambda: tires_after_three, "Step 4 is the first that differs"),
    ("5.6", lambda: loop((STORE, "[model.bias, model.weight]")), "`.item()` of one entry"),
    ("5.6", lambda: loop((STORE, "[model.bias.tolist(), model.weight[0].tolist()]")), "Each number sits in a list of its own"),
    ("5.6", lambda: rows_of("[rows[-1]] * 10"), "the same memory ten times"),
    ("5.6", lambda: rows_of("[row[::-1] for row in rows]"), "b comes first, then w"),
    ("5.6", lambda: rows_of("[[1.0, 1.5], *rows]"), "Leave the start out"),
    ("5.6", lambda: rows_of("[[1.0, 1.5], *rows[:9]]"), "Your first row is the start"),
    ("5.6", lambda: rows_of("rows[:4]"), "Asked for is 10 rows [b, w]; this is a list of 4"),
    ("5.6", lambda: rows_of("np.array(rows).T"), "all b and then all w"),
    ("5.6", lambda: rows_of("1.0"), "this is one number"),
    ("5.6", lambda: loop(("optimizer.step()", "model.bias -= 0.2")), "while autograd is watching"),
    ("5.6", lambda: loop(("loss.backward()", "loss.backward(); loss.backward()")), "The loss belongs inside the loop"),
    ("5.6", lambda: loop(("loss.backward()", "b.grad * 2")), "Some gradient is None"),
    ("5.6", lambda: loop(("loss.backward()", "loss.detach().backward()")), "finds nothing to differentiate"),
    ("5.6", lambda: loop(FLOAT32), "Two dtypes meet"),
    # 5.7
    ("5.7", lambda: model_class(register="{}"), "leaves `self.mean` and `self.std` behind"),
    ("5.7", lambda: model_class(register="{}", forward="self.linear((x - self.mean.to(x.device)) / self.std.to(x.device))"), "`state_dict()` does not hold mean and std"),
    ("5.7", lambda: model_class(register="nn.Parameter({})"), "mean and std are parameters now"),
    ("5.7", lambda: model_class(forward="self.linear(x - self.mean)"), "as in the model above"),
    ("5.7", lambda: model_class(forward="self.linear(x).sum()"), "as in the model above"),
    ("5.7", lambda: edited("5.7", ("nn.Linear(1, 1, dtype=torch.float64)", "nn.Identity()")), "as in the model above"),
    ("5.7", lambda: model_class(forward="self.linear((x - self.mean) / self.std) + torch.zeros(1)"), "On another device your model stops with"),
    ("5.7", lambda: model_class(forward="self.linear((x - self.mean) / self.std) if x.device.type == 'cpu' else torch.zeros(3, 1)"), "answers from another device"),
    ("5.7", lambda: model_class()(torch.ones(1), torch.ones(1)), "Hand in the class itself"),
    ("5.7", lambda: model_class, "this is a function"),
    ("5.7", lambda: nn.ReLU, "Your code stops with TypeError"),
    # 5.8
    ("5.8", lambda: (0.02, 0.02), "what suits one need not suit the other"),
    ("5.8", lambda: (0.2, 0.03), "in the wrong order"),
    ("5.8", lambda: (0.05, 0.2), "SGD with 0.05 diverges: go lower. Adam is tuned: 84 steps."),
    ("5.8", lambda: (0.03, 0.001), "SGD is tuned: 482 steps. Adam with 0.001 needs more than 2000 steps"),
    ("5.8", lambda: (0.01, 0.2), "550 are allowed"),
    ("5.8", lambda: (0.03, 0.1), "100 are allowed"),
    ("5.8", lambda: (0.03, 1e9), "Adam with 1e+09 diverges"),
    ("5.8", lambda: (0.03, 1e300), "Adam with 1e+300 diverges"),
    ("5.8", lambda: 0.03, "then that of Adam; this is one number"),
    # 5.9
    ("5.9", lambda: validation.draw_wrong_plot(plt.subplots()[1]), "Both curves are as they were"),
    ("5.9", lambda: loss_plot((1, 15)), "The training curve is right"),
    ("5.9", lambda: loss_plot((85, 1)), "The validation curve is right"),
    ("5.9", lambda: loss_plot((1, 15 / 85)), "You divide both by 85"),
    ("5.9", lambda: loss_plot((0.85, 0.15)), "You divide both by 100"),
    ("5.9", lambda: loss_plot(order=-1), "their labels have changed places"),
    ("5.9", lambda: loss_plot(rows=slice(1, None)), "J at the start, is missing in both"),
    ("5.9", lambda: loss_plot(change=np.sqrt), "You draw roots"),
    ("5.9", lambda: loss_plot((2, 2)), "201 values from"),
    ("5.9", lambda: loss_plot(labels=("training", "test")), 'No line is labelled "validation"'),
    ("5.9", lambda: loss_plot(xlabel=""), 'the x axis shows the iteration; its label says ""'),
    ("5.9", lambda: loss_plot(ylabel="y"), "the y axis shows the cost"),
    ("5.9", lambda: loss_plot(legend=False), "a legend should say which is which"),
    ("5.9", lambda: shifted_plot(), "the start should be iteration 0"),
    ("5.9", lambda: plt.subplots(1, 2)[1], "1 Axes wanted, 2 found"),
    ("5.9", lambda: "plot.png", "not an Axes but a text"),
    # 5.10
    ("5.10", lambda: lambda losses, patience: int(np.argmin(losses)), "into the future"),
    ("5.10", lambda: stop(("return best", "return step")), "the step at which the training stops"),
    ("5.10", lambda: stop(("return best", "return losses[best]")), "asked for is its step"),
    ("5.10", lambda: stop(("return best", "return best + 1")), "count the steps from 1"),
    ("5.10", lambda: stop(("best, waited = step, 0", "best = step")), "count only the bad steps in a row"),
    ("5.10", lambda: stop(("waited == patience", "waited > patience")), "one step too late"),
    ("5.10", lambda: stop(("waited == patience", "waited == patience - 1")), "one step too early"),
    ("5.10", lambda: stop(("loss < losses[best]", "loss <= losses[best]")), "no improvement, but you take it for one"),
    ("5.10", lambda: stop(("loss < losses[best]", "loss < losses[step - 1]")), "Compare with the best so far"),
    ("5.10", lambda: stop(("return best", "return 0")), "Follow the list by hand"),
    ("5.10", lambda: stop(("return best", "return best, losses[best]")), "this is a tuple of 2"),
    ("5.10", lambda: stop(("return best", "return torch.tensor(best)")), "Python numbers, not tensors"),
    # 5.11
    ("5.11", lambda: polynomial(0), "the mean of y for every x"),
    ("5.11", lambda: polynomial(1), "a straight line, and the points bend"),
    ("5.11", lambda: np.sort(right_predictions()), "in another order"),
    ("5.11", lambda: right_predictions()[::-1], "in another order"),
    ("5.11", lambda: right_predictions() + 0.5, "at most 0.002 is wanted"),
    ("5.11", lambda: right_predictions().reshape(-1, 1), "flatten them"),
    ("5.11", lambda: [[v] for v in right_predictions()], "flatten them"),
    ("5.11", lambda: right_predictions()[:15], "a list of 20 predictions; this is an array of shape (15,)"),
    ("5.11", lambda: torch.tensor(right_predictions()), "not tensors"),
]  # fmt: skip


def shifted_plot():
    ax = plt.subplots()[1]
    for label, losses in zip(validation.LABELS, validation._losses()):
        ax.plot(np.arange(1, 202), losses, label=label)
    ax.set(xlabel="iteration", ylabel="cost")
    ax.legend()
    return ax


@cache
def wrong_verdict(k):
    number, make, _ = WRONG[k]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a wrong answer may well warn
        verdict = CHECKS[number](make())
    plt.close("all")
    return verdict


@pytest.mark.parametrize("k", range(len(WRONG)), ids=[f"{n}-{words}" for n, _, words in WRONG])
def test_a_wrong_answer_hears_its_own_message(k):
    (number, _, words), verdict = WRONG[k], wrong_verdict(k)
    assert verdict.state == core.NOT_YET
    assert words in verdict.message
    text = repr(verdict)
    assert text.startswith(f"Exercise {number}: not yet. ") and len(text) <= 420
    assert all(len(line) <= 76 for line in text.splitlines())
    for code in ("zero_grad", "register_buffer", "-(X**2)", "reshape(-1, 1)", "np.mean", "0.0305"):
        assert code not in verdict.message  # no message gives the solution away


def test_what_a_verdict_claims_of_a_right_answer_is_so():
    """5.2: the trend; 5.5: the range of J; 5.8: the steps; 5.9: where the means end; 5.11: the distance."""
    rise, height = np.polyfit(X, figures.mystery_residuals(), 1)
    assert f"b is {-height:.2f} too large, and w {rise:.2f} too small" in said(
        "5.2", figures.MYSTERY
    )
    run = descent.minibatch_gradient_descent(X, Y, lr=0.2, epochs=10, batch_size=5).losses[-17:]
    assert f"between {run.min():.4f} and {run.max():.4f}" in said("5.5", 5)
    assert "SGD arrives after 482 steps and Adam after 84," in said("5.8", (0.03, 0.2))
    path = descent.gradient_descent(X, Y, lr=0.1, steps=200).path
    ends = [gradients.mse(path[-1], *points) for points in ((X, Y), (X_VAL, Y_VAL))]
    assert "end at {:.4f} and {:.4f}".format(*ends) in said("5.9", loss_plot())
    assert "curve is 0.00180." in said("5.11", right_predictions())


def said(number, answer):
    verdict = CHECKS[number](answer)
    assert verdict.ok, verdict
    return verdict.message


def test_a_network_that_predicts_as_well_as_a_parabola_passes_and_is_not_called_one():
    assert "parabola" not in said("5.11", polynomial(5))


def test_the_mean_and_std_of_a_right_model_are_moved_saved_and_not_learned():
    """What 5.7 says of a right model, seen apart from its check."""
    model = model_class()(torch.tensor([0.5]).double(), torch.tensor([0.25]).double())
    assert {"mean", "std"} <= model.state_dict().keys()
    assert {name for name, _ in model.named_parameters()} == {"linear.weight", "linear.bias"}
    assert model.to("meta").mean.device.type == "meta"


# --- Exercise 5.1 -------------------------------------------------------------------------------

GRID = np.linspace(0, 3, 301)
SURFACE = gradients.loss_surface(GRID, GRID, X, Y)
CANDIDATES = figures.CANDIDATES


def line_figure(points=(X, Y), pairs=((2.3, 1.2),), ends=(0, 1), **options):
    ax = plots.plot_data(*points)
    for pair in pairs:
        plots.plot_line(pair, x=ends, ax=ax)
    ax.set(**options)
    return ax


def axline_figure():
    ax = plots.plot_data(X, Y)
    ax.axline((0, 2.3), slope=1.2)
    return ax


def candidate_figure(candidates=CANDIDATES, label="({b:g}, {w:g})", style="--", ends=lambda w: 1.0):
    ax = plt.subplots()[1]
    ax.plot(X, Y, "m^")
    for b, w in (*candidates, (2.3, 1.2)):
        x = np.array([0, ends(w)])
        ax.plot(x, b + w * x, "k-" if w == 1.2 else f"k{style}", label=label.format(b=b, w=w))
    ax.legend()
    return ax


def contour_figure(J=SURFACE, grid=GRID, levels=plots.LEVELS, *, colorbar=True, filled=False,
                   xlabel="b", ylabel="w", **options):  # fmt: skip
    ax = plt.subplots()[1]
    lines = (ax.contourf if filled else ax.contour)(grid, grid, J, levels=levels, cmap="plasma")
    if colorbar:
        ax.figure.colorbar(lines)
    ax.set(xlabel=xlabel, ylabel=ylabel, **options)
    return ax


def path_figure(lr=0.1, *, rows=slice(None), columns=slice(None), ax=None, contours=True,
                arrows=True, **options):  # fmt: skip
    path = descent.gradient_descent(X, Y, lr=lr, steps=200).path[rows, columns]
    if contours:
        ax = plots.plot_contours(GRID, GRID, SURFACE, colorbar=False, ax=ax)
    ax = plots.plot_gd_path(path, ax=ax, arrows=arrows)
    ax.set(**options)
    return ax


def panels(rates=(0.005, 0.8), titles=("eta = 0.005", "eta = 0.8")):
    axes = plt.subplots(1, 2)[1]
    for ax, lr, title in zip(axes, rates, titles):
        path_figure(lr, ax=ax).set_title(title)
    return axes


def curve_figure(lr=0.1, *, change=lambda losses: losses, start=0, **options):
    losses = change(descent.gradient_descent(X, Y, lr=lr, steps=200).losses)
    ax = plt.subplots()[1]
    ax.plot(np.arange(start, start + len(losses)), losses)
    ax.set(**{"xlabel": "iteration", "ylabel": "cost", **options})
    return ax


def one_by_one():
    path = descent.gradient_descent(X, Y, lr=0.1, steps=200).path
    ax = plots.plot_contours(GRID, GRID, SURFACE)
    ax.plot(*path[0], "ko")
    for old, new in itertools.pairwise(path):
        ax.plot(*new, "ko")
        ax.annotate("", xy=new, xytext=old, arrowprops={"arrowstyle": "->"})
    return ax


#: Right figures in the style of the book, and in others
RIGHT_FIGURES = [
    (1, lambda: line_figure(ylim=(2.2, 3.6))),
    (1, lambda: line_figure(ylim=(0, 5), xlim=(-1, 2), yscale="log")),
    (1, lambda: line_figure(ends=(-1, 3))),
    (1, lambda: axline_figure()),
    (2, lambda: plots.plot_candidates(CANDIDATES, (2.3, 1.2), ax=plots.plot_data(X, Y))),
    (2, lambda: candidate_figure()),
    (2, lambda: candidate_figure(label="b = {b}, w = {w}", style=":")),
    (2, lambda: candidate_figure(ends=lambda w: min(1.0, 1.3 / w))),
    (3, lambda: plots.plot_contours(GRID, GRID, SURFACE)),
    (3, lambda: contour_figure(xlabel="intercept", ylabel="slope", xlim=(1, 3), ylim=(3, 0))),
    (3, lambda: contour_figure(xlabel="$b$", ylabel="$w$", levels=(0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1))),
    (3, lambda: contour_figure().figure),
    (4, lambda: path_figure()),
    (4, lambda: path_figure(title="eta = 0.1", xlabel="Intercept b")),
    (4, lambda: one_by_one()),
    (5, lambda: panels()),
    (5, lambda: panels(titles=("eta = 0.01", "eta = 1.6"))),
    (5, lambda: panels(rates=(0.8, 0.005), titles=("eta = 0.8", "eta = 0.005"))),
    (5, lambda: panels()[0].figure),
    (6, lambda: curve_figure()),
    (6, lambda: curve_figure(yscale="log", xlim=(0, 50))),
    (6, lambda: curve_figure(xlabel="step", ylabel="J")),
]  # fmt: skip

WRONG_FIGURES = [
    (1, lambda: line_figure(points=data.make_data()), "all 100 points"),
    (1, lambda: line_figure(points=(Y, X)), "x and y have changed places"),
    (1, lambda: line_figure(points=data.make_data(seed=1)), "is the seed 42"),
    (1, lambda: line_figure(pairs=()), "the line y = 2.3 + 1.2 x is not there"),
    (1, lambda: line_figure(pairs=[(1.2, 2.3)]), "b is where x = 0"),
    (1, lambda: line_figure(pairs=[gradients.least_squares(X, Y)]), "least-squares line"),
    (1, lambda: line_figure(ends=(0, 0.5)), "from x = 0 to x = 1"),
    (1, lambda: line_figure(ends=(0.4, 1)), "from x = 0 to x = 1"),
    (1, lambda: line_figure(ylim=(2.2, 3)), "cut off some of the training points"),
    (1, lambda: "figure.png", "not an Axes but a text"),
    (1, lambda: panels(), "1 Axes wanted, 2 found"),
    (2, lambda: candidate_figure(CANDIDATES[:3]), "the line y = 2.3 + 0.5 x is not there"),
    (2, lambda: candidate_figure(label="w = {w}"), "no label names the pair"),
    (2, lambda: candidate_figure(style="-"), "(2.3, 1.2) should look different"),
    (3, lambda: contour_figure(SURFACE.T), "one row of J for each w"),
    (3, lambda: contour_figure(SURFACE / 2), "half the mean squared error"),
    (3, lambda: contour_figure(SURFACE * 85), "Is it a sum instead of a mean?"),
    (3, lambda: contour_figure(SURFACE + 0.05), "not level lines of Equation 5.1"),
    (3, lambda: contour_figure(SURFACE[::20, ::20], GRID[::20]), "your grid is too coarse"),
    (3, lambda: contour_figure(levels=(0.1, 0.2)), "the levels should be (0.01, 0.1"),
    (3, lambda: contour_figure(filled=True), "`ax.contour` draws them"),
    (3, lambda: contour_figure(colorbar=False), "the colour bar is missing"),
    (3, lambda: contour_figure(xlim=(0, 2)), "cut off the minimum of J"),
    (3, lambda: contour_figure(xlabel="w", ylabel="b"), 'x axis shows b, the intercept; its label says "w"'),
    (3, lambda: contour_figure(ylabel=""), "the y axis shows w, the slope"),
    (3, lambda: line_figure(), "the contours of J are missing"),
    (4, lambda: path_figure(0.2), "you ran Equation 5.2 with eta = 0.2; here it is eta = 0.1"),
    (4, lambda: path_figure(rows=slice(1, None)), "begin with a dot at the start"),
    (4, lambda: path_figure(columns=slice(None, None, -1)), "b and w have changed places"),
    (4, lambda: path_figure(rows=slice(150)), "too short: 200 steps make 201 dots"),
    (4, lambda: path_figure(0.3), "the path with eta = 0.1 is not there"),
    (4, lambda: path_figure(arrows=False), "the arrows along the steps are missing"),
    (4, lambda: path_figure(contours=False), "the contours of J are missing"),
    (4, lambda: path_figure(xlim=(1.5, 3)), "cut off a part of the path"),
    (5, lambda: panels(rates=(0.01, 0.8)), "you ran Equation 5.2 with eta = 0.01"),
    (5, lambda: panels(rates=(0.005, 0.4)), "the path with eta = 0.8 is not there"),
    (5, lambda: panels(titles=("slow", "fast")), "the panel with eta = 0.005 should say so"),
    (5, lambda: path_figure(), "2 Axes wanted, 1 found"),
    (6, lambda: curve_figure(change=lambda losses: losses[1:]), "J at the start, is missing"),
    (6, lambda: curve_figure(start=1), "the start is iteration 0, not 1"),
    (6, lambda: curve_figure(change=lambda losses: losses / 2), "divided by 2N"),
    (6, lambda: curve_figure(change=lambda losses: losses * 85), "85 times J"),
    (6, lambda: curve_figure(0.2), "you ran Equation 5.2 with eta = 0.2"),
    (6, lambda: curve_figure(0.3), "from 1.35302 down to 0.00823"),
    (6, lambda: curve_figure(xlabel="x"), 'x axis shows the iteration; its label says "x"'),
    (6, lambda: curve_figure(ylabel=""), "the y axis shows the cost"),
]  # fmt: skip


def handed_in(number, figure):
    return figures.check_figures([figure if k == number else None for k in range(1, 7)])


@pytest.mark.parametrize(("number", "make"), RIGHT_FIGURES)
def test_a_right_figure_passes_in_any_style(number, make):
    assert handed_in(number, make()).message.endswith(f"Right already: {number}.")


@cache
def wrong_figure_verdict(k):
    number, make, _ = WRONG_FIGURES[k]
    verdict = handed_in(number, make())
    plt.close("all")
    return verdict


@pytest.mark.parametrize(
    "k", range(len(WRONG_FIGURES)), ids=[f"{n}-{w}" for n, _, w in WRONG_FIGURES]
)
def test_a_wrong_figure_hears_its_own_message(k):
    (number, _, words), verdict = WRONG_FIGURES[k], wrong_figure_verdict(k)
    assert verdict.state == core.NOT_YET
    assert verdict.message.startswith(f"Figure {number}: ")
    assert words in verdict.message


def test_six_right_figures_are_right_and_a_missing_one_is_named():
    right = [next(make for n, make in RIGHT_FIGURES if n == number)() for number in range(1, 7)]
    assert figures.check_figures(right).ok
    message = figures.check_figures([right[0], None, None, None, None, right[0]]).message
    assert "Figure 6: this is another curve" in message
    assert message.endswith("Still to do: 2, 3, 4, 5. Right already: 1.")


@pytest.mark.parametrize("answer", [3, "axes", [1, 2], plt.subplots])
def test_the_answer_to_exercise_1_is_a_list_of_six(answer):
    assert "a list of 6" in figures.check_figures(answer).message


def test_every_message_of_the_checks_is_heard_by_a_wrong_answer_of_this_file():
    """So that no message can be wrong, or never be said, without a test that turns red."""
    verdicts = [wrong_verdict(k) for k in range(len(WRONG))]
    verdicts += [wrong_figure_verdict(k) for k in range(len(WRONG_FIGURES))]
    verdicts += [check() for check in CHECKS.values()] + [figures.check_figures(3)]
    heard = "\n".join(verdict.message for verdict in verdicts)
    for module in (figures, drawn, arrays, training, validation):
        for text in messages(module):
            assert text in heard, f"{module.__name__}: nobody hears {text!r}"


def messages(module) -> list[str]:
    """The literal texts of at least six words in the code, but docstrings, patterns and praise."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    skipped = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Return)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    inside = {id(part) for node in skipped for part in ast.walk(node)}
    return [
        node.value.strip()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(node.value.split()) >= 6
        and id(node) not in inside
    ]


# --- No answer, and strange ones ----------------------------------------------------------------


def stub(*arguments): ...


def stub_with_docstring(*arguments):
    """Return the answer."""


def stub_with_return(*arguments):
    return


def stub_that_raises(*arguments):
    raise NotImplementedError


class EmptyClass(nn.Module): ...


@pytest.mark.parametrize(
    "answer",
    [None, ..., [None, ...], (None, None), stub, stub_with_docstring, stub_with_return, EmptyClass],
    ids=lambda answer: getattr(answer, "__name__", str(answer)),
)
@pytest.mark.parametrize("number", CHECKS)
def test_an_unanswered_exercise_says_so(number, answer):
    for verdict in (CHECKS[number](answer), CHECKS[number]()):
        assert verdict.state == core.NO_ANSWER
        assert "run the check again" in verdict.message


@pytest.mark.parametrize("number", ["5.4", "5.6", "5.10"])
def test_a_function_that_is_not_implemented_is_no_answer(number):
    assert CHECKS[number](stub_that_raises).state == core.NO_ANSWER


class Odd:
    def __len__(self):
        raise RuntimeError("odd")


def fails(*arguments):
    raise RuntimeError("a\nb")


STRANGE = [
    0, 1, -3.5, 1j, math.nan, True, "", "text", b"bytes", [], (), {}, {1}, [[]], [[1], [1, 2]],
    [1, "a"], np.zeros(0), np.zeros((10, 2)), np.array("text"), np.array([None, 1]), Odd(), Odd,
    [Odd()] * 8, [Odd()] * 20, torch.zeros(10, 2), torch.tensor(math.nan), nn.ReLU(), nn.Linear(3, 3),
    int, print, fails, lambda *_: 1, lambda *_: "text", lambda *_: [], lambda *_: {}, lambda *_: Odd(),
    lambda *_: np.zeros((10, 2)), lambda *_: torch.zeros(3), lambda: 1, lambda *_: (i for i in "a"),
    range(10), 10**400, [np.zeros(2)] * 8, [torch.zeros(3)] * 8,
]  # fmt: skip


@pytest.mark.parametrize("answer", STRANGE, ids=[str(i) for i in range(len(STRANGE))])
@pytest.mark.parametrize("number", CHECKS)
def test_a_strange_answer_is_read_without_an_error(number, answer):
    verdict = CHECKS[number](answer)
    assert verdict.state == core.NOT_YET
    assert "could not read" not in verdict.message


@pytest.mark.parametrize("error", [KeyError("inside"), SystemExit("inside")])
def test_an_error_in_a_check_itself_reaches_the_student_as_a_message(error):
    @core.exercise("0", "Do it.")
    def check(answer):
        raise error

    assert "could not read it" in check(1).message and "inside" in check(1).message


# --- Manners ------------------------------------------------------------------------------------


def draws(*arguments):
    return random.random(), np.random.rand(), torch.rand(1)


@pytest.mark.parametrize("answer", [model_class(), model_class(register="{}"), loop(), draws])
@pytest.mark.parametrize("number", CHECKS)
def test_a_check_leaves_the_random_streams_alone(number, answer):
    """Also where the student's own code draws, as a new ``nn.Linear`` does."""
    torch.manual_seed(3)
    np.random.seed(3)

    def streams():
        return random.getstate(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()

    before = streams()
    CHECKS[number](answer)
    assert streams() == before


def test_only_the_checks_of_pytorch_need_it():
    """So that the others run where there is none, as in a browser."""
    code = (
        "import sys\n"
        "from exercises import arrays, figures, training, validation\n"
        "print(arrays.check_batch_size(5).ok, figures.check_residuals((2.6, 0.6)).ok,"
        "arrays.check_gradient(arrays.parabola_gradient).ok, training.check_rates((0.03, 0.2)).ok,"
        "validation.check_early_stop(validation.early_stop).ok, 'torch' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=PAGE.parent.parent,
        check=False,
    )
    assert out.stdout.split() == ["True"] * 5 + ["False"], out.stderr
