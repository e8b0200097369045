"""Quarto's edition without Quarto: it has the titles, headings, places and links of Pandoc's.

test_quarto_rendered.py looks at what Quarto itself makes.  Where there is none, its tests are not
collected, and the last lines of ``make test`` name them.
"""

import ast
import json
import re
import sys
from pathlib import Path

import pytest
from page_reader import Read

from book import BookError, notebooks, pandoc
from book.config import Book
from book.site import quarto, render

ROOT = Path(__file__).resolve().parents[2]
BOOK = Book.read(ROOT)
PLAIN = ["--mathml", "--wrap=none", "--syntax-highlighting=none"]


def by_pandoc(page):
    """The text of a page, code and outputs aside, as it is in the Pandoc edition."""
    html = pandoc.read_page(BOOK, page.source, "html", "--to=html5", *PLAIN, editions=True)
    return Read(html.decode("utf-8"))


def by_quarto(page):
    """The same as Quarto makes it of the same Markdown, by Pandoc with our filter."""
    path = ROOT / page.source
    text = path.read_text("utf-8")
    if page.is_notebook:
        cells = notebooks.load(path).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    html = pandoc.run(
        "--to=html5",
        *PLAIN,
        "--citeproc",
        f"--bibliography={BOOK.bibliography}",
        "--metadata=link-citations:true",
        f"--metadata=page:{page.source}",
        f"--metadata=root:{ROOT}",
        f"--lua-filter={Path(__file__).with_name('quarto.lua')}",
        stdin=text.encode("utf-8"),
    )
    return Read(html.decode("utf-8"))


@pytest.mark.parametrize("page", BOOK.pages, ids=lambda page: page.source.stem)
def test_both_editions_have_the_same_headings_places_and_links(page):
    ours, theirs = by_pandoc(page), by_quarto(page)
    assert theirs.headings == ours.headings
    assert theirs.headings[0][0] == 1
    assert theirs.places == ours.places
    assert page.anchor in theirs.places
    download = {f"../notebooks/{page.source.name}"} if page.is_notebook else set()
    assert theirs.links == ours.links | download


def test_equations_keep_their_numbers():
    html = by_quarto(next(page for page in BOOK.pages if page.source.stem == "5-1-math")).html
    assert 'id="equation-5-1" class="book-equation"' in html
    assert ">(5.1)</a>" in html
    assert "tag" not in html


def test_without_the_pdf_there_is_no_link_to_it(monkeypatch):
    files = {"linear-regression.pdf", "linear-regression.epub"}
    assert files <= by_quarto(BOOK.pages[0]).links
    monkeypatch.setenv("BOOK_HTML_ONLY", "1")
    assert not files & by_quarto(BOOK.pages[0]).links


def output(html):
    return {"cell_type": "code", "outputs": [{"data": {"text/html": [html], "text/plain": ["x"]}}]}


def test_no_output_of_the_type_html_reaches_quarto():
    text = {"cell_type": "markdown", "source": "Words."}
    printed = {"cell_type": "code", "outputs": [{"name": "stdout", "text": "1"}]}
    cells = [text, printed, output("<table></table>"), output("<gd-explorer></gd-explorer>")]
    cells = quarto.for_quarto({"cells": cells})["cells"]
    assert cells[:2] == [text, printed]
    shown = [cell["outputs"][0]["data"] for cell in cells[2:]]
    assert [set(data) for data in shown] == [{"text/markdown"}] * 2
    assert "```{=html}\n<gd-explorer></gd-explorer>\n```" in shown[1]["text/markdown"]
    assert 'tabindex="0"' in shown[0]["text/markdown"]


def test_figures_with_panels_reach_quarto_in_pieces_and_others_as_files():
    page = json.loads((ROOT / "chapters" / "5-1-math.ipynb").read_text("utf-8"))
    cells = {cell["id"]: cell for cell in quarto.for_quarto(page)["cells"]}
    (five,), (six,), (four,) = (cells[id]["outputs"] for id in ("a4706938", "d0596275", "3f1addd7"))
    assert set(four["data"]) == {"image/svg+xml", "text/plain"}
    texts = [one["data"]["text/markdown"] for one in (five, six)]
    for text, alt in zip(texts, ("Two contour maps side by side.", "Two panels")):
        assert text.startswith(f'```{{=html}}\n<div class="panels" role="img" aria-label="{alt}')
        assert text.count("<svg") == 2
    names = re.findall(' id="([^"]*)"', "".join(texts))
    assert len(names) == len(set(names)) > 20


def test_the_caption_of_panels_looks_like_one():
    html = pandoc.run(
        *("--from=markdown", "--to=html5", f"--metadata=root:{ROOT}", "--metadata=page:index.qmd"),
        f"--lua-filter={Path(__file__).with_name('quarto.lua')}",
        stdin=b'# A\n\n:::: {.cell}\n```{=html}\n<div class="panels"></div>\n```\n\nThe caption.\n::::\n',
    ).decode()
    assert '<div class="figure-caption">\n<p>The caption.</p>' in html


def executable(folder):
    folder.mkdir()
    for name in ("quarto", "python"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder / "quarto")


def test_quarto_beside_the_running_python_comes_first(tmp_path, monkeypatch):
    beside, elsewhere = executable(tmp_path / "venv"), executable(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    assert render.find_quarto("auto") == (beside, f"{beside}, beside the running Python")
    Path(beside).unlink()
    assert render.find_quarto("quarto") == (elsewhere, f"{elsewhere}, on the PATH")
    assert render.find_quarto("pandoc") == (None, "as asked")
    Path(elsewhere).unlink()
    assert render.find_quarto("auto") == (
        None,
        "no quarto beside the running Python or on the PATH",
    )
    with pytest.raises(BookError, match="there is no quarto.*requirements-quarto.txt"):
        render.find_quarto("quarto")


QUARTO = """#!/bin/sh
env | grep -E "^(QUARTO_PYTHON|BOOK_HTML_ONLY)=" > seen
echo "$@" >> seen
cat _quarto-address.yml >> seen
exit 3
"""


def test_what_quarto_is_told(project, tmp_path, monkeypatch, capsys):
    """The Python that runs, the address that _quarto.yml does not have; nothing of it stays."""
    executable(tmp_path / "bin")
    (tmp_path / "bin" / "quarto").write_text(QUARTO)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("GITHUB_REPOSITORY", "one/book")
    monkeypatch.chdir(folder := project())
    with pytest.raises(BookError, match="quarto render ended with 3"):
        render.build(folder, renderer="quarto", html_only=True)
    assert f"Quarto ({tmp_path / 'bin' / 'quarto'}, on the PATH)" in capsys.readouterr().out
    seen = (folder / "seen").read_text()
    assert "QUARTO_PYTHON=/nowhere/python\n" in seen
    assert "BOOK_HTML_ONLY=1\n" in seen
    assert "--profile address\n" in seen
    assert json.loads(seen.splitlines()[-1])["book"] == {
        "site-url": "https://one.github.io/book",
        "repo-url": "https://github.com/one/book",
        "repo-actions": ["source", "issue"],
    }
    assert not (folder / "_quarto-address.yml").exists()


def test_the_tests_that_want_quarto_are_named_where_there_is_none(record_property):
    text = Path(__file__).with_name("test_quarto_rendered.py").read_text("utf-8")
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    names = [name for name in names if name.startswith("test_")]
    assert len(names) > 5
    if not render.find_quarto("auto")[0]:
        record_property("not run", f"there is no Quarto here: {', '.join(names)}")
