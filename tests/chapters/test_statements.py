"""What the pages say about PyTorch and NumPy, each sentence with the code that must bear it out.

One entry is a page, a quotation that stands on it exactly once, and code whose last line is true.
To write a new sentence of this kind, add it here with its code; both are one glance apart.
"""

import ast
import re
from pathlib import Path

import pytest
import torch

from book import notebooks

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"

PYTORCH = [
    ("What you know of NumPy's arrays carries over", "t[0, 2] == 3 and t.reshape(3, 2)[2].tolist() == [5, 6]"),
    ("takes `dtype=` if you know better, and always *copies*", """
     a = np.zeros(2); c = torch.tensor(a); a[0] = 1
     c[0] == 0 and torch.tensor(a, dtype=torch.int64).dtype == torch.int64"""),
    ("*shares* the memory of a NumPy array where type and device allow it", """
     a = np.zeros(2); s, f, m = torch.as_tensor(a), torch.as_tensor(a, dtype=torch.float32), torch.as_tensor(a, device="meta")
     a[0] = 1
     s[0] == 1 and f[0] == 0 and m.device.type == "meta" """),
    ("From a list or an array it makes the default float type", """
     all(torch.Tensor(x).dtype == torch.float32 for x in ([1, 2], np.array([1, 2]), np.array([1.0, 2.0])))"""),
    ("It shares the memory of a `float32` array and copies any other.", """
     arrays = [np.zeros(2, d) for d in (np.float32, np.float64, np.int32)]; seen = [torch.Tensor(a) for a in arrays]
     for a in arrays: a[0] = 1
     [s[0].item() for s in seen] == [1, 0, 0]"""),
    ("(From a tensor it keeps the type.", """
     all(torch.Tensor(torch.ones(2, dtype=d)).dtype == d for d in (torch.float64, torch.int64))"""),
    ("`torch.Tensor(3)` is not the number 3 but three numbers", "torch.Tensor(3).shape == (3,)"),
    ("`tensor` took over the type of the array", "torch.tensor(np.array([1], np.int16)).dtype == torch.int16"),
    ("A tensor with one element is still a tensor", "isinstance(t[0, 0], torch.Tensor) and type(t[0, 0].item()) is float"),
    ("`dtype=torch.double` (the same as `torch.float64`)", "torch.double is torch.float64"),
    ("NumPy makes 64-bit", "np.array([1.5]).dtype == np.float64 and torch.tensor([1.5]).dtype == torch.float32"),
    ("`dtype=torch.float` means 32 bits, but `dtype=float`, Python's own float, means 64", """
     torch.ones(1, dtype=torch.float).dtype == torch.float32 and torch.ones(1, dtype=float).dtype == torch.float64"""),
    ("to the wider float, and from integers to floats", """
     (f32 + f64).dtype == torch.float64 and (i64 + f32).dtype == torch.float32 and (i64 / 2).dtype == torch.float32"""),
    ("A real number of Python does not widen a tensor of floats", """
     (f32 * 2.5).dtype == torch.float32 and (f32 + torch.tensor(2.5, dtype=torch.float64)).dtype == torch.float32"""),
    ("Integers and a Python float give the default float type, `float32`", "(i64 + 2.5).dtype == torch.get_default_dtype() == torch.float32"),
    ("it writes its result into the tensor itself", "z = torch.zeros(2); p = z.data_ptr(); z.add_(1) is z and z.data_ptr() == p"),
    ("what would turn integers into floats is refused", "raises(RuntimeError, lambda: i64.add_(2.5)) and f32.clone().add_(f64).dtype == torch.float32"),
    ("Products of vectors and matrices refuse mixed types", """
     m = torch.ones(2, 2)
     all(raises(RuntimeError, product) for product in (lambda: torch.dot(f32, f64), lambda: m @ f64, lambda: m @ m.double(), lambda: nn.Linear(2, 1)(f64)))"""),
    ("The mean of integers is refused, too. NumPy would answer with a float.", """
     raises(RuntimeError, i64.mean) and np.array([1, 2]).mean() == 1.5"""),
    ("Its tensors have a shape and a type but no numbers", """
     m = torch.ones(2, device="meta")
     m.shape == (2,) and m.dtype == torch.float32 and raises(RuntimeError, m[0].item)"""),
    ("`.to` leaves the tensor itself where it is and returns another one, there", """
     m = f32.to("meta")
     f32.device.type == "cpu" and m.device.type == "meta" and m is not f32"""),
    ("Where nothing has to change, it returns the very same tensor", """
     f32.to("cpu") is f32 and f32.cpu() is f32 and f32.to(torch.float32) is f32 and f32.to(torch.float64) is not f32"""),
    ("a tensor without an axis on the CPU may meet any other", """
     m = torch.ones(2, device="meta")
     (torch.tensor(2.0) * m).shape == (2,) and raises(RuntimeError, lambda: f32 * m) and raises(RuntimeError, lambda: torch.ones(1) * m)"""),
    ("On the CPU, `X` shares the memory of `X_train`", """
     a = np.ones(2)
     np.shares_memory(torch.as_tensor(a, device="cpu").numpy(), a)"""),
    ("`.numpy()` shows that memory as an array", "np.shares_memory(f64.numpy(), f64.cpu().numpy())"),
    ("A tensor that comes from a noted operation has a `grad_fn`", "J.grad_fn is not None and b.grad_fn is None and (f32 + 1).grad_fn is None"),
    ("`next_functions` of a node are the nodes behind it", 'type(J.grad_fn.next_functions[0][0]).__name__ == "PowBackward0"'),
    ("tensors that are not the result of a noted operation", "b.is_leaf and X.is_leaf and not J.is_leaf and (X + 1).is_leaf"),
    ("and, unless told otherwise, nowhere else", """
     e = y - b; e.retain_grad(); f = e * 1; (f**2).mean().backward()
     X.grad is None and b.grad is not None and e.grad is not None"""),
    ("So a second `backward()` through the same graph fails", "J.backward(); raises(RuntimeError, J.backward)"),
    ("`J.backward(retain_graph=True)` would keep the graph", "J.backward(retain_graph=True); J.backward(); b.grad.item() < 2 * -2.3"),
    ("goes to NumPy only if you say so", """
     raises(RuntimeError, b.numpy) and raises(RuntimeError, (b * X).numpy) and (b * X).detach().numpy().shape == (3,)"""),
    ("`.detach()` gives the same numbers, in the same memory, without the notes", """
     p = b * X; d = p.detach()
     d.data_ptr() == p.data_ptr() and not d.requires_grad and d.grad_fn is None"""),
    ("PyTorch takes no notes. Without it, an in-place change of a leaf would", """
     def update(): b.sub_(1)
     with torch.no_grad(): c = b * 2; update()
     c.grad_fn is None and raises(RuntimeError, update)"""),
    ("The new one has never seen a `backward()`", """
     J.backward()
     with torch.no_grad(): b = b - b.grad
     b.grad is None and not b.requires_grad and raises(AttributeError, lambda: b.grad.zero_())"""),
    ("(Outside `no_grad()` its `.grad` is `None` as well.", """
     J.backward(); b = b - b.grad
     with pytest.warns(UserWarning, match="not a leaf"): none = b.grad is None
     none and b.requires_grad"""),
    ("Without the two `zero_()` lines it is the next step that stops.", """
     J.backward()
     def another():
         loss_of(b, w).backward(); b.grad * 0.2
     with torch.no_grad(): b = b - b.grad
     one = raises(TypeError, another)
     with torch.no_grad(): w = w - w.grad
     one and raises(RuntimeError, another)"""),
    ("and adds the derivative of each parameter to its `.grad`, which is empty at first", "empty = b.grad is None; J.backward(); empty and b.grad is not None"),
    ("`backward()` *adds* to `.grad`", """
     J.backward(); once = b.grad.item(); loss_of(b, w).backward()
     b.grad.item() == 2 * once"""),
    ("the result is *computed* from it, so it is no leaf", """
     m = b.to("meta")
     not m.is_leaf and m.requires_grad and b.to("cpu") is b"""),
    ("or move it first and call `.requires_grad_()` afterwards", 'torch.ones(2).to("meta").requires_grad_().is_leaf'),
    ("Autograd first gives each term its share, 1/85, and then adds up", """
     J.backward(); share = (1 / 3) * (2 * (y - b - w * X).detach())
     b.grad.item() == -share.sum().item() and w.grad.item() == (-share * X).sum().item()"""),
    ("`step()` updates them all, `zero_grad()` clears their gradients", """
     o = torch.optim.SGD([b, w], lr=0.1); J.backward(); o.step(); moved = b.item() != 1 and w.item() != 1.5; o.zero_grad()
     moved and b.grad is None and w.grad is None"""),
    ("it would throw the new gradient away", """
     o = torch.optim.SGD([b, w], lr=0.1); J.backward(); o.zero_grad(); o.step()
     b.item() == 1"""),
    ("`zero_grad()` sets `.grad` back to `None`", """
     J.backward(); b.grad.zero_(); zero = b.grad.item(); torch.optim.SGD([b], lr=1).zero_grad()
     zero == 0 and b.grad is None"""),
    ("without it, the line `self.b = ...` raises an error", """
     class Bad(nn.Module):
         def __init__(self): self.b = nn.Parameter(torch.ones(1))
     raises(AttributeError, Bad)"""),
    ("`nn.Parameter` makes a tensor with `requires_grad=True` that the module puts on its list", """
     m = nn.Module(); m.a, m.c = nn.Parameter(torch.ones(1)), torch.ones(1)
     m.a.requires_grad and list(m.state_dict()) == ["a"] and isinstance(m.a, torch.Tensor)"""),
    ("Unlike `.to` of a tensor it changes the model itself, and its parameters stay leaves", """
     m = nn.Linear(1, 1)
     m.to("meta") is m and m.weight.device.type == "meta" and m.weight.is_leaf"""),
    ("The tensor `b` would go on changing in the list", """
     kept = [b]
     with torch.no_grad(): b -= 1
     kept[0].item() == 0"""),
    ("the call also runs what others may have hooked to it", """
     m, seen = nn.Linear(1, 1), []; m.register_forward_hook(lambda *_: seen.append(1)); m.forward(torch.ones(1)); before = len(seen); m(torch.ones(1))
     before == 0 and len(seen) == 1"""),
    ("without it the first call would be refused", "raises(RuntimeError, lambda: nn.Linear(1, 1)(torch.ones(3, 1).double()))"),
    ("PyTorch then calls `forward`", """
     class Two(nn.Module):
         def forward(self, x): return 2 * x
     Two()(3) == 6"""),
    ("such as dropout and batch normalisation", """
     d, n, x = nn.Dropout(0.5), nn.BatchNorm1d(1), torch.arange(8.0).reshape(-1, 1)
     not torch.equal(d(x), d.eval()(x)) and not torch.equal(n(x), n.eval()(x))"""),
    ("`eval()` does not switch autograd off", "nn.Linear(1, 1).eval()(torch.ones(1)).requires_grad"),
    ("What matters to it is the *last* axis of its input", """
     m = nn.Linear(3, 2)
     [tuple(m(torch.ones(s)).shape) for s in ((3,), (85, 3), (4, 85, 3))] == [(2,), (85, 2), (4, 85, 2)] and raises(RuntimeError, lambda: m(torch.ones(3, 85)))"""),
    ("It holds a matrix $W$, its `weight`, and a vector $b$, its `bias`", """
     m, x = nn.Linear(3, 2), torch.ones(4, 3)
     torch.allclose(m(x), x @ m.weight.T + m.bias) and m.weight.shape == (2, 3) and m.bias.shape == (2,)"""),
    ("It draws them in any case, before we overwrite them", """
     torch.manual_seed(1); a = torch.rand(1); torch.manual_seed(1); nn.Linear(1, 1)
     torch.rand(1) != a"""),
    ("and the best answer to that is a level line, $w = 0$ with $b$ the mean of `y`", """
     table = lambda b, w: ((y - (b + w * X.reshape(-1, 1))) ** 2).mean()
     b, w = y.mean().clone().requires_grad_(), torch.zeros((), dtype=torch.float64, requires_grad=True); table(b, w).backward()
     abs(b.grad) < 1e-12 and abs(w.grad) < 1e-12 and table(b, w) < table(b + 0.1, w) and table(b, w) < table(b, w + 0.1)"""),
    ("`nn.MSELoss` warns about such shapes; a formula typed by hand does not", """
     with pytest.warns(UserWarning, match="size"): nn.MSELoss()(torch.ones(3, 1), torch.ones(3))
     (torch.ones(3, 1) - torch.ones(3)).shape == (3, 3)"""),
]  # fmt: skip

