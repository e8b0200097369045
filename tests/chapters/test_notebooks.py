"""What nbval passes over in silence: cells never run, outputs missing, published numbers gone."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from book import config, notebooks
from book.proof import records

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))


def cells(path, kind):
    notebook = nbformat.read(path, as_version=4)
    return [(n, cell) for n, cell in enumerate(notebook.cells) if cell.cell_type == kind]


def texts(output):
    return output.get("text", "") + output.get("data", {}).get("text/plain", "")


def shows(source: str) -> bool:
    """Whether a cell, by its code, prints, draws or ends in a value."""
    tree = ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.M))
    if not tree.body:
        return False
    calls = {
        node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for statement in tree.body
        if not isinstance(statement, (ast.FunctionDef, ast.ClassDef))
        for node in ast.walk(statement)
        if isinstance(node, ast.Call)
    }
    last = tree.body[-1]
    value = isinstance(last, ast.Expr) and not isinstance(last.value, (ast.Call, ast.Constant))
    return bool(calls & {"print", "show", "display", "Explorer", "subplots"}) or value


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_the_notebooks_are_those_that_the_book_lists():
    listed = sorted(ROOT / source for source in config.Book.read(ROOT).notebooks)
    assert listed == NOTEBOOKS


def test_the_notebook_is_valid(path):
    nbformat.validate(nbformat.read(path, as_version=4))


def test_every_code_cell_was_run_from_top_to_bottom(path):
    counts = [cell.execution_count for _, cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1)), "restart and run all: `make notebooks`"


def test_every_cell_that_prints_or_draws_has_stored_outputs(path):
    for number, cell in cells(path, "code"):
        if shows(cell.source):
            assert cell.outputs, f"cell {number} shows something, and nothing is stored"
            for output in cell.outputs:
                assert texts(output).strip() or output.get("data"), (
                    f"cell {number}: an empty output"
                )
        if "fig-cap" in cell.source:
            kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
            assert "image/svg+xml" in kinds, f"cell {number} has a caption and no figure"


def test_no_error_and_no_warning_is_stored(path):
    for number, cell in cells(path, "code"):
        for output in cell.outputs:
            assert output.output_type != "error", f"cell {number}: {output.get('ename')}"
            assert output.get("name") != "stderr", f"cell {number}: {output.get('text')}"


def test_outputs_hold_nothing_of_one_machine_or_moment(path):
    for number, cell in cells(path, "code"):
        for output in cell.outputs:
            text = texts(output)
            for pattern in (r"0x[0-9a-f]{6,}", r"cuda:\d", r"/(home|root|tmp|work)/"):
                assert not re.search(pattern, text), f"cell {number}: {pattern} in {text[:200]}"
    assert set(nbformat.read(path, as_version=4).metadata) == {"kernelspec", "language_info"}


def test_every_figure_has_a_caption_and_a_text_for_those_who_cannot_see_it(path):
    for number, cell in cells(path, "code"):
        if any("image/svg+xml" in output.get("data", {}) for output in cell.outputs):
            options, _ = notebooks.options(cell.source)
            assert len(options.get("fig-cap", "")) >= 30, f"cell {number}: no fig-cap"
            assert len(options.get("fig-alt", "")) >= 60, f"cell {number}: no fig-alt of substance"
            assert options["fig-alt"] != options["fig-cap"]


def test_each_page_with_published_numbers_closes_with_the_comparison():
    for id, printed in records.find_all().items():
        _, last = cells(ROOT / printed.notebook, "code")[-1]
        total = len(printed.values)
        agree = f"{id}: {total} of {total} values agree"
        assert agree in "".join(map(texts, last.outputs)), f"{printed.notebook}: no {agree!r}"
