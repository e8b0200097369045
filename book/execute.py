"""Re-execute notebooks in place, so that a second run changes no byte: ``make notebooks``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from book import BookError, notebooks

ROOT = Path(__file__).resolve().parent.parent

#: What a kernel of the book runs under: PyTorch's plain kernels, which are the same on every
#: x86-64 machine (see the appendix "Why is my number different?").
KERNEL_ENVIRONMENT = {"ATEN_CPU_CAPABILITY": "default"}


def execute(path: Path) -> None:
    """Run the notebook from top to bottom in its own folder and store the outputs.

    The file changes only if every cell ran.  Raises CellExecutionError otherwise.
    """
    notebook = nbformat.from_dict(notebooks.load(path))  # nbclient wants nbformat's own class
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=40"],  # no remark on its local TCP port
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    _normalise(notebook)
    notebooks.save(notebook, path)


def _normalise(notebook) -> None:
    """Remove what depends on the machine or the moment and merge split streams."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for _, cell in notebooks.code_cells(notebook):
        cell.metadata.pop("execution", None)
        merged = []
        for output in cell.outputs:
            if merged and "name" in output and output.name == merged[-1].get("name"):
                merged[-1].text += output.text  # both are streams: no other output has a name
            else:
                merged.append(output)
        cell.outputs = merged


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of chapters/")
    paths = parser.parse_args(arguments).notebooks or sorted((ROOT / "chapters").glob("*.ipynb"))
    os.environ.update(KERNEL_ENVIRONMENT)
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path} ", end="", flush=True)
        start = time.perf_counter()
        try:
            execute(path.resolve())
        except (BookError, CellExecutionError) as error:
            print(f"failed; the file is as it was\n{error}", file=sys.stderr)
            return 1
        print(f"{time.perf_counter() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
