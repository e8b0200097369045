"""Where the notebooks print the published records: found by section, read off the stored outputs.

Nothing is computed here.  Strict validation shows that the outputs are what the cells print; this
module reads them as a reader does, in the cells marked ``as-published`` of the record's section.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from book import config, notebooks
from utils import published

ROOT = Path(__file__).resolve().parents[2]
HEADING = re.compile(r"^#+ (\d+(?:\.\d+)+) ", re.MULTILINE)
NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[+-]?\d+)?")
FLOAT = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?")  # printed in full, as Python's repr does


@dataclass(frozen=True)
class Spot:
    """One printed value: ``text`` from ``start`` to ``end`` of an output of a cell of a notebook."""

    cell: int
    output: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Printed:
    """A record as its notebook prints it; ``notebook`` is a path from the root, as a text."""

    id: str
    notebook: str
    spots: tuple[Spot, ...]

    @property
    def values(self) -> list:
        """The printed values, flat: a float where the published one is printed in full."""
        theirs = published._flatten(published.record(self.id)["values"])
        return [_value(spot.text, text) for spot, text in zip(self.spots, theirs)]

    @property
    def floats(self) -> list[Spot]:
        """Where the values stand that are floats printed in full."""
        theirs = published._flatten(published.record(self.id)["values"])
        return [spot for spot, text in zip(self.spots, theirs) if FLOAT.fullmatch(text)]


def read(root: Path = ROOT) -> dict[str, notebooks.Node]:
    """The notebooks of the book, in its order: path from the root -> notebook."""
    pages = map(str, config.Book.read(root).notebooks)
    return {page: notebooks.load(root / page, page) for page in pages}


def find_all(root: Path = ROOT) -> dict[str, Printed]:
    """Find every published record; id -> where it is printed.

    Raises: LookupError naming a record that its section does not print.
    """
    books = read(root)
    return {id: find(published.record(id), books) for id in published.ids()}


def find(record: dict, books: dict) -> Printed:
    """Find a record in its section: of what has its shape there, that which lies nearest to it."""
    shape = _shape(published._flatten(record["values"]))
    found = []
    for name, notebook in books.items():
        marked = _marked(notebook, record["section"])
        for first, last in combinations(range(len(marked) + 1), 2):
            match = shape.search("\n".join(text for _, _, text in marked[first:last]))
            if match:
                spots = tuple(_spots(match, marked[first:last]))
                found.append(Printed(record["id"], name, spots))
    if not found:
        raise LookupError(f"{record['id']} is not printed in Section {record['section']}")
    return min(found, key=_distance)


def text_of(output) -> str:
    """The text that an output shows in a terminal."""
    return output.get("text", "") or output.get("data", {}).get("text/plain", "")


def _distance(printed: Printed) -> tuple:
    result = published.compare(printed.id, printed.values)
    return -result.exact, result.max_ulp, printed.spots[-1].cell - printed.spots[0].cell


def _marked(notebook, section: str) -> list[tuple[int, int, str]]:
    """(cell, output, text) of the outputs marked as published in a section."""
    here, found = "", []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            here = (HEADING.findall(cell.source) or [here])[-1]
        elif here == section and notebooks.options(cell.source)[0].get("classes") == "as-published":
            found += [(number, n, text_of(output)) for n, output in enumerate(cell.outputs)]
    return found


def _shape(texts: list[str]) -> re.Pattern:
    """Texts like these, one after the other with anything between: the numbers in them are free."""
    return re.compile(".*?".join(f"({_like(text)})" for text in texts), re.DOTALL)


def _like(text: str) -> str:
    pattern, end = "", 0
    for number in NUMBER.finditer(text):
        pattern += re.escape(text[end : number.start()])
        pattern += r"-?\d+\.\d*(?:e[+-]?\d+)?" if "." in number.group() else r"-?\d+"
        end = number.end()
    pattern += re.escape(text[end:])
    before = r"(?<![\w.])" if re.match(r"[\w-]", text) else ""
    return before + pattern + (r"(?![\w.])" if re.search(r"\w$", text) else "")


def _spots(match: re.Match, marked: list):
    position = 0
    places = []
    for cell, output, text in marked:
        places.append((position, cell, output))
        position += len(text) + 1
    for group in range(1, match.re.groups + 1):
        offset, cell, output = max(p for p in places if p[0] <= match.start(group))
        start, end = match.start(group) - offset, match.end(group) - offset
        yield Spot(cell, output, start, end, match.group(group))


def _value(ours: str, theirs: str) -> str | float:
    """As ``published.compare`` takes it: a float if it is one and printed as Python prints it."""
    return float(ours) if FLOAT.fullmatch(theirs) and repr(float(ours)) == ours else ours
