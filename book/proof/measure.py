"""Measure the ratios that the pages beyond the chapter quote: ``make measure``.

Writes chapters/recorded/timings.json.  What is timed are the functions of the pages themselves,
read from their notebooks; so the numbers belong to the code that the reader sees.  Absolute times
are not kept: competitors take turns, round after round, and only ratios within a round count.
Run it on a machine that does nothing else.
"""

from __future__ import annotations

import ast
import gc
import inspect
import multiprocessing
import platform
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from book import notebooks
from book.proof import records
from book.proof.ledger import machine, write
from utils import data, gradients

CHAPTERS = records.ROOT / "chapters"
RECORD = CHAPTERS / "recorded" / "timings.json"

WORKERS_POINTS = (85, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
LOADING = ("item_by_item", "tensor_dataset", "getitems", "batched_sampler", "by_hand")
BLOCK_WAYS = ("loaded", "mapped", "mapped anew")


def definitions(page: str) -> dict:
    """Run what a page defines and nothing else, and return its names."""
    names = {"__name__": page.removesuffix(".ipynb").replace("-", "_")}
    exec(compile(_definitions(page), page, "exec"), names)
    return names


def _definitions(page: str) -> ast.Module:
    """The imports, functions, classes and named texts of a page."""

    def defines(node) -> bool:
        text = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
        return isinstance(node, kinds) or (text and isinstance(node.value.value, str))

    cells = notebooks.code_cells(notebooks.load(CHAPTERS / page))
    tree = ast.parse("\n\n".join(cell.source for _, cell in cells))
    tree.body = list(filter(defines, tree.body))
    return tree


def ratios(tasks: dict, *, rounds: int) -> dict:
    """Time the tasks in turns; return how many times as fast each is as the first.

    Parameters: tasks, name -> function without arguments; rounds, how often each is timed,
    after one round that only warms up.
    Returns: name -> ratio (the median over the rounds), low and high (its quartiles).
    """
    reference = next(iter(tasks))
    found = {name: [] for name in tasks}
    for round_ in range(-1, rounds):
        seconds = {name: _seconds(task) for name, task in tasks.items()}
        if round_ >= 0:
            for name in tasks:
                found[name].append(seconds[reference] / seconds[name])
    return {name: _quartiles(values) for name, values in found.items()}


def measure_loading(*, points: int = 20_000, batch_sizes=(32, 1024), rounds: int = 15) -> dict:
    """One epoch over the points by every way of the page "Loading data fast"."""
    page = definitions("beyond-loading.ipynb")
    dataset = page["Points"](*data.make_data(points))

    def epoch(way, size):
        for _ in way(dataset, size, torch.Generator().manual_seed(42)):
            pass

    def two_workers(dataset, size, generator):
        order = torch.utils.data.RandomSampler(dataset, generator=generator)
        return torch.utils.data.DataLoader(
            dataset,
            batch_size=size,
            sampler=order,
            num_workers=2,
            multiprocessing_context="fork",  # the page's classes exist in no file to import
        )

    ways = {name: page[name] for name in LOADING}
    if "fork" in multiprocessing.get_all_start_methods():
        ways["two_workers"] = two_workers
    found = {}
    for size in batch_sizes:
        tasks = {name: partial(epoch, way, size) for name, way in ways.items()}
        found[str(size)] = ratios(tasks, rounds=rounds)
    return {"points": points, "rounds": rounds, "reference": LOADING[0], "batch_sizes": found}


def measure_minibatches(*, sizes=(85, 1_000_000), rounds: int = 11) -> dict:
    """Time to a loss within 10 % of the smallest, by the functions of "When mini-batches pay"."""
    page = definitions("beyond-minibatches.ipynb")
    walk, losses_until = page["walk"], page["losses_until"]

    def train(X, y, run, updates):
        for _ in islice(walk(X, y, *run), updates):
            pass

    result = {}
    for n in sizes:
        X, y = _points(n)
        best_lr = float(2 / np.linalg.eigvalsh(gradients.mse_hessian(X)).sum())
        batches = [size for size in (256, 32, 8) if size < n]
        runs = [(0.2, n, False)]
        runs += [(0.2, size, draw) for draw in (False, True) for size in batches]
        runs += [(best_lr, n, False)]
        counts = {run: len(losses_until(X, y, *run)) for run in runs}
        tasks = {run: partial(train, X, y, run, counts[run]) for run in runs}
        found = ratios(tasks, rounds=rounds)
        result[str(n)] = [
            {"lr": lr, "batch_size": size, "draw": draw, "updates": counts[lr, size, draw]}
            | found[lr, size, draw]
            for lr, size, draw in runs
        ]
    return result


def measure_workers(*, sizes=WORKERS_POINTS, rounds: int = 15) -> dict:
    """One step of "Many workers, one gradient" by one process and by two, a thread each.

    Both take turns within one launch of two workers; while one computes alone, the other waits.
    """
    with tempfile.TemporaryDirectory() as folder:
        numbers = f"SIZES, ROUNDS = {list(sizes)}, {rounds}"
        launch = workers_page(Path(folder), numbers, inspect.getsource(_race))["launch"]
        seconds, _ = launch(2, "_race", seconds=3000)
    return {
        "rounds": rounds,
        "reference": "one_process",
        "points": {
            str(n): {
                name: _quartiles([one / other for one, other in zip(found["one_process"], times)])
                for name, times in found.items()
            }
            for n, found in zip(sizes, seconds)
        },
    }


def workers_page(folder: Path, *more: str, points=((0.0,), (0.0,))) -> dict:
    """Write the worker file of "Many workers, one gradient" and return the page's definitions.

    Parameters: folder, for the file; more, source that the workers get besides the functions of
    the page; points, (X, y).
    """
    tree, page = _definitions("beyond-workers.ipynb"), definitions("beyond-workers.ipynb")
    functions = [ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)]
    source = [page["IMPORTS"], "import time", *functions, *more, page["CALL"]]
    (folder / "worker.py").write_text("\n\n".join(source), encoding="utf-8")
    np.save(folder / "points.npy", np.array(points, dtype=float))
    page["folder"] = folder  # where the page's `launch` looks for the file
    return page


