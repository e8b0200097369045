"""Validate the validator: break the book on purpose and see each fault caught: ``make prove``.

First, every published float in the stored outputs is moved by one unit in the last place, and
real nbval, strict, has to fail in exactly the cells where one was moved.  Second, faults of
other kinds are seeded one at a time, and the check that is there for it has to turn red.  All this
happens in a temporary copy.  The exit status is 1 if anything is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from book import notebooks
from book.execute import KERNEL_ENVIRONMENT
from book.proof import records
from utils.tables import Table

ROOT = records.ROOT

# --- every published float moved --------------------------------------------------------------


def floats(root: Path) -> dict[str, dict[int, list[records.Spot]]]:
    """Where the published floats stand: notebook -> cell -> spots."""
    found = defaultdict(lambda: defaultdict(list))
    for printed in records.find_all(root).values():
        for spot in printed.floats:
            found[printed.notebook][spot.cell].append(spot)
    return found


def move(notebook, spot: records.Spot, way: float) -> None:
    """Move a float in a stored output to its neighbour, towards ``way`` (inf or -inf)."""
    output = notebook.cells[spot.cell].outputs[spot.output]
    holder, key = (output, "text") if "text" in output else (output.data, "text/plain")
    neighbour = repr(math.nextafter(float(spot.text), way))
    holder[key] = holder[key][: spot.start] + neighbour + holder[key][spot.end :]


def prove_floats(copy: Path) -> tuple[int, int, list[str]]:
    """Move every published float and validate; returns (caught, moved, what went wrong).

    The float number k of every printing cell is moved in the k-th copy of its notebook, so that
    one run of a notebook tests as many floats as it has printing cells.
    """
    found = floats(copy)
    expected = {name: set() for name in found}  # as they are, they have to pass
    for name, cells in found.items():
        for which in range(max(map(len, cells.values()))):
            notebook = notebooks.load(copy / name)
            moved = [spots[which] for spots in cells.values() if which < len(spots)]
            for spot in moved:
                move(notebook, spot, math.inf if which % 2 else -math.inf)
            mutant = str(Path(name).with_name(f"moved-{which:02}-{Path(name).name}"))
            notebooks.save(notebook, copy / mutant)
            expected[mutant] = {_code_cell(notebook, spot.cell) for spot in moved}

    say(f"nbval, strict, on {len(expected)} notebooks with moved floats")
    failed = nbval(copy, sorted(expected))
    wrong = [
        f"{mutant}: cells {sorted(cells)} were changed, cells {sorted(failed[mutant])} failed"
        for mutant, cells in sorted(expected.items())
        if cells != failed[mutant]
    ]
    for mutant in expected.keys() - found.keys():
        (copy / mutant).unlink()
    caught = sum(len(cells & failed[mutant]) for mutant, cells in expected.items())
    return caught, sum(map(len, expected.values())), wrong


def _code_cell(notebook, cell: int) -> int:
    """The number of a cell among the code cells, as nbval counts."""
    return sum(each.cell_type == "code" for each in notebook.cells[:cell])


# --- the checks -------------------------------------------------------------------------------

NBVAL = ("--nbval", "--nbval-current-env")
PARALLEL = ("-n", "2", "--dist", "loadscope")


def nbval(copy: Path, pages: list[str]) -> dict[str, set[int]]:
    """Run nbval as ``make test`` does; returns the numbers of the code cells that failed."""
    report = copy / "report.xml"
    many = (*PARALLEL, "--tb=no", "--no-summary") if len(pages) > 1 else ()
    pytest(copy, *NBVAL, f"--junitxml={report}", *many, *pages, shown=bool(many))
    failed = {name: set() for name in pages}
    dotted = {name.replace("/", "."): name for name in pages}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed[dotted[case.attrib["classname"]]].add(
                int(case.attrib["name"].removeprefix("Cell "))
            )
    return failed


def pytest(copy: Path, *arguments: str, shown: bool = False) -> subprocess.CompletedProcess:
    """Run pytest in the copy, under the book's kernel environment; shown, its dots are printed."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=copy,
        env={**os.environ, **KERNEL_ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=None if shown else subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )


def passes(copy: Path, check: str) -> bool:
    """Whether a test file passes; a notebook is a check by strict nbval."""
    if check.endswith(".ipynb"):
        return not nbval(copy, [check])[check]
    return pytest(copy, "-x", check).returncode == 0


