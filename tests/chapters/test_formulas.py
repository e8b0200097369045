"""The formulas of every page, parsed and evaluated at random points.

Each formula that says something has a row in ``FORMULAS``: words that only it contains, and what its
symbols stand for where ``world`` does not say.  The values come from ``utils``, autograd and
PyTorch, never from another formula of the text.  ``PLAIN`` names those that say nothing to check.
"""

import re
from functools import cache

import claims
import numpy as np
import pytest
import torch
from scipy.linalg import solve_discrete_lyapunov
from scipy.optimize import brentq, minimize_scalar
from sklearn.preprocessing import StandardScaler
from sympy import Symbol
from sympy.parsing.latex import parse_latex

from exercises import figures
from utils import data, descent, gradients, optimizers

# --- reading ---------------------------------------------------------------------------------


@cache
def formulas() -> dict[str, list[str]]:
    """Page -> all its formulas, those of captions included, as Pandoc reads them."""
    return {page: list(_math(tree)) for page, tree in claims.trees().items()}


def _math(node):
    if isinstance(node, list):
        for below in node:
            yield from _math(below)
    elif isinstance(node, dict) and node.get("t") == "Math":
        yield " ".join(node["c"][1].split())
    elif isinstance(node, dict):
        yield from _math(node.get("c", []))


#: How the parser, which knows no accents and no partial derivatives, is told what stands there.
SPELLING = [
    (r"\begin{aligned}", ""),
    (r"\end{aligned}", ""),
    (r"\text{new}", "n"),
    (r"\text{old}", "o"),
    (r"\text{best}", "s"),
    (r"\hat y", "h"),
    (r"\frac1N", r"\frac{1}{N}"),
    (r"\sum_r", r"\sum_{r=1}^{2}"),
    (r"\sum_i", r"\sum_{i=1}^{N}"),
    (r"\sum_{\lambda}", r"S"),
    (r"\max |", r"M |"),
    (r"\frac{\partial}{\partial b}\, r_i^2", "A"),
    (r"\frac{\partial}{\partial w}\, r_i^2", "C"),
    (r"\dfrac{\partial^2 J}{\partial b^2}", "P"),
    (r"\dfrac{\partial^2 J}{\partial b\, \partial w}", "Q"),
    (r"\dfrac{\partial^2 J}{\partial w\, \partial b}", "R"),
    (r"\dfrac{\partial^2 J}{\partial w^2}", "T"),
    (r"\partial e^2/\partial v", "Q_v"),
    (r"\partial e/\partial ", "E_"),
    (r"\nabla J(\theta_{i-1})", "G"),
    (r"\nabla J", "G"),
    (r"d^\top", "D"),
    (r"W^\top", "V"),
    (r"f_\Theta(x)", "f"),
]
RELATION = r"(=|<|\\le(?![a-z])|\\approx|\\ne(?![a-z])|\\leftarrow)(?![^{}]*\})"
NAMES = re.compile(r"(?!.*\\(frac|sqrt|sum))[A-Za-z0\\,_{} ()\[\]]*")  # and pairs of them


