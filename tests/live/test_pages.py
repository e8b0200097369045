"""Pages run in real browsers: the published numbers to the last digit, and what a reader does with a cell."""

import json
import re
from pathlib import Path

import pytest
from axe import violations

from book import notebooks
from utils import published

ROOT = Path(__file__).resolve().parents[2]
SAME = "as published, computed in your browser"
RUN_ALL = """async () => {
  document.querySelector(".cell.live .run button").click(); // the setup
  const bar = () => [...document.querySelectorAll(".python-bar button")].find((one) => one.textContent === "Run all");
  while (!bar()) await new Promise((done) => setTimeout(done, 50));
  bar().click();
}"""
SHOWN = """() => [...document.querySelectorAll(".cell.live")].map((cell) => {
  const text = (at) => [...cell.querySelectorAll(`${at} .output samp`)].map((one) => one.textContent).join("\\n").trimEnd();
  const count = (at) => cell.querySelectorAll(at).length;
  return {
    stored: text(":scope >"), ran: text(".results"), mark: cell.querySelector(".results .mark")?.textContent ?? null,
    wrong: count(".wrong"), figures: [count(":scope > figure"), count(".results figure .drawing")],
  };
})"""


# ---- The numbers, in each browser ---------------------------------------------------------------


def every_cell_shows_what_is_stored_and_every_published_number_is_there(name, run, finished):
    run(RUN_ALL)
    said = finished(run)
    cells = run(SHOWN)
    assert "cells have run" in said, said
    assert [cell["ran"] for cell in cells] == [cell["stored"] for cell in cells]
    assert [cell["wrong"] for cell in cells] == [0] * len(cells)
    assert all(stored == ran for stored, ran in (cell["figures"] for cell in cells))
    ids = run("() => [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len({*ids})  # a drawing refers to what is its own
    notebook = notebooks.load(ROOT / f"chapters/{name}.ipynb")
    marked = [
        notebooks.options(cell.source)[0].get("classes")
        for _, cell in notebooks.code_cells(notebook)
    ]
    assert [cell["mark"] for cell in cells] == [SAME if one else None for one in marked]
    section = name[:3].replace("-", ".")
    records = [published.record(id) for id in published.ids() if id.startswith(section)]
    shown = "\n".join(cell["ran"] for cell in cells)
    assert records and all(
        value in shown
        for record in records
        for value in re.findall(r"[\d.]{6,}", str(record["values"]))
    )


# Python's digits are the same in all browsers, and each shows them once: Chromium further below, to
# the reader.
@pytest.mark.parametrize(
    "engine, name", [("firefox", "5-2-numpy"), ("webkit", "5-1-math")], indirect=["engine"]
)
def test_a_page_runs_in_this_browser_too(served, engine, finished, request, name):
    request.node.user_properties.append(("engine", f"{engine.name} {engine.version}"))
    engine.open(f"{served}chapters/{name}.html")
    every_cell_shows_what_is_stored_and_every_published_number_is_there(name, engine.run, finished)


# ---- What a reader does, in Chromium ------------------------------------------------------------


@pytest.fixture
def visit(chromium, served):
    """Open a page in a browser of its own; foreign requests and errors fail the test."""
    contexts, wrong = [], []

    def open_page(name, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: r.url.startswith(served) or wrong.append(f"foreign: {r.url}"))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: m.type in ("error", "warning") and wrong.append(m.text))
        page.goto(f"{served}chapters/{name}.html")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def cell_with(page, text):
    """The cell that has this text when the page is opened."""
    texts = page.locator(".cell.live").all_text_contents()
    return page.locator(".cell.live").nth(next(n for n, one in enumerate(texts) if text in one))


def run(page, cell):
    """Run a cell; what the bar said of an earlier one does not count."""
    page.evaluate("document.querySelector('.python-bar [role=status]')?.replaceChildren()")
    cell.get_by_role("button", name="Run").press("Enter")


def write(page, cell, code):
    """Put other code into a cell, by the keyboard, and run it."""
    cell.get_by_role("button", name="Edit").click()
    editor = cell.get_by_role("textbox")
    editor.wait_for()
    editor.focus()  # the button has the focus until the editor is there
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")


def code_of(notebook, id):
    cells = notebooks.load(ROOT / f"chapters/{notebook}.ipynb").cells
    return notebooks.options(next(cell.source for cell in cells if cell.id == id))[1]


