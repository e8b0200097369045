"""A first visit over a slow line: nothing moves, code fits, and the text does not wait long for its fonts."""

from pathlib import Path

import pytest

from book.config import Book
from book.proof import bench_pages

ROOT = Path(__file__).resolve().parents[2]
ADDRESSES = [str(source.with_suffix("")) for source, _ in Book.read(ROOT).listed]


@pytest.fixture(scope="module")
def base(book):
    return bench_pages.serve(book.folder)


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_moves_while_a_page_comes_and_its_code_fits(chromium, base, address):
    for width in (1280, 375):
        seen = bench_pages.visit(chromium, base, f"{address}.html", width, slow=True)
        assert seen["moved"] < 0.02
        assert width < 1280 or not any(seen["cut"])


def test_a_page_does_not_wait_long_for_fonts(chromium, base):
    page = chromium.new_page()
    page.route("**/*.woff2", lambda route: None)  # they never come
    page.goto(f"{base}chapters/5-1-math.html", wait_until="commit")
    page.locator("html.js:not(.waiting)").wait_for(state="attached", timeout=5000)
    assert page.evaluate("[...document.fonts].some((font) => font.status === 'loading')")
    page.close()