def statements(formula: str, env: dict):
    """Split a formula into chains: side, relation, side, ...; matrices become symbols of env."""
    formula = re.sub(r"\\tag\{.*?\}", "", formula)
    for old, new in SPELLING:
        formula = formula.replace(old, new)
    for number, table in enumerate(re.findall(r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", formula)):
        rows = [line.split("&") for line in re.split(r"\\\\(?:\[\w+\])?", table)]
        env[f"T_{{{number}}}"] = np.array([[side(cell, env) for cell in row] for row in rows])
        formula = formula.replace(rf"\begin{{pmatrix}}{table}\end{{pmatrix}}", f"T_{number}")
    parts = re.split(
        r"\\\\|\\q?quad|\\text\{and\}|\\Longrightarrow|;",
        formula.replace("&", "").replace(r"\;", ""),
    )
    for part in filter(None, (part.strip(" ,.") for part in parts)):
        yield [piece.strip() for piece in re.split(RELATION, part)]


# --- evaluating ------------------------------------------------------------------------------

parse = cache(parse_latex)


def side(text: str, env: dict):
    """The value of a side; that of a pair is an array."""
    if pair := re.fullmatch(r"\(([^()]*),(?:\\ )?([^()]*)\)", text.strip()):
        return np.array([side(each, env) for each in pair.groups()])
    return value(parse(text), env)


def value(node, env: dict):
    """Evaluate what SymPy has read; a name that env does not know is an error."""
    if str(node) in env:
        return env[str(node)]
    if node.is_Number:
        return float(node)
    kind = type(node).__name__
    if kind == "Symbol" and "_{" in node.name:
        name, index = node.name[:-1].split("_{")
        return env[name + "_" if name + "_" in env else name][env[index]]
    if kind == "Sum":
        body, (index, first, last) = node.args
        numbers = range(int(value(first, env)) - 1, int(value(last, env)))
        return sum(value(body, {**env, str(index): k}) for k in numbers)
    if kind in ("Symbol", "Derivative") or not node.args:
        raise KeyError(f"nothing says what {node} is")
    values = [value(each, env) for each in node.args[: 1 if kind == "log" else None]]
    if kind not in OPERATIONS:  # x_i (...) is read as a function x_i of what follows
        return times(value(Symbol(kind), env), *values)
    return OPERATIONS[kind](*values)


def times(*factors):
    product = factors[0]
    for factor in factors[1:]:
        if callable(product):
            product = product(factor)
        elif np.ndim(product) and np.ndim(factor) and np.ndim(product) + np.ndim(factor) > 2:
            product = product @ factor
        else:
            product = product * factor
    return product


OPERATIONS = {
    "Add": lambda *terms: sum(terms[1:], terms[0]),
    "Mul": times,
    "Pow": lambda base, exponent: base**exponent,
    "Abs": np.abs,
    "log": np.log,
    "exp": np.exp,
    "conjugate": np.mean,  # a bar is an average
}


def check(formula: str, env: dict) -> list[str]:
    """What is wrong with a formula, empty if nothing is.

    ``is`` in env holds the values of the sides where no equation does; a symbol that is renewed
    (an arrow) is in env with a prime, and what follows uses it.
    """
    wrong, rtol, atol = [], env.get("rtol", 1e-9), env.get("atol", 1e-12)
    for chain in statements(formula, env):
        values = [side(text, env) for text in chain[::2]]
        if r"\leftarrow" in chain:
            values[0] = env[chain[0].lstrip("\\") + "'"]
            env[chain[0]] = values[0]
        same = [np.allclose(*pair, rtol=rtol, atol=atol) for pair in zip(values, env.get("is", ()))]
        for left, relation, right in zip(values, chain[1::2], values[1:]):
            close = np.allclose(left, right, rtol=rtol, atol=atol)
            same.append(
                {
                    r"\approx": np.allclose(left, right, rtol=env.get("approx", rtol), atol=atol),
                    r"\ne": not np.allclose(left, right, rtol=1e-5),
                    "<": np.all(np.less(left, right)),
                }.get(relation, close)
            )
        if not all(same) or not same:
            wrong.append(f"{' '.join(chain)}: the sides are {values}, {env.get('is', '')}")
    return wrong


# --- what is true ----------------------------------------------------------------------------


def slopes(function, **at) -> dict[str, float]:
    """The partial derivatives of a function at a point, by autograd."""
    leaves = {
        name: torch.tensor(each, dtype=torch.float64, requires_grad=True)
        for name, each in at.items()
    }
    function(**leaves).backward()
    return {name: leaf.grad.item() for name, leaf in leaves.items()}


def world(seed: int) -> dict:
    """Random data, parameters and settings, and what the symbols of the book are for them."""
    random = np.random.default_rng(seed)
    n, (b, w) = 7, random.normal(size=2)
    x, y = random.uniform(0.5, 2, n), random.normal(size=n)
    eta = random.uniform(0.3, 0.9) * gradients.learning_rate_limit(x)
    tx, ty = torch.tensor(x), torch.tensor(y)

    def loss(b, w):
        return ((ty - b - w * tx) ** 2).mean()

    at = torch.tensor(b), torch.tensor(w)
    G = np.array(list(slopes(loss, b=b, w=w).values()))
    H = np.array(torch.autograd.functional.hessian(loss, at))
    theta, best = np.array([b, w]), gradients.least_squares(x, y)
    after = optimizers.GradientDescent(eta).step(theta, G)
    predicted = torch.nn.functional.linear(tx[:, None], at[1].reshape(1, 1), at[0].reshape(1))
    env = {"N": n, "x": x, "y": y, "b": b, "w": w, "eta": eta, "h": predicted.numpy()[:, 0]}
    env |= {"random": random, "i": int(random.integers(n)), "M": np.max, "S": np.sum}
    env |= {"J": loss(*at).item(), "G": G, "H": H, "I": np.eye(2), "Theta": theta}
    env |= {"d": theta - best, "D": (theta - best)[None]}
    env |= {"J(b, w)": env["J"], "J_{min}": gradients.mse(best, x, y), "d_{n}": after - best}
    env |= {"J_{b}": G[0], "J_{w}": G[1], "Derivative(J, b)": G[0], "Derivative(J, w)": G[1]}
    env |= dict(zip("PQRT", H.flat))
    env |= {"b_{o}": b, "w_{o}": w, "b_{n}": after[0], "w_{n}": after[1]}
    env |= {"theta_{i}": after, "theta_{i - 1}": theta, "kappa": np.linalg.cond(H)}
    env |= {"downhill": (after - theta) / eta}
    return env | dict(zip(("lambda_{min}", "lambda_{max}"), np.linalg.eigvalsh(H)))


# Each of these adds to a world what one kind of formula speaks of.


def one_point(a):
    """The residual of point i, its square, and their derivatives."""
    x, y = a["x"][a["i"]], a["y"][a["i"]]
    r = slopes(lambda b, w: y - b - w * x, b=a["b"], w=a["w"])
    square = slopes(lambda b, w: (y - b - w * x) ** 2, b=a["b"], w=a["w"])
    residuals = a["y"] - a["h"]
    named = {"Derivative(r_{i}, b)": r["b"], "Derivative(r_{i}, w)": r["w"]}
    this = {"A": square["b"], "C": square["w"], "size": np.sqrt(residuals[a["i"]] ** 2)}
    return {"r": residuals, "this": residuals[a["i"]], **named, **this}


def at_the_minimum(a):
    b, w = gradients.least_squares(a["x"], a["y"])
    return {"b": b, "w": w}


def along_a_line(a):
    """J on a straight line through its minimum, at the distance u: its bend, by autograd twice."""
    angle, u = a["random"].uniform(0, 3), a["random"].normal()
    p, q = np.cos(angle), np.sin(angle)
    x, y, best = a["x"], a["y"], gradients.least_squares(a["x"], a["y"])
    at = torch.tensor(u, dtype=torch.float64, requires_grad=True)
    residuals = torch.tensor(y - best[0] - best[1] * x) - at * torch.tensor(p + q * x)
    J = (residuals**2).mean()
    (slope,) = torch.autograd.grad(J, at, create_graph=True)
    c = torch.autograd.grad(slope, at)[0].item()
    moved = best + (u - a["eta"] * slope.item()) * np.array([p, q])
    after = (moved - best) @ (p, q)
    env = {"p": p, "q": q, "u": u, "c": c, "J": J.item() - a["J_{min}"], "half": c / 2}
    env |= {"u_{o}": u, "u_{n}": after, "there": u / slope.item(), "limit": 2 * u / slope.item()}
    change = y - best @ [np.ones_like(x), x]
    return env | {"change": (residuals.detach().numpy() - change)[a["i"]]}


def parabola(a):
    x, y, v = a["x"][0], a["y"][0], a["random"].normal()

    def error(b, w, v):
        return y - (b + w * x + v * x**2)

    model = torch.nn.Linear(2, 1).double()
    with torch.no_grad():
        model.weight[:], model.bias[:] = torch.tensor([a["w"], v]), a["b"]
    at, h = {"b": a["b"], "w": a["w"], "v": v}, model(torch.tensor([x, x**2])).item()
    one = {f"E_{{{name}}}": slope for name, slope in slopes(error, **at).items()}
    square = slopes(lambda **at: error(**at) ** 2, **at)
    env = {"x": x, "y": y, "v": v, "h": h, "e": y - h, "Q_{v}": square["v"]}
    return env | one | {"twice": square["v"] / one["E_{v}"]}


def plane(a):
    x, w = a["random"].normal(size=(2, 2))
    h = torch.nn.functional.linear(*map(torch.tensor, (x, w, a["b"]))).item()
    return {"x_{1}": x[0], "x_{2}": x[1], "w_{1}": w[0], "w_{2}": w[1], "h": h}


def layer(a):
    model, x = torch.nn.Linear(3, 2).double(), torch.tensor(a["random"].normal(size=(4, 3)))
    V, b, h = (t.detach().numpy() for t in (model.weight.T, model.bias, model(x)))
    return {"x": x.numpy(), "V": V, "b": b, "h": h}


def along_an_axis(a):
    eigenvalues, vectors = np.linalg.eigh(a["H"])
    t, best = a["random"].normal(), gradients.least_squares(a["x"], a["y"])
    rise = gradients.mse(best + t * vectors[:, 1], a["x"], a["y"]) - a["J_{min}"]
    run = descent.gradient_descent(a["x"], a["y"], start=best + vectors[:, 1], lr=a["eta"], steps=1)
    left = (run.path[1] - best) @ vectors[:, 1]
    limit = gradients.learning_rate_limit(a["x"])
    env = {"lambda": eigenvalues[1], "v": vectors[:, 1], "t": t, "rise": rise, "left": left}
    return {**env, "limit": limit}


def both_axes(a):
    """The larger of the two factors, and where it is least: by search."""
    low, high = a["lambda_{min}"], a["lambda_{max}"]
    rho = np.linalg.norm(np.eye(2) - a["eta"] * a["H"], 2)
    steps = brentq(lambda k: rho**k - 1 / 1000, 0, 1e6)
    found = minimize_scalar(
        lambda eta: max(abs(1 - eta * low), abs(1 - eta * high)),
        bounds=(0, 2 / high),
        options={"xatol": 1e-12},
    )
    eigenvalues = {"lambda": np.array([low, high])}
    best = {"eta_{s}": found.x, "best rate": found.fun, "rtol": 1e-6}
    return {**eigenvalues, "rho": rho, "steps": steps, **best}


def at_the_best(a):
    found = both_axes(a)
    return {**found, "eta": found["eta_{s}"]}


def best_momentum(a):
    """Where the last steps of both axes are critically damped: theory by the discriminant."""
    low, high = a["lambda_{min}"], a["lambda_{max}"]
    root = brentq(lambda q: (1 + q) ** 2 * low - (1 - q) ** 2 * high, 0, 1)
    return {"beta": root**2, "eta": (1 - root) ** 2 / low}


def noise(a):
    """The floor, from the stationary covariance of steps with a random gradient."""
    B, H, shrink = 32, a["H"], np.eye(2) - a["eta"] * a["H"]
    covariance = solve_discrete_lyapunov(shrink, a["eta"] ** 2 * 2 * a["J_{min}"] * H / B)
    height = a["J_{min}"] + np.trace(H @ covariance) / 2
    return {"B": B, "J": height, "lambda": np.linalg.eigvalsh(H)}


def standardised(a):
    z = StandardScaler().fit_transform(a["x"][:, None])[:, 0]
    return {"s": np.std(a["x"]), "z": z}


def shards(a):
    """Two workers with unequal shards."""
    parts, at = [slice(0, 3), slice(3, None)], (a["b"], a["w"])
    J_, G_ = (
        np.array([function(at, a["x"][part], a["y"][part]) for part in parts])
        for function in (gradients.mse, gradients.mse_gradient)
    )
    step = optimizers.GradientDescent(a["eta"]).step(at, G_[1]) - at
    sizes = {"N_": np.array([3, 4]), "r": 1, "W": 2, "share": 4 / 7 * 2, "step": step}
    return {"J_": J_, "G_": G_, "ell": (a["y"] - a["h"]) ** 2, **sizes}


def odd_and_even(a):
    """The chapter's 85 points, dealt to two workers; what DDP makes of them, and the gradient."""
    X, _, y, _ = data.load_chapter_data()
    G = [gradients.mse_gradient((a["b"], a["w"]), X[k::2], y[k::2]) for k in (0, 1)]
    whole = gradients.mse_gradient((a["b"], a["w"]), X, y)
    return {"G_{0}": G[0], "G_{1}": G[1], "is": [np.mean(G, axis=0), whole]}


def ring(a):
    """What one of W workers passes on: W - 1 pieces to add up, W - 1 to spread the sum."""
    W = int(a["random"].integers(2, 9))
    return {"W": W, "is": [sum(1 / W for _ in range(2 * (W - 1)))]}


def by_torch(a, rule, k=3, *, memories=None, **settings) -> dict:
    """Step k of an optimizer of PyTorch: the parameter and the memories before and after (primed)."""
    theta, memories = torch.tensor(a["random"].normal(size=()), requires_grad=True), memories or {}
    optimizer, env = rule([theta], lr=a["eta"], **settings), {"k": k}
    for step in range(k):
        theta.grad = torch.tensor(a["random"].normal(size=()))
        env |= {"g": theta.grad.item(), "theta": theta.item()}
        env |= {name: optimizer.state[theta][key].item() for name, key in memories.items() if step}
        optimizer.step()
    env |= {f"{name}'": optimizer.state[theta][key].item() for name, key in memories.items()}
    return {**env, "theta'": theta.item()}


def sgd(a):
    return by_torch(a, torch.optim.SGD)


def by_hand(a):
    found = sgd(a)
    return {**found, "b": found["theta"], "is": [found["theta'"]]}


def momentum(a):
    """Both lines stand in one formula; in the second one v is the new one."""
    memories = {"v": "momentum_buffer"}
    return {**by_torch(a, torch.optim.SGD, memories=memories, momentum=0.7), "beta": 0.7}


def first_rmsprop(a):
    found = by_torch(a, torch.optim.RMSprop, k=1, memories={"s": "square_avg"})
    return {**found, "is": [np.sqrt(found["s'"])]}


def first_rmsprop_step(a):
    settings = {"alpha": 0.7, "eps": 1e-12}
    found = by_torch(a, torch.optim.RMSprop, k=1, **settings)
    return {"alpha": 0.7, "is": [abs(found["theta'"] - found["theta"])]}


def rmsprop(a):
    memories, settings = {"s": "square_avg"}, {"alpha": 0.7, "eps": 0.3}
    found = by_torch(a, torch.optim.RMSprop, memories=memories, **settings)
    return {**found, "alpha": 0.7, "varepsilon": 0.3}


def adam(a):
    memories, settings = {"m": "exp_avg", "s": "exp_avg_sq"}, {"betas": (0.7, 0.8), "eps": 0.3}
    found = by_torch(a, torch.optim.Adam, memories=memories, **settings)
    return {**found, "beta_{1}": 0.7, "beta_{2}": 0.8, "varepsilon": 0.3}


def new(memories):
    """A line of a rule that uses what the lines above it have just renewed."""

    def env(a):
        found = memories(a)
        return {**found, **{name[0]: found[name] for name in ("m'", "s'", "v'") if name in found}}

    return env


def eta(number, code):
    return {"eta": number, "code": code}


def says(*names, of=lambda a: {}):
    """Sides that are no equation: what each of them is, by its name in the world or as a number."""

    def env(a):
        found = of(a)
        known = {**a, **found}
        return {**found, "is": [known[n] if isinstance(n, str) else n for n in names]}

    return env


START = np.array(descent.START)
LINE = np.array([data.TRUE_B, data.TRUE_W])
THREE_LINES = [
    (r"s \leftarrow \alpha s + (1 - \alpha)", rmsprop),
    (r"\theta \leftarrow \theta - \eta\, \frac{g}{\sqrt{s}", new(rmsprop)),
    (r"m \leftarrow \beta_1 m", adam),
    (r"s \leftarrow \beta_2 s", adam),
    (r"\theta \leftarrow \theta - \eta\, \frac{m /", new(adam)),
]
FORMULAS = {
    "5-1-math": [
        ("x = 0", {"x": 0.0}),
        (r"\hat y = b + w x .", {}),
        ("b = 2.3", {"b": data.TRUE_B}, 2),
        ("w = 1.2", {"w": data.TRUE_W}),
        (r"\hat y_i = b + w x_i", {}),
        (r"y_i - \hat y_i", says("this", of=one_point)),
        (r"|y_i - \hat y_i|", says("size", of=one_point)),
        (r"\tag{5.1}", {}),
        ("(2.3, 1.2)", says(LINE)),
        ("x = 0.5", {"x": 0.1 / 0.2}),
        ("b + w x", lambda a: {"is": [a["h"]]}),
        ("r_i = y_i - b - w x_i", one_point),
        (r"\frac{\partial}{\partial b}\, r_i^2", one_point),
        ("-2", says(-2)),
        (r"x_i\, (y_i - b - w x_i) = 0", at_the_minimum),
        (r"b + w\, \overline{x} &= \overline{y}", at_the_minimum),
        (r"\tag{5.2}", {}),
        (r"-\nabla J", says("downhill")),
        ("(b, w) = (1.0, 1.5)", {"b": 1.0, "w": 1.5, "is": [START, START]}),
        (r"\eta = 0.1", eta(0.1, "lr=0.1")),
        (r"\Theta = (b, w)", {}),
        (r"f_\Theta(x) = b + w x", lambda a: {"f": a["h"]}),
        (r"\theta_i = \theta_{i-1}", {}),
        (r"J = \tfrac12 c u^2", along_a_line, 2),
        ("c = 2", {"c": 2.0, "code": "c = 2\n"}),
        (r"u_{\text{new}}", along_a_line),
        ("1/c", says("there", of=along_a_line), 3),
        ("2/c", says("limit", of=along_a_line), 3),
        ("p^2 + q^2 = 1", along_a_line),
        (r"-u\,(p + q x_i)", says("change", of=along_a_line)),
        ("u^2", lambda a: {"u": 3.0, "is": [9.0]}),
        (r"\tfrac12 c", says("half", of=along_a_line)),
        (r"c = \frac{2}{N}", along_a_line),
        ("-1", says(-1)),
        (r"\eta = 0.01", {"eta": 2 * 0.005, "code": "0.005"}),
        (r"\eta = 1.6", {"eta": 2 * 0.8, "code": "0.8"}),
    ],
    "5-2-numpy": [
        (r"2.3 + 1.2\,x", lambda a: {"is": [LINE @ [1, 0.5]], "x": 0.5}),
        ("(b, w) = (1.0, 1.5)", {"b": 1.0, "w": 1.5, "is": [START, START]}),
        ("(1.0, 1.5)", says(START), 2),
        (r"\eta = 0.2", eta(0.2, "lr=0.2"), 2),
        (r"\eta = 0.8", {"eta": 0.8}),
        ("(0, 0)", says(np.array([0, 0]))),
        ("(1, 3)", says(np.array([1, 3]))),
        ("(2, 0)", says(np.array([2, 0]))),
        (r"\hat y = 1", {"h": gradients.least_squares([0.0, 1.0, 2.0], [0.0, 3.0, 0.0])[0]}),
    ],
    "5-3-pytorch": [
        ("y - b - w X", lambda a: {"X": a["x"], "is": [a["y"] - a["h"]]}),
        (r"\theta \leftarrow \theta - \eta\, g .", sgd),
        (r"v \leftarrow \beta v + g", momentum),
        (r"\theta \leftarrow \theta - \eta\, v .", new(momentum)),
        *THREE_LINES,
        (r"\eta = 0.1", eta(0.1, "lr=0.1")),
        (r"\eta / \sqrt{1 - \alpha}", first_rmsprop_step),
        (r"x^2", lambda a: {"is": [a["x"] * a["x"]]}),
        (r"\hat y = x W^\top", layer),
        ("w = 0", {"w": 0.0}),
    ],
    "5-4-dataloader": [
        ("0.1^2 = 0.01", says(data.NOISE**2, data.NOISE**2)),
        ("x = 40", {"x": 40.0}),
    ],
    "5-5-exercises": [
        ("b = 2.3", {"b": data.TRUE_B}),
        ("w = 1.2", {"w": data.TRUE_W}),
        ("(2.3, 1.2)", says(LINE), 2),
        *((f"({pair[0]:g}, {pair[1]:g})", says(np.array(pair))) for pair in figures.CANDIDATES),
        ("(1.0, 1.5)", says(START), 3),
        (r"\eta = 0.1", eta(figures.ETA, "lr=0.1"), 2),
        *((rf"\eta = {number}", eta(number, str(number))) for number in figures.PANELS),
        (r"10^{-6}", says(1e-6), 3),
        (r"10^{-3}", says(figures.CONTOUR_TOLERANCE)),
        (r"10^{-8}", says(1e-8)),
        (r"10^{-9}", says(1e-9)),
        (r"y_i - \hat y_i", says("this", of=one_point)),
        ("x = 0", {"x": 0.0}),
        ("x = 1", {"x": 1.0}),
        (r"\hat y = b + w x + v x^2 .", parabola),
        (r"e = y - \hat y", parabola),
        (r"2 e", says("twice", of=parabola)),
        (r"e = y - b - w x - v x^2", parabola),
        (r"\partial e/\partial b = -1", parabola),
        (r"\partial e/\partial w = -x", parabola),
        (r"\partial e/\partial v = -x^2", parabola),
        (r"\partial e^2/\partial v = 2 e", parabola),
        ("v = 0", {"v": 0.0}),
        ("b = 2.3", {"b": data.TRUE_B}),
        ("w = 1.2", {"w": data.TRUE_W}),
        (r"\eta = 0.2", eta(0.2, "0.2")),
        (r"\hat y = b + w_1 x_1 + w_2 x_2", plane),
        (r"\eta = 0.02", eta(0.02, "0.02")),
        ("b + w x + v x^2", says("h", of=parabola)),
        ("e^2", lambda a: {"e": 2.0, "is": [4.0]}),
    ],
    "beyond-learning-rate": [
        (r"H = \begin{pmatrix}", {}),
        (r"H v = \lambda v", along_an_axis),
        (r"\tfrac12 \lambda t^2", says("rise", of=along_an_axis)),
        (r"\kappa = \lambda_{\max}", {}),
        (r"d_{\text{new}} = d - \eta H d", {}),
        (r"1 - \eta \lambda .", says("left", of=along_an_axis)),
        (r"1 - \eta\lambda", says("left", of=along_an_axis)),
        ("-1", says(-1), 2),
        ("1", says(1)),
        (r"0 < \eta < 2/\lambda", says(0, "eta", "limit", of=along_an_axis)),
        (r"\eta < \frac{2}{\lambda_{\max}}", says("eta", "limit", of=along_an_axis)),
        (r"\eta = 0.2", eta(0.2, "eta = 0.2")),
        (r"\eta = 1.6", eta(2 * 0.8, "0.8"), 2),
        (r"\eta = 0.8", eta(0.8, "0.8")),
        ("-2.9", says(-2.9)),
        (
            r"1 - \eta \lambda_{\min} =",
            at_the_best,
        ),
        (r"(\kappa - 1)/(\kappa + 1)", says("best rate", of=both_axes)),
        ("(1.0, 1.5)", says(START)),
        (r"\rho = \max |1 - \eta\lambda|", both_axes),
        (r"\rho^k", lambda a: {"rho": 0.5, "k": 3, "is": [0.125]}),
        (r"\log(1/1000) / \log \rho", says("steps", of=both_axes)),
        (r"z_i = \frac{x_i - \overline{x}}{s}", standardised),
        ("z_i^2", lambda a: {**standardised(a), "is": [standardised(a)["z"][a["i"]] ** 2]}),
        (r"\eta = 0.5", eta(0.5, "lr=0.5")),
        (r"b + w x = (b + w\, \overline{x})", standardised),
        (r"2/\lambda_{\max}", says("limit", of=along_an_axis), 2),
    ],
    "beyond-optimizers": [
        ("(b, w) = (1.0, 1.5)", {"b": 1.0, "w": 1.5, "is": [START, START]}),
        (r"\theta \leftarrow \theta - \eta\, g .", sgd),
        (r"v \leftarrow \beta v + g", momentum),
        *THREE_LINES,
        (r"\eta = 0.1", eta(0.1, "lr=0.1")),
        (r"\sqrt{0.01\, g^2}", first_rmsprop),
        ("|g|", {"g": -2.0, "is": [2.0]}),
        (r"\sqrt{\beta} =", best_momentum),
        (r"\eta = \left(", best_momentum),
    ],
    "beyond-minibatches": [
        (r"J(b, w) = J_{\min} + \tfrac12", {}),
        (r"\eta = 0.2", eta(0.2, "lr = 0.2"), 2),
        (r"J - J_{\min} \approx", noise),
        (r"\eta/k", lambda a: {"k": 4, "is": [a["eta"] / 4]}),
    ],
    "beyond-workers": [
        (r"J = \frac1N \sum_{i=1}^{N} \ell_i", shards),
        (r"-\eta \nabla J_r", says("step", of=shards)),
        ("2 (W - 1)/W", ring),
        (r"\frac12 \nabla J_0", odd_and_even),
        ("1/84", says(1 / 2 / 42)),
        ("1/86", says(1 / 2 / 43)),
        ("N_r W / N", says("share", of=shards)),
        (r"\eta = 0.2", eta(0.2, "lr=0.2")),
        (r"\eta = 0.8", {"eta": 0.1 * 8}),  # eight workers
        (r"\eta = 0.1", eta(0.1, "0.1")),
        (r"\eta = 0.2", eta(0.2, "lr=0.2")),
        (r"\eta = 0.8", {"eta": 8 * 0.1}),
    ],
    "different": [
        (r"2^{-52} \approx 2.2", {"is": [np.finfo(float).eps], "approx": 0.01, "atol": 0}),
        (r"b - \eta\, g", lambda a: by_hand(a)),
    ],
    "notes": [
        (r"2/\lambda_{\max}", says("limit", of=along_an_axis)),
        (r"32/21 \approx 1.52", {"approx": 0.003}),
        ("b = 2.3", {"b": data.TRUE_B}),
        ("w = 1.2", {"w": data.TRUE_W}),
    ],
    "glossary": [
        ("x = 0", {"x": 0.0}),
        (r"(y_i - \hat y_i)^2", lambda a: {"is": [(a["y"] - a["h"])[a["i"]] ** 2]}),
        (r"\hat y = b + w x", {}),
        ("2^{-52}", {"is": [np.finfo(float).eps], "atol": 0}),
        (r"2.2 \cdot 10^{-16}", {"is": [np.finfo(float).eps], "rtol": 0.01, "atol": 0}),
        (r"J = \tfrac12 c u^2", along_a_line),
        ("2/c", says("limit", of=along_a_line)),
        (r"1 - \alpha", lambda a: {"alpha": 0.7, "is": [0.3]}),
    ],
    "names": [
        (r"y_i - \hat y_i", says("this", of=one_point)),
        (r"\lambda_{\max} / \lambda_{\min}", says("kappa")),
    ],
}
#: Formulas that state nothing, and why.
PLAIN = {
    r"i = 1, \dots, N": "how the points are counted",
    "x_1": "a name",
    r"\partial J/\partial b": "a name",
    r"\partial J/\partial w": "a name",
    r"(\partial J/\partial b,\ \partial J/\partial w)": "names",
}


def found(page: str, fragment: str) -> list[str]:
    """The formulas of a page that are the fragment, or else those that contain it."""
    exact = [each for each in formulas()[page] if each == fragment]
    return exact or [each for each in formulas()[page] if fragment in each]


ROWS = [(page, *row) for page, rows in FORMULAS.items() for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1]}")
def test_the_formula_is_true(row):
    page, fragment, more, *times = row
    formula, *again = found(page, fragment) or [None]
    assert formula, f"{page} has no formula with {fragment}: it was changed, or its row is old"
    assert [formula, *again] == (times or [1])[0] * [formula], f"{page}: how often {formula}?"
    for seed in range(4):
        env = world(seed)
        env |= more(env) if callable(more) else more
        assert "code" not in env or env["code"] in claims.own(page)["code"]
        assert not (wrong := check(formula, env)), f"{page}: {wrong[0]}"


def test_every_formula_that_says_something_has_a_row():
    for page, all_of_them in formulas().items():
        held = {f for fragment, *_ in FORMULAS.get(page, ()) for f in found(page, fragment)}
        for formula in all_of_them:
            names = formula
            for old, new in SPELLING:
                names = names.replace(old, new)
            says_nothing = NAMES.fullmatch(names) or formula in PLAIN
            assert says_nothing or formula in held, f"{page}: no row of FORMULAS holds {formula}"
    assert PLAIN.keys() <= {formula for page in formulas().values() for formula in page}
