"""Every published record computed again, each as its section of the chapter computes it.

The appendix "Reproduction ledger" prints the result and ``make matrix`` measures it on other
versions.  PyTorch is imported only where a record needs it.
"""

from __future__ import annotations

import numpy as np

from utils.data import load_chapter_data
from utils.descent import START, gradient_descent, minibatch_gradient_descent

LR, STEPS, BATCH_SIZE, SEED = 0.2, 10, 32, 42
_NAMES = (("b", "bias"), ("w", "weight"))  # of our own module, and of nn.Linear


def reproduce(id: str, *, device: str = "cpu") -> list:
    """Compute the record ``id`` again.

    Parameters: id, of a published record; device, on which PyTorch's training loops run.
    Returns: nested lists of the record's shape, of floats, and of texts where it prints texts.
    Raises: ValueError naming ``id``.
    """
    if id not in _RECIPES:
        raise ValueError(f"id {id!r} has no recipe; known are {', '.join(_RECIPES)}")
    recipe = _RECIPES[id]
    return recipe(device) if recipe in _ON_DEVICE else recipe()


def needs_torch(id: str) -> bool:
    """Whether the record is computed with PyTorch (the sections 5.3 and 5.4)."""
    return id >= "5.3"


def _training_points():
    X, _, y, _ = load_chapter_data()
    return X, y


# --- 5.1 and 5.2: NumPy ---------------------------------------------------------------------


def _gd_200_steps():
    # eta = 0.2 without the factor 2 of Equation 5.2 is 0.1 with it
    return gradient_descent(*_training_points(), lr=LR / 2, steps=200).path[-1].tolist()


def _batch_gd_numpy():
    return gradient_descent(*_training_points(), lr=LR, steps=STEPS).path[1:].tolist()


def _minibatch_numpy(order: str):
    run = minibatch_gradient_descent(
        *_training_points(), lr=LR, epochs=STEPS, batch_size=BATCH_SIZE, order=order, seed=SEED
    )
    return run.per_epoch[1:].tolist()


def _minibatch_shuffled_numpy():
    return _minibatch_numpy("shuffled")


def _minibatch_ordered_numpy():
    return _minibatch_numpy("given")


# --- 5.3: PyTorch ---------------------------------------------------------------------------


def _constructors():
    import torch

    array = np.array([1, 2], dtype=np.int32)
    copy, shared = torch.tensor(array), torch.as_tensor(array)
    shown = [str(torch.Tensor(array).dtype), str(copy.dtype), str(copy), str(shared), str(array)]
    array[0] = 0
    return [*shown, str(copy), str(shared), str(array)]


def _scalar():
    import torch

    one = torch.tensor(1)
    return [str(one), str(one.item())]


def _precision():
    import torch

    random = np.random.RandomState(SEED)
    random.shuffle(np.arange(85))  # drawn before it in the chapter, by Section 5.2.4
    number = random.random_sample(1)
    single = torch.as_tensor(number).float()
    routes = [
        number,
        torch.as_tensor(number),
        torch.as_tensor(number, dtype=torch.float),
        torch.as_tensor(number, dtype=float),
        torch.as_tensor(number, dtype=torch.float64),
        single,
        single.double(),
    ]
    return [[route.item(), str(route.dtype)] for route in routes]


def _points_on(device: str):
    import torch

    return [torch.as_tensor(values, device=device) for values in _training_points()]


def _scalars_on(device: str):
    import torch

    return [
        torch.tensor(value, dtype=torch.float64, device=device, requires_grad=True)
        for value in START
    ]


def _first_gradient(device: str):
    X, y = _points_on(device)
    b, w = _scalars_on(device)
    ((y - b - w * X) ** 2).mean().backward()
    return [b.grad.item(), w.grad.item()]


def _autograd(device: str):
    import torch

    X, y = _points_on(device)
    b, w = _scalars_on(device)
    path = []
    for _ in range(STEPS):
        ((y - b - w * X) ** 2).mean().backward()
        with torch.no_grad():
            for parameter in (b, w):
                parameter -= LR * parameter.grad
                parameter.grad.zero_()
        path.append([b.item(), w.item()])
    return path