DATALOADER = [
    ("32 tensors of shape (1,) become one of shape (32, 1)", """
     next(iter(DataLoader(points, batch_size=32)))[0].shape == (32, 1)"""),
    ("it puts the points in a new random order at the start of every epoch", """
     l = DataLoader(range(85), batch_size=85, shuffle=True)
     next(iter(l)).tolist() != next(iter(l)).tolist()"""),
    ("With `drop_last=True` the loader leaves a short batch out", """
     [len(x) for x, _ in DataLoader(points, batch_size=32, drop_last=True)] == [32, 32]"""),
    ("The new line moves the batch to the device", 'raises(RuntimeError, lambda: nn.Linear(1, 1).to("meta")(torch.ones(2, 1)))'),
    ("`.to(device)` returns the batch itself and costs nothing", 'f32.to(torch.device("cpu")) is f32'),
    ("takes its order from PyTorch's *global* random stream, and so does `nn.Linear`", """
     def order(before): torch.manual_seed(1); before(); return next(iter(DataLoader(range(85), batch_size=85, shuffle=True))).tolist()
     order(int) == order(int) != order(lambda: nn.Linear(1, 1))"""),
    ("does not matter what others draw", """
     def order(): return next(iter(DataLoader(range(85), batch_size=85, shuffle=True, generator=torch.Generator().manual_seed(1)))).tolist()
     a = order(); torch.rand(9); a == order()"""),
    ("The `generator` with a seed makes the split repeatable", """
     split = lambda: random_split(points, [0.85, 0.15], generator=torch.Generator().manual_seed(42))[1].indices
     split() == split()"""),
    ("The parts are datasets again", "isinstance(random_split(points, [80, 5])[0], torch.utils.data.Dataset)"),
    ("A pass over `train_loader` would draw an order from its generator", """
     def second(measure):
         l = DataLoader(range(85), batch_size=85, shuffle=True, generator=torch.Generator().manual_seed(1)); next(iter(l))
         next(iter(l if measure else DataLoader(range(85)))); return next(iter(l)).tolist()
     second(True) != second(False) == (lambda l: [next(iter(l)), next(iter(l))][1].tolist())(
         DataLoader(range(85), batch_size=85, shuffle=True, generator=torch.Generator().manual_seed(1)))"""),
    ("the noise of these 85 points happens to be smaller than usual, and that of the 15 smaller still", """
     from utils import data
     X, y = data.make_data(); parts = random_split(range(100), [0.85, 0.15], generator=torch.Generator().manual_seed(42))
     many, few = (np.mean((y - 2.3 - 1.2 * X)[part.indices] ** 2) for part in parts)
     few < many < 0.01"""),
    ("the whole body runs as if it stood inside `with torch.no_grad():`", """
     @torch.no_grad()
     def grads(): return torch.is_grad_enabled()
     not grads() and torch.is_grad_enabled()"""),
    ("Plain SGD does not mind", "steps(lambda: torch.optim.SGD([p], lr=0.1), False) == steps(lambda: torch.optim.SGD([p], lr=0.1), True)"),
    ("A new optimizer in each epoch has forgotten everything", """
     rules = [lambda: torch.optim.SGD([p], lr=0.1, momentum=0.9), lambda: torch.optim.RMSprop([p], lr=0.1), lambda: torch.optim.Adam([p], lr=0.1)]
     all(steps(rule, False) != steps(rule, True) for rule in rules)"""),
    ("adds 0.9 times the last change to each new one", """
     o = torch.optim.SGD([p], lr=0.1, momentum=0.9); p.grad = torch.tensor([2.0])
     places = [p.item()] + [(o.step(), p.item())[1] for _ in range(2)]
     abs((places[2] - places[1]) - (0.9 * (places[1] - places[0]) - 0.1 * 2)) < 1e-6"""),
    ("It needs NumPy, Matplotlib and PyTorch, and nothing of this book.", """
     import ast, pathlib, sys; from book import notebooks
     page = pathlib.Path(notebooks.__file__).parents[1] / "chapters" / "5-4-dataloader.ipynb"
     (program,) = [cell.source for cell in notebooks.load(page).cells if cell.id == "complete-program"]
     imports = [node for node in ast.walk(ast.parse(program)) if isinstance(node, (ast.Import, ast.ImportFrom))]
     names = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports]
     {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) == {"numpy", "matplotlib", "torch"}"""),
    ("What `state_dict()` gives shares the parameters' memory, and the training goes on changing it", """
     m = nn.Linear(1, 1); s = m.state_dict(); kept = copy.deepcopy(s)
     with torch.no_grad(): m.weight.add_(1)
     s["weight"] == m.weight and kept["weight"] != m.weight"""),
    ("`weights_only=True`, the default, lets `torch.load` read", """
     f = io.BytesIO(); torch.save({"a": [torch.ones(1), 2, "text"]}, f); f.seek(0); read = torch.load(f)
     g = io.BytesIO(); torch.save(nn.Linear(1, 1), g); g.seek(0)
     read["a"][1:] == [2, "text"] and raises(pickle.UnpicklingError, lambda: torch.load(g))"""),
    ("save the optimizer's `state_dict()`, too", """
     o = torch.optim.Adam([p]); p.grad = torch.ones(1); o.step(); q = torch.optim.Adam([p]); q.load_state_dict(o.state_dict())
     torch.equal(q.state[p]["exp_avg"], o.state[p]["exp_avg"])"""),
    ("To look at a single batch, take `X, y = next(iter(loader))`", "len(next(iter(DataLoader(points, batch_size=4)))) == 2"),
    ("says on which device the loaded tensors shall be", """
     f = io.BytesIO(); torch.save(torch.ones(1), f); f.seek(0)
     torch.load(f, map_location="meta").device.type == "meta" """),
    ("PyTorch's own `TensorDataset`, which does the same", "points[1][0].shape == (1,) and len(points) == 85"),
]  # fmt: skip

