"""``make prove`` proves what it says: each float is moved once, each fault can still be seeded."""

import copy
import filecmp

import nbformat
import pytest

from book.proof import prove
from utils import published


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return prove.copy_book(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="module")
def places():
    return prove.places()


def test_moving_a_float_moves_it_alone_and_by_one_ulp(places):
    moved = 0
    for place in places:
        notebook = prove.load(prove.ROOT / "chapters" / place.notebook)
        for which in range(len(place.floats)):
            mutant = copy.deepcopy(notebook)
            prove.move(mutant, place, which)
            output = mutant["cells"][place.cell]["outputs"][place.output]
            found = prove.FLOAT.findall(prove.text_of(output["text"]))
            distances = [
                published.ulp_distance(float(before.group()), float(after))
                for before, after in zip(place.floats, found, strict=True)
            ]
            assert distances == [int(n == which) for n in range(len(found))]
            output["text"] = notebook["cells"][place.cell]["outputs"][place.output]["text"]
            assert mutant == notebook
            moved += 1
    assert moved == 191


def test_a_record_that_is_printed_nowhere_is_named(tmp_path):
    with pytest.raises(LookupError, match="5.1.3/gd-200-steps is not printed in Section 5.1.3"):
        prove.places(tmp_path)


@pytest.mark.parametrize("fault", prove.FAULTS, ids=lambda fault: fault.name)
def test_each_fault_can_be_seeded_and_has_its_checks(fault, book, tmp_path):
    broken = prove.copy_book(tmp_path)
    fault.seed(broken)
    files = [p.relative_to(book) for p in book.rglob("*") if p.is_file()]
    _, changed, missing = filecmp.cmpfiles(book, broken, files, shallow=False)
    assert len(changed) + len(missing) == 1
    for check in fault.checks:
        assert (book / check.partition("::")[0]).is_file()


def test_the_faults_of_the_promise_are_all_there():
    assert {fault.name for fault in prove.FAULTS} >= {
        "an un-run cell",
        "emptied outputs",
        "a wrong label on an axis",
        "a missing contour level",
        "a path drawn with the wrong eta",
        "swapped b and w",
        "a sanitizer rule that matches nothing",
        "a changed utils with stale outputs",
        "a removed published record",
        "a wrong heading number",
        "a dead link",
        "an empty alt text",
    }


def test_nbval_reports_the_cell_whose_float_was_moved(tmp_path):
    (tmp_path / "chapters").mkdir()
    right, wrong = "1.462128976503838\n", "1.4621289765038383\n"
    notebook = nbformat.v4.new_notebook()
    for number, stored in enumerate((right, wrong), start=1):
        cell = nbformat.v4.new_code_cell("print(1.462128976503838)", execution_count=number)
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=stored)]
        notebook.cells.append(cell)
    nbformat.write(notebook, tmp_path / "chapters" / "small.ipynb")
    assert prove.nbval(tmp_path, ["small.ipynb"]) == {"small.ipynb": {1}}
