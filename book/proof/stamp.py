"""Record where the stored outputs were made: ``make stamp`` -> chapters/recorded/stamp.json.

The outputs themselves hold no date and no version, so that running the notebooks again leaves
git clean; the appendix "Reproduction ledger" reads them from here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from book.execute import KERNEL_ENVIRONMENT
from book.proof.matrix import machine

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "chapters" / "recorded" / "stamp.json"
PACKAGES = ("numpy", "scikit-learn", "torch", "matplotlib", "nbval", "jupyter-client", "ipykernel")


def stamp() -> dict:
    """What the kernels of the book run on, asked of a process with their environment."""
    code = (
        "import json, torch; print(json.dumps([torch.backends.cpu.get_cpu_capability(),"
        "'cuda' if torch.cuda.is_available() else 'cpu', torch.get_num_threads()]))"
    )
    environment = {**os.environ, **KERNEL_ENVIRONMENT}
    answer = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    kernels, device, threads = json.loads(answer)
    return {
        "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "packages": {name: version(name).partition("+")[0] for name in PACKAGES},
        "PyTorch CPU kernels": kernels.lower(),
        "device": device,
        "threads": threads,
        "machine": machine(),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RECORDED, help="default: %(default)s")
    options = parser.parse_args(arguments)
    options.output.write_text(json.dumps(stamp(), indent=1) + "\n", encoding="utf-8")
    print(options.output.read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
