"""Section 5.5: every solution passes its check, and every typical mistake hears its own message."""

from __future__ import annotations

import ast
import itertools
import math
import os
import subprocess
import sys
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
from torch.utils.data import DataLoader, TensorDataset

import exercises as checks
from utils import data, descent, gradients, plots, published

PAGE = Path(__file__).resolve().parents[2] / "chapters" / "5-5-exercises.ipynb"
X, X_VAL, Y, Y_VAL = data.load_chapter_data()

#: number of the exercise -> its check
CHECKS = {
    "5.1": checks.check_figures,
    "5.2": checks.check_learning_rate_limit,
    "5.3": checks.check_gradient,
    "5.4": checks.check_point_weights,
    "5.5": checks.check_batch_size,
    "5.6": checks.check_swinging_run,
    "5.7": checks.check_second_step,
    "5.8": checks.check_device,
    "5.9": checks.check_plane_model,
    "5.10": checks.check_dataloader_run,
    "5.11": checks.check_early_stop,
}


# --- The page ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page():
    return nbformat.read(PAGE, as_version=4)


@pytest.fixture(scope="module")
def verdicts(page):
    """Run the page here; the verdicts in the order in which they appear, and its names."""
    names, found = {"__name__": "page"}, []
    previous, here = dict(plt.rcParams), os.getcwd()
    os.chdir(PAGE.parent)
    try:
        for cell in page.cells:
            if cell.cell_type == "code":
                value = _run(cell.source, names)
                if isinstance(value, checks.Verdict):
                    found.append((value, cell))
                plt.close("all")
    finally:
        os.chdir(here)
        with matplotlib.rc_context():
            pass
        plt.rcParams.update(previous)
    return found, names


def _run(source, names):
    """Execute a cell; the value of its last expression, as a notebook shows it."""
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        body, last = [*body, last], None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return last and eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_each_exercise_stands_unanswered_and_then_solved(verdicts):
    found, _ = verdicts
    order = [(verdict.exercise, verdict.state) for verdict, _ in found]
    assert order == [
        (number, state) for number in CHECKS for state in (checks.NO_ANSWER, checks.RIGHT)
    ]


def test_the_stored_outputs_are_these_verdicts(verdicts):
    for verdict, cell in verdicts[0]:
        assert cell.outputs[-1]["data"]["text/plain"] == repr(verdict)


def test_every_solution_is_folded_and_no_answer_cell_is(verdicts):
    for verdict, cell in verdicts[0]:
        folded = '#| code-summary: "Worked solution' in cell.source
        assert folded == (verdict.ok and verdict.exercise != "5.1")


def test_every_exercise_says_what_to_hand_in_and_has_a_hint(page):
    text = "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
    parts = text.split("\n## Exercise ")[1:]
    assert [part.split(". ")[0] for part in parts] == list(CHECKS)
    for part in parts:
        assert "**Hand in**" in part
        assert '.callout-tip title="Hint' in part and 'collapse="true"' in part
        assert part.startswith("5.1.") or "*Beyond the chapter. Follows [Section 5." in part


# --- Right answers in other clothes -------------------------------------------------------------


def test_the_gradient_that_the_check_expects_is_the_gradient():
    """Finite difference = NumPy formula = autograd."""

    def loss(params, x, y):
        b, w, v = params
        return ((y - b - w * x - v * x * x) ** 2).mean()

    for params, x, y in checks._gradient_cases():
        ours = checks._parabola_gradient(params, x, y)
        leaf = torch.tensor(params, requires_grad=True)
        loss(leaf, torch.tensor(x), torch.tensor(y)).backward()
        np.testing.assert_allclose(ours, leaf.grad.numpy(), rtol=1e-12, atol=1e-14)
        moves = 1e-6 * np.eye(3)
        slopes = [(loss(params + d, x, y) - loss(params - d, x, y)) / 2e-6 for d in moves]
        np.testing.assert_allclose(ours, slopes, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("n", "size"), [(85, 32), (85, 84), (10, 5), (7, 3), (4, 9)])
def test_the_weights_that_the_check_expects_average_the_batch_gradients(n, size):
    random = np.random.RandomState(1)
    x, y = random.rand(n), random.randn(n)
    each = [gradients.mse_gradient((1, 1), x[[i]], y[[i]]) for i in range(n)]
    batches = [slice(i, i + size) for i in range(0, n, size)]
    mean = np.mean([gradients.mse_gradient((1, 1), x[b], y[b]) for b in batches], axis=0)
    np.testing.assert_allclose(checks._point_weights(n, size) @ each, mean, rtol=1e-12)


@pytest.mark.parametrize("form", [list, tuple, np.array])
def test_the_form_of_a_right_answer_does_not_matter(form):
    assert checks.check_gradient(lambda *case: form(checks._parabola_gradient(*case))).ok
    assert checks.check_point_weights(lambda *case: form(checks._point_weights(*case))).ok
    record = published.record("5.4.1/dataloader-shuffled")["values"]
    assert checks.check_dataloader_run(form([[float(b), float(w)] for b, w in record])).ok


