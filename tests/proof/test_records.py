"""The records are found where they are printed, and read as they are printed, right or wrong."""

import nbformat
import pytest

from book.proof import records
from utils import published

BATCH, FIRST = "5.2.3/batch-gd-numpy", "5.3.3/first-gradient"


def page(*cells, section="5.2.3"):
    """A notebook with a section and cells marked as published that print these texts."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# 5 A page\n\n## {section} A section\n")]
    for text in cells:
        cell = nbformat.v4.new_code_cell("#| classes: as-published\nprint()")
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
        notebook.cells.append(cell)
    return {"page.ipynb": notebook}


def lines(id, change=lambda text: text):
    return "\n".join(f"[{change(b)}, {change(w)}]" for b, w in published.record(id)["values"])


def test_what_is_printed_is_read_not_what_should_be():
    wrong = "1.462128976503899"
    text = lines(BATCH).replace("1.462128976503838,", f"{wrong},")
    found = records.find(published.record(BATCH), page(text))
    assert found.values[0] == float(wrong) and len(found.values) == 20
    assert published.compare(BATCH, found.values).exact == 19


def test_a_float_that_is_not_printed_in_full_does_not_agree():
    text = lines(BATCH).replace("1.462128976503838,", "1.46212897650383800,")
    found = records.find(published.record(BATCH), page(text))
    assert found.values[0] == "1.46212897650383800"
    assert published.compare(BATCH, found.values).max_ulp == float("inf")


def test_of_two_lists_of_one_shape_the_nearer_is_the_record():
    other = lines(BATCH, lambda text: repr(float(text) + 1))
    for cells in ((other, lines(BATCH)), (lines(BATCH), other)):
        found = records.find(published.record(BATCH), page(*cells))
        assert {spot.cell for spot in found.spots} == {1 + cells.index(lines(BATCH))}
        assert published.compare(BATCH, found.values).max_ulp == 0


def test_a_record_may_be_printed_by_several_cells():
    first, second = lines(BATCH).split("\n", 1)
    found = records.find(published.record(BATCH), page(first, second))
    assert [spot.cell for spot in found.spots] == [1, 1] + 18 * [2]


def test_each_spot_is_where_the_text_stands():
    books = page("the first: 17\n" + lines(BATCH))
    for spot in records.find(published.record(BATCH), books).spots:
        text = books["page.ipynb"].cells[spot.cell].outputs[spot.output].text
        assert text[spot.start : spot.end] == spot.text


@pytest.mark.parametrize(
    "books",
    [{}, page(lines(BATCH), section="5.2.4"), page(lines(BATCH).rpartition("[")[0])],
    ids=["no page", "another section", "a value short"],
)
def test_a_record_that_its_section_does_not_print_is_named(books):
    with pytest.raises(LookupError, match=f"{BATCH} is not printed in Section 5.2.3"):
        records.find(published.record(BATCH), books)


def test_a_cell_that_is_not_marked_does_not_count():
    books = page(lines(BATCH))
    books["page.ipynb"].cells[1].source = "print()"
    with pytest.raises(LookupError):
        records.find(published.record(BATCH), books)


def test_words_are_found_by_what_they_say_and_their_numbers_are_free():
    id = "5.3.1/scalar"
    found = records.find(published.record(id), page("tensor(3)\n4", section="5.3.1"))
    assert found.values == ["tensor(3)", "4"]
