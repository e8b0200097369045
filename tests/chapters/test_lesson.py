"""What the sentences of 5.1, 5.2 and their pages beyond claim, held against what is computed.

Each sentence must stand exactly once on its page, and its claim must be true of the chapter's data.
"""

from pathlib import Path

import nbformat
import numpy as np
import pytest

from explorer import LEVELS
from utils import data, descent, gradients

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
X, _, y, _ = data.load_chapter_data()
BEST = gradients.least_squares(X, y)
LIMIT = gradients.learning_rate_limit(X)
FIGURE_4 = descent.gradient_descent(X, y, lr=0.1, steps=200)
SLOW = descent.gradient_descent(X, y, lr=0.005, steps=200)
GONE_ON = descent.gradient_descent(X, y, start=SLOW.path[-1], lr=0.1, steps=50)


def J(b, w):
    return gradients.mse((b, w), X, y)


def minibatches(batch_size, order="reshuffled", **settings):
    settings = {"lr": 0.2, "epochs": 2} | settings
    return descent.minibatch_gradient_descent(X, y, batch_size=batch_size, order=order, **settings)


def arrival(batch_size):
    """Updates until the loss is within a tenth of its minimum."""
    return int(np.argmax(minibatches(batch_size, epochs=100).losses < 1.1 * J(*BEST)))


def distance(params):
    return np.linalg.norm(np.subtract(params, BEST))


def downhill_angle(params):
    """Between the negative gradient and the way to the minimum, in degrees."""
    way, down = BEST - params, -gradients.mse_gradient(params, X, y)
    cosine = way @ down / np.linalg.norm(way) / np.linalg.norm(down)
    return np.degrees(np.arccos(cosine))


