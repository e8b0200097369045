"""Measure the distance from the published numbers on every version at hand: ``make matrix``.

Each row is the run of the notebooks that print published records, each in a fresh process: those
without PyTorch under Python 3.10 to 3.13 and NumPy 1.26, 2.0, the newest and Colab's, with SIMD on
and off; all of them under the PyTorch that is installed here, with each of its CPU kernels that
this machine runs, on one thread and on two.  The environments are kept in ``.cache/matrix``; the
result goes to chapters/recorded/matrix.json, where the rows of other machines stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from book import notebooks
from book.proof import records, run
from book.proof.ledger import machine, write

ROOT = records.ROOT
CACHE = ROOT / ".cache" / "matrix"
RECORDED = ROOT / "chapters" / "recorded" / "matrix.json"

COMMAND = "make matrix"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
NUMPYS = ("numpy==1.26.4", "numpy==2.0.2", "numpy")
OTHERS = ("scikit-learn", "matplotlib", "ipython")  # what the notebooks and `run` need besides
#: What Colab published of its runtime on 2026-08-19; its PyTorch is not installed here.
COLAB = ("3.13", ("numpy==2.1.3", "scikit-learn==1.6.1", "matplotlib==3.10.0", "ipython"))
NEWEST = ("numpy", "torch", *OTHERS)
VERSIONS = ("python", "numpy", "torch", "kernels", "threads", "cuda", "cuda_bytes")
CAPABILITIES = ("default", "avx2", "avx512")
THREADS = (1, 2)

#: The ordered run of Section 5.4.1 with the module of the published code, which the book's own
#: run replaces by a hand-written one.
ORDERED = "5.4.1/dataloader-ordered"
ORDERED_KEY = "ordered, nn.Linear"
ORDERED_AS_PUBLISHED = f"""
import json, torch
from utils import data, published
X, _, y, _ = data.load_chapter_data()
points = torch.utils.data.TensorDataset(*(torch.tensor(v).reshape(-1, 1) for v in (X, y)))
model, mse = torch.nn.Linear(1, 1).double(), torch.nn.MSELoss()
torch.nn.init.constant_(model.bias, 1.0), torch.nn.init.constant_(model.weight, 1.5)
optimizer, path = torch.optim.SGD(model.parameters(), lr=0.2), []
for epoch in range(10):
    for x, target in torch.utils.data.DataLoader(points, batch_size=32):
        optimizer.zero_grad()
        mse(model(x), target).backward()
        optimizer.step()
    path.append([model.bias.item(), model.weight.item()])
