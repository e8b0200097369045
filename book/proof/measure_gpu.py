"""Run the notebooks of PyTorch on a GPU and record how far their numbers lie from the published ones.

On a machine with CUDA: ``make test-gpu``.  Elsewhere it stops with status 2.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from torch.utils.data import DataLoader, TensorDataset

from book.proof import ledger, matrix, records
from book.proof.measure import ratios
from utils import data

RECORDED = records.ROOT / "chapters" / "recorded" / "gpu.json"
SIZES = ((85, 32), (1_000_000, 1024))


def time_loops(devices, *, sizes=SIZES, rounds: int = 5) -> dict:
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
        tasks = {device: partial(epoch, device, points, batch_size) for device in devices}
        found[str(n)] = {"batch_size": batch_size, "rounds": rounds, **ratios(tasks, rounds=rounds)}
    return found


def main() -> int:
    if not torch.cuda.is_available():
        print("measure_gpu: PyTorch finds no CUDA device here; nothing measured", file=sys.stderr)
        return 2
    row = matrix.measure(matrix.pages(torch=True), gpu=True)
    for id, record in row["records"].items():
        print("{0:32} {exact:3} of {total:3} equal, {max_ulp} ulp".format(id, **record))
    ledger.write(
        RECORDED,
        command="make test-gpu",
        host=ledger.machine(),
        device=torch.cuda.get_device_name(),
        **row,
        loop_unit="times as fast as on the CPU, one epoch; median and quartiles",
        loop=time_loops(["cpu", "cuda"]),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