# --- seeded faults ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A fault: its name, what seeds it in a copy of the book, and the checks that should see it (test
    files, single tests, or notebooks, which strict nbval checks)."""

    name: str
    seed: Callable[[Path], None]
    checks: tuple[str, ...]


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    """A seed that replaces a text, which has to be there, in a file."""

    def seed(copy: Path) -> None:
        path = copy / name
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise LookupError(f"{name} no longer contains {old!r}: seed this fault in another way")
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return seed


def cell_edit(name: str, has: str, **changes) -> Callable[[Path], None]:
    """A seed that changes the first code cell of a notebook whose source has a text."""

    def seed(copy: Path) -> None:
        notebook = notebooks.load(copy / name)
        cells = (c for c in notebook.cells if c.cell_type == "code" and has in c.source)
        cell = next(cells, None)
        if cell is None:
            raise LookupError(f"{name} has no code cell with {has!r}: seed this fault otherwise")
        cell.update(changes)
        notebooks.save(notebook, copy / name)

    return seed


def drop_record(copy: Path) -> None:
    path = copy / "utils" / "published.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["records"].pop()
    path.write_text(json.dumps(content), encoding="utf-8")


MATH, NUMPY = "chapters/5-1-math.ipynb", "chapters/5-2-numpy.ipynb"
PLOTS, PUBLISHED = "utils/plots.py", "utils/published.json"
NOTEBOOKS, FIGURES = "tests/chapters/test_notebooks.py", "tests/chapters/test_figures.py"
LEDGER, RECORDED = "tests/proof/test_ledger.py", "tests/proof/test_recorded.py"
SITE = "tests/site/test_book_site.py"

FAULTS = [
    Fault(name, seed, checks)
    for name, seed, *checks in (
        (
            "an un-run cell",
            cell_edit(NUMPY, "print(", execution_count=None, outputs=[]),
            NOTEBOOKS,
        ),
        ("emptied outputs", cell_edit(NUMPY, "print(", outputs=[]), NOTEBOOKS),
        ("a wrong label on an axis", edit(PLOTS, 'ylabel="cost', 'ylabel="loss'), FIGURES),
        ("a missing contour level", edit(PLOTS, "0.2, 0.3, 0.4", "0.2, 0.4"), FIGURES),
        (
            "a path drawn with the wrong eta",
            edit(MATH, "lr=0.1, steps=200", "lr=0.11, steps=200"),
            FIGURES,
        ),
        ("swapped b and w", edit(PLOTS, "ax.plot(*path.T,", "ax.plot(*path.T[::-1],"), FIGURES),
        (
            "a sanitizer rule that matches nothing",
            edit(
                "tests/proof/tolerant.cfg",
                "[figures]",
                "[nothing]\nregex: never this text\nreplace: x\n[figures]",
            ),
            "tests/proof/test_tolerant.py",
        ),
        (
            "a changed utils with stale outputs",
            edit(
                "utils/gradients.py", "error = 2 * (y - b - w * X)", "error = 2 * (y - (b + w * X))"
            ),
            MATH,
        ),
        ("a removed published record", drop_record, LEDGER),
        (
            "a changed digit in a published record",
            edit(PUBLISHED, "2.291241352364798", "2.291241352364797"),
            LEDGER,
        ),
        (
            "a stale ledger",
            edit("chapters/recorded/ledger.json", "1.70260448274778", "1.7026044827477"),
            LEDGER,
        ),
        (
            "an invented ratio",
            edit("chapters/recorded/timings.json", '"ratio": 1', '"ratio": 100'),
            f"{RECORDED}::test_a_quick_run_of_the_benchmark_bears_out_the_recorded_ratios",
        ),
        (
            "another processor in the ledger",
            edit("chapters/recorded/ledger.json", '"processor": "', '"processor": "Another '),
            f"{RECORDED}::test_the_ledger_was_made_on_a_machine_of_the_matrix",
        ),
        (
            "a wrong volume",
            edit("chapters/references.bib", "volume  = {14}", "volume  = {15}"),
            "tests/proof/test_bibliography.py",
        ),
        (
            "a wrong heading number",
            edit(MATH, "## 5.1.3 ", "## 5.1.5 "),
            f"{SITE}::test_headings_are_numbered_without_gaps",
        ),
        (
            "a dead link",
            edit(MATH, "(5-2-numpy.ipynb", "(5-2-nowhere.ipynb"),
            f"{SITE}::test_every_link_and_anchor_inside_the_book_resolves",
        ),
        ("an empty alt text", edit(MATH, 'fig-alt: \\"', 'fig-alt: \\"\\" # \\"'), NOTEBOOKS),
    )
]


def prove_faults(copy: Path, only: str = "") -> tuple[int, int]:
    """Seed each fault alone and run its checks; prints the table, returns (caught, seeded)."""
    faults = [fault for fault in FAULTS if only in fault.name]
    say("the checks of the faults pass on the book as it is")
    for check in sorted({check for fault in faults for check in fault.checks}):
        if not passes(copy, check):
            sys.exit(f"{check} fails before any fault is seeded, so it can prove nothing")
    rows = []
    for fault in faults:
        with tempfile.TemporaryDirectory() as folder:
            broken = Path(shutil.copytree(copy, folder, dirs_exist_ok=True))
            fault.seed(broken)
            caught = next((check for check in fault.checks if not passes(broken, check)), None)
        rows.append((fault.name, caught or "MISSED"))
        say(f"{fault.name:38} {'caught by ' + caught if caught else 'MISSED'}")
    print(Table("Seeded faults", ("fault", "caught by"), rows))
    return sum(caught != "MISSED" for _, caught in rows), len(rows)


# --- the run ----------------------------------------------------------------------------------


def copy_book(folder: Path) -> Path:
    """Copy what git tracks, or would track, into the folder."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listed, cwd=ROOT, text=True).split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def say(what: str) -> None:
    print(f"[{time.perf_counter() - START:5.0f} s] {what}", flush=True)


START = time.perf_counter()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("floats", "faults"), help="default: both")
    parser.add_argument("--only", default="", metavar="TEXT", help="faults whose name has TEXT")
    options = parser.parse_args(arguments)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_book(Path(folder))
        if options.part != "faults":
            caught, moved, wrong = prove_floats(copy)
            print(*wrong, sep="\n")
            say(f"{caught} of {moved} floats, moved by one unit in the last place, are caught")
            good = caught == moved and not wrong
        if options.part != "floats":
            caught, seeded = prove_faults(copy, options.only)
            say(f"{caught} of {seeded} seeded faults are caught")
            good = good and caught == seeded
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
