"""The filter makes of each construct what its golden files say; `python -m book.golden` renews them."""

import pytest

from book import golden


@pytest.mark.parametrize("edition", golden.EDITIONS)
@pytest.mark.parametrize("source", golden.sources(), ids=lambda path: path.name)
def test_golden(source, edition):
    expected = golden.expected(source, edition).read_text("utf-8")
    assert golden.filtered(source, edition) == expected


def test_there_is_something_to_compare():
    assert len(golden.sources()) >= 2