def test_numbers_of_numpy_count_as_numbers():
    assert checks.check_learning_rate_limit(np.float64(0.8119)).ok
    assert checks.check_batch_size(np.int64(5)).ok
    assert checks.check_early_stop(lambda *case: np.int64(checks._early_stop(*case))).ok


@pytest.mark.parametrize("eta", [0.808, 0.81189, 0.8165])
def test_the_limit_may_be_5_thousandths_off(eta):
    assert checks.check_learning_rate_limit(eta).ok


def test_other_repairs_pass_too():
    def with_optimizer(X, y):
        params = nn.ParameterList(torch.tensor(v, dtype=torch.float64) for v in (1.0, 1.5))
        optimizer = torch.optim.SGD(params, lr=0.2)
        rows = []
        for _ in range(10):
            optimizer.zero_grad()
            nn.functional.mse_loss(params[0] + params[1] * X, y).backward()
            optimizer.step()
            rows.append([p.item() for p in params])
        return rows

    def fresh_leaves(X, y):
        b, w = 1.0, 1.5
        rows = []
        for _ in range(10):
            b, w = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (b, w))
            torch.mean((y - b - w * X) ** 2).backward()
            b, w = (b - 0.2 * b.grad).item(), (w - 0.2 * w.grad).item()
            rows.append((b, w))
        return rows

    for repair in (with_optimizer, fresh_leaves):
        assert checks.check_swinging_run(repair).ok
        assert checks.check_second_step(repair).ok


def test_a_batch_may_follow_the_model_instead_of_the_argument():
    assert checks.check_device(epoch("where, m = next(model.parameters()).device, 0", "where")).ok
    assert checks.check_device(epoch("", "device=device, non_blocking=True")).ok


def test_a_plane_may_be_built_by_hand():
    class Plane(nn.Module):
        def __init__(self):
            super().__init__()
            x, y = checks.plane_data()
            best = np.linalg.lstsq(np.column_stack([np.ones(100), x]), y, rcond=None)[0]
            self.b, self.w = best[0], torch.tensor(best[1:])

        def forward(self, x):
            return (self.b + x @ self.w).reshape(-1, 1)

    assert checks.check_plane_model(Plane()).ok


# --- Wrong answers, each with the message meant for it ------------------------------------------


def scaled(factor):
    return lambda *case: factor * checks._parabola_gradient(*case)


def parts(change):
    """A gradient whose three parts went through ``change``, a function of (g, params, X, y)."""
    return lambda *case: change(checks._parabola_gradient(*case), *case)


def ignores_arguments(params, x, y):
    return checks._parabola_gradient(params, X, Y)


def changes_arguments(params, x, y):
    gradient = checks._parabola_gradient(params, x, y)
    params -= 1
    return gradient


def training(*, zero="both", update="b -= 0.2 * b.grad; w -= 0.2 * w.grad", no_grad=True,
             eta="0.2", store="[b.item(), w.item()]", early=False, dtype="float64"):  # fmt: skip
    """The training loop of Exercises 5.6 and 5.7 with one thing changed."""
    clear = {
        "both": "b.grad = w.grad = None",
        "none": "pass",
        "b": "b.grad = None",
        "w": "w.grad = None",
    }[zero]
    step = update.replace("0.2", eta)
    source = f"""
def train(X, y):
    b = torch.tensor(1.0, dtype=torch.{dtype}, requires_grad=True)
    w = torch.tensor(1.5, dtype=torch.{dtype}, requires_grad=True)
    rows = []
    for _ in range(10):
        torch.mean((y - b - w * X) ** 2).backward()
        {"b.grad.zero_(); w.grad.zero_()" if early else "pass"}
        with torch.set_grad_enabled({not no_grad}):
            {step}
        {clear}
        rows.append({store})
    return rows
"""
    names = {"torch": torch}
    exec(source, names)
    return names["train"]


def tires_after_three(X, y):
    return training()(X, y)[:3] + training(eta="0.1")(X, y)[3:]


OUT_OF_PLACE = "b = b - 0.2 * b.grad; w = w - 0.2 * w.grad"


def epoch(before, move, *, inputs=True, targets=True, keep=True, zero=True):
    """The epoch of Exercise 5.8; ``move`` is what stands inside ``.to(...)``."""
    target = "x, y = " if keep else "_ = "
    x = f"x.to({move})" if inputs else "x"
    y = f"y.to({move})" if targets else "y"
    source = f"""
def run(model, loader, optimizer, device):
    {before or "pass"}
    for x, y in loader:
        {target}{x}, {y}
        {"optimizer.zero_grad()" if zero else "pass"}
        loss = nn.MSELoss()(model(x), y)
        loss.backward()
        optimizer.step()
    return [model.bias.item(), model.weight.item()]
"""
    names = {"torch": torch, "nn": nn}
    exec(source, names)
    return names["run"]


def moves_the_loader(model, loader, optimizer, device):
    return epoch("", "device")(model, loader.to(device), optimizer, device)


