"""Notebooks as the book reads and saves them, and the ``#|`` options of their code cells.

A notebook here is what its JSON says, with two comforts: keys are attributes too, and a text that
the file keeps as lines is one string.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from book import BookError, read_text

#: The options that a code cell may have, and what their values are.
OPTIONS = {
    "echo": bool,
    "code-fold": bool,
    "code-summary": str,
    "fig-cap": str,
    "fig-alt": str,
    "classes": str,
}


class Node(dict):
    """A dictionary whose keys are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        self[name] = value


def load(path: Path, name: str | None = None) -> Node:
    """Read a notebook.  Raises: BookError that calls it ``name`` and says what is wrong where."""
    name = name or Path(path).name
    try:
        notebook = json.loads(read_text(path, name), object_hook=Node)
    except json.JSONDecodeError as error:
        raise BookError(f"{name}: not a notebook: {error}") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise BookError(f"{name}: not a notebook: it has no list of cells")
    if notebook.get("nbformat") != 4:
        raise BookError(f"{name}: nbformat {notebook.get('nbformat')!r}; the book reads 4")
    ids = set()
    for number, cell in enumerate(notebook.cells, 1):
        with at(name, number, cell):
            _check(cell)
            if (id := cell.get("id")) in ids and id:
                raise BookError("another cell has this id")
            ids.add(id)
    _texts(notebook, "".join)
    return notebook


def save(notebook: dict, path: Path) -> None:
    """Write a notebook with the bytes that Jupyter would; a file that is there changes whole or not."""
    path, notebook = Path(path), copy.deepcopy(notebook)
    _texts(notebook, lambda text: text.splitlines(True))
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(text.encode("utf-8"))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def markdown_cell(id: str, source: str, /, **metadata) -> Node:
    return Node(cell_type="markdown", id=id, metadata=Node(metadata), source=source)


def code_cells(notebook: Node) -> Iterator[tuple[int, Node]]:
    """The code cells with their numbers among all cells, the first being 1."""
    return ((n, cell) for n, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code")


@contextmanager
def at(name: str, number: int, cell: dict):
    """Whatever is refused inside is refused at this cell: ``page.ipynb, cell 2 (its-id): ...``."""
    try:
        yield
    except BookError as error:
        id = cell.get("id") if isinstance(cell, dict) else None
        raise BookError(f"{name}, cell {number}{f' ({id})' if id else ''}: {error}") from None


def options(source: str) -> tuple[dict, str]:
    """The options at the head of a code cell, ``#| key: value``, and the code below them.

    Raises: BookError naming the option that is unknown or the value that it cannot have.
    """
    lines = source.split("\n")
    first = next((n for n, line in enumerate(lines) if not line.startswith("#|")), len(lines))
    if any(line.lstrip().startswith("#|") for line in lines[first:]):
        raise BookError("an option (#|) below the first line of code")
    try:
        found = yaml.safe_load("\n".join(line[2:] for line in lines[:first])) or {}
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict):
        raise BookError(f"the cell options are not YAML: {' | '.join(lines[:first])}")
    for key, value in found.items():
        if key not in OPTIONS:
            raise BookError(f"unknown cell option '{key}'")
        if not isinstance(value, OPTIONS[key]):
            kind = "true or false" if OPTIONS[key] is bool else "a text"
            raise BookError(f"cell option '{key}' wants {kind}, not {value!r}")
    if found.get("classes", "as-published") != "as-published":
        raise BookError(f"unknown class '{found['classes']}' in cell option 'classes'")
    return found, "\n".join(lines[first:]).lstrip("\n")


def _check(cell) -> None:
    """Refuse a cell without the parts that the book uses."""
    if not isinstance(cell, dict):
        raise BookError("not a cell")
    kind = cell.get("cell_type")
    if kind not in ("markdown", "code"):
        raise BookError(f"a {kind} cell; the book knows markdown and code")
    wanted = {"source": (str, list), "metadata": dict}
    if kind == "code":
        wanted["outputs"] = list
        cell.setdefault("execution_count", None)
    for key, kinds in wanted.items():
        if not isinstance(cell.get(key), kinds):
            raise BookError(f"it has no {key}" if key not in cell else f"its {key} is of no use")
    for output in cell.get("outputs", ()):
        if not isinstance(output, dict) or not isinstance(output.get("output_type"), str):
            raise BookError("an output without output_type")
        if output["output_type"] == "stream" and not {"name", "text"} <= output.keys():
            raise BookError("a stream without its text")


def _texts(notebook: Node, change) -> None:
    """Change all texts of a notebook, in place: join them, or split them."""
    for cell in notebook.cells:
        cell.source = change(cell.source)
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                output.text = change(output.text)
            data = output.get("data") or {}
            data.update({k: change(text) for k, text in data.items() if not k.endswith("json")})
