"""The checks of the exercises on Section 5.3: silent faults, a model that travels, two optimizers."""

from __future__ import annotations

from functools import partial

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
    rows = numbers(value, f"{RUN_STEPS} rows [b, w]", (RUN_STEPS, 2), _ROW_SHAPES)
    path = descent.gradient_descent(X, y, lr=RUN_ETA, steps=RUN_STEPS).path
    start, right, before = path[0], path[1:], path[:-1]
    same = partial(near, tolerance=RUN_TOLERANCE)
    if same(rows, right):
        return "Ten steps, and each lands where that of Section 5.3.6 does."
    mistakes = (
        ([start] * RUN_STEPS, "Nothing moves. Two things can be the cause: the optimizer steps other parameters than those of the model, or the gradients are gone when it steps."),
        (training_run(X, y, table=True), "It moves, but to the wrong place. Print the shape of what stands in the mean: every prediction meets every response."),
        (training_run(X, y, piled=True), "The gradients are never cleared, and pile up. Clear them once in each step, but not between `backward` and `step`."),
        (training_run(X, y, table=True, piled=True), "It moves, but the gradients pile up, and the loss is a mean over a table of all pairs: print its shape."),
        ([right[-1]] * RUN_STEPS, "All ten rows are the last one: you stored the same memory ten times. Store numbers."),
        (right[:, ::-1], "Your numbers are right, but b comes first, then w."),
        (before, "Your first row is the start. Store the row after the update of each step."),
    )  # fmt: skip
    recognise(rows, mistakes, same)
    if near(rows, right, 1e-5):
        raise NotYet("Nearly: the digits stop at float32. The loop computed in float64.")
    step = int(np.argmax(np.abs(rows - right).max(axis=1) > RUN_TOLERANCE)) + 1
    raise NotYet(f"Step {step} is the first that differs. Are start, eta and loss as they were?")


_TRAINING_ERRORS = (
    (r"does not require grad", "The backward pass finds nothing to differentiate: some b or w is a plain tensor, which autograd does not watch."),
    (r"leaf Variable that requires grad", "You write into a parameter while autograd is watching. Tell PyTorch not to record it."),
    (r"NoneType", "Some gradient is None: nothing has been computed for this tensor."),
    (r"graph a second time", "The loss belongs inside the loop: each step needs its own forward pass."),
    (r"dtype|Double|Float", "Two dtypes meet. The data are float64."),
)  # fmt: skip
_ROW_SHAPES = (
    ((2, RUN_STEPS), "You return all b and then all w; one row [b, w] for each step is asked for."),
    ((RUN_STEPS, 2, 1), "Each number sits in a list of its own; `.item()` takes it out."),
    ((RUN_STEPS + 1, 2), "Leave the start out: one row after each step is asked for."),
)


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
        raise NotYet(f"Hand in the class itself, made from `nn.Module`; this is {kind(answer)}.")
    mean, std = torch.tensor([[0.5], [0.25]], dtype=torch.float64)
    x = torch.tensor([[0.0], [0.5], [2.0]], dtype=torch.float64)
    model = call(answer, mean.clone(), std.clone())
    layers = [*(m for m in model.modules() if isinstance(m, nn.Linear)), nn.Linear(1, 1).double()]
    with torch.no_grad():
        found, wanted = call(model, x), layers[0]((x - mean) / std)
    if not is_tensor(found) or not near(found, wanted, 1e-12):
        raise NotYet("On the CPU: (x - mean) / std, then `nn.Linear`, as in the model above.")
    if sum(p.numel() for p in model.parameters() if p.requires_grad) > 2:  # the layer's own
        raise NotYet("It would move. But mean and std are parameters now, and would be learned.")
    saved = [value.flatten().tolist() for value in model.state_dict().values()]
    moved = model.to("meta")
    left = " and ".join(f"`self.{name}`" for name, value in vars(moved).items() if is_tensor(value))
    try:
        device = moved(x.to("meta")).device.type
    except Exception as error:  # whatever the student's code raises
        if left:
            raise NotYet(f"`model.to(device)` leaves {left} behind, unregistered.") from error
        raise NotYet(f"On another device your model stops with {say(error)}") from error
    if device != "meta":
        raise NotYet("Your model answers from another device than the one it was moved to.")
    if [0.5] not in saved or [0.25] not in saved:
        raise NotYet("It runs on any device. But `state_dict()` does not hold mean and std.")
    return "Mean and std move with the model, are saved with it, and no optimizer changes them."


# --- Exercise 5.8: tune Adam against SGD ----------------------------------------------------------

GOAL = 1.01  # times the smallest loss
SGD_STEPS, ADAM_STEPS = 550, 100  # the most that a tuned run may take
MOST_STEPS = 2000


def plane_data() -> tuple[np.ndarray, np.ndarray]:
    """Draw 100 points around the plane 2.3 + 1.2 x1 - 0.07 x2, noise of standard deviation 0.1.

    Returns: X, ndarray of shape (100, 2), uniform on [0, 1) and [0, 10); y, ndarray of shape (100,).
    """
    random = np.random.RandomState(42)
    X = random.rand(100, 2) * (1.0, 10.0)
    return X, 2.3 + X @ (1.2, -0.07) + 0.1 * random.randn(100)


def steps_to_goal(rule) -> float:
    """How many steps from zero bring the loss to GOAL times the smallest; inf if MOST_STEPS do not,
    NaN if the run diverges."""
    X, y = plane_data()
    A = np.column_stack([np.ones(len(X)), X])
    goal = GOAL * np.linalg.lstsq(A, y, rcond=None)[1].item() / len(y)
    params = np.zeros(3)
    for step in range(MOST_STEPS + 1):
        error = A @ params - y
        if np.mean(error**2) <= goal:
            return step
        if not np.abs(params).max() < 1e6:
            return np.nan
        params = rule.step(params, 2 * A.T @ error / len(y))
    return np.inf


@exercise("5.8", "Put the two learning rates into `my_rates`.")
def check_rates(answer):
    """Check two tuned learning rates.

    Parameters: answer, a pair (lr of SGD, lr of Adam), with which the loss on ``plane_data`` comes
    within GOAL of the smallest in at most SGD_STEPS and ADAM_STEPS steps.
    """
    rates = numbers(answer, "a pair, the rate of SGD first, then that of Adam", (2,))

    def count(*rates):
        return [steps_to_goal(rule(lr)) for rule, lr in zip((GradientDescent, Adam), rates)]

    most, steps = (SGD_STEPS, ADAM_STEPS), count(*rates)
    if np.less_equal(steps, most).all():
        return f"SGD arrives after {steps[0]} steps and Adam after {steps[1]}, each with a rate of its own."
    if np.less_equal(count(*rates[::-1]), most).all():
        raise NotYet("These are good rates in the wrong order: SGD comes first, then Adam.")
    reasons = []
    for name, lr, found, limit in zip(("SGD", "Adam"), rates, steps, most):
        if np.isnan(found):
            reasons.append(f"{name} with {lr:g} diverges: go lower.")
        elif found > limit:
            needs = f"more than {MOST_STEPS}" if found > MOST_STEPS else found
            reasons.append(f"{name} with {lr:g} needs {needs} steps; {limit} are allowed.")
        else:
            reasons.append(f"{name} is tuned: {found} steps.")
    if rates[0] == rates[1]:
        reasons.append("You gave both the same rate; what suits one need not suit the other.")
    raise NotYet(" ".join(reasons))
