"""The checks of the exercises on Section 5.3: silent faults, a model that travels, two optimizers."""

from __future__ import annotations

import warnings
from functools import cache, partial
from operator import eq

import numpy as np

from exercises.core import NotYet, call, exercise, is_tensor, kind, near, numbers, recognise, say
from utils import data, descent, gradients
from utils.optimizers import Adam, GradientDescent

# --- Exercise 5.6: silent faults ----------------------------------------------------------------

RUN_TOLERANCE = 1e-9  # of b and w in each row
RUN_STEPS, RUN_ETA = 10, 0.2


@exercise("5.6", "Repair the loop in `my_training`.")
def check_silent_faults(answer):
    """Check a repaired training loop: the ten steps of Section 5.3.6.

    Parameters: answer, a function of tensors X and y of shape (85,) that returns ten rows [b, w].
    """
    import torch

    X, _, y, _ = data.load_chapter_data()
    value = call(answer, torch.from_numpy(X), torch.from_numpy(y), errors=_TRAINING_ERRORS)
    rows = _rows(value)
    right = descent.gradient_descent(X, y, lr=RUN_ETA, steps=RUN_STEPS).path[1:]
    same = partial(near, tolerance=RUN_TOLERANCE)
    if same(rows, right):
        return "Ten steps, and each lands where that of Section 5.3.6 does."
    mistakes = (
        (np.tile(descent.START, (RUN_STEPS, 1)), "Nothing moves. Two things can be the cause: the optimizer steps other parameters than those of the model, or the gradients are gone when it steps."),
        (lambda: training_run(X, y, table=True), "It moves, but to the wrong place. Print the shape of what stands in the mean: every prediction meets every response."),
        (lambda: training_run(X, y, piled=True), "The gradients are never cleared, and pile up. Clear them once in each step, but not between `backward` and `step`."),
        (lambda: training_run(X, y, table=True, piled=True), "It moves, but the gradients pile up, and the loss is a mean over a table of all pairs: print its shape."),
        (np.tile(right[-1], (RUN_STEPS, 1)), "All ten rows are the last one: you stored the same memory ten times. Store numbers."),
        (right[:, ::-1], "Your numbers are right, but b comes first, then w."),
    )  # fmt: skip
    recognise(rows, mistakes, same)
    if near(rows, right, 1e-5):
        raise NotYet("Nearly: the digits stop at float32. The loop computed in float64.")
    step = int(np.argmax(np.abs(rows - right).max(axis=1) > RUN_TOLERANCE))
    if step == 0:
        raise NotYet(
            f"Already the first step differs: start at {descent.START}, eta = {RUN_ETA}, and the loss "
            "is a mean."
        )
    raise NotYet(f"The first {step} steps are right, step {step + 1} is not.")


_TRAINING_ERRORS = (
    (r"does not require grad", "The backward pass finds nothing to differentiate: some b or w is a plain tensor, which autograd does not watch."),
    (r"leaf Variable that requires grad", "You write into a parameter while autograd is watching. Tell PyTorch not to record it."),
    (r"NoneType", "Some gradient is None: nothing has been computed for this tensor."),
    (r"graph a second time", "The loss belongs inside the loop: each step needs its own forward pass."),
    (r"dtype|Double|Float", "Two dtypes meet. The data are float64."),
)  # fmt: skip


def training_run(X, y, *, table: bool = False, piled: bool = False) -> np.ndarray:
    """Ten rows (b, w) of the loop with a fault left in it.

    Parameters: table, whether the loss is the mean over all pairs of prediction and response;
    piled, whether the gradients are never cleared.
    """
    targets = np.full_like(y, y.mean()) if table else y  # they have the same gradient
    params, pile, rows = np.array(descent.START), np.zeros(2), []
    for _ in range(RUN_STEPS):
        pile = pile * piled + gradients.mse_gradient(params, X, targets)
        params = params - RUN_ETA * pile
        rows.append(params)
    return np.array(rows)