def test_a_reader_runs_all_changes_a_number_breaks_a_cell_stops_one_and_goes_back(
    visit, finished, chromium, record_property
):
    record_property("engine", f"Chromium {chromium.version}")
    page = visit("5-1-math")
    every_cell_shows_what_is_stored_and_every_published_number_is_there(
        "5-1-math", page.evaluate, finished
    )
    cell = cell_with(page, "for step in range(200)")
    run(page, cell)
    assert "1 cell has run" in finished(page.evaluate)
    assert page.evaluate("document.activeElement.textContent") == "Run"  # focus is kept
    assert cell.locator(".results .mark").inner_text() == SAME
    published_text = cell.locator(".results samp").inner_text().strip()

    code = code_of("5-1-math", "9ffa529d")
    write(page, cell, code.replace("lr = 0.1", "lr = 0.2"))
    assert "1 cell has run" in finished(page.evaluate)
    assert cell.get_by_text("Changed", exact=True).is_visible()
    assert cell.locator(".results .mark").inner_text() == "other numbers than the published ones"
    assert cell.locator(".results samp").inner_text().strip() != published_text
    assert "cm-content" in page.evaluate(
        "document.activeElement.shadowRoot.activeElement.className"
    )
    for scheme, width in (("light", 1280), ("dark", 1280), ("dark", 375)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        assert violations(page) == [], (scheme, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    write(page, cell, "x = 1\nprint(lrr)")
    assert "stopped. Line 2: NameError: name 'lrr' is not defined" in finished(page.evaluate)
    assert not cell.locator(".wrong details pre").is_visible()
    cell.locator("summary", has_text="Traceback").click()
    assert cell.locator(".wrong details pre").is_visible()
    assert violations(page) == []

    write(page, cell, "print('begun')\nwhile True:\n    pass")
    cell.get_by_text("begun").last.wait_for()
    page.get_by_role("button", name="Stop").click()
    assert "Stopped." in finished(page.evaluate)

    page.reload()  # code and results are there again
    assert cell.get_by_text("Changed", exact=True).is_visible()
    assert "Stopped." in cell.locator(".results").inner_text()
    cell.get_by_role("button", name="Back to the published code").click()
    assert cell.locator(":scope > .output samp").inner_text() == published_text
    assert cell.locator("pre.code").inner_text().strip() == code.strip()
    page.get_by_role("button", name="Clear my changes").click()
    page.reload()
    assert not page.locator(".python-bar").is_visible()
    assert page.evaluate("localStorage.length") == 0


def test_exercises_are_checked_in_the_page_as_in_the_notebook(visit, finished):
    page = visit("5-5-exercises")
    start, check = (cell_with(page, text) for text in ("my_shapes = [", "check_shapes(my_shapes)"))
    run(page, check)
    finished(page.evaluate)
    assert "no answer yet" in check.locator(".results").inner_text()
    right = [(1, 85), (85, 85), (85,), (2, 2), "error", (85, 2), (), (1,)]
    from exercises.arrays import check_shapes

    for answer in ([85, *right[1:]], right):
        write(page, start, f"my_shapes = {answer!r}")
        finished(page.evaluate)
        run(page, check)
        finished(page.evaluate)
        assert check.locator(".results samp").inner_text().strip() == repr(check_shapes(answer))
        start.get_by_role("button", name="Back to").click()
    away = page.locator(".cell:not(.live)").filter(has_text="def my_training")
    assert away.get_by_role("button", name="Run").count() == 0
    assert "this cell needs PyTorch" in away.locator(".run a").inner_text()


def test_little_of_python_is_loaded_at_the_first_run_and_a_second_visit_needs_no_network(
    visit, finished
):
    page = visit("5-1-math")
    loaded = []
    page.on("request", lambda request: loaded.append(request.url))
    page.reload(wait_until="networkidle")
    assert not [url for url in loaded if "/live/" in url]
    run(page, cell_with(page, "load_chapter_data"))
    assert "2 cells have run" in finished(page.evaluate)
    names = [url.rsplit("/", 1)[1] for url in loaded if "/pyodide/" in url]
    assert any(name.startswith("numpy") for name in names)
    assert not [name for name in names if re.match("scipy|scikit|openblas", name)]
    page.context.set_offline(True)
    page.goto(page.url)
    run(page, cell_with(page, "load_chapter_data"))
    assert "2 cells have run" in finished(page.evaluate)


def test_a_page_opened_from_a_file_says_how_to_run(chromium, python, book):
    page = chromium.new_page()
    page.goto((book.folder / "chapters/5-2-numpy.html").as_uri())
    assert "To run cells: make serve" in page.locator(".page-tools").inner_text()
    assert page.get_by_role("button", name="Run").count() == 0
    page.close()


def test_where_python_was_not_fetched_no_page_has_a_dead_button(tmp_path, monkeypatch):
    from book.config import Book
    from book.live import files
    from book.site import pages

    book, said = Book.read(ROOT), []
    assert not files.place(book, tmp_path, said.append, tmp_path / "nothing")
    assert said == ["  without Run: `make pyodide` fetches the Python that the pages load"]
    page = next(page for page in book.pages if "5-2" in str(page.source))
    html = pages.render(book, page).html
    assert "data-python" not in html and "cell live" not in html


def test_what_is_kept_of_an_older_book_is_left_alone(visit):
    page = visit("5-1-math")
    old = json.dumps([[1, "other code than the book's", "changed", None]])
    page.evaluate("(old) => localStorage.setItem(`python:${location.pathname}`, old)", old)
    page.reload()
    page.locator(".python-bar").wait_for()
    assert page.get_by_text("Changed", exact=True).count() == 0