DIFFERENT = [
    ("NumPy keeps eight partial sums and adds these at the end", """
     a = np.random.RandomState(0).rand(80)
     r = a[:8].copy()
     for i in range(8, 80, 8): r += a[i : i + 8]
     ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7])) == a.sum()"""),
    ("`math.fsum` rounds only once, at the end", "math.fsum([1e16, 1.0, -1e16]) == 1.0 != sum([1e16, 1.0, -1e16])"),
    ("PyTorch makes float32 from Python's floats unless told otherwise", "torch.tensor([1.0]).dtype == nn.Linear(1, 1).weight.dtype == torch.float32"),
    ("*Iterating* a `DataLoader` draws from the global stream, even one that does not shuffle", """
     before = torch.get_rng_state(); next(iter(DataLoader(range(3))))
     not torch.equal(before, torch.get_rng_state())"""),
    ("`torch.manual_seed(42)` says nothing to NumPy", """
     np.random.seed(1); a = np.random.rand(); np.random.seed(1); torch.manual_seed(42); b = np.random.rand()
     torch.manual_seed(1); c = torch.rand(1); torch.manual_seed(1); np.random.seed(42)
     a == b and c == torch.rand(1)"""),
    ("It draws a number from the global stream, seeds a new generator with it", """
     torch.manual_seed(42); order = next(iter(DataLoader(range(85), batch_size=85, shuffle=True)))
     torch.manual_seed(42); torch.empty((), dtype=torch.int64).random_(); seed = torch.empty((), dtype=torch.int64).random_().item()
     torch.equal(order, torch.randperm(85, generator=torch.Generator().manual_seed(seed)))"""),
    ("followed by `np.random.rand` is `RandomState(42).rand`", "np.random.seed(42); np.random.rand() == np.random.RandomState(42).rand()"),
]  # fmt: skip

