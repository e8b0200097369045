"""What becomes of each construct is what the golden files say; ``pytest --force-regen`` renews them."""

import json
import re
from pathlib import Path

import pytest

from book import pandoc
from book.config import Book
from book.site import editions, pages

GOLDEN = Path(__file__).parent / "golden"
BOOK = Book.read(GOLDEN)
SUFFIX = {"html": ".html", "typst": ".typ", "epub": ".xhtml"}


def made(source, edition, scratch):
    page = next(page for page in BOOK.pages if page.source == source)
    if edition == "html":
        return re.search(r"<main.*</main>", pages.render(BOOK, page).html, re.DOTALL)[0] + "\n"
    document, _ = editions.one_page(BOOK, page, edition, scratch)
    to = "typst" if edition == "typst" else "html5"
    return pandoc.run(
        "--from=json", f"--to={to}", "--wrap=none", stdin=json.dumps(document).encode()
    ).decode()


@pytest.mark.parametrize("edition", SUFFIX)
@pytest.mark.parametrize("source", [page.source for page in BOOK.pages], ids=str)
def test_golden(source, edition, tmp_path, file_regression):
    (tmp_path / "media").mkdir()
    expected = GOLDEN / f"{source.name}{SUFFIX[edition]}"
    file_regression.check(made(source, edition, tmp_path), fullpath=expected)
