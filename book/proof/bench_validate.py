"""Time strict validation against plain execution, side by side: ``make bench-validate``.

One side executes the notebooks one after the other with ``jupyter nbconvert --execute``, which
compares nothing; the other is the nbval run of ``make test``.  The sides take turns, so that a
busy machine slows both.  Prints the ratio of the medians; exit status 1 if it is above 0.65.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from book.execute import KERNEL_ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 0.65

#: The strict run.  Both workers have a core; a notebook stays with its worker and its kernel.
STRICT = ("-m", "pytest", "-q", "--nbval", "--nbval-current-env", "-n", "2", "--dist", "loadscope")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # a kernel, so that two kernels do not fight for two cores


def execute(notebooks: list[Path]) -> None:
    """Execute the notebooks one after the other, as a reader without nbval would."""
    with tempfile.TemporaryDirectory() as folder:
        for notebook in notebooks:
            nbconvert = ["-m", "jupyter", "nbconvert", "--execute", "--to", "notebook"]
            _run([*nbconvert, "--output-dir", folder, notebook])


def validate(notebooks: list[Path]) -> None:
    """Execute the notebooks and compare every stored output, strictly."""
    _run([*STRICT, *notebooks], **ONE_THREAD)


def _run(arguments: list, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **KERNEL_ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nfailed, so there is nothing to time: {arguments}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1, help="of both sides, default 1")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of chapters/")
    options = parser.parse_args(arguments)
    notebooks = options.notebooks or sorted((ROOT / "chapters").glob("*.ipynb"))

    seconds = {"nbconvert, one after the other": [], "nbval, strict": []}
    for number in range(1, options.rounds + 1):
        for (name, times), side in zip(seconds.items(), (execute, validate)):
            start = time.perf_counter()
            side([path.resolve() for path in notebooks])
            times.append(time.perf_counter() - start)
            print(f"round {number}: {name:31} {times[-1]:6.1f} s", flush=True)
    plain, strict = (statistics.median(times) for times in seconds.values())
    print(f"{len(notebooks)} notebooks, ratio {strict / plain:.2f} (at most {LIMIT})")
    return int(strict / plain > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