GLOSSARY = [
    ("a mere number on the CPU may meet any", '(torch.tensor(1.0) + torch.ones(2, device="meta")).device.type == "meta"'),
    ("So a shape (85, 1) and a shape (85,) give (85, 85)", "(torch.ones(85, 1) + torch.ones(85)).shape == np.broadcast_shapes((85, 1), (85,)) == (85, 85)"),
    ("`b -= ...` is in place, too", "z = torch.zeros(1); p = z; z -= 1; p is z and p.item() == -1"),
    ("53 of them (about 16 decimal ones) in `float64`, 24 (about 7) in `float32`", "np.finfo(np.float64).nmant == 52 and np.finfo(np.float32).nmant == 23"),
    ("it is $2^{-52}$", "math.ulp(1.5) == 2**-52"),
]  # fmt: skip

PAGES = {
    "5-3-pytorch.ipynb": PYTORCH,
    "5-4-dataloader.ipynb": DATALOADER,
    "different.ipynb": DIFFERENT,
    "glossary.qmd": GLOSSARY,
}
STATEMENTS = [(page, *entry) for page, entries in PAGES.items() for entry in entries]


#: What every snippet finds ready.
SETUP = """
import copy, io, math, pickle
import numpy as np, pytest, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

def raises(kind, call):
    try: call()
    except kind: return True
    return False

t = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
i64, f32, f64 = torch.tensor([1, 2]), torch.ones(2), torch.ones(2, dtype=torch.float64)
points = TensorDataset(torch.ones(85, 1), torch.ones(85, 1))

X, y = (torch.tensor(v).double() for v in ([0.1, 0.5, 0.8], [2.4, 3.0, 3.2]))
b, w = (torch.tensor(v).double().requires_grad_() for v in (1.0, 1.5))
def loss_of(b, w): return torch.mean((y - b - w * X) ** 2)
J = loss_of(b, w)

p = torch.ones(1, requires_grad=True)
def steps(make, anew):  # where p is after four steps, with a new optimizer for each or with one
    with torch.no_grad(): p.fill_(1.0)
    rule = make()
    for step in range(4):
        rule = make() if anew else rule
        p.grad = torch.tensor([1.0 + step])
        rule.step()
    return p.item()
"""


def text_of(page: str) -> str:
    path = CHAPTERS / page
    if path.suffix == ".qmd":
        text = path.read_text(encoding="utf-8")
    else:
        cells = notebooks.load(path).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return " ".join(re.sub(r"(?<!!)\[([^\[\]]*)\]\([^)]*\)", r"\1", text).split())


@pytest.mark.parametrize("page, quotation, code", STATEMENTS, ids=[s[1][:60] for s in STATEMENTS])
def test_the_statement_stands_on_its_page_and_is_true(page, quotation, code):
    assert text_of(page).count(quotation) == 1, f"{page} does not say once: {quotation}"
    lines = code.strip("\n").rstrip().splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    tree = ast.parse("\n".join(line[indent:] for line in lines))
    last = ast.Expression(tree.body.pop().value)
    scope = {}
    with torch.random.fork_rng(devices=[]):
        exec(SETUP, scope)
        exec(compile(tree, page, "exec"), scope)
        assert eval(compile(last, page, "eval"), scope), f"{page}: not true: {quotation}"
