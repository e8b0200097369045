"""Measure the ratios that the pages beyond the chapter quote: ``make measure``.

Writes chapters/recorded/timings.json.  What is timed are the functions of the pages themselves,
read from their notebooks; so the numbers belong to the code that the reader sees.  Absolute times
are not kept: competitors take turns, round after round, and only ratios within a round count.
Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import ast
import gc
import inspect
import json
import multiprocessing
import platform
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from book import notebooks
from book.proof.ledger import machine
from utils import data, gradients

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = ROOT / "chapters"
RECORD = CHAPTERS / "recorded" / "timings.json"

WORKERS_POINTS = (85, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
LOADING = ("item_by_item", "tensor_dataset", "getitems", "batched_sampler", "by_hand")
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def definitions(page: str) -> dict:
    """Run the imports, functions and classes of a page, nothing else, and return their names."""
    names = {"__name__": page.removesuffix(".ipynb").replace("-", "_")}
    exec(compile(_definitions(page), page, "exec"), names)
    return names


def constant(page: str, name: str) -> str:
    """The text that a page gives to a name, as BLOCKS = '''...'''."""
    for node in ast.walk(_tree(page)):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return ast.literal_eval(node.value)
    raise ValueError(f"{page} gives no text to {name}")


def _definitions(page: str) -> ast.Module:
    tree = _tree(page)
    tree.body = [node for node in tree.body if isinstance(node, DEFINITIONS)]
    return tree


def _tree(page: str) -> ast.Module:
    cells = notebooks.code_cells(notebooks.load(CHAPTERS / page))
    return ast.parse("\n\n".join(cell.source for _, cell in cells))


def ratios(tasks: dict, *, rounds: int) -> dict:
    """Time the tasks in turns; return how many times as fast each is as the first.

    Parameters: tasks, name -> function without arguments; rounds, how often each is timed, 2 or
    more, after one round that only warms up.
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
    return {
        "points": points,
        "rounds": rounds,
        "reference": LOADING[0],
        "batch_sizes": {
            str(size): ratios(
                {name: lambda way=way, size=size: epoch(way, size) for name, way in ways.items()},
                rounds=rounds,
            )
            for size in batch_sizes
        },
    }


def measure_minibatches(*, sizes=(85, 1_000_000), rounds: int = 11) -> dict:
    """Time to a loss within 10 % of the smallest, by the functions of "When mini-batches pay"."""
    page = definitions("beyond-minibatches.ipynb")
    walk, losses_until = page["walk"], page["losses_until"]
    result = {}
    for n in sizes:
        X, y = _points(n)
        best_lr = float(2 / np.linalg.eigvalsh(gradients.mse_hessian(X)).sum())
        batches = [size for size in (256, 32, 8) if size < n]
        runs = [(0.2, n, False)]
        runs += [(0.2, size, draw) for draw in (False, True) for size in batches]
        runs += [(best_lr, n, False)]
        counts = {run: len(losses_until(X, y, *run)) for run in runs}

        def train(run, X=X, y=y, counts=counts):
            for _ in islice(walk(X, y, *run), counts[run]):
                pass

        found = ratios({run: lambda run=run: train(run) for run in runs}, rounds=rounds)
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
    tree = _definitions("beyond-workers.ipynb")
    tree.body = [node for node in tree.body if getattr(node, "module", "") != "utils"]
    call = 'if __name__ == "__main__":\n    begin(*sys.argv[1:])\n'
    source = "\n\n".join([ast.unparse(tree), "import time", *more, call])
    (folder / "worker.py").write_text(source, encoding="utf-8")
    np.save(folder / "points.npy", np.array(points, dtype=float))
    names = definitions("beyond-workers.ipynb")
    names["folder"] = folder  # where the page's `launch` looks for the file
    return names


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
    *, blocks: int = 100, read_blocks: int = 10, size: int = 1_000_000, rounds: int = 11
) -> dict:
    """Peak memory of a pass over a file, and the time with worker processes: "Larger than memory".

    Parameters: blocks of ``size`` points for the memory, ``read_blocks`` of them for the time.
    """
    page = definitions("beyond-loading.ipynb")
    source = constant("beyond-loading.ipynb", "BLOCKS")
    exec(compile(source, "blocks.py", "exec"), program := {"__name__": "blocks"})

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
        Path(folder, "blocks.py").write_text(source, encoding="utf-8")
        page["write_points"](path, blocks, size)
        file_size = path.stat().st_size
        grown = {
            way: page["run_blocks"](folder, size, way)[0]
            for way in ("loaded", "mapped", "mapped anew")
        }
        page["write_points"](path, read_blocks, size)
        found = ratios({n: lambda n=n: read(n) for n in (0, 1, 2)}, rounds=rounds)
    return {
        "points": blocks * size,
        "megabytes": _megabytes(file_size),
        "grown_megabytes": {way: _megabytes(growth) for way, growth in grown.items()},
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

    found = ratios(
        {
            "ordinary": lambda: copy(ordinary),
            "pinned": lambda: copy(pinned, non_blocking=True),
        },
        rounds=rounds,
    )
    return {
        "points": batch,
        "rounds": rounds,
        "gpu": torch.cuda.get_device_name(),
        **found["pinned"],
    }


def environment() -> dict:
    """What the ratios depend on most."""
    here = machine()
    return {
        "system": here["system"],
        "machine": here["architecture"],
        "processor": here["processor"],
        "cores": here["cores"],
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch_threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__.split("+")[0],
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure the ratios quoted beyond the chapter.")
    parser.add_argument("--output", type=Path, default=RECORD)
    parser.add_argument("--quick", action="store_true", help="few rounds, to try the command out")
    options = parser.parse_args(arguments)
    few = {"rounds": 2} if options.quick else {}
    print("loading ...", flush=True)
    loading = measure_loading(**few)
    print("mini-batches ...", flush=True)
    minibatches = measure_minibatches(**few)
    print("workers ...", flush=True)
    workers = measure_workers(**few)
    print("disk ...", flush=True)
    disk = measure_disk(**few)
    record = {
        "command": "python -m book.proof.measure",
        "unit": "times as fast as the first of its group; median and quartiles over the rounds",
        "environment": environment(),
        "loading": loading,
        "minibatches": minibatches,
        "pinned_memory": measure_pinned_memory(**few),
        "workers": workers,
        "disk": disk,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.output.name}; now run: make notebooks")
    return 0


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
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"ratio": _rounded(middle), "low": _rounded(low), "high": _rounded(high)}


def _megabytes(size: int) -> int:
    """Two significant digits are left: more would be noise."""
    return int(float(f"{size / 1e6:.2g}"))


def _rounded(ratio: float) -> float:
    """Three significant digits: more would be noise."""
    return float(f"{ratio:.3g}")


if __name__ == "__main__":
    sys.exit(main())
