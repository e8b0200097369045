"""What Quarto makes of the book, where there is a Quarto: whole, quiet, offline, narrow, readable."""

import fcntl
import mimetypes
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe import violations
from page_reader import Read

from book.config import Book

ROOT = Path(__file__).resolve().parents[2]
PAGES = Book.read(ROOT).pages
ADDRESSES = [str(page.target) for page in PAGES]
HOST = "http://book.test/"
#: Axe's rules that Quarto's own markup breaks; CONTRIBUTING.md lists them.
QUARTOS_OWN = {"landmark-unique", "aria-allowed-attr"}


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """The folder of the book as ``make book RENDERER=quarto`` makes it, once for all workers, and
    what was said beside it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    out, log = base / "quarto-book", base / "quarto-book.log"
    command = [sys.executable, "-m", "book.site.render", "--renderer=quarto", f"--output={out}"]
    with (base / "quarto-book.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not log.exists():
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            log.write_text(done.stdout + done.stderr, "utf-8")
    assert out.is_dir(), log.read_text("utf-8")
    return out


@pytest.fixture(scope="session")
def read(rendered):
    return {address: Read((rendered / address).read_text("utf-8")) for address in ADDRESSES}


@pytest.fixture
def visit(chromium, rendered):
    """Open a page of Quarto's; a request to another host and an error fail the test."""
    contexts, wrong = [], []

    def answer(route):
        url = route.request.url
        path = rendered / unquote(urlsplit(url).path).lstrip("/")
        if url.startswith(HOST) and path.is_file():
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            route.fulfill(status=200, body=path.read_bytes(), content_type=kind)
        else:
            wrong.append(url)
            route.abort()

    def open_page(address, **options):
        contexts.append(context := chromium.new_context(**options))
        context.route("**/*", answer)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: m.type in ("error", "warning") and wrong.append(m.text))
        page.goto(HOST + address, wait_until="networkidle")
        page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def test_quarto_warns_of_nothing_and_changes_no_file(rendered):
    log = rendered.with_name("quarto-book.log").read_text("utf-8")
    assert "Rendering" in log
    assert "WARN" not in log
    ignored = (ROOT / ".gitignore").read_text("utf-8")
    assert ignored.count("/.quarto/") == ignored.count("**/*.quarto_ipynb") == 1


def test_all_files_that_the_pages_link_to_are_there(rendered):
    for page in PAGES:
        assert (rendered / page.target).is_file()
        if page.is_notebook:
            assert (rendered / "notebooks" / page.source.name).is_file()
    for kind in ("pdf", "epub"):
        assert (rendered / f"linear-regression.{kind}").stat().st_size > 100_000
    assert (rendered / "404.html").is_file()


def test_every_link_and_anchor_resolves(rendered, read):
    dead = []
    for address, page in read.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            there = (
                os.path.normpath(Path(address).parent / unquote(url.path)) if url.path else address
            )
            places = read[there].places if there in read else ()
            if not (rendered / there).exists() or (url.fragment and url.fragment not in places):
                dead.append(f"{address}: {link}")
    assert dead == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_has_one_title(read, address):
    assert [level for level, _ in read[address].headings].count(1) == 1


def test_equations_have_their_numbers(visit):
    page = visit("chapters/5-1-math.html")
    found = page.locator(".book-equation").all_inner_texts()
    assert len(found) == 2
    assert all(text.strip().endswith(f"(5.{n})") for n, text in enumerate(found, 1))


@pytest.mark.parametrize("address", ADDRESSES)
def test_axe_finds_what_is_quartos_own_and_nothing_is_wider_than_a_phone(visit, address):
    page = visit(address, viewport={"width": 1280, "height": 900})
    assert violations(page, QUARTOS_OWN) == [], "light"
    page = visit(address, viewport={"width": 1280, "height": 900}, color_scheme="dark")
    assert page.evaluate("document.body.className").count("quarto-dark") == 1
    assert violations(page, QUARTOS_OWN) == [], "dark"
    page = visit(address, viewport={"width": 375, "height": 800})
    assert violations(page, QUARTOS_OWN) == [], "375 px"
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("address", ["index.html", "chapters/5-1-math.html"])
def test_the_explorer_is_alive_and_follows_the_theme(visit, address):
    page = visit(address)
    dark = "document.querySelector('gd-explorer').shadowRoot.querySelector('.app').matches('.dark')"
    assert not page.evaluate(dark)
    page.evaluate("window.quartoToggleColorScheme()")
    page.wait_for_function(dark)