def _race(X, y):
    """What the two workers do: for each size, the seconds of a step, round by round, by each way.

    It runs among the definitions of the page, not here.
    """
    place = globals()
    gradient_of, found = place["summed_gradient"], []
    first = dist.get_rank() == 0
    for n in place["SIZES"]:
        points = torch.rand(2, n if first else n // 2, dtype=torch.float64)
        theta = torch.tensor([1.0, 1.5], dtype=torch.float64)
        steps = min(max(1_000_000 // n, 2), 1000)

        def seconds(X, y, together, theta=theta, steps=steps):
            dist.barrier()
            start = time.perf_counter()
            for _ in range(steps if together or first else 0):
                gradient = gradient_of(theta, X, y)
                if together:
                    dist.all_reduce(gradient)
            return (time.perf_counter() - start) / steps

        half = points[:, : n // 2]
        times = {"one_process": [], "two_processes": []}
        for round_ in range(-1, place["ROUNDS"]):
            turn = {"one_process": seconds(*points, False), "two_processes": seconds(*half, True)}
            for name in times if round_ >= 0 else ():
                times[name].append(turn[name])
        found.append(times)
    return found


def measure_disk(
    *, ways=BLOCK_WAYS, blocks: int = 100, read_blocks: int = 10, size: int = 1_000_000,
    rounds: int = 11,
) -> dict:  # fmt: skip
    """Peak memory of a pass over a file, and the time with worker processes: "Larger than memory".

    Parameters: ways to hold ``blocks`` of ``size`` points, for the memory; ``read_blocks``, for the
    time.
    """
    page = definitions("beyond-loading.ipynb")
    exec(page["BLOCKS"], program := {"__name__": "blocks"})

    def read(workers):
        loader = torch.utils.data.DataLoader(
            program["Blocks"](path, size, "mapped anew"),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,
        )
        for _ in loader:
            pass

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "points.npy")
        Path(folder, "blocks.py").write_text(page["BLOCKS"], encoding="utf-8")
        page["write_points"](path, blocks, size)
        file_size = path.stat().st_size
        grown = {way: page["run_blocks"](folder, size, way)[0] for way in ways}
        page["write_points"](path, read_blocks, size)
        found = ratios({n: partial(read, n) for n in (0, 1, 2)}, rounds=rounds)
    return {
        "points": blocks * size,
        "megabytes": int(rounded(file_size / 1e6, 2)),
        "grown_megabytes": {way: int(rounded(size / 1e6, 2)) for way, size in grown.items()},
        "read_points": read_blocks * size,
        "rounds": rounds,
        "num_workers": {str(n): found[n] for n in (1, 2)},
    }


def measure_pinned_memory(*, batch: int = 1_000_000, rounds: int = 31) -> dict | None:
    """Copying a batch to the GPU from pinned and from ordinary memory; None without a GPU."""
    if not torch.cuda.is_available():
        return None
    ordinary = torch.rand(batch, 1, dtype=torch.float64)
    pinned = ordinary.pin_memory()

    def copy(source, **options):
        source.to("cuda", **options)
        torch.cuda.synchronize()

    tasks = {
        "ordinary": partial(copy, ordinary),
        "pinned": partial(copy, pinned, non_blocking=True),
    }
    found = ratios(tasks, rounds=rounds)["pinned"]
    return {"points": batch, "rounds": rounds, "gpu": torch.cuda.get_device_name(), **found}


def environment() -> dict:
    """What the ratios depend on most."""
    return {
        **machine(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__.split("+")[0],
    }


#: What a record holds -> what measures it.
GROUPS = {
    "loading": measure_loading,
    "minibatches": measure_minibatches,
    "pinned_memory": measure_pinned_memory,
    "workers": measure_workers,
    "disk": measure_disk,
}


def main(**options) -> None:
    """Measure everything, each group with the options that are given for its name."""
    found = {}
    for name, measure in GROUPS.items():
        print(f"{name} ...", flush=True)
        found[name] = measure(**options.get(name, {}))
    write(
        RECORD,
        command="make measure",
        unit="times as fast as the first of its group; median and quartiles over the rounds",
        environment=environment(),
        **found,
    )
    print("now run: make notebooks")


def _points(n: int):
    if n == 85:
        X, _, y, _ = data.load_chapter_data()
        return X, y
    return data.make_data(n)


def _seconds(task, *, least: float = 0.05) -> float:
    """Wall-clock seconds of one call, from as many calls as take ``least`` seconds together."""
    gc.collect()
    start, calls = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < least:
        task()
        calls += 1
    return elapsed / calls


def _quartiles(values: list[float]) -> dict:
    low, middle, high = (rounded(value, 3) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return {"ratio": middle, "low": low, "high": high}


def rounded(value: float, digits: int) -> float:
    """So many significant digits: more would be noise."""
    return float(f"{value:.{digits}g}")


if __name__ == "__main__":
    main()