def _sgd_optimizer(device: str):
    import torch

    X, y = _points_on(device)
    b, w = _scalars_on(device)
    optimizer = torch.optim.SGD([b, w], lr=LR)
    path = []
    for _ in range(STEPS):
        ((y - b - w * X) ** 2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        path.append([b.item(), w.item()])
    return path


def _line(device: str):
    """The hand-written module of Section 5.3.5, at the chapter's start."""
    import torch

    class Line(torch.nn.Module):
        def __init__(self):
            super().__init__()
            b, w = START
            self.b = torch.nn.Parameter(torch.tensor(b, dtype=torch.float64))
            self.w = torch.nn.Parameter(torch.tensor(w, dtype=torch.float64))

        def forward(self, x):
            return self.b + self.w * x

    return Line().to(device)


def _state_dict():
    model = _line("cpu")
    return [str(value) for value in model.state_dict().values()] + [
        str(value.data.requires_grad_()) for value in model.parameters()
    ]


def _linear(device: str):
    """The ``nn.Linear`` of Section 5.3.6, at the chapter's start."""
    import torch

    model = torch.nn.Linear(1, 1).double()  # its initial weights are drawn as float32
    with torch.no_grad():
        model.bias.fill_(START[0])
        model.weight.fill_(START[1])
    return model.to(device)


def _module_class(device: str):
    X, y = _points_on(device)
    return _train(_line(device), [(X, y)])


def _nn_linear(device: str):
    X, y = _points_on(device)
    return _train(_linear(device), [(X.reshape(-1, 1), y.reshape(-1, 1))])


# --- 5.4: DataLoader ------------------------------------------------------------------------


def _dataset():
    import torch

    X, y = (torch.as_tensor(values).reshape(-1, 1) for values in _training_points())
    return torch.utils.data.TensorDataset(X, y)


def _second_item():
    return [str(value) for value in _dataset()[1]]


def _batches(device: str, *, shuffle: bool):
    """The batches of 5.4.1's loader, moved to the device; each pass over them is an epoch."""
    import torch

    class Moved(torch.utils.data.DataLoader):
        def __iter__(self):
            return ((X.to(device), y.to(device)) for X, y in super().__iter__())

    return Moved(_dataset(), batch_size=BATCH_SIZE, shuffle=shuffle)


def _dataloader_shuffled(device: str):
    import torch

    with torch.random.fork_rng(devices=[]):  # the caller's stream stays as it was
        torch.manual_seed(SEED)
        _linear(device)  # Section 5.3.6 drew its initial weights from the stream first
        return _train(_linear(device), _batches(device, shuffle=True))


def _dataloader_ordered(device: str):
    return _train(_line(device), _batches(device, shuffle=False))


def _train(model, batches) -> list[list[float]]:
    """Train for STEPS epochs with SGD and return (b, w) after each of them."""
    import torch

    loss, optimizer = torch.nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=LR)
    parameters = dict(model.named_parameters())
    b, w = (parameters.get(short, parameters.get(long)) for short, long in _NAMES)
    path = []
    for _ in range(STEPS):
        for X, y in batches:
            loss(model(X), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        path.append([b.item(), w.item()])
    return path


_RECIPES = {
    "5.1.3/gd-200-steps": _gd_200_steps,
    "5.2.3/batch-gd-numpy": _batch_gd_numpy,
    "5.2.4/minibatch-shuffled-numpy": _minibatch_shuffled_numpy,
    "5.2.4/minibatch-ordered-numpy": _minibatch_ordered_numpy,
    "5.3.1/constructors": _constructors,
    "5.3.1/scalar": _scalar,
    "5.3.1/precision": _precision,
    "5.3.3/first-gradient": _first_gradient,
    "5.3.3/autograd": _autograd,
    "5.3.4/sgd-optimizer": _sgd_optimizer,
    "5.3.5/state-dict": _state_dict,
    "5.3.5/module-class": _module_class,
    "5.3.6/nn-linear": _nn_linear,
    "5.4.1/second-item": _second_item,
    "5.4.1/dataloader-shuffled": _dataloader_shuffled,
    "5.4.1/dataloader-ordered": _dataloader_ordered,
}
_ON_DEVICE = {
    _first_gradient, _autograd, _sgd_optimizer, _module_class, _nn_linear,
    _dataloader_shuffled, _dataloader_ordered,
}  # fmt: skip
