"""Validate the validator: break the book on purpose and see each fault caught: ``make prove``.

First, every published float in the stored outputs is moved by one unit in the last place, and
real nbval, strict, has to fail in exactly the cells where one was moved.  Second, faults are drawn
at random, of every kind in faults.yaml, and each is seeded alone into a copy of the book.  It is
caught if a check of its kind turns red, and is green again without it.  The same seed draws the
same faults.  The exit status is 1 if a float or more than a twentieth of the faults is missed.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from random import Random, SystemRandom

import yaml

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
            code = [cell.cell_type == "code" for cell in notebook.cells]
            expected[mutant] = {sum(code[: spot.cell]) for spot in moved}  # as nbval counts

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


# --- the checks -------------------------------------------------------------------------------

PYTEST = ("-q", "--tb=no", "-p", "no:cacheprovider")


def nbval(copy: Path, pages: list[str]) -> dict[str, set[int]]:
    """Run nbval as ``make test`` does; returns the numbers of the code cells that failed."""
    report = copy / "report.xml"
    how = (*PYTEST, "--nbval", "--nbval-current-env", f"--junitxml={report}")
    many = ("-n", "2", "--dist", "loadscope", "--no-summary")
    subprocess.run(
        [sys.executable, "-m", "pytest", *how, *many, *pages],
        cwd=copy,
        env={**os.environ, **KERNEL_ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    failed = {name: set() for name in pages}
    dotted = {name.replace("/", "."): name for name in pages}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed[dotted[case.attrib["classname"]]].add(
                int(case.attrib["name"].removeprefix("Cell "))
            )
    return failed


def failure(copy: Path, check: str) -> str:
    """What turns red: the test, or the cell of a notebook under nbval; "" if nothing does.

    A check is "FILE" or "FILE -k WORDS" for pytest, in a fork of this process, which has imported
    what takes long.
    """
    output = copy / "output.txt"
    fork = get_context("fork").Process(target=_pytest, args=(copy, check, output))
    fork.start()
    fork.join()
    if fork.exitcode not in (0, 1):
        raise RuntimeError(f"{check}: {output.read_text('utf-8')[-2000:]}")
    red = r"^(?:FAILED|ERROR) \S*?(\w+\.py\S*|[\w-]+\.ipynb::Cell \d+)"
    found = re.search(red, output.read_text("utf-8"), re.M)
    return (found[1] if found else check) if fork.exitcode else ""


def _pytest(copy: Path, check: str, output: Path) -> None:
    import pytest

    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]  # the copy's own are imported
    sys.path[0] = str(copy)
    os.chdir(copy)
    status = None
    try:
        with output.open("w", encoding="utf-8") as sys.stdout:
            os.dup2(sys.stdout.fileno(), 1)
            os.dup2(sys.stdout.fileno(), 2)
            status = pytest.main([*PYTEST, "-x", *check.split(" ", 2)])
    finally:
        os._exit(70 if status is None else status)


OURS = {"book", "utils", "explorer", "exercises"}
OURS |= {"tests", "claims", "drawings", "small_book", "conftest"}


def warm_up() -> None:
    """Import here, once, what every fork would import."""
    os.environ.update({**KERNEL_ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"})
    sys.dont_write_bytecode = True
    for name in ("pytest", "matplotlib.pyplot", "scipy.linalg", "sklearn.preprocessing", "torch"):
        import_module(name)
    import_module("sympy.parsing.latex").parse_latex("x")


# --- the faults -------------------------------------------------------------------------------

STATES = re.compile(r"[=<+/]|\\approx")  # a formula without any of them is a name
APART = {  # what is not of a part
    "prose": r"```.*?```|`[^`]*`|\$[^$]+\$|\]\([^)]*\)|\{[^}]*\}|<[^>]*>|^#.*?$|@\w+",
    "drawing": r"^#\|[^\n]*$|^[^\n]*(?:figsize|import |fontsize|size=|width=)[^\n]*$",
    "operators": r'""".*?"""|"[^"\n]*"|#[^\n]*$',
}
KINDS = yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text("utf-8"))


def part_of(text: str, part: str) -> str:
    """The text with all blanked, by characters that no pattern finds, that is not of this part."""
    if part == "formula":
        pieces = re.split(r"(\$\$[^$]+\$\$|\$[^$]+\$)", text)
        stated = [bool(n % 2 and STATES.search(piece)) for n, piece in enumerate(pieces)]
        return "".join(p if kept else "\0" * len(p) for p, kept in zip(pieces, stated))
    if part == "drawing" and "fig-cap" not in text:
        return ""
    if part not in APART:
        return text
    return re.sub(APART[part], lambda found: "\0" * len(found[0]), text, flags=re.S | re.M)


def edits(kind: dict, text: str, random: Random):
    """The faults of a kind that a text can have: (start, end, what stands there instead)."""
    if "swap" in kind:
        for one, two in pairwise(re.finditer(kind["swap"], text, re.M)):
            if one[0] != two[0]:
                yield one.start(), two.end(), two[0] + text[one.end() : two.start()] + one[0]
        return
    pattern, other = kind.get("change"), {}
    if "exchange" in kind:
        pairs = [pair.split("/") for pair in kind["exchange"].split()]
        other = {two: one for one, two in pairs} | dict(pairs)
        words = "|".join(map(re.escape, sorted(other, key=len, reverse=True)))
        pattern = kind.get("around", r"(?<![\w\\]){}(?!\w)").replace("{}", f"(?:{words})")
    for found in re.finditer(pattern, text, re.M):
        digit = random.choice([each for each in "123456789" if each != found[0]])
        new = other.get(found[0], kind["to"].format(found[0]) if "to" in kind else digit)
        yield *found.span(), new


@dataclass(frozen=True)
class Fault:
    """A fault as drawn: its kind, the file, where in it, the changed content, and its checks."""

    kind: str
    file: str
    where: str
    content: str | dict
    checks: tuple[str, ...]

    def seed(self, copy: Path) -> None:
        if isinstance(self.content, str):
            (copy / self.file).write_text(self.content, "utf-8")
        else:
            notebooks.save(self.content, copy / self.file)


def draw(kind: dict, root: Path, random: Random) -> Fault:
    """Draw a fault of a kind: a file, a place in it, and what it becomes."""
    files = sorted(path for each in kind["files"].split() for path in root.glob(each))
    for path in random.sample(files, len(files)):
        content = {"text": path.read_text("utf-8")}
        places = [("", content, "text")]
        if path.suffix == ".ipynb" and kind["part"] != "file":
            content = notebooks.load(path)
            places = [
                (cell.id, *each) for cell in content.cells for each in _texts(cell, kind["part"])
            ]
        spots = [
            (*place, *edit)
            for place in places
            for edit in edits(kind, part_of(place[1][place[2]], kind["part"]), random)
        ]
        if spots:
            id, holder, key, start, end, new = random.choice(spots)
            old = holder[key]
            holder[key] = old[:start] + new + old[end:]
            around = (old[max(0, start - 24) : start], old[start:end], new, old[end : end + 16])
            before, was, now, after = (" ".join(each.split())[:48] for each in around)
            name = str(path.relative_to(root))
            checks = tuple(each.format(page=path.stem, file=name) for each in kind["checks"])
            where = f"{id} {before}[{was} -> {now}]{after}".strip()
            return Fault(kind["kind"], name, where, content.get("text", content), checks)
    raise LookupError(f"nothing in {kind['files']} can become {kind['kind']}")


def _texts(cell, part: str):
    if part == "output":
        outputs = cell.get("outputs", ())
        yield from ((each, "text") for each in outputs if each.output_type == "stream")
    elif cell.cell_type == ("code" if part == "drawing" else "markdown"):
        yield cell, "source"


def try_out(copy: Path, fault: Fault) -> str:
    """Seed a fault and run its checks; returns what turned red, or "MISSED" and why."""
    lane = copy.with_name(f"lane-{os.getpid()}")  # each process has a copy of its own
    if not lane.exists():
        shutil.copytree(copy, lane)
    right = (lane / fault.file).read_bytes()
    for check in fault.checks:
        if found := before(lane, check):
            return f"MISSED: {found} is red without it"
        fault.seed(lane)
        red = failure(lane, check)
        (lane / fault.file).write_bytes(right)
        if red:
            return red
    return "MISSED"


before = cache(failure)


def prove_faults(copy: Path, options) -> tuple[int, int]:
    """Seed random faults, each alone, and run its checks; prints tables, returns (caught, seeded)."""
    random, kinds = Random(options.seed), [k for k in KINDS if options.only in k["kind"]]
    faults = [draw(kinds[n % len(kinds)], copy, random) for n in range(options.count)]
    say(f"{options.count} random faults: --seed {options.seed}")
    warm_up()
    rows, caught = [], defaultdict(list)
    with ProcessPoolExecutor(options.jobs, get_context("fork")) as lanes:
        for fault, red in zip(faults, lanes.map(partial(try_out, copy), faults)):
            caught[fault.kind].append(not red.startswith("MISSED"))
            rows.append((fault.kind, fault.file, fault.where, red))
            say(f"{len(rows)} of {len(faults)}: {', '.join(rows[-1])}")
    title = f"Faults drawn with --seed {options.seed}"
    print(Table(title, ("fault", "file", "where", "caught by"), rows))
    rates = [(kind, f"{sum(each)} of {len(each)}") for kind, each in caught.items()]
    print(Table("By kind", ("fault", "caught"), rates))
    return sum(map(sum, caught.values())), len(rows)


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
    parser.add_argument("--only", default="", metavar="TEXT", help="kinds of faults with TEXT")
    parser.add_argument("--count", type=int, default=2 * len(KINDS), help="how many faults")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="faults at a time")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    options = parser.parse_args(arguments)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_book(Path(folder) / "book")
        if options.part != "faults":
            caught, moved, wrong = prove_floats(copy)
            print(*wrong, sep="\n")
            say(f"{caught} of {moved} floats, moved by one unit in the last place, are caught")
            good = caught == moved and not wrong
        if options.part != "floats":
            caught, seeded = prove_faults(copy, options)
            say(f"{caught} of {seeded} random faults are caught")
            good = good and caught >= 0.95 * seeded
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
