"""Run one exported notebook in plain IPython: python run_exported.py NOTEBOOK [--report FILE]

It needs nothing but IPython and what the notebook uses, so that it runs on any Python and on a
machine with a GPU.  The notebook's cells run unchanged, in the current folder, with warnings as
they are; a warning, an error or a record that does not agree ends with status 1.  The report, JSON,
holds the distance from the published numbers for each record that the notebook compares.
"""

import argparse
import json
import os
import platform
import sys
import warnings
from pathlib import Path


def run(path):
    """Return (what went wrong, the comparisons) after running all cells of the notebook."""
    os.environ.setdefault("MPLBACKEND", "agg")
    sys.path.insert(0, "")  # as in a kernel: the current folder, not this file's
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
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
    for id, distance in compared.items():
        if not distance["agrees"]:
            wrong.append(f"{id}: differs by {distance['max_ulp']} units in the last place")
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
        }
        return found

    published.compare = compare


def surroundings():
    """The versions and the device under which the notebook ran."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("numpy", "sklearn", "matplotlib", "torch", "IPython"):
        if name in sys.modules:
            found[name] = sys.modules[name].__version__
    torch = sys.modules.get("torch")
    found["device"] = "cpu"
    if torch is not None and torch.cuda.is_available():
        # Without memory in use the notebook computed nothing on the GPU, whatever it says.
        found["device"] = torch.cuda.get_device_name()
        found["cuda"] = torch.version.cuda
        found["cuda_bytes"] = torch.cuda.max_memory_allocated()
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("notebook")
    parser.add_argument("--report")
    options = parser.parse_args()
    wrong, compared = run(options.notebook)
    if options.report:
        report = {"wrong": wrong, "records": compared, **surroundings()}
        Path(options.report).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for line in wrong:
        print(line, file=sys.stderr)
    print(
        f"{Path(options.notebook).name}: {len(compared)} records compared, {len(wrong)} complaints"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