def _rows(value) -> np.ndarray:
    """Return ten rows [b, w], or say what is wrong with their shape."""
    rows = numbers(value, "list of rows")
    mistakes = (
        ((2, RUN_STEPS), "You return all b and then all w; one row [b, w] for each step is asked for."),
        ((RUN_STEPS, 2, 1), "Each number sits in a list of its own; `.item()` takes it out."),
    )  # fmt: skip
    recognise(rows.shape, mistakes, eq)
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise NotYet(f"{RUN_STEPS} rows [b, w] are asked for; this is {kind(value)}.")
    if len(rows) == RUN_STEPS + 1 and np.allclose(rows[0], descent.START):
        raise NotYet(f"Leave the start out: one row after each step, {RUN_STEPS} in all.")
    if len(rows) != RUN_STEPS:
        raise NotYet(f"{RUN_STEPS} rows are asked for, one for each step; these are {len(rows)}.")
    if np.allclose(rows[0], descent.START) and not np.allclose(rows[1], descent.START):
        raise NotYet("Your first row is the start. Store the row after the update of each step.")
    return rows


# --- Exercise 5.7: a model that takes everything along --------------------------------------------


@exercise("5.7", "Write the class `MyModel`.")
def check_travelling_model(answer):
    """Check a module that standardises its input, moves as a whole and is saved as a whole.

    Parameters: answer, a subclass of ``nn.Module`` made from (mean, std), float64 tensors of shape
    (1,), that maps (n, 1) to (n, 1).
    """
    import torch
    from torch import nn

    if not isinstance(answer, type) or not issubclass(answer, nn.Module):
        raise NotYet(
            f"The answer is a class made from `nn.Module`, not {kind(answer)}. Hand in the class itself."
        )
    mean, std = torch.tensor([[0.5], [0.25]], dtype=torch.float64)
    x = torch.tensor([[0.0], [0.5], [2.0]], dtype=torch.float64)
    model = call(answer, mean.clone(), std.clone())
    linear = next((m for m in model.modules() if isinstance(m, nn.Linear)), None)
    if linear is None:
        raise NotYet("There is no `nn.Linear` in your model any more.")
    with torch.no_grad():
        found, wanted, unscaled = call(model, x), linear((x - mean) / std), linear(x)
    if not is_tensor(found) or found.shape != wanted.shape:
        raise NotYet(f"3 points of shape (3, 1) come out as {kind(found)}; (3, 1) is asked for.")
    if torch.equal(found, unscaled):
        raise NotYet("Your model no longer standardises: (x - mean) / std belongs in front.")
    if not torch.allclose(found, wanted, rtol=0, atol=1e-12):
        raise NotYet("On the CPU your model should compute what the one above computes.")
    learned = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if learned > sum(p.numel() for p in linear.parameters()):
        raise NotYet(
            "It would move, but the optimizer would change the mean or the standard deviation as well: "
            "both are parameters now. They should belong to the model without being learned."
        )
    saved = [value.flatten().tolist() for value in model.state_dict().values()]
    moved = model.to("meta")
    left = [name for name, value in vars(moved).items() if is_tensor(value)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            device = moved(x.to("meta")).device.type
    except Exception as error:  # whatever the student's code raises
        if left:
            raise NotYet(
                f"`model.to(device)` leaves {' and '.join(f'`self.{n}`' for n in left)} behind: it "
                "moves what the module has registered, and a plain tensor is no part of it."
            ) from error
        raise NotYet(f"On another device your model stops with {say(error)}") from error
    if device != "meta":
        raise NotYet("Your model answers from another device than the one it was moved to.")
    if [0.5] not in saved or [0.25] not in saved:
        raise NotYet(
            "It runs on any device. But `state_dict()` does not hold mean and std: a saved model "
            "would come back without them."
        )
    return "Mean and std move with the model, are saved with it, and no optimizer changes them."


# --- Exercise 5.8: tune Adam against SGD ----------------------------------------------------------

GOAL = 1.01  # times the smallest loss
SGD_STEPS, ADAM_STEPS = 550, 100  # the most that a tuned run may take
MOST_STEPS = 2000


def plane_data(n: int = 100, *, seed: int = 42) -> tuple[np.ndarray, np.ndarray]:
    """Draw n points around the plane 2.3 + 1.2 x1 - 0.07 x2, noise of standard deviation 0.1.

    Parameters: n, number of points; seed, of NumPy's legacy generator.
    Returns: X, ndarray of shape (n, 2), uniform on [0, 1) and [0, 10); y, ndarray of shape (n,).
    """
    random = np.random.RandomState(seed)
    X = random.rand(n, 2) * (1.0, 10.0)
    return X, 2.3 + X @ (1.2, -0.07) + 0.1 * random.randn(n)


@cache
def _bowl():
    """The loss of a plane on ``plane_data`` as a bowl: its Hessian, its lowest point, J there."""
    X, y = plane_data()
    A = np.column_stack([np.ones(len(X)), X])
    best = np.linalg.lstsq(A, y, rcond=None)[0]
    return 2 * A.T @ A / len(A), best, float(np.mean((y - A @ best) ** 2))


def steps_to_goal(rule, most: int = MOST_STEPS) -> float:
    """How many steps from zero bring the loss to GOAL times the smallest; inf if ``most`` do not,
    NaN if the run diverges."""
    hessian, best, smallest = _bowl()
    params = np.zeros(3)
    for step in range(most + 1):
        if not np.abs(params).max() < 1e6:
            return np.nan
        distance = params - best
        gradient = hessian @ distance
        if 0.5 * distance @ gradient <= (GOAL - 1) * smallest:
            return step
        params = rule.step(params, gradient)
    return np.inf


@exercise("5.8", "Put the two learning rates into `my_rates`.")
def check_rates(answer):
    """Check two tuned learning rates.

    Parameters: answer, a pair (lr of SGD, lr of Adam), with which the loss on ``plane_data`` comes
    within GOAL of the smallest in at most SGD_STEPS and ADAM_STEPS steps.
    """
    rates = numbers(answer, "pair of learning rates")
    if rates.shape != (2,):
        raise NotYet(f"The answer is a pair, SGD first, then Adam; you handed in {kind(answer)}.")
    if (rates <= 0).any():
        raise NotYet("A learning rate is positive: with a negative one you walk uphill.")
    steps = [steps_to_goal(rule(lr)) for rule, lr in zip((GradientDescent, Adam), rates.tolist())]
    if steps[0] <= SGD_STEPS and steps[1] <= ADAM_STEPS:
        return f"SGD arrives after {steps[0]} steps and Adam after {steps[1]}, each with a rate of its own."
    swapped = [steps_to_goal(GradientDescent(rates[1])), steps_to_goal(Adam(rates[0]))]
    if swapped[0] <= SGD_STEPS and swapped[1] <= ADAM_STEPS:
        raise NotYet("These are good rates in the wrong order: SGD comes first, then Adam.")
    reasons = []
    for name, lr, found, most in zip(("SGD", "Adam"), rates, steps, (SGD_STEPS, ADAM_STEPS)):
        if np.isnan(found):
            reasons.append(f"{name} with {lr:g} diverges: go lower.")
        elif found > most:
            count = f"not within {MOST_STEPS} steps" if np.isinf(found) else f"after {found} steps"
            reasons.append(f"{name} with {lr:g} arrives {count}; at most {most} are wanted.")
        else:
            reasons.append(f"{name} is tuned: {found} steps.")
    if rates[0] == rates[1]:
        reasons.append("You gave both the same rate; what suits one need not suit the other.")
    raise NotYet(" ".join(reasons))