def ignores_the_loader(model, loader, optimizer, device):
    return [1.0, 1.5]


def line_module(weights, bias=True):
    """A Linear with these weights and, if any, the bias that comes first."""
    values = torch.tensor(np.asarray(weights, dtype=float))
    module = nn.Linear(len(values) - bias, 1, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(values[int(bias) :])
        if bias:
            module.bias.fill_(values[0])
    return module


def plane_fit(columns):
    x, y = checks.plane_data()
    table = np.column_stack([np.ones(100), x])[:, columns]
    fit = np.zeros(3)
    fit[columns] = np.linalg.lstsq(table, y, rcond=None)[0]
    return fit


class OneShape(nn.Module):
    def forward(self, x):
        return x.sum(dim=1)


class Shy(nn.Module):
    def forward(self, x):
        return "no"


def loader_rows(draws=2, *, seed=42, shuffle=True, dtype=torch.float64, again=False, every=False):
    """The run of Section 5.4.1 with PyTorch, changed in one respect."""
    model = line_module([1.0, 1.5]).to(dtype)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for _ in range(draws):
            nn.Linear(1, 1)
        tensors = (torch.tensor(v, dtype=dtype).reshape(-1, 1) for v in (X, Y))
        loader = DataLoader(TensorDataset(*tensors), batch_size=32, shuffle=shuffle)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
        rows = []
        for _ in range(10):
            if again:
                torch.manual_seed(seed)
            for x, y in loader:
                optimizer.zero_grad()
                nn.MSELoss()(model(x), y).backward()
                optimizer.step()
                if every:
                    rows.append([model.bias.item(), model.weight.item()])
            if not every:
                rows.append([model.bias.item(), model.weight.item()])
        return rows


def stops(rule):
    """An early-stopping function from ``rule(best_step, losses, patience)``."""
    return lambda losses, patience: rule(checks._early_stop(losses, patience), losses, patience)


def impatient(losses, patience):
    return checks._early_stop(losses, patience, forget=False)


def against_the_last(losses, patience):
    best, waited = 0, 0
    for step in range(1, len(losses)):
        waited = waited + 1 if losses[step] >= losses[step - 1] else 0
        best = step if losses[step] < losses[best] else best
        if waited == patience:
            break
    return best


def takes_ties(losses, patience):
    best, waited = 0, 0
    for step in range(1, len(losses)):
        waited = waited + 1 if losses[step] > losses[best] else 0
        best = step if losses[step] < losses[best] else best
        if waited == patience:
            break
    return best


def stopping_step(losses, patience):
    best, waited = 0, 0
    for step in range(1, len(losses)):
        if losses[step] < losses[best]:
            best, waited = step, 0
        else:
            waited += 1
        if waited == patience:
            return step
    return len(losses) - 1


WRONG = [
    # 5.2
    ("5.2", lambda: 0.5, "still converges: J falls from 1.35302"),
    ("5.2", lambda: 0.9, "diverges: after 200 steps J is"),
    ("5.2", lambda: 50.0, "more than a float can hold"),
    ("5.2", lambda: 1.62378, "twice the limit"),
    ("5.2", lambda: 1.6, "published title of a run without the factor 2"),
    ("5.2", lambda: 0.40594, "half the limit"),
    ("5.2", lambda: 0.76809, "still converges a bit above it"),
    ("5.2", lambda: 14.2434, "the flattest direction"),
    ("5.2", lambda: 2.46339, "not yet a learning rate"),
    ("5.2", lambda: -0.8, "walk uphill"),
    ("5.2", lambda: "0.81", "quotation marks"),
    ("5.2", lambda: torch.tensor(0.81), "`.item()` gives its number"),
    ("5.2", lambda: [0.81], "asked for is one number"),
    ("5.2", lambda: True, "asked for is one number"),
    ("5.2", lambda: math.nan, "left the finite numbers"),
    ("5.2", lambda: math.inf, "left the finite numbers"),
    # 5.3
    ("5.3", lambda: scaled(0.5), "right direction but half the length: where did the 2 go?"),
    ("5.3", lambda: scaled(-1), "look at the sign"),
    ("5.3", lambda: scaled(-0.5), "look at the sign; and a factor 2 is missing"),
    ("5.3", lambda: parts(lambda g, p, x, y: len(x) * g), "Equation 5.1 is a mean"),
    ("5.3", lambda: parts(lambda g, p, x, y: len(x) / 2 * g), "is a mean; and a factor 2 is missing"),
    ("5.3", lambda: scaled(3), "its length is 3 times the right one"),
    ("5.3", lambda: scaled(0), "zero everywhere"),
    ("5.3", lambda: parts(lambda g, *_: g[:2]), "three partial derivatives; your function returns an array"),
    ("5.3", lambda: parts(lambda g, *_: g[0]), "your function returns one number"),
    ("5.3", lambda: parts(lambda g, *_: g[:, None]), "yours has shape (3, 1)"),
    ("5.3", lambda: lambda p, x, y: np.stack([x, x, x]), "Take the mean over the points"),
    ("5.3", lambda: parts(lambda g, *_: [g[0], g[1], g[1]]), "v repeats the one before it"),
    ("5.3", lambda: parts(lambda g, *_: [g[0], g[0], g[2]]), "w repeats the one before it"),
    ("5.3", lambda: parts(lambda g, *_: [g[0], g[1], -g[2]]), "respect to v is not right"),
    ("5.3", lambda: parts(lambda g, *_: [0, g[1], g[2]]), "Right already: w and v"),
    ("5.3", lambda: lambda *c: checks._parabola_gradient(*c, seen=2), "leaves out v x²"),
    ("5.3", lambda: ignores_arguments, "should use the X and y that it is given"),
    ("5.3", lambda: changes_arguments, "changes what it is given"),
    ("5.3", lambda: parts(lambda g, *_: torch.tensor(g)), "is a tensor. Python numbers"),
    ("5.3", lambda: parts(lambda g, *_: [torch.tensor(v) for v in g]), "holds tensors"),
    ("5.3", lambda: parts(lambda g, *_: g * np.nan), "NaN or inf"),
    ("5.3", lambda: parts(lambda g, *_: "up"), "not a text"),
    ("5.3", lambda: parts(lambda g, *_: [[1], [1, 2]]), "rows of one length"),
    ("5.3", lambda: lambda params, X: 1, "stops with TypeError"),
    ("5.3", lambda: lambda p, x, y: 1 / 0, "stops with ZeroDivisionError: division by zero"),
    ("5.3", lambda: lambda p, x, y: print(end=""), "Is a `return` missing?"),
    ("5.3", lambda: np.zeros(3), "without brackets behind it; you handed in an array"),
    # 5.4
    ("5.4", lambda: lambda n, s: [1 / n] * n, "the same weight"),
    ("5.4", lambda: lambda n, s: 1 / checks._sizes(n, s), "the number of batches"),
    ("5.4", lambda: lambda n, s: np.full(n, 1 / s / math.ceil(n / s)), "take the last batch to be full"),
    ("5.4", lambda: lambda n, s: checks._sizes(n, s) / checks._sizes(n, s).sum(), "the other way round"),
    ("5.4", lambda: lambda n, s: checks._point_weights(n, s)[::-1], "comes last, not first"),
    ("5.4", lambda: lambda n, s: [1 / (n // s * s)] * (n // s * s) + [0] * (n % s), "`drop_last=True`"),
    ("5.4", lambda: lambda n, s: [1 / math.ceil(n / s)] * math.ceil(n / s), "one weight for each batch"),
    ("5.4", lambda: lambda n, s: np.ones(n), "add up to 85, not to 1"),
    ("5.4", lambda: lambda n, s: np.arange(n) / np.arange(n).sum(), "shared out in another way"),
    ("5.4", lambda: lambda n, s: np.ones(n + 1), "need 85 weights"),
    ("5.4", lambda: lambda n, s: torch.ones(n), "is a tensor"),
    # 5.5
    ("5.5", lambda: 1, "Too noisy: with batches of 1"),
    ("5.5", lambda: 17, "Too few updates: batches of 17 give 50"),
    ("5.5", lambda: 85, "Too few updates: batches of 85 give 10"),
    ("5.5", lambda: 32, "leave a last batch of 21"),
    ("5.5", lambda: 10, "leave a last batch of 5"),
    ("5.5", lambda: 0, "at least 1 and at most all 85"),
    ("5.5", lambda: 170, "at least 1 and at most all 85"),
    ("5.5", lambda: 5.5, "a whole number of points, not 5.5"),
    ("5.5", lambda: "5", "quotation marks"),
    # 5.6
    ("5.6", lambda: training(zero="none"), "still swings"),
    ("5.6", lambda: training(zero="w"), "that of b still piles up"),
    ("5.6", lambda: training(zero="b"), "that of w still piles up"),
    ("5.6", lambda: training(early=True), "Nothing moves"),
    ("5.6", lambda: training(update="b += 0.2 * b.grad; w += 0.2 * w.grad"), "walk uphill"),
    ("5.6", lambda: training(eta="0.1"), "0.5 times as long"),
    ("5.6", lambda: training(update="b -= 0.2 * b.grad"), "Already the first step differs"),
    ("5.6", lambda: training(store="[b, w]"), "`.item()`"),
    ("5.6", lambda: training(store="[b.detach().numpy(), w.detach().numpy()]"), "same memory ten times"),
    ("5.6", lambda: training(store="[w.item(), b.item()]"), "b comes first, then w"),
    ("5.6", lambda: training(dtype="float32"), "float32"),
    ("5.6", lambda: tires_after_three, "The first 3 steps are right, step 4 is not"),
    ("5.6", lambda: training(store="[[b.item()], [w.item()]]"), "in a list of its own"),
    ("5.6", lambda: lambda X, y: training()(X, y)[:3], "10 rows are asked for"),
    ("5.6", lambda: lambda X, y: [[1.0, 1.5], *training()(X, y)], "Leave the start out"),
    ("5.6", lambda: lambda X, y: [[1.0, 1.5], *training()(X, y)[:9]], "Your first row is the start"),
    ("5.6", lambda: lambda X, y: np.transpose(training()(X, y)), "all b and then all w"),
    # 5.7
    ("5.7", lambda: training(update=OUT_OF_PLACE), "new tensors that autograd does not watch"),
    ("5.7", lambda: training(update=OUT_OF_PLACE, no_grad=False), "Some gradient is None"),
    ("5.7", lambda: training(no_grad=False), "Tell PyTorch not to record it"),
    ("5.7", lambda: training(zero="none"), "still swings"),
    ("5.7", lambda: training(update="b.data = b - b.grad; w.data = w - w.grad"), "5 times as long"),
    # 5.8
    ("5.8", lambda: epoch("", "device", inputs=False, targets=False), "never move"),
    ("5.8", lambda: epoch("model.to(device)", "device", inputs=False, targets=False), "never move"),
    ("5.8", lambda: epoch("", "device", targets=False), "inputs are moved, the targets are not"),
    ("5.8", lambda: epoch("", "device", inputs=False), "targets are moved, the inputs are not"),
    ("5.8", lambda: epoch("", "device", keep=False), "it returns a new one. Keep it."),
    ("5.8", lambda: epoch("", "'cuda'"), 'You move the batches to "cuda"'),
    ("5.8", lambda: epoch("", "'cpu'"), 'You move the batches to "cpu"'),
    ("5.8", lambda: epoch("", "torch.device('cpu')"), 'You move the batches to "cpu"'),
    ("5.8", lambda: epoch("", "'mps'"), 'You move the batches to "mps"'),
    ("5.8", lambda: epoch("", "torch.float64"), "never move"),
    ("5.8", lambda: epoch("", "device", zero=False), "not those of one epoch"),
    ("5.8", lambda: moves_the_loader, "its batches can, one by one"),
    ("5.8", lambda: ignores_the_loader, "never uses the batches"),
    ("5.8", lambda: lambda m, far, o, d: [(x.to(d), y.to(d)) for x, y in far] and None, "`return` missing"),
    ("5.8", lambda: lambda m, far, o, d: [x.to(d) @ y.to(d) for x, y in far], "The batches are moved, but your function stops"),
    ("5.8", lambda: lambda m, far, o: 1, "stops with TypeError"),
    # 5.9
    ("5.9", lambda: nn.Linear(1, 1, dtype=torch.float64), "does not take points with two features"),
    ("5.9", lambda: nn.Linear(2, 1), "computes in float32"),
    ("5.9", lambda: nn.Linear(2, 2, dtype=torch.float64), "returns shape (100, 2)"),
    ("5.9", lambda: OneShape(), "it returns (100,)"),
    ("5.9", lambda: Shy(), "should return a tensor; it returns a text"),
    ("5.9", lambda: nn.Linear, "This is a class"),
    ("5.9", lambda: line_module(plane_fit([0])), "the mean of y everywhere"),
    ("5.9", lambda: line_module(plane_fit([1, 2])), "the intercept is missing"),
    ("5.9", lambda: line_module(plane_fit([0, 1])), "ignores the second feature"),
    ("5.9", lambda: line_module(plane_fit([0, 2])), "ignores the first feature"),
    ("5.9", lambda: line_module([2.0, 1.0, -1.0]), "train it longer"),
    ("5.9", lambda: line_module([np.nan, 1.0, -1.0]), "the training diverged"),
    ("5.9", lambda: [2.3, 1.2, -0.7], "you handed in a list of 3"),
    # 5.10
    ("5.10", lambda: loader_rows(1), "constructed once"),
    ("5.10", lambda: loader_rows(0), "constructed not once"),
    ("5.10", lambda: loader_rows(4), "too much was drawn"),
    ("5.10", lambda: loader_rows(shuffle=False), "`shuffle` is off"),
    ("5.10", lambda: loader_rows(seed=1), "Another seed"),
    ("5.10", lambda: loader_rows(dtype=torch.float32), "stop at float32"),
    ("5.10", lambda: loader_rows(again=True), "the seed again in every epoch"),
    ("5.10", lambda: loader_rows(every=True), "a row for each batch, 30 of them"),
    ("5.10", lambda: [[w, b] for b, w in loader_rows()], "b comes first, then w"),
    ("5.10", lambda: [[1.0, 1.5], *loader_rows()], "Leave the start out"),
    ("5.10", lambda: [[torch.tensor(v) for v in row] for row in loader_rows()], "holds tensors"),
    ("5.10", lambda: published.record("5.2.4/minibatch-shuffled-numpy")["values"], "quotation marks"),
    ("5.10", lambda: descent.minibatch_gradient_descent(X, Y, lr=0.2, epochs=10, order="shuffled").per_epoch[1:], "NumPy's generator"),
    # 5.11
    ("5.11", lambda: lambda losses, patience: int(np.argmin(losses)), "into the future"),
    ("5.11", lambda: stopping_step, "the step at which the training stops"),
    ("5.11", lambda: stops(lambda best, losses, _: losses[best]), "asked for is its step"),
    ("5.11", lambda: stops(lambda best, losses, _: best + 1), "count the steps from 1"),
    ("5.11", lambda: impatient, "count only the bad steps in a row"),
    ("5.11", lambda: lambda losses, p: checks._early_stop(losses, p + 1), "one step too late"),
    ("5.11", lambda: lambda losses, p: checks._early_stop(losses, p - 1), "one step too early"),
    ("5.11", lambda: takes_ties, "no improvement, but you take it for one"),
    ("5.11", lambda: against_the_last, "Compare with the best so far"),
    ("5.11", lambda: lambda losses, p: 0, "Follow the list by hand"),
    ("5.11", lambda: stops(lambda best, losses, _: (best, losses[best])), "returns a tuple of 2"),
    ("5.11", lambda: stops(lambda best, *_: torch.tensor(best)), "returns a tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "make", "words"), WRONG, ids=[f"{n}-{w}" for n, _, w in WRONG])
def test_a_wrong_answer_hears_its_own_message(number, make, words):
    verdict = CHECKS[number](make())
    assert verdict.state == checks.NOT_YET
    assert words in verdict.message


@pytest.mark.parametrize("number", [number for number in CHECKS if number != "5.1"])
def test_there_are_at_least_three_messages_for_each_exercise(number):
    assert len({words for n, _, words in WRONG if n == number}) >= 3


# --- Exercise 5.1 -------------------------------------------------------------------------------

GRID = np.linspace(0, 3, 301)
SURFACE = gradients.loss_surface(GRID, GRID, X, Y)


def new_axes(count=1):
    return plt.subplots(1, count)[1]


def line_figure(points=(X, Y), pairs=((2.3, 1.2),), ends=(0, 1), ylim=(2.2, 3.6)):
    ax = plots.plot_data(*points)
    for pair in pairs:
        plots.plot_line(pair, x=ends, ax=ax)
    ax.set_ylim(ylim)
    return ax


CANDIDATES = ((2.3, 3), (2.3, 2), (2.3, 1), (2.3, 0.5))


def candidate_figure(candidates=CANDIDATES, best=(2.3, 1.2), labels=True, dashed=True):
    ax = plots.plot_candidates(candidates, best, ax=plots.plot_data(X, Y))
    if not labels:
        for text in list(ax.texts):
            text.remove()
    if not dashed:
        for line in ax.lines:
            line.set_linestyle("-")
    return ax


def contour_figure(J=SURFACE, *, labels=("b", "w"), limit=3, **options):
    ax = plots.plot_contours(GRID, GRID, J, **options)
    ax.set(xlabel=labels[0], ylabel=labels[1], xlim=(0, limit))
    return ax


def path_figure(
    lr=0.1, *, rows=slice(None), columns=slice(None), ax=None, contours=True, **options
):
    path = descent.gradient_descent(X, Y, lr=lr, steps=200).path[rows, columns]
    if contours:
        ax = plots.plot_contours(GRID, GRID, SURFACE, colorbar=False, ax=ax)
    return plots.plot_gd_path(path, ax=ax, **options)


def panels(rates=(0.005, 0.8), titles=("eta = 0.01", "eta = 1.6")):
    axes = new_axes(2)
    for ax, lr, title in zip(axes, rates, titles):
        path_figure(lr, ax=ax).set_title(title)
    return axes


def curve_figure(lr=0.1, *, change=lambda losses: losses, **options):
    losses = descent.gradient_descent(X, Y, lr=lr, steps=200).losses
    ax = plots.plot_learning_curve(change(losses))
    ax.set(**options)
    return ax


def turned_curve():
    ax = new_axes()
    losses = descent.gradient_descent(X, Y, lr=0.1, steps=200).losses
    ax.plot(losses, np.arange(201))
    return ax


WRONG_FIGURES = [
    (1, lambda: line_figure(points=data.make_data()), "all 100 points"),
    (1, lambda: line_figure(points=(X_VAL, Y_VAL)), "the validation points"),
    (1, lambda: line_figure(points=(Y, X)), "x and y have changed places"),
    (1, lambda: line_figure(points=data.make_data(seed=1)), "is the seed 42"),
    (1, lambda: line_figure(pairs=()), "the line y = 2.3 + 1.2 x is not there"),
    (1, lambda: line_figure(pairs=[(1.2, 2.3)]), "b is where x = 0"),
    (1, lambda: line_figure(pairs=[gradients.least_squares(X, Y)]), "least-squares line"),
    (1, lambda: line_figure(ends=(0, 2)), "from x = 0 to x = 1"),
    (1, lambda: line_figure(ylim=(0, 4)), "from 0 to 4; published: 2.2 to 3.6"),
    (1, lambda: "figure.png", "not an Axes but a text"),
    (1, lambda: panels(), "1 Axes wanted, 2 found"),
    (2, lambda: candidate_figure(CANDIDATES[:3]), "the line y = 2.3 + 0.5 x is not there"),
    (2, lambda: candidate_figure(labels=False), "no label names the pair"),
    (2, lambda: candidate_figure(dashed=False), "(2.3, 3.0) should be dashed"),
    (3, lambda: contour_figure(SURFACE.T), "one row of J for each w"),
    (3, lambda: contour_figure(SURFACE / 2), "half the mean squared error"),
    (3, lambda: contour_figure(SURFACE * 85), "Is it a sum instead of a mean?"),
    (3, lambda: contour_figure(SURFACE + 0.05), "not level lines of Equation 5.1"),
    (3, lambda: contour_figure(levels=(0.1, 0.2)), "the levels should be 0.01, 0.1"),
    (3, lambda: contour_figure(colorbar=False), "the colour bar is missing"),
    (3, lambda: contour_figure(limit=2), "both run from 0 to 3"),
    (3, lambda: contour_figure(labels=("w", "b")), 'the x axis should be labelled "b", not "w"'),
    (3, lambda: line_figure(), "the contours of J are missing"),
    (4, lambda: path_figure(0.2), "you ran Equation 5.2 with eta = 0.2"),
    (4, lambda: path_figure(rows=slice(1, None)), "begin with a dot at the start"),
    (4, lambda: path_figure(columns=slice(None, None, -1)), "b and w have changed places"),
    (4, lambda: path_figure(rows=slice(150)), "too short: 200 steps make 201 dots"),
    (4, lambda: path_figure(0.3), "Which eta of Equation 5.2 was it?"),
    (4, lambda: path_figure(arrows=False), "the arrows along the steps are missing"),
    (4, lambda: path_figure(contours=False), "the contours of J are missing"),
    (5, lambda: panels(rates=(0.01, 0.8)), "you ran Equation 5.2 with eta = 0.01"),
    (5, lambda: panels(rates=(0.005, 0.4)), 'the run "eta = 1.6" is not there'),
    (5, lambda: panels(titles=("eta = 0.005", "eta = 0.8")), 'the run "eta = 0.01" should say so'),
    (5, lambda: path_figure(), "2 Axes wanted, 1 found"),
    (6, lambda: curve_figure(change=lambda losses: losses[1:]), "J at the start, is missing"),
    (6, lambda: curve_figure(change=lambda losses: losses / 2), "divided by 2N"),
    (6, lambda: curve_figure(change=lambda losses: losses * 85), "85 times J"),
    (6, lambda: curve_figure(0.2), "you ran Equation 5.2 with eta = 0.2"),
    (6, lambda: curve_figure(0.3), "201 values from 1.35302 down to 0.00823"),
    (6, lambda: turned_curve(), "the iteration goes to the right"),
    (6, lambda: curve_figure(yscale="log"), "published cost axis is linear"),
    (6, lambda: curve_figure(xlabel="x", ylabel="cost"), 'labelled "iteration", not "x"'),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("number", "make", "words"), WRONG_FIGURES, ids=[f"{n}-{w}" for n, _, w in WRONG_FIGURES]
)
def test_a_wrong_figure_hears_its_own_message(number, make, words):
    figures = [None] * 6
    figures[number - 1] = make()
    verdict = checks.check_figures(figures)
    assert verdict.state == checks.NOT_YET
    assert verdict.message.startswith(f"Figure {number}: ")
    assert words in verdict.message


def right_figures():
    return [
        line_figure(),
        candidate_figure(),
        contour_figure(),
        path_figure(),
        panels(),
        curve_figure(),
    ]


def test_the_helpers_of_the_book_draw_right_figures():
    assert checks.check_figures(right_figures()).ok


def test_a_figure_stands_for_its_axes():
    axes = right_figures()
    axes[2], axes[4] = axes[2].figure, axes[4][0].figure
    assert checks.check_figures(axes).ok


def test_what_is_right_and_what_is_missing_is_said():
    ax = line_figure()
    message = checks.check_figures([ax, None, None, None, None, ax]).message
    assert "Figure 6: this is not the published curve" in message
    assert message.endswith("Still to draw: Figures 2, 3, 4, 5. Right already: Figure 1.")


@pytest.mark.parametrize("answer", [3, "axes", [1, 2], new_axes])
def test_the_answer_to_exercise_1_is_a_list_of_six(answer):
    assert "a list of six" in checks.check_figures(answer).message


def test_dots_and_arrows_may_be_drawn_one_by_one():
    path = descent.gradient_descent(X, Y, lr=0.1, steps=200).path
    ax = plots.plot_contours(GRID, GRID, SURFACE)
    ax.plot(*path[0], "ko")
    for old, new in itertools.pairwise(path):
        ax.plot(*new, "ko")
        ax.annotate("", xy=new, xytext=old, arrowprops={"arrowstyle": "->"})
    verdict = checks.check_figures([None, None, None, ax, None, None])
    assert verdict.message.endswith("Right already: Figure 4.")


# --- No answer, and strange ones ----------------------------------------------------------------


def stub(*arguments): ...


def stub_with_docstring(*arguments):
    """Return the answer."""


def stub_with_pass(*arguments):
    pass


def stub_with_return(*arguments):
    return


def stub_that_raises(*arguments):
    raise NotImplementedError


FUNCTIONS = ("5.3", "5.4", "5.6", "5.7", "5.11")
STUBS = (stub, stub_with_docstring, stub_with_pass, stub_with_return, stub_that_raises)


@pytest.mark.parametrize(
    "answer",
    [None, ..., [None, ...], *STUBS[:4]],
    ids=lambda answer: getattr(answer, "__name__", str(answer)),
)
@pytest.mark.parametrize("number", CHECKS)
def test_an_unanswered_exercise_says_so(number, answer):
    verdict = CHECKS[number](answer)
    assert verdict.state == checks.NO_ANSWER
    assert "run this cell again" in verdict.message


@pytest.mark.parametrize("number", (*FUNCTIONS, "5.8"))
def test_a_function_that_is_not_implemented_is_no_answer(number):
    assert CHECKS[number](stub_that_raises).state == checks.NO_ANSWER


def test_a_check_without_an_answer_is_unanswered():
    for check in CHECKS.values():
        assert check().state == checks.NO_ANSWER


class Odd:
    def __len__(self):
        raise RuntimeError("odd")


def fails(*arguments):
    raise RuntimeError("a\nb")


STRANGE = [
    0, 1, -3.5, 1j, math.nan, True, "", "text", b"bytes", [], (), {}, {1}, [[]], [[1], [1, 2]],
    [1, "a"], np.zeros(0), np.zeros((10, 2)), np.array("text"), np.array([None, 1]), Odd(), Odd,
    torch.zeros(10, 2), torch.tensor(math.nan), nn.ReLU(), nn.Linear(3, 3), int, print, fails,
    lambda *_: 1, lambda *_: "text", lambda *_: [], lambda *_: {}, lambda *_: Odd(),
    lambda *_: np.zeros((10, 2)), lambda *_: torch.zeros(3), lambda: 1, lambda *_: (i for i in "a"),
    range(10), 10**400,
]  # fmt: skip


@pytest.mark.parametrize("answer", STRANGE, ids=[str(i) for i in range(len(STRANGE))])
@pytest.mark.parametrize("number", CHECKS)
def test_a_strange_answer_is_read_without_an_error(number, answer):
    verdict = CHECKS[number](answer)
    assert verdict.state == checks.NOT_YET
    assert "could not read" not in verdict.message


def test_an_error_in_a_check_itself_reaches_the_student_as_a_message():
    @checks._exercise("0", "Do it.")
    def check(answer):
        raise KeyError("inside")

    assert check(1).message == "The check could not read it: KeyError: 'inside'"


# --- Manners ------------------------------------------------------------------------------------


def test_a_verdict_is_a_short_paragraph():
    for number, make, _ in WRONG:
        text = repr(CHECKS[number](make()))
        assert text.startswith(f"Exercise {number}: not yet. ")
        assert all(len(line) <= 78 for line in text.splitlines())
        assert len(text) <= 420


def test_no_message_gives_the_solution_away():
    given_away = (
        "zero_",
        "b -= ",
        "x_batch.to",
        "1 / len(batch)",
        "-(X**2)",
        "manual_seed",
        "0.8118",
    )
    for number, make, _ in WRONG:
        message = CHECKS[number](make()).message
        assert not any(code in message for code in given_away)


def test_the_checks_leave_the_random_streams_alone():
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    for number, make, _ in [w for w in WRONG if w[0] in ("5.8", "5.9", "5.10")]:
        answer = make()
        torch.set_rng_state(before[0])
        CHECKS[number](answer)
        assert torch.equal(torch.get_rng_state(), before[0]) or number == "5.8"
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_numpy_exercises_do_not_need_torch():
    code = (
        "import sys\n"
        "import exercises as checks\n"
        "print(checks.check_batch_size(5).ok, checks.check_learning_rate_limit(.81).ok,"
        "checks.check_gradient(checks._parabola_gradient).ok, 'torch' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=PAGE.parent.parent,
        check=False,
    )
    assert out.stdout.split() == ["True", "True", "True", "False"], out.stderr


def test_faraway_batches_are_the_same_batches_once_moved():
    batches = [(torch.ones(2, 1), torch.zeros(2, 1))]
    far = checks.faraway(batches)
    ((x, y),) = far
    assert len(far) == 1 and x.shape == (2, 1) and len(y) == 2 and x.dtype == torch.float32
    for arithmetic in (
        lambda: x + 1,
        lambda: torch.mean(x),
        lambda: nn.MSELoss()(x, y),
        lambda: x.numpy(),
    ):
        with pytest.raises(checks.FarawayError, match="same device"):
            arithmetic()
    moved = x.to("cpu")
    assert type(moved) is torch.Tensor and torch.equal(moved, batches[0][0])
