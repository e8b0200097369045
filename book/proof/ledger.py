"""Record what the notebooks print, and on what they were run: ``make stamp``, after ``make notebooks``.

Writes chapters/recorded/ledger.json, which the appendix "Reproduction ledger" shows.  The values
are read off the stored outputs.  ``make test`` runs the notebooks again, and reads them again: a
value that is no longer printed, and a ledger that is no longer true, turn red.
"""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from book.execute import KERNEL_ENVIRONMENT
from book.proof import records

RECORDED = records.ROOT / "chapters" / "recorded" / "ledger.json"
PACKAGES = ("numpy", "scikit-learn", "torch", "matplotlib", "nbval", "jupyter-client", "ipykernel")
NUMBERS = ("cpu family", "model")


def printed(root: Path = records.ROOT) -> dict:
    """Record -> the notebook that prints it and the values there, as they stand in its outputs."""
    return {
        id: {"notebook": found.notebook, "values": found.values}
        for id, found in records.find_all(root).items()
    }


def machine() -> dict:
    """The processor and the system, in words."""
    facts, information = {}, Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text(encoding="utf-8").splitlines()
        facts = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    # The name alone may be as short as the maker's.
    numbers = [f"{key.split()[-1]} {facts[key].strip()}" for key in NUMBERS if key in facts]
    name = facts.get("model name") or platform.processor() or platform.machine()
    flags = facts.get("flags", "").split()
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": ", ".join([name.strip(), *numbers]),
        "vector instructions": [flag for flag in ("avx2", "fma", "avx512f") if flag in flags],
        "cores": os.cpu_count(),
    }


def run() -> dict:
    """What the kernels of the book run on.  PyTorch must not have been imported before."""
    os.environ.update(KERNEL_ENVIRONMENT)
    import torch

    return {
        "python": platform.python_version(),
        "packages": {name: version(name).partition("+")[0] for name in PACKAGES},
        "PyTorch CPU kernels": torch.backends.cpu.get_cpu_capability().lower(),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "machine": machine(),
    }


def write(path: Path, **content) -> None:
    """Write a record with today's date; one that says the same already keeps its own."""
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    today = time.strftime("%Y-%m-%d", time.gmtime())
    same = {**old, "recorded": None} == {"recorded": None, **content}
    content = {"recorded": old["recorded"] if same else today, **content}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"written to {path}")


if __name__ == "__main__":
    write(RECORDED, command="make stamp", run=run(), records=printed())
