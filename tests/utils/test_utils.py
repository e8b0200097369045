"""The arithmetic of utils: three derivations and one equality, exact surfaces, honest paths."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from utils import data, descent, gradients, published
from utils.optimizers import OPTIMIZERS

settings.register_profile("book", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("book")

values = st.floats(-100, 100, allow_subnormal=False)
parameters = st.tuples(st.floats(-50, 50), st.floats(-50, 50))


@st.composite
def points(draw, least=2):
    n = draw(st.integers(least, 300))
    seed = draw(st.integers(0, 2**32 - 1))
    scale = 10.0 ** draw(st.integers(-2, 2))
    random = np.random.default_rng(seed)
    X = scale * random.normal(size=n)
    assume(np.ptp(X) > 0)
    return X, draw(values) + draw(values) * X + random.normal(size=n)


def test_the_data_are_those_of_the_chapter():
    X, X_val, y, y_val = data.load_chapter_data()
    assert (X.shape, X_val.shape, y.shape, y_val.shape) == ((85,), (15,), (85,), (15,))
    assert published.record("5.4.1/second-item")["values"] == [
        str(torch.tensor([value])) for value in (X[1], y[1])
    ]


def test_another_seed_gives_other_data_and_the_same_seed_the_same():
    assert np.array_equal(data.make_data(seed=7), data.make_data(seed=7))
    assert not np.array_equal(data.make_data(seed=7), data.make_data(seed=8))


def test_making_data_leaves_the_global_stream_alone():
    np.random.seed(1)
    expected = np.random.random()
    np.random.seed(1)
    data.make_data()
    data.train_val_split(*data.make_data())
    assert np.random.random() == expected


@given(points(), st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_the_split_is_that_of_scikit_learn(xy, size, seed):
    assume(math.ceil(size * len(xy[0])) < len(xy[0]))
    theirs = train_test_split(*xy, test_size=size, random_state=seed)
    ours = data.train_val_split(*xy, test_size=size, seed=seed)
    assert [part.tolist() for part in ours] == [part.tolist() for part in theirs]


@given(points(), parameters)
def test_finite_difference_numpy_and_autograd_agree(xy, params):
    X, y = xy
    gradient = gradients.mse_gradient(params, X, y)

    b, w = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in params)
    ((torch.tensor(y) - b - w * torch.tensor(X)) ** 2).mean().backward()
    scale = np.abs(2 * (y - params[0] - params[1] * X)).mean() * (1 + np.abs(X).max())
    np.testing.assert_allclose(gradient, [b.grad, w.grad], rtol=1e-12, atol=1e-13 * scale)

    # J is quadratic, so the central difference is exact up to rounding for any step
    for k in range(2):
        step = np.eye(2)[k]
        difference = (gradients.mse(params + step, X, y) - gradients.mse(params - step, X, y)) / 2
        size = gradients.mse(params + step, X, y) + gradients.mse(params - step, X, y)
        assert abs(difference - gradient[k]) <= 1e-12 * (size + scale)


@given(points(), parameters, parameters)
def test_gradient_and_hessian_make_the_whole_loss(xy, params, move):
    X, y = xy
    d = np.array(move)
    taylor = (
        gradients.mse(params, X, y)
        + gradients.mse_gradient(params, X, y) @ d
        + d @ gradients.mse_hessian(X) @ d / 2
    )
    direct = gradients.mse(np.add(params, d), X, y)
    size = gradients.mse(params, X, y) + d @ gradients.mse_hessian(X) @ d
    assert abs(taylor - direct) <= 1e-11 * (size + direct)


@given(points())
def test_the_gradient_vanishes_at_the_optimum(xy):
    X, y = xy
    gradient = gradients.mse_gradient(gradients.least_squares(X, y), X, y)
    assert np.abs(gradient).max() <= 1e-11 * (1 + np.abs(y).max()) * (1 + np.abs(X).max())


@given(points(), st.integers(1, 40), st.integers(1, 40))
def test_loss_surface_is_the_mean_of_squares(xy, p, q):
    X, y = xy
    b, w = np.linspace(-3, 4, p), np.linspace(-5, 2, q)
    surface = gradients.loss_surface(b, w, X, y)
    direct = np.array([[np.mean((y - i - j * X) ** 2) for i in b] for j in w])
    assert surface.shape == (q, p)
    # the three products are as large as this, so near a zero of J it is the yardstick
    size = np.mean(y**2) + np.abs(b).max() ** 2 + np.abs(w).max() ** 2 * np.mean(X**2)
    np.testing.assert_allclose(surface, direct, rtol=1e-12, atol=1e-13 * size)


def test_loss_surface_on_the_chapters_grid_to_1e12():
    X, _, y, _ = data.load_chapter_data()
    grid = np.linspace(0, 3, 301)
    direct = np.array([[gradients.mse((b, w), X, y) for b in grid] for w in grid])
    np.testing.assert_allclose(gradients.loss_surface(grid, grid, X, y), direct, rtol=1e-12)


def test_the_learning_rate_limit_is_where_stability_ends():
    X, _, y, _ = data.load_chapter_data()
    limit = gradients.learning_rate_limit(X)
    below = descent.gradient_descent(X, y, lr=0.999 * limit, steps=3000).losses
    above = descent.gradient_descent(X, y, lr=1.001 * limit, steps=3000).losses
    assert below[-1] < below[0] and above[-1] > above[0]


NUMPY_RECORDS = {
    "5.1.3/gd-200-steps": lambda X, y: descent.gradient_descent(X, y, lr=0.1, steps=200).path[-1],
    "5.2.3/batch-gd-numpy": lambda X, y: descent.gradient_descent(X, y, lr=0.2, steps=10).path[1:],
    "5.2.4/minibatch-shuffled-numpy": lambda X, y: descent.minibatch_gradient_descent(
        X, y, lr=0.2, epochs=10, order="shuffled"
    ).per_epoch[1:],
    "5.2.4/minibatch-ordered-numpy": lambda X, y: descent.minibatch_gradient_descent(
        X, y, lr=0.2, epochs=10, order="given"
    ).per_epoch[1:],
}


@pytest.mark.parametrize("id", NUMPY_RECORDS)
def test_numpy_gives_the_published_digits(id):
    X, _, y, _ = data.load_chapter_data()
    comparison = published.compare(id, NUMPY_RECORDS[id](X, y))
    assert (comparison.exact, comparison.max_ulp) == (comparison.total, 0)


@given(st.integers(1, 120), st.sampled_from(descent.ORDERS), st.integers(0, 5))
def test_a_path_does_not_depend_on_how_it_is_sliced(batch_size, order, epochs):
    X, _, y, _ = data.load_chapter_data()

    def run(epochs):
        return descent.minibatch_gradient_descent(
            X, y, lr=0.05, epochs=epochs, batch_size=batch_size, order=order
        )

    long, short = run(epochs + 3), run(epochs)
    assert np.array_equal(long.path[: len(short.path)], short.path)
    assert np.array_equal(long.losses[: len(short.losses)], short.losses)
    assert np.array_equal(long.per_epoch[: epochs + 1], short.per_epoch)
    assert len(long.per_epoch) == epochs + 4


def test_one_batch_of_all_points_is_full_batch_descent():
    X, _, y, _ = data.load_chapter_data()
    whole = descent.gradient_descent(X, y, lr=0.2, steps=7)
    for size in (85, 86, 10_000):
        batch = descent.minibatch_gradient_descent(X, y, lr=0.2, epochs=7, batch_size=size)
        assert np.array_equal(batch.path, whole.path)


def test_orders_differ_and_follow_the_seed():
    X, _, y, _ = data.load_chapter_data()

    def run(order, seed):
        return descent.minibatch_gradient_descent(
            X, y, lr=0.2, epochs=2, batch_size=10, order=order, seed=seed
        ).path

    for a, b in itertools.combinations(descent.ORDERS, 2):
        assert not np.array_equal(run(a, 1), run(b, 1))
    assert np.array_equal(run("shuffled", 1)[:10], run("reshuffled", 1)[:10])  # the first epoch
    assert np.array_equal(run("given", 1), run("given", 2))
    assert not np.array_equal(run("reshuffled", 1), run("reshuffled", 2))


def test_the_losses_are_those_of_the_path():
    X, _, y, _ = data.load_chapter_data()
    run = descent.gradient_descent(X, y, start=(0.3, -1), lr=0.3, steps=20)
    assert run.path[0].tolist() == [0.3, -1]
    assert run.losses.tolist() == [gradients.mse(params, X, y) for params in run.path]


def test_a_diverging_run_says_where_and_why():
    X, _, y, _ = data.load_chapter_data()
    with pytest.raises(descent.DivergenceError) as caught:
        descent.gradient_descent(X, y, lr=5, steps=2000)
    message = str(caught.value)
    assert "step 146" in message and "lr=5" in message
    assert f"{gradients.learning_rate_limit(X):.5f}" in message


TORCH = {
    "gd": torch.optim.SGD,
    "momentum": lambda params, lr: torch.optim.SGD(params, lr, momentum=0.9),
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("lr", [0.01, 0.3])
def test_optimizers_are_those_of_torch(name, lr):
    X, _, y, _ = data.load_chapter_data()
    ours = descent.gradient_descent(X, y, lr=lr, steps=60, optimizer=name).path
    theta = torch.tensor(descent.START, dtype=torch.float64, requires_grad=True)
    optimizer = TORCH[name]([theta], lr=lr)
    for params in ours[1:]:
        optimizer.zero_grad()
        ((torch.tensor(y) - theta[0] - theta[1] * torch.tensor(X)) ** 2).mean().backward()
        optimizer.step()
        np.testing.assert_allclose(theta.detach(), params, rtol=1e-12)


# --- the published numbers ------------------------------------------------------------------


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-50, 50))
def test_ulp_distance_counts_the_floats_between(value, steps):
    other = value
    for _ in range(abs(steps)):
        other = math.nextafter(other, math.inf if steps > 0 else -math.inf)
    assume(np.isfinite(other))
    assert published.ulp_distance(value, other) == abs(steps)


def test_comparison_tells_how_many_agree_and_how_far():
    id = "5.2.3/batch-gd-numpy"
    values = np.array(published.record(id)["values"], dtype=float)
    assert published.compare(id, values) == published.Comparison(id, 20, 20, 0)
    values[3, 1] = np.nextafter(np.nextafter(values[3, 1], 9), 9)
    assert published.compare(id, values) == published.Comparison(id, 20, 19, 2)
    assert "20 of 20 values agree" in published.report(id, values)
    values[0, 0] += 1e-9
    assert "DIFFERS" in published.report(id, values)
    values[0, 0] = np.nan
    assert "DIFFERS" in published.report(id, values)


def test_comparison_of_texts_is_exact():
    id = "5.3.1/scalar"
    assert published.compare(id, ["tensor(1)", "1"]).agrees
    assert not published.compare(id, ["tensor(2)", "1"]).agrees
