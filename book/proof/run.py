"""Run the cells of one notebook in a fresh process: ``python book/proof/run.py NOTEBOOK [REPORT]``.

A notebook of the book or an exported one; it needs IPython and what the notebook uses, nothing
else, so that it runs under any Python, any NumPy and on a machine with a GPU.  The cells run
unchanged, in the current folder.  A warning, an error or a record that does not agree with the
published one is a complaint, and ends with status 1.  The report, JSON, holds for each record that
the notebook compares its values and their distance from the published ones.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path


def report(notebook, *, python=sys.executable, folder=None, **variables):
    """Run the notebook under ``python`` in ``folder`` (default: its own) and return the report.

    None where the processor lacks an instruction that ``variables`` (of the environment) ask for.
    """
    notebook = Path(notebook).resolve()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as temporary:
        written = Path(temporary, "report.json")
        done = subprocess.run(
            [str(python), str(Path(__file__).resolve()), str(notebook), str(written)],
            cwd=folder or notebook.parent,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == -signal.SIGILL:
            return None
        if not written.is_file():
            return {"wrong": [done.stderr[-500:] or f"status {done.returncode}"], "records": {}}
        return json.loads(written.read_text(encoding="utf-8"))


def run(notebook):
    """Run all code cells here; return (complaints, record -> comparison)."""
    os.environ.setdefault("MPLBACKEND", "agg")
    sys.path[0] = ""  # as in a kernel: the current folder, not this file's
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    wrong, compared = [], {}
    with warnings.catch_warnings(record=True) as caught:
        for number, cell in enumerate(cells, start=1):
            if cell["cell_type"] != "code":
                continue
            _listen(compared)
            result = shell.run_cell("".join(cell["source"]), store_history=False)
            error = result.error_before_exec or result.error_in_exec
            if error is not None:
                wrong.append(f"cell {number}: {type(error).__name__}: {error}")
                break
    wrong += [f"warning: {w.category.__name__}: {w.message} ({w.filename})" for w in caught]
    for id, found in compared.items():
        if not found["agrees"]:
            wrong.append(f"{id}: differs by {found['max_ulp']} units in the last place")
    return wrong, compared


def _listen(compared):
    """Have the notebook's own comparison note its results, once it has been imported."""
    published = sys.modules.get("utils.published")
    if published is None or hasattr(published, "_unheard"):
        return
    published._unheard = published.compare

    def compare(id, values):
        found = published._unheard(id, values)
        compared[id] = {
            "total": found.total,
            "exact": found.exact,
            "max_ulp": found.max_ulp if found.max_ulp != float("inf") else "inf",
            "agrees": found.agrees,
            "values": published._flatten(values),
        }
        return found

    published.compare = compare


def surroundings():
    """The versions, the kernels and the device under which the notebook ran."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("numpy", "sklearn", "matplotlib", "torch", "IPython"):
        if name in sys.modules:
            found[name] = sys.modules[name].__version__.partition("+")[0]
    torch = sys.modules.get("torch")
    found["device"] = "cpu"
    if torch is not None:
        found["kernels"] = torch.backends.cpu.get_cpu_capability().lower()
        found["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            # Without memory in use the notebook computed nothing on the GPU, whatever it says.
            found["device"] = torch.cuda.get_device_name()
            found["cuda"] = torch.version.cuda
            found["cuda_bytes"] = torch.cuda.max_memory_allocated()
    return found


def main():
    notebook, *written = map(Path, sys.argv[1:])
    wrong, compared = run(notebook)
    content = {"wrong": wrong, "records": compared, **surroundings()}
    for path in written:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(*wrong, sep="\n", file=sys.stderr)
    print(f"{notebook.name}: {len(compared)} records compared, {len(wrong)} complaints")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
