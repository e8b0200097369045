"""Run the exported notebooks on a GPU and record how far their numbers lie from the published ones.

    python -m book.proof.measure_gpu --write chapters/recorded/gpu.json      on a machine with CUDA
    python -m book.proof.measure_gpu --cpu                                   the same without a GPU, to try it

Without CUDA the first form stops with status 2; what `--cpu` measures is never written.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from book import export
from book.config import Book
from book.proof import records, run

SIZES = ((85, 32), (1_000_000, 1024))


def run_notebooks(folder: Path, only: list[str] | None, *, cpu: bool) -> tuple[dict, list[str]]:
    """Run each exported notebook alone in its own folder; return name -> report, and complaints."""
    variables = {"CUDA_VISIBLE_DEVICES": ""} if cpu else {}
    training = {Path(found.notebook).stem for found in records.find_all().values()}
    reports, wrong = {}, []
    for path in export.export_all(Book.read(records.ROOT), folder):
        if only and path.stem not in only:
            continue
        alone = folder / path.stem
        alone.mkdir()
        reports[path.stem] = found = run.report(path, folder=alone, **variables)
        wrong += [f"{path.stem}: {line}" for line in found.pop("wrong")]
        # Where a record is printed with PyTorch, its training runs on the device.
        if not cpu and path.stem in training and "torch" in found and not found.get("cuda_bytes"):
            wrong.append(f"{path.stem}: it left the GPU's memory untouched")
        print(f"{path.stem:24} {found.get('device')}, {len(found['records'])} records compared")
    return reports, wrong


def farthest(reports: dict) -> dict:
    """Record -> the largest distance that any notebook saw, over all its values."""
    found: dict[str, dict] = {}
    for report in reports.values():
        for id, record in report["records"].items():
            if id not in found or float(record["max_ulp"]) > float(found[id]["max_ulp"]):
                found[id] = {key: record[key] for key in ("total", "exact", "max_ulp")}
    return dict(sorted(found.items()))


def time_loops(devices: list[str], *, sizes=SIZES, rounds: int = 5) -> dict:
    """How many times as fast as on the CPU one epoch of the DataLoader loop is on each device."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from book.proof.measure import ratios
    from utils import data

    def epoch(device, points, batch_size):
        torch.manual_seed(42)
        model = torch.nn.Linear(1, 1).double().to(device)
        optimizer, mse = torch.optim.SGD(model.parameters(), lr=0.2), torch.nn.MSELoss()
        for x, y in DataLoader(points, batch_size=batch_size, shuffle=True):
            optimizer.zero_grad()
            mse(model(x.to(device)), y.to(device)).backward()
            optimizer.step()
        model.bias.item()  # waits until the device is done

    found = {}
    for n, batch_size in sizes:
        arrays = data.make_data(n)
        points = TensorDataset(*(torch.as_tensor(values).reshape(-1, 1) for values in arrays))
        tasks = {d: lambda d=d, p=points, b=batch_size: epoch(d, p, b) for d in devices}
        found[str(n)] = {"batch_size": batch_size, "rounds": rounds, **ratios(tasks, rounds=rounds)}
    return found


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m book.proof.measure_gpu", description=__doc__)
    parser.add_argument("--cpu", action="store_true", help="without a GPU, to try the command out")
    parser.add_argument("--write", type=Path, help="where to keep the result, as JSON")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these notebooks only, no timing")
    options = parser.parse_args(arguments)
    if options.cpu and options.write:
        parser.error("--cpu measures no GPU, so there is nothing to write")
    import torch

    if not options.cpu and not torch.cuda.is_available():
        print("measure_gpu: PyTorch finds no CUDA device here; nothing measured", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        reports, wrong = run_notebooks(Path(folder), options.only, cpu=options.cpu)
    distances = farthest(reports)
    print(f"\n{'record':32} {'values':>6} {'equal':>6} {'farthest, units in the last place':>34}")
    for id, record in distances.items():
        print(f"{id:32} {record['total']:6} {record['exact']:6} {record['max_ulp']:34}")
    names = ("device", "cuda", "torch", "numpy", "python", "machine")
    versions = next((r for r in reports.values() if "torch" in r), {})
    result = {
        "command": "make test-gpu",
        "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
        **{name: versions[name] for name in names if name in versions},
        "records": distances,
    }
    if not options.only:
        result["loop"] = time_loops(["cpu"] if options.cpu else ["cpu", "cuda"])
        result["loop_unit"] = "times as fast as on the CPU, one epoch; median and quartiles"
    print(json.dumps(result, indent=1))
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    if options.write and not wrong:
        options.write.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"written to {options.write}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
