"""Measure the distance from the published numbers on every version at hand: ``make matrix``.

Each row is the whole of ``utils.ledger`` in a fresh process: the NumPy records under Python 3.10
to 3.13 and NumPy 1.26, 2.0 and the newest, with SIMD on and off; all records under the PyTorch
that is installed here, with each of its CPU kernels that this machine runs, on one thread and on
two.  The environments are kept in ``.cache/matrix``; the result is written to
``chapters/recorded/matrix.json``, which the appendix "Reproduction ledger" displays.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "matrix"
RECORDED = ROOT / "chapters" / "recorded" / "matrix.json"

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
NUMPYS = ("1.26.4", "2.0.2", "newest")
CAPABILITIES = ("default", "avx2", "avx512")
THREADS = (1, 2)

#: What became of arrays with one element, for the eighth note on the published chapter.
SCALAR_NUMPYS = ("1.24.4", "1.25.2", "1.26.4", "2.0.2", "2.3.5", "2.4.0")
SCALARS = (
    "np.isscalar(np.array([1.0]))",
    "float(np.array([1.0]))",
    "np.array([1.0])[0]",
    "np.array([1.0]).item()",
)


def interpreter(version: str) -> Path | None:
    """The Python of that version: under pyenv, on PATH, or the one that runs this; or None."""
    if platform.python_version().startswith(version + "."):
        return Path(sys._base_executable)
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    return found[-1] if found else Path(on_path) if on_path else None


def environment(python: Path, version: str, numpy: str, *others: str) -> Path | None:
    """The Python of a virtual environment with that NumPy, made once; None if none can be had."""
    folder = CACHE / "-".join((f"python{version}", f"numpy{numpy}", *others))
    executable, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        numpy_requirement = "numpy" if numpy == "newest" else f"numpy=={numpy}"
        pip = [executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        packages = ["--only-binary=:all:", numpy_requirement, *others]
        if subprocess.run([*pip, *packages], stderr=subprocess.DEVNULL, check=False).returncode:
            return None
        ready.touch()
    return executable


def measure(executable, records: str, *, threads: int = 1, **variables: str) -> dict | None:
    """One row: the distances of ``records`` ("numpy" or "all") in a fresh process.

    None where the processor lacks an instruction that the kernels asked for by name need.
    """
    count = str(threads)
    threading = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    run = subprocess.run(
        [executable, Path(__file__), "--measure", records],
        env={**os.environ, **threading, **variables, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    if run.returncode == -signal.SIGILL:
        return None
    run.check_returncode()
    return json.loads(run.stdout)


def _measure_here(records: str) -> dict:
    """What ``measure`` runs: the versions and, for each record, the comparison."""
    import numpy
    import sklearn

    from utils import ledger, published

    row = {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scikit-learn": sklearn.__version__,
    }
    wanted = [id for id in published.ids() if records == "all" or not ledger.needs_torch(id)]
    values = {id: ledger.reproduce(id) for id in wanted}
    results = [published.compare(id, values[id]) for id in wanted]
    if records == "all":
        import torch

        row["torch"] = torch.__version__.partition("+")[0]
        row["kernels"] = torch.backends.cpu.get_cpu_capability()
        row["threads"] = torch.get_num_threads()
    row["records"] = {
        result.id: {"max_ulp": result.max_ulp, "exact": result.exact, "total": result.total}
        for result in results
    }
    for id, record in row["records"].items():
        if record["max_ulp"]:
            record["values"] = values[id]
    return row


def rows():
    """Measure everything that can be had; yields (what, row), row None where it cannot be had."""
    for version in PYTHONS:
        python = interpreter(version)
        for numpy in NUMPYS:
            what = f"Python {version}, NumPy {numpy}"
            executable = python and environment(python, version, numpy, "scikit-learn")
            yield what, executable and measure(executable, "numpy")
    for what, disabled in _without_simd():
        row = measure(sys.executable, "numpy", NPY_DISABLE_CPU_FEATURES=disabled)
        yield what, {**row, "simd": False}
    for capability in CAPABILITIES:
        for threads in THREADS:
            what = f"PyTorch, {capability} kernels, {threads} thread{'s' * (threads > 1)}"
            row = measure(sys.executable, "all", threads=threads, ATEN_CPU_CAPABILITY=capability)
            # On other processors than x86-64 PyTorch takes no notice of the wish.
            yield what, row if row and row["kernels"].lower() == capability else None


def _without_simd():
    """NumPy's optional SIMD kernels that this processor would use, to be switched off."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    used = [feature for feature in __cpu_dispatch__ if __cpu_features__[feature]]
    return [("this NumPy, its optional SIMD kernels off", " ".join(used))] if used else []


def scalars() -> list[dict]:
    """What each expression of SCALARS gives under each of SCALAR_NUMPYS."""
    found = []
    for numpy in SCALAR_NUMPYS:
        python = interpreter("3.11")
        executable = python and environment(python, "3.11", numpy)
        if executable:
            answers = subprocess.check_output([executable, "-c", _ASK, *SCALARS], text=True)
            found.append({"numpy": numpy, **json.loads(answers)})
    return found


_ASK = """
import json, sys, warnings
import numpy as np

def answer(expression):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            given = repr(eval(expression))
        except TypeError:
            given = "TypeError"
    return ", ".join([given, *(warning.category.__name__ for warning in caught)])

print(json.dumps({expression: answer(expression) for expression in sys.argv[1:]}))
"""


def machine() -> dict:
    """The processor and the system, in words."""
    words = {"system": platform.system(), "architecture": platform.machine()}
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text().splitlines()
        facts = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
        words["processor"] = facts.get("model name", "unknown").strip()
        flags = facts.get("flags", "").split()
        words["vector instructions"] = [f for f in ("avx2", "fma", "avx512f") if f in flags]
    words["cores"] = os.cpu_count()
    return words


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", choices=("numpy", "all"), help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RECORDED, help="default: %(default)s")
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(_measure_here(options.measure)))
        return 0

    measured, missing, largest = [], [], 0
    for what, row in rows():
        if row is None:
            missing.append(what)
            print(f"{what:48} not to be had here", flush=True)
            continue
        distance = max(record["max_ulp"] for record in row["records"].values())
        largest = max(largest, distance)
        measured.append({"what": what, **row})
        print(f"{what:48} largest distance {distance} ulp", flush=True)
    recorded = {
        "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "rows": measured,
        "not to be had": missing,
        "one-element arrays": scalars(),
    }
    options.output.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
    print(f"{len(measured)} rows, largest distance {largest} ulp -> {options.output}")
    return int(largest > 1)


if __name__ == "__main__":
    sys.exit(main())
