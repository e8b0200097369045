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
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from book.execute import KERNEL_ENVIRONMENT
from utils import published
from utils.tables import Table

ROOT = Path(__file__).resolve().parents[2]
FLOAT = re.compile(r"(?<![\w.])-?\d+\.\d{6,}(?![\w.])")
HEADING = re.compile(r"^#+ (\d+\.\d+(?:\.\d+)?)\b", re.MULTILINE)


# --- the published floats in the stored outputs -----------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a record's floats stand: the ``floats`` in the text of an output of a code cell.

    ``cell`` counts all cells of the notebook, ``code_cell`` the code cells, as nbval does.
    """

    record: str
    notebook: str
    cell: int
    code_cell: int
    output: int
    floats: list[re.Match]


def places(chapters: Path = ROOT / "chapters") -> list[Place]:
    """Find the floats of every record in the notebook and the section that prints them.

    Raises: LookupError naming a record that is not printed in its section.
    """
    notebooks = {path.name: load(path) for path in sorted(chapters.glob("5-?-*.ipynb"))}
    return [
        _place(record, notebooks)
        for record in map(published.record, published.ids())
        if _floats(record)
    ]


def _place(record: dict, notebooks: dict) -> Place:
    wanted = _floats(record)
    for name, notebook in notebooks.items():
        section, code_cell = "", -1
        for number, cell in enumerate(notebook["cells"]):
            if cell["cell_type"] == "markdown":
                headings = HEADING.findall(text_of(cell["source"]))
                section = headings[-1] if headings else section
            if cell["cell_type"] != "code":
                continue
            code_cell += 1
            if section != record["section"]:
                continue
            for index, output in enumerate(cell["outputs"]):
                found = list(FLOAT.finditer(text_of(output.get("text", ""))))
                if [match.group() for match in found] == wanted:
                    return Place(record["id"], name, number, code_cell, index, found)
    raise LookupError(f"{record['id']} is not printed in Section {record['section']}")


def _floats(record: dict) -> list[str]:
    return [text for text in published._flatten(record["values"]) if FLOAT.fullmatch(text)]


def text_of(source) -> str:
    """The text of a cell or an output, which notebooks store as one string or as lines."""
    return source if isinstance(source, str) else "".join(source)


def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def save(path: Path, notebook: dict) -> None:
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def move(notebook: dict, place: Place, which: int) -> None:
    """Move the float number ``which`` of a place to its neighbour, up and down in turn."""
    output = notebook["cells"][place.cell]["outputs"][place.output]
    text, match = text_of(output["text"]), place.floats[which]
    neighbour = math.nextafter(float(match.group()), math.inf if which % 2 else -math.inf)
    output["text"] = text[: match.start()] + repr(neighbour) + text[match.end() :]


# --- every float moved ------------------------------------------------------------------------


def prove_floats(copy: Path) -> tuple[int, int, list[str]]:
    """Move every published float and validate; returns (caught, moved, what went wrong).

    The float number k of every printing cell is moved in the k-th copy of its notebook, so that
    one run of a notebook tests as many floats as it has printing cells.
    """
    found = places(copy / "chapters")
    expected = {place.notebook: set() for place in found}  # as they are, they have to pass
    for which in range(max(len(place.floats) for place in found)):
        for name in {place.notebook for place in found}:
            moved = [p for p in found if p.notebook == name and which < len(p.floats)]
            if not moved:
                continue
            notebook = load(copy / "chapters" / name)
            for place in moved:
                move(notebook, place, which)
            mutant = f"moved-{which:02}-{name}"
            save(copy / "chapters" / mutant, notebook)
            expected[mutant] = {place.code_cell for place in moved}

    say(f"nbval, strict, on {len(expected)} notebooks with moved floats")
    failed = nbval(copy, sorted(expected))
    moved = sum(len(cells) for cells in expected.values())
    caught = sum(len(cells & failed[mutant]) for mutant, cells in expected.items())
    wrong = [
        f"{mutant}: cells {sorted(cells)} were changed, cells {sorted(failed[mutant])} failed"
        for mutant, cells in sorted(expected.items())
        if cells != failed[mutant]
    ]
    for mutant in copy.glob("chapters/moved-*.ipynb"):
        mutant.unlink()
    return caught, moved, wrong


def nbval(copy: Path, notebooks: list[str]) -> dict[str, set[int]]:
    """Run nbval as ``make test`` does; returns the numbers of the code cells that failed."""
    report = copy / "report.xml"
    paths = [f"chapters/{name}" for name in notebooks]
    quiet = ("--tb=no", "--no-summary") if len(paths) > 1 else ()
    pytest(copy, *NBVAL, f"--junitxml={report}", *quiet, *PARALLEL, *paths, shown=bool(quiet))
    failed = {name: set() for name in notebooks}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            name = case.attrib["classname"].removeprefix("chapters.")
            failed[name].add(int(case.attrib["name"].removeprefix("Cell ")))
    return failed


NBVAL = ("--nbval", "--nbval-current-env")
PARALLEL = ("-n", "2", "--dist", "loadscope")


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


def cell_edit(name: str, has: str, change: Callable[[dict], None]) -> Callable[[Path], None]:
    """A seed that changes the first code cell of a notebook whose source has a text."""

    def seed(copy: Path) -> None:
        path = copy / "chapters" / name
        notebook = load(path)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code" and has in text_of(cell["source"]):
                change(cell)
                return save(path, notebook)
        raise LookupError(f"{name} has no code cell with {has!r}: seed this fault in another way")

    return seed


def _forget(cell: dict) -> None:
    cell.update(execution_count=None, outputs=[])


def _empty(cell: dict) -> None:
    cell.update(outputs=[])


def _without_alt(cell: dict) -> None:
    lines = text_of(cell["source"]).splitlines()
    cell["source"] = "\n".join('#| fig-alt: ""' if "fig-alt" in line else line for line in lines)


def _drop_record(copy: Path) -> None:
    path = copy / "utils" / "published.json"
    content = load(path)
    content["records"].pop()
    save(path, content)


NOTEBOOKS = "tests/chapters/test_notebooks.py"
FIGURES = "tests/chapters/test_figures.py"
SITE = "tests/site/test_book_site.py"
MATH, NUMPY = "5-1-math.ipynb", "5-2-numpy.ipynb"

FAULTS = [
    Fault("an un-run cell", cell_edit(NUMPY, "print(", _forget), (NOTEBOOKS,)),
    Fault("emptied outputs", cell_edit(NUMPY, "print(", _empty), (NOTEBOOKS,)),
    Fault(
        "a wrong label on an axis",
        edit("utils/plots.py", 'ylabel="cost"', 'ylabel="loss"'),
        (FIGURES,),
    ),
    Fault(
        "a missing contour level",
        edit("utils/plots.py", "0.2, 0.3, 0.4", "0.2, 0.4"),
        (FIGURES,),
    ),
    Fault(
        "a path drawn with the wrong eta",
        edit(f"chapters/{MATH}", "lr=0.1, steps=200", "lr=0.11, steps=200"),
        (FIGURES,),
    ),
    Fault(
        "swapped b and w",
        edit("utils/plots.py", "ax.plot(*path.T,", "ax.plot(*path.T[::-1],"),
        (FIGURES,),
    ),
    Fault(
        "a sanitizer rule that matches nothing",
        edit(
            "tests/proof/tolerant.cfg",
            "[figures]",
            "[nothing]\nregex: never this text\nreplace: x\n[figures]",
        ),
        ("tests/proof/test_tolerant.py",),
    ),
    Fault(
        "a changed utils with stale outputs",
        edit("utils/gradients.py", "error = 2 * (y - b - w * X)", "error = 2 * (y - (b + w * X))"),
        ("chapters/ledger.ipynb",),
    ),
    Fault("a removed published record", _drop_record, ("tests/proof/test_proof_ledger.py",)),
    Fault(
        "a changed digit in a published record",
        edit("utils/published.json", "2.291241352364798", "2.291241352364797"),
        ("tests/proof/test_proof_ledger.py",),
    ),
    Fault(
        "a wrong heading number",
        edit(f"chapters/{MATH}", "## 5.1.3 ", "## 5.1.5 "),
        (f"{SITE}::test_headings_are_numbered_without_gaps",),
    ),
    Fault(
        "a dead link",
        edit(f"chapters/{MATH}", "(5-2-numpy.ipynb", "(5-2-nowhere.ipynb"),
        (
            "tests/book/test_export.py",
            f"{SITE}::test_every_link_and_anchor_inside_the_book_resolves",
        ),
    ),
    Fault(
        "an empty alt text",
        cell_edit(MATH, "fig-alt", _without_alt),
        (NOTEBOOKS,),
    ),
]


def prove_faults(copy: Path, only: str = "") -> tuple[int, int]:
    """Seed each fault alone and run its checks; prints the table, returns (caught, seeded)."""
    faults = [fault for fault in FAULTS if only in fault.name]
    say("the checks of the faults pass on the book as it is")
    for check in sorted({check for fault in faults for check in fault.checks}):
        if not _passes(copy, check):
            sys.exit(f"{check} fails before any fault is seeded, so it can prove nothing")
    rows = []
    for fault in faults:
        with tempfile.TemporaryDirectory() as folder:
            broken = copy_book(Path(folder))
            fault.seed(broken)
            caught = next((check for check in fault.checks if not _passes(broken, check)), None)
        rows.append((fault.name, caught or "MISSED"))
        say(f"{fault.name:38} {'caught by ' + caught if caught else 'MISSED'}")
    print(Table("Seeded faults", ("fault", "caught by"), rows))
    return sum(caught != "MISSED" for _, caught in rows), len(rows)


def _passes(copy: Path, check: str) -> bool:
    """Whether a test file passes; a notebook is a check by strict nbval."""
    if check.endswith(".ipynb"):
        return not nbval(copy, [Path(check).name])[Path(check).name]
    return pytest(copy, "-x", check).returncode == 0


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