found = published.compare({ORDERED!r}, path)
print(json.dumps({{"max_ulp": found.max_ulp, "exact": found.exact, "total": found.total}}))
"""

#: What became of arrays with one element, for the eighth note on the published chapter.
SCALAR_NUMPYS = ("1.24.4", "1.25.2", "1.26.4", "2.0.2", "2.3.5", "2.4.0")
SCALARS = (
    "np.isscalar(np.array([1.0]))",
    "float(np.array([1.0]))",
    "np.array([1.0])[0]",
    "np.array([1.0]).item()",
)
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


def interpreter(version: str) -> Path | None:
    """The Python of that version: under pyenv, on PATH, or the one that runs this; or None."""
    if platform.python_version().startswith(version + "."):
        return Path(sys._base_executable)
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    return found[-1] if found else Path(on_path) if on_path else None


def _folder(version: str, *requirements: str) -> Path:
    return CACHE / "-".join((f"python{version}", *requirements)).replace("==", "")


def environment(version: str, *requirements: str) -> Path | None:
    """The Python of a virtual environment with these packages, made once; None if none can be had."""
    python = interpreter(version)
    folder = _folder(version, *requirements)
    executable, ready = folder / "bin" / "python", folder / "ready"
    if python and not ready.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        packages = ["--only-binary=:all:", *requirements]
        if subprocess.run([*pip, *packages], stderr=subprocess.DEVNULL, check=False).returncode:
            return None
        ready.touch()
    return executable if python else None


def measure(
    pages, *, python=sys.executable, threads: int = 1, gpu: bool = False, **variables: str
) -> dict | None:
    """One row: the distances of the records that these pages compare, and the versions.

    None where the processor lacks an instruction that the kernels asked for by name need.  Ends the
    process where a page complains, or leaves the memory of the GPU untouched that it should use.
    """
    variables |= {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS")}
    row = {"records": {}}
    for page in pages:
        report = run.report(ROOT / page, python=python, **variables)
        if report is None:
            return None
        if gpu and not report.get("cuda_bytes"):
            report["wrong"].append("it left the GPU's memory untouched")
        if report["wrong"]:
            sys.exit(f"{page} under {python}: {'; '.join(report['wrong'])}")
        row |= report | {"records": row["records"] | report["records"]}
    return {
        **{name: row[name] for name in VERSIONS if name in row},
        "scikit-learn": row["sklearn"],
        "records": {
            id: {"max_ulp": record["max_ulp"], "exact": record["exact"], "total": record["total"]}
            | ({"values": record["values"]} if record["max_ulp"] else {})
            for id, record in row["records"].items()
        },
    }


def rows():
    """Measure everything that can be had; yields (what, row), row None where it cannot be had."""
    plain, everything = pages(torch=False), [*pages(torch=False), *pages(torch=True)]
    asked = [(python, (numpy, *OTHERS)) for python in PYTHONS for numpy in NUMPYS]
    for version, requirements in [*asked, COLAB]:
        executable = environment(version, *requirements)
        exact = [requirement for requirement in requirements if "==" in requirement]
        what = f"Python {version}, {', '.join(exact).replace('==', ' ') or 'newest numpy'}"
        yield what, executable and measure(plain, python=executable)
    if disabled := _simd():
        row = measure(plain, NPY_DISABLE_CPU_FEATURES=" ".join(disabled))
        yield "this NumPy, its optional SIMD kernels off", {**row, "simd": False}
    for capability in CAPABILITIES:
        for threads in THREADS:
            what = f"PyTorch, {capability} kernels, {threads} thread{'s' * (threads > 1)}"
            row = measure(everything, threads=threads, ATEN_CPU_CAPABILITY=capability)
            # On other processors than x86-64 PyTorch takes no notice of the wish.
            if row and row["kernels"] == capability:
                yield what, {**row, ORDERED_KEY: ordered_as_published(capability)}
            else:
                yield what, None


def newest() -> int:
    """Print the distance of each record under this Python and the newest versions; 1 if one is over 1 ulp."""
    version = ".".join(platform.python_version_tuple()[:2])
    everything = [*pages(torch=False), *pages(torch=True)]
    shutil.rmtree(_folder(version, *NEWEST), ignore_errors=True)
    executable = environment(version, *NEWEST)
    row = executable and measure(everything, python=executable, ATEN_CPU_CAPABILITY="default")
    if not row:
        sys.exit("the newest versions cannot be had together")
    found = row.pop("records")
    print(*(f"{name} {value}" for name, value in row.items()), sep=", ")
    for id, record in found.items():
        print(
            f"{id:40} {record['exact']:3} of {record['total']:3} exact, largest distance {record['max_ulp']} ulp"
        )
    return int(max(record["max_ulp"] for record in found.values()) > 1)


def pages(*, torch: bool) -> list[str]:
    """The notebooks that print published records, and need PyTorch or not."""
    found = dict.fromkeys(printed.notebook for printed in records.find_all().values())
    return [page for page in found if torch == uses_torch(page)]


def uses_torch(page: str) -> bool:
    cells = notebooks.code_cells(notebooks.load(ROOT / page))
    return any(re.search(r"^\s*(import|from) torch\b", c.source, re.MULTILINE) for _, c in cells)


def ordered_as_published(capability: str) -> dict:
    """The comparison of the record ORDERED with what the published module gives."""
    variables = {**os.environ, "ATEN_CPU_CAPABILITY": capability, "PYTHONPATH": str(ROOT)}
    python = [sys.executable, "-c", ORDERED_AS_PUBLISHED]
    return json.loads(subprocess.check_output(python, env=variables, text=True))


def _simd() -> list[str]:
    """NumPy's optional SIMD kernels that this processor would use."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return [feature for feature in __cpu_dispatch__ if __cpu_features__[feature]]


def scalars() -> list[dict]:
    """What each expression of SCALARS gives under each of SCALAR_NUMPYS."""
    found = []
    for numpy in SCALAR_NUMPYS:
        executable = environment("3.11", f"numpy=={numpy}")
        if executable:
            answers = subprocess.check_output([executable, "-c", _ASK, *SCALARS], text=True)
            found.append({"numpy": numpy, **json.loads(answers)})
    return found


def name_of(machine: dict) -> str:
    """What a machine is called in the rows."""
    vector = ", ".join(machine["vector instructions"]) or "no known vector instructions"
    return f"{machine['processor']} with {vector}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--newest", action="store_true", help="only the newest; nothing is written")
    if parser.parse_args(arguments).newest:
        return newest()
    here = machine()
    name = name_of(here)
    measured, missing = [], []
    for what, row in rows():
        if row is None:
            missing.append(what)
            print(f"{what:70} not to be had here", flush=True)
            continue
        distance = max(record["max_ulp"] for record in row["records"].values())
        measured.append({"what": what, "machine": name, **row})
        print(f"{what:70} largest distance {distance} ulp", flush=True)
    old = json.loads(RECORDED.read_text(encoding="utf-8"))
    today = time.strftime("%Y-%m-%d", time.gmtime())
    made = {"recorded": today, "command": COMMAND, **here, "not to be had": missing}
    write(
        RECORDED,
        command=COMMAND,
        machines={**old["machines"], name: made},
        rows=[row for row in old["rows"] if row["machine"] != name] + measured,
        **{"one-element arrays": scalars()},
    )
    largest = max(each["max_ulp"] for row in measured for each in row["records"].values())
    return int(largest > 1)


if __name__ == "__main__":
    sys.exit(main())
