"""The promise at the door, held by hypothesis: what is bad is refused by a name, what is not works.

One argument of one public function is replaced by something odd.  Then the function either returns
(finite numbers, no warning), or raises a ValueError that begins with the name of an argument, or,
where a run leaves the finite numbers, a DivergenceError.
"""

import datetime
import inspect
import warnings
from decimal import Decimal
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils import data, descent, gradients, optimizers, plots, published

X, _, y, _ = data.load_chapter_data()
GRID = np.linspace(0, 3, 4)
J = gradients.loss_surface(GRID, GRID, X, y)
PATH = np.array([[1.0, 1.5], [1.2, 1.6], [1.3, 1.6]])
ID = "5.1.3/gd-200-steps"
BATCHES = {"lr": 0.2, "epochs": 1, "batch_size": 40, "order": "given", "seed": 1}
GOOD = {  # every public function with one good value for each argument
    data.make_data: {"n": 5, "seed": 1},
    data.train_val_split: {"X": X, "y": y, "test_size": 0.2, "seed": 1},
    gradients.mse: {"params": (1, 1), "X": X, "y": y},
    gradients.mse_gradient: {"params": (1, 1), "X": X, "y": y},
    gradients.mse_hessian: {"X": X},
    gradients.least_squares: {"X": X, "y": y},
    gradients.loss_surface: {"b": GRID, "w": GRID, "X": X, "y": y},
    gradients.learning_rate_limit: {"X": X},
    descent.gradient_descent: {
        "X": X, "y": y, "start": (1, 1), "lr": 0.2, "steps": 2, "optimizer": "adam",
    },
    descent.minibatch_gradient_descent: {
        "X": X, "y": y, "start": (1, 1), "optimizer": "gd", **BATCHES,
    },
    optimizers.GradientDescent: {"lr": 0.1},
    optimizers.Momentum: {"lr": 0.1, "momentum": 0.9},
    optimizers.RMSprop: {"lr": 0.1, "alpha": 0.9, "eps": 1e-8},
    optimizers.Adam: {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8},
    optimizers.Adam(0.1).step: {"params": (1.0, 2.0), "gradient": (0.1, 0.2)},
    plots.plot_data: {"X": X, "y": y, "ax": None},
    plots.plot_line: {"params": (1, 1), "x": (0, 1), "ax": None},
    plots.plot_candidates: {
        "candidates": PATH, "best": (1, 1), "x": (0, 1), "y": (0, 2), "ax": None,
    },
    plots.plot_contours: {
        "b": GRID, "w": GRID, "J": J, "levels": [0.1, 0.5], "best": (1, 1), "colorbar": True,
        "ax": None,
    },
    plots.plot_gd_path: {"path": PATH, "ax": None, "color": "C0", "arrows": True},
    plots.plot_learning_curve: {"losses": [3.0, 2.0], "ax": None},
    published.record: {"id": ID},
    published.compare: {"id": ID, "values": [1.0, 2.0]},
    published.report: {"id": ID, "values": [1.0, 2.0]},
    published.ulp_distance: {"a": 1.0, "b": 2.0},
}  # fmt: skip

SKIP = ("use_style", "ids", "load_chapter_data")  # no argument at all
CASES = [(function, argument) for function, good in GOOD.items() for argument in good]
TENSOR = torch.ones(85, dtype=torch.float64)
ODD = [
    None, True, "", "gd", "given", b"x", [], {}, set(), object(), print, ..., 1j, 0, -1, 1e200, -1e75, 1e-320,
    float("nan"), float("inf"), 10**400, -(10**400), Fraction(1, 3), Fraction(10**400), Decimal(1),
    datetime.date(2020, 1, 1), np.datetime64("2020-01-01"), np.float32(0.5), np.bool_(True), np.array(3.0),
    np.array([]), X, X.astype(complex), X.astype(np.float32), X.astype(int), X > 0.5, 1e200 * X, 1e75 * X, 1e-300 * X,
    X[:2], X[::-1], X[None], X[:, None], np.where(X > 0.5, np.nan, X), np.ma.masked_greater(X, 0.5),
    np.arange(85).astype("datetime64[D]"), np.arange(85).astype("timedelta64[D]"), X.astype(object), X.astype(str),
    [None, 2], [1, [2, 3]], [[1, 2], [3]], ["a", "b"], [1, 2], (0.5, 0.25), [2, 1], [1.0, None], [10**400, 1],
    [0.1], [5.0], [[1, 2]], [[1, 2], [1, 2]], [["1", "2"]], (x for x in (1, 2)), TENSOR, TENSOR.clone().requires_grad_(),
    [TENSOR.clone().requires_grad_()[0], 1.0], TENSOR.to(torch.complex128), TENSOR.to("meta"), np.zeros((4, 4)),
    J * 1e75, np.full((4, 4), 1e300), np.array(["x"], dtype=object),
]  # fmt: skip

numbers = st.one_of(st.integers(-3, 3), st.floats(), st.integers(-(10**30), 10**30))
arrays = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.complex128]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def leaves(value):
    if isinstance(value, descent.Descent):
        value = (value.path, value.losses)
    if isinstance(value, (tuple, list)):
        return [leaf for each in value for leaf in leaves(each)]
    return [value] if isinstance(value, (float, np.ndarray)) else []


@pytest.mark.parametrize(
    ("function", "argument"), CASES, ids=[f"{f.__qualname__}-{a}" for f, a in CASES]
)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(value=st.one_of(numbers, arrays, st.lists(numbers, max_size=4)))
def test_odd_input_is_refused_by_name_or_works(function, argument, value):
    check(function, argument, value)


@pytest.mark.parametrize(
    ("function", "argument"), CASES, ids=[f"{f.__qualname__}-{a}" for f, a in CASES]
)
def test_each_odd_thing_in_each_place(function, argument):
    for value in ODD:
        check(function, argument, value)


def check(function, argument, value):
    if argument in ("n", "steps", "epochs") and isinstance(value, int) and 100 < value <= 10**9:
        return  # right, and long
    arguments = GOOD[function] | {argument: value}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = function(**arguments)
            if argument == "ax" and result is not None:
                result.figure.canvas.draw()
        except ValueError as error:
            names = "|".join(GOOD[function])
            first = str(error).split(" ")[0]
            assert first in names.split("|"), f"{argument} = {value!r:.99}: {error}"
        except descent.DivergenceError:
            pass
        else:
            for leaf in leaves(result):
                assert np.isfinite(leaf).all(), f"{argument} = {value!r:.99} gives {leaf}"
        finally:
            plt.close("all")


def test_every_public_function_is_here():
    for module in (data, gradients, descent, optimizers, plots, published):
        for name, function in vars(module).items():
            ours = getattr(function, "__module__", "") == module.__name__
            kinds = inspect.isfunction(function) or module is optimizers
            if ours and kinds and not name.startswith("_") and name not in SKIP:
                known = set(GOOD[function])
                wanted = set(inspect.signature(function).parameters) - {"label", "style"}
                assert known == wanted, name


def test_one_level_is_a_contour_without_a_scale():
    ax = plots.plot_contours(GRID, GRID, J, levels=[0.5])
    assert len(ax.figure.axes) == 1 and ax.collections[0].levels.tolist() == [0.5]
    plt.close("all")