CLAIMS = [
    ("5-1-math", "Of the five lines the solid one has the smallest loss.",
     min([3, 2, 1, 0.5, 1.2], key=lambda w: J(2.3, w)) == 1.2),
    ("5-1-math", "the line only turns about its point at $x = 0.5$", 2.3 + 1.2 * 0.5 == 2.4 + 1.0 * 0.5),
    ("5-1-math", "If you raise $w$ too, the whole line lifts off the points.", J(2.4, 1.4) > 5 * J(2.4, 1.0)),
    ("5-1-math", "all between 0 and 1", X.min() > 0 and X.max() < 1),
    ("5-1-math", "the best line passes through the centre of the points",
     np.isclose(BEST[0] + BEST[1] * X.mean(), y.mean(), rtol=1e-12)),
    ("5-1-math", "its loss is even lower than that of the line that they were made from", J(*BEST) < J(2.3, 1.2)),
    ("5-1-math", "They go straight down the valley wall (on the map to the right, and a little up), not\ntowards the minimum.",
     downhill_angle(FIGURE_4.path[0]) > 30 and (np.diff(FIGURE_4.path[:4], axis=0) > 0).all()),
    ("5-1-math", "The left run has only come down the wall. The right one zig-zags, and arrives.",
     [round(distance(descent.gradient_descent(X, y, lr=lr, steps=200).path[-1]), 1) for lr in (0.005, 0.8)] == [0.8, 0]),
    ("5-1-math", "Somewhere between the two lies a limit.", 0.8 < LIMIT < 0.85),
    ("5-1-math", "ten steps, and nearly all of the loss is gone", FIGURE_4.losses[10] < 0.05 * FIGURE_4.losses[0]),
    ("5-1-math", "from step 25 to step 200 the loss falls to less than a quarter",
     FIGURE_4.losses[200] < 0.25 * FIGURE_4.losses[25]),
    ("5-2-numpy", "After ten epochs we are much closer to the minimum than after\nthe ten full-batch steps above",
     distance(minibatches(32, "shuffled", epochs=10).path[-1]) < 0.7 * distance(minibatches(85, epochs=10).path[-1])),
    ("5-2-numpy", "without shuffling the run is about as good",
     0.9 < distance(minibatches(32, "given", epochs=10).path[-1])
     / distance(minibatches(32, "shuffled", epochs=10).path[-1]) < 1.1),
    ("5-2-numpy", "each of its points has 32/21 times the weight of another", len(X) - 64 == 21),
    ("5-2-numpy", "Its loss on all points goes up about as often as down.",
     0.4 < np.mean([np.diff(minibatches(1, seed=s).losses) > 0 for s in range(10)]) < 0.6),
    ("5-2-numpy", "is there first, and then cannot stand still",
     min(distance(p) for p in minibatches(1).path) < 0.1 * distance(minibatches(32).path[-1])),
    ("5-1-math", "at the minimum it does not",
     all(np.diff(descent.gradient_descent(X, y, start=BEST, lr=lr, steps=20).losses).min() > -1e-15 for lr in (0.1, 0.8, 0.9))),
    ("5-1-math", "on a floor\n  the loss falls again", SLOW.losses[-1] - GONE_ON.losses[-1] > 0.01 > SLOW.losses[-20] - SLOW.losses[-1]),
    ("5-1-math", "$J$ stays at 0.01 or below", LEVELS[0] == 0.01),
    ("5-1-math", "They lie close together, all between 0 and 1, so turning", X.var() < 0.1 and X.mean() > 0.4),
    ("5-2-numpy", "$J$ stays at 0.01 or below", LEVELS[0] == 0.01),
    ("5-2-numpy", "here each about as good as one with all points",
     abs(arrival(32) / arrival(85) - 1) < 0.05),
    ("5-2-numpy", "The loss of each group curves in its own way and has a\nlimit of its own",
     len({round(gradients.learning_rate_limit(X[group]), 3) for group in np.split(np.arange(85), [32, 64])}) == 3),
    ("5-2-numpy", "at $\\eta = 0.8$ the full batch still arrives, while single points diverge",
     J(*minibatches(85, lr=0.8, epochs=200).path[-1]) < 0.01
     and all(J(*minibatches(1, lr=0.8, epochs=40, seed=s).path[-1]) > 1e6 for s in range(5))),
    ("5-2-numpy", "the loss on all points flickers far above its lowest value",
     all(3 < np.median(minibatches(1, lr=0.7, epochs=60, seed=s).losses[2000:]) / J(*BEST) < 100 for s in range(5))),
    ("beyond-learning-rate", "six percent more, and the run diverges",
     1.05 < LIMIT * (np.linalg.eigvalsh(gradients.mse_hessian(X)).sum() / 2) < 1.06),
    ("beyond-minibatches", "before they have seen two\npercent of the data", 18688 / 1_000_000 < 0.02),
]  # fmt: skip


@pytest.mark.parametrize(("page", "sentence", "true"), CLAIMS, ids=[c[1][:40] for c in CLAIMS])
def test_the_sentence_stands_once_and_is_true(page, sentence, true):
    cells = nbformat.read(CHAPTERS / f"{page}.ipynb", as_version=4).cells
    text = " ".join(" ".join(c.source for c in cells if c.cell_type == "markdown").split())
    assert text.count(" ".join(sentence.split())) == 1, "rewritten? then rewrite its check"
    assert true


@pytest.mark.parametrize("lr", [0.9999, 1.0001])
def test_with_all_points_the_loss_rises_only_above_the_limit(lr):
    """ "It rises, in gradient descent with all points: eta is too large." """
    losses = descent.gradient_descent(X, y, lr=lr * LIMIT, steps=3000).losses
    assert (np.diff(losses) > 1e-12).any() == (lr > 1)


def test_the_chain_rule_of_5_1_2_point_by_point():
    """d r^2 / d(b, w) = 2 r (-1), 2 r (-x), by central differences."""
    for x_i, y_i in zip(X, y):
        r = y_i - 1.0 - 1.5 * x_i
        for h, factor in (((0.5, 0), -1), ((0, 0.5), -x_i)):
            up, down = ((y_i - (1 + s * h[0]) - (1.5 + s * h[1]) * x_i) ** 2 for s in (1, -1))
            assert np.isclose(up - down, 2 * r * factor, rtol=1e-9, atol=1e-12)
