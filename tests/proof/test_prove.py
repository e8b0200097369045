"""``make prove`` proves what it says: each float is moved once, each fault can still be seeded."""

import copy
import math
from random import Random

import nbformat
import pytest

from book import notebooks
from book.proof import prove, records
from utils import published


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return prove.copy_book(tmp_path_factory.mktemp("book"))


def test_every_published_float_is_moved_alone_and_by_one_ulp():
    moved = []
    for name, cells in prove.floats(prove.ROOT).items():
        notebook = notebooks.load(prove.ROOT / name)
        for number, spots in cells.items():
            for spot, way in zip(spots, len(spots) * (math.inf, -math.inf)):
                mutant = copy.deepcopy(notebook)
                prove.move(mutant, spot, way)
                before, after = (
                    records.text_of(each.cells[number].outputs[spot.output])
                    for each in (notebook, mutant)
                )
                rest = len(before) - spot.end
                assert before[: spot.start] == after[: spot.start]
                assert before[spot.end :] == after[len(after) - rest :]
                neighbour = after[spot.start : len(after) - rest]
                assert published.ulp_distance(float(spot.text), float(neighbour)) == 1
                mutant.cells[number].outputs = notebook.cells[number].outputs
                assert mutant == notebook
                moved.append(spot.text)
    wanted = (published._flatten(published.record(id)["values"]) for id in published.ids())
    assert sorted(moved) == sorted(
        text for values in wanted for text in values if records.FLOAT.fullmatch(text)
    )


@pytest.mark.parametrize("kind", prove.KINDS, ids=lambda kind: kind["kind"])
def test_a_fault_of_each_kind_can_be_drawn_and_has_its_checks(kind, book):
    fault = prove.draw(kind, book, Random(1))
    path = book / fault.file
    right = path.read_bytes()
    fault.seed(book)
    assert path.read_bytes() != right, fault.where
    path.write_bytes(right)
    for check in fault.checks:
        assert (book / check.partition(" ")[0]).exists()


def test_the_same_seed_draws_the_same_faults(book):
    first, again = (
        [prove.draw(kind, book, Random(7)).where for kind in prove.KINDS[:3]] for _ in range(2)
    )
    assert first == again


def test_a_check_is_green_or_names_what_turned_red(tmp_path):
    (tmp_path / "test_small.py").write_text("def test_good(): pass\ndef test_bad(): assert 0\n")
    assert prove.failure(tmp_path, "test_small.py -k good") == ""
    assert prove.failure(tmp_path, "test_small.py") == "test_small.py::test_bad"


def test_nbval_reports_the_cell_whose_float_was_moved(tmp_path):
    (tmp_path / "chapters").mkdir()
    right, wrong = "1.462128976503838\n", "1.4621289765038383\n"
    notebook = nbformat.v4.new_notebook()
    for number, stored in enumerate((right, wrong), start=1):
        cell = nbformat.v4.new_code_cell("print(1.462128976503838)", execution_count=number)
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=stored)]
        notebook.cells.append(cell)
    nbformat.write(notebook, tmp_path / "chapters" / "small.ipynb")
    name = "chapters/small.ipynb"
    assert prove.nbval(tmp_path, [name]) == {name: {1}}
