"""Every public function refuses bad input with a ValueError that names the argument."""

import numpy as np
import pytest

from utils import data, descent, gradients, optimizers, plots, published

X, _, y, _ = data.load_chapter_data()
GRID = np.linspace(0, 3, 5)
J = gradients.loss_surface(GRID, GRID, X, y)
NAN = np.where(np.arange(85) == 3, np.nan, X)

BAD_VECTORS = [[], [[1.0, 2.0]], 3.0, [1.0, np.nan], [np.inf, 1.0], ["a", "b"], [1 + 2j, 1.0]]
BAD_RATES = [0, -0.1, np.nan, np.inf, "0.1", None, True]


def descend(**change):
    arguments = {"X": X, "y": y, "start": (1.0, 1.5), "lr": 0.2, "epochs": 2, "batch_size": 32}
    arguments |= change
    return descent.minibatch_gradient_descent(arguments.pop("X"), arguments.pop("y"), **arguments)


CASES = [
    *(("n", data.make_data, (n,), {}) for n in (0, -1, 2.5, True, "3")),
    *(("seed", data.make_data, (), {"seed": s}) for s in (-1, 2**32, 0.5, None)),
    *(("test_size", data.train_val_split, (X, y), {"test_size": s}) for s in (0, 1, -1, 1.5, "a")),
    ("test_size", data.train_val_split, (X[:2], y[:2]), {"test_size": 0.99}),
    ("X", data.train_val_split, (X[:1], y[:1]), {}),
    *(
        ("X", function, (*before, bad, y), {})
        for bad in BAD_VECTORS
        for function, before in (
            (gradients.mse, [(1, 1)]),
            (gradients.mse_gradient, [(1, 1)]),
            (gradients.least_squares, []),
            (gradients.loss_surface, [GRID, GRID]),
            (data.train_val_split, []),
            (plots.plot_data, []),
        )
    ),
    *(("X", function, (bad,), {}) for bad in BAD_VECTORS
      for function in (gradients.mse_hessian, gradients.learning_rate_limit)),
    *(("y", gradients.mse, ((1, 1), X, bad), {}) for bad in [*BAD_VECTORS, y[:-1], NAN]),
    *(("y", gradients.mse_gradient, ((1, 1), X, bad), {}) for bad in [*BAD_VECTORS, y[:-1]]),
    *(("params", f, (bad, X, y), {}) for f in (gradients.mse, gradients.mse_gradient)
      for bad in [*BAD_VECTORS, (1.0,), (1.0, 2.0, 3.0)]),
    ("X", gradients.least_squares, (np.ones(5), y[:5]), {}),
    *(("b", gradients.loss_surface, (bad, GRID, X, y), {}) for bad in BAD_VECTORS),
    *(("w", gradients.loss_surface, (GRID, bad, X, y), {}) for bad in BAD_VECTORS),
    *(("lr", descend, (), {"lr": bad}) for bad in BAD_RATES),
    *(("lr", rule, (bad,), {}) for bad in BAD_RATES for rule in optimizers.OPTIMIZERS.values()),
    ("momentum", optimizers.Momentum, (0.1, 1.0), {}),
    ("alpha", optimizers.RMSprop, (0.1, -0.5), {}),
    ("betas", optimizers.Adam, (0.1, (0.9, 1.0)), {}),
    ("betas", optimizers.Adam, (0.1, (0.9,)), {}),
    ("eps", optimizers.Adam, (0.1,), {"eps": 0}),
    *(("epochs", descend, (), {"epochs": bad}) for bad in (-1, 1.5, None, True)),
    *(("batch_size", descend, (), {"batch_size": bad}) for bad in (0, -3, 1.5, None)),
    *(("steps", descent.gradient_descent, (X, y), {"lr": 0.1, "steps": b}) for b in (-1, 0.5, "1")),
    *(("start", descend, (), {"start": bad}) for bad in [(1.0,), (np.nan, 1.0), "ab", [[1, 2]]]),
    *(("order", descend, (), {"order": bad}) for bad in ("sorted", None, "")),
    ("optimizer", descend, (), {"optimizer": "sgd2"}),
    ("X", descend, (), {"X": NAN}),
    ("y", descend, (), {"y": y[:-2]}),
    *(("seed", descend, (), {"seed": bad}) for bad in (-1, 1.5)),
    ("params", plots.plot_line, ((1.0,),), {}),
    ("x", plots.plot_line, ((1.0, 2.0),), {"x": (0.0, np.inf)}),
    ("candidates", plots.plot_candidates, ([(1.0, 2.0), (1.0,)], (1.0, 1.0)), {}),
    ("best", plots.plot_candidates, ([(1.0, 2.0)], (1.0,)), {}),
    ("J", plots.plot_contours, (GRID, GRID[:-1], J), {}),
    ("J", plots.plot_contours, (GRID, GRID, np.full_like(J, np.nan)), {}),
    ("levels", plots.plot_contours, (GRID, GRID, J), {"levels": [0.2, 0.1]}),
    ("levels", plots.plot_contours, (GRID, GRID, J), {"levels": []}),
    ("best", plots.plot_contours, (GRID, GRID, J), {"best": (1.0,)}),
    *(("path", plots.plot_gd_path, (bad,), {}) for bad in ([], [[1.0]], [[1.0, np.nan]], [1.0, 2.0])),
    *(("losses", plots.plot_learning_curve, (bad,), {}) for bad in BAD_VECTORS),
    ("id", published.record, ("5.9/none",), {}),
    ("id", published.compare, ("5.9/none", []), {}),
    ("values", published.compare, ("5.3.1/scalar", ["tensor(1)"]), {}),
    ("a", published.ulp_distance, (np.nan, 1.0), {}),
    ("b", published.ulp_distance, (1.0, np.inf), {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "function", "arguments", "keywords"),
    CASES,
    ids=[f"{c[1].__module__}.{c[1].__name__}-{c[0]}-{i}" for i, c in enumerate(CASES)],
)
def test_bad_input_is_refused_by_name(name, function, arguments, keywords):
    with pytest.raises(ValueError, match=rf"^{name} "):
        function(*arguments, **keywords)
