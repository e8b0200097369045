"""Run the notebooks on a GPU and record how far their numbers lie from the published ones.

    make test-gpu                                       on a machine with CUDA: measures and records
    python -m book.proof.measure_gpu --cpu [PAGE ...]   the same without a GPU, to try it; records nothing

Without CUDA the first form stops with status 2.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

from book.proof import ledger, matrix, records, run
from book.proof.measure import ratios
from utils import data

RECORDED = records.ROOT / "chapters" / "recorded" / "gpu.json"
SIZES = ((85, 32), (1_000_000, 1024))


def run_pages(pages, *, cpu: bool) -> tuple[dict, dict, list[str]]:
    """Run the pages; return record -> distance, what the last one ran on, and complaints."""
    distances, wrong, found = {}, [], {}
    for page in pages:
        variables = {"CUDA_VISIBLE_DEVICES": ""} if cpu else {}
        found = run.report(records.ROOT / page, **variables)
        wrong += [f"{page}: {line}" for line in found.pop("wrong")]
        if not cpu and not found.get("cuda_bytes"):
            wrong.append(f"{page}: it left the GPU's memory untouched")
        for id, record in found.pop("records").items():
            distances[id] = {key: record[key] for key in ("total", "exact", "max_ulp")}
            print("{0:32} {exact:3} of {total:3} equal, {max_ulp} ulp".format(id, **record))
    return distances, found, wrong


def time_loops(devices: list[str], *, sizes=SIZES, rounds: int = 5) -> dict:
    """How many times as fast as on the first device one epoch of the DataLoader loop is on each."""

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
    parser.add_argument("--output", type=Path, default=RECORDED, help="default: %(default)s")
    parser.add_argument("pages", nargs="*", help="these only, and no timing")
    options = parser.parse_args(arguments)
    if not options.cpu and not torch.cuda.is_available():
        print("measure_gpu: PyTorch finds no CUDA device here; nothing measured", file=sys.stderr)
        return 2
    printing = dict.fromkeys(found.notebook for found in records.find_all().values())
    pages = options.pages or [page for page in printing if matrix.uses_torch(page)]
    distances, versions, wrong = run_pages(pages, cpu=options.cpu)
    content = {
        "command": "make test-gpu",
        **versions,
        "host": ledger.machine(),
        "records": distances,
    }
    if not options.pages:
        content["loop_unit"] = "times as fast as on the CPU, one epoch; median and quartiles"
        content["loop"] = time_loops(["cpu"] if options.cpu else ["cpu", "cuda"])
        print(json.dumps(content["loop"], indent=1))
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    if not (options.cpu or options.pages or wrong):
        ledger.write(content, options.output)
        print(f"written to {options.output}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
