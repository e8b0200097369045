"""A table reads the same as HTML and as text, and neither depends on the run."""

import pytest

from utils.tables import Table

TABLE = Table("Distances <ulp>", ("record", "ulp"), [("a & b", 0), ("longer", 12)])


def test_text_is_aligned_numbers_on_the_right():
    assert repr(TABLE).splitlines() == [
        "Distances <ulp>",
        "-----------",
        "record  ulp",
        "-----------",
        "a & b     0",
        "longer   12",
        "-----------",
    ]


def test_html_is_escaped_and_has_header_cells():
    html = TABLE._repr_html_()
    assert "<caption>Distances &lt;ulp&gt;</caption>" in html
    assert '<th scope="col">record</th>' in html
    assert '<td>a &amp; b</td><td align="right">0</td>' in html


def test_a_folded_table_opens_by_its_caption():
    html = Table("Many", ("a",), [(1,)], folded=True)._repr_html_()
    assert html.startswith("<details><summary>Many</summary>")
    assert html.endswith("</details>")


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="rows must have 2 entries each"):
        Table("x", ("a", "b"), [(1,)])
