"""One reader of notebooks and one of _quarto.yml: what they give, and how they refuse."""

import json
import subprocess
from pathlib import Path

import pytest
from small_book import code, markdown

from book import BookError, notebooks
from book.config import Book
from book.site import outputs

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_is_saved_as_it_was_read(path, tmp_path):
    notebooks.save(notebooks.load(path), tmp_path / "copy.ipynb")
    assert (tmp_path / "copy.ipynb").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_code_cells_of_a_chapter_are_in_the_grammar(path):
    notebook, drawings = outputs.read(path, path.name)
    assert sum(len(cell.outputs) for _, cell in notebooks.code_cells(notebook)) >= len(drawings)
    assert notebook.cells[0].source.startswith("# ")


def test_texts_are_joined_and_keys_are_attributes(project):
    cell = code(["a = 1\n", "a"], {"output_type": "stream", "name": "stdout", "text": ["1\n", "2"]})
    notebook = notebooks.load(project(cell) / "page.ipynb")
    ((number, found),) = notebooks.code_cells(notebook)
    assert number == 2
    assert (found.source, found.outputs[0].text) == ("a = 1\na", "1\n2")


def test_a_save_that_fails_leaves_the_file(project, monkeypatch):
    path = project() / "page.ipynb"
    before = path.read_bytes()
    monkeypatch.setattr(notebooks.os, "replace", lambda *paths: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        notebooks.save(notebooks.load(path), path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir() if ".tmp" in each.name] == []


def test_options_are_read_and_taken_off():
    source = '#| echo: false\n#| fig-cap: "A: b"\n\nx = "#| no option"\n'
    assert notebooks.options(source) == (
        {"echo": False, "fig-cap": "A: b"},
        'x = "#| no option"\n',
    )
    assert notebooks.options("x") == ({}, "x")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("#| lable: x", "unknown cell option 'lable'"),
        ("#| echo: maybe", "cell option 'echo' wants true or false, not 'maybe'"),
        ("#| fig-cap: 3", "cell option 'fig-cap' wants a text, not 3"),
        ("#| classes: shiny", "unknown class 'shiny'"),
        ("#| fig-cap: [", "the cell options are not YAML: #| fig-cap: ["),
        ("#| - echo", "the cell options are not YAML"),
        ("x = 1\n#| echo: false", "an option (#|) below the first line of code"),
    ],
)
def test_options_that_are_refused(source, message):
    with pytest.raises(BookError) as refusal:
        notebooks.options(source)
    assert str(refusal.value).startswith(message)


def without(key):
    return {k: v for k, v in code("1").items() if k != key}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{ not json", "page.ipynb: not a notebook: "),
        (b"", "page.ipynb: not a notebook: "),
        (b"[]", "page.ipynb: not a notebook: it has no list of cells"),
        (b'{"cells": {}}', "page.ipynb: not a notebook: it has no list of cells"),
        (b'{"cells": [], "nbformat": 3}', "page.ipynb: nbformat 3; the book reads 4"),
        (b'{"cells": ["\xff"]}', "page.ipynb: not UTF-8, at byte 12"),
        (b"\xef\xbb\xbf{}", "page.ipynb: begins with a byte order mark"),
        ([without("source")], "page.ipynb, cell 1 (code): it has no source"),
        ([without("outputs")], "page.ipynb, cell 1 (code): it has no outputs"),
        (["text"], "page.ipynb, cell 1: not a cell"),
        (
            [markdown("# A", "a"), markdown(7)],
            "page.ipynb, cell 2 (words): its source is of no use",
        ),
        ([code("1", {})], "page.ipynb, cell 1 (code): an output without output_type"),
        ([code("1", {"output_type": "stream"})], "cell 1 (code): a stream without its text"),
        ([code("1"), code("2")], "page.ipynb, cell 2 (code): another cell has this id"),
        ([{"cell_type": "heading"}], "page.ipynb, cell 1: a heading cell; the book knows"),
    ],
)
def test_a_broken_notebook_is_refused_by_file_and_cell(tmp_path, content, message):
    if isinstance(content, list):
        content = json.dumps({"nbformat": 4, "metadata": {}, "cells": content}).encode()
    (tmp_path / "page.ipynb").write_bytes(content)
    with pytest.raises(BookError) as refusal:
        notebooks.load(tmp_path / "page.ipynb")
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "_quarto.yml: the file is empty"),
        (b"- a", "_quarto.yml: the file wants keys below it"),
        (b"book: [", "_quarto.yml: not YAML"),
        (b"lang: \xff", "_quarto.yml: not UTF-8, at byte 6"),
        (b"lang: en", "_quarto.yml: 'book.title' is missing"),
        (b"book:\n  title: T\n  chapters:\n", "_quarto.yml: 'book.chapters' is missing"),
        (b"book:\n  title: T\n  chapters: a.qmd\n", "'book.chapters' wants a list, not 'a.qmd'"),
        (
            b"book:\n  title: T\n  chapters: [{part: P, chapters: }]",
            "a chapter is a file or a part",
        ),
        (b"book:\n  title: T\n  chapters: [3]", "a chapter is a file or a part"),
        (b"book:\n  title: 5\n  chapters: [a.qmd]", "'book.title' wants a text, not 5"),
    ],
)
def test_a_broken_quarto_yml_is_refused(tmp_path, text, message):
    (tmp_path / "_quarto.yml").write_bytes(text)
    with pytest.raises(BookError) as refusal:
        Book.read(tmp_path)
    assert message in str(refusal.value)


def test_no_quarto_yml(tmp_path):
    with pytest.raises(BookError, match=r"^_quarto\.yml: there is no such file$"):
        Book.read(tmp_path)


def test_pages_in_order_with_part_title_and_anchor(project):
    folder = project(
        pages=["b.qmd", {"part": "P", "chapters": ["c.qmd", "d.qmd"]}],
        book={"site-url": "https://a.test/b/", "repo-url": "https://github.com/a/b.git"},
    )
    for name, text in (("b", "# A *page* & more {#x}"), ("c", "# Notes"), ("d", "# Notes")):
        (folder / f"{name}.qmd").write_text(text, "utf-8")
    book = Book.read(folder)
    assert [(str(p.source), p.part, p.title, p.anchor) for p in book.pages] == [
        ("page.ipynb", None, "5.1 A page", "a-page"),
        ("b.qmd", None, "A <em>page</em> &amp; more", "x"),
        ("c.qmd", "P", "Notes", "notes"),
        ("d.qmd", "P", "Notes", "notes"),
    ]
    assert [str(source) for source in book.notebooks] == ["page.ipynb"]
    assert book.site == "https://a.test/b"
    assert book.colab_url("n.ipynb").endswith("/github/a/b/blob/gh-pages/notebooks/n.ipynb")


@pytest.mark.parametrize(
    ("address", "colab"),
    [
        (None, False),
        ("https://github.com/a/b/", True),
        ("https://example.org/a/b", False),
        ("https://github.com/a", False),
        ("https://github.com/a/b/tree/main", False),
    ],
)
def test_colab_needs_a_repository_on_github(project, address, colab):
    book = Book.read(project(book={"repo-url": address} if address else {}))
    assert (book.colab_url("n.ipynb") is not None) == colab


REMOTES = {
    "https://github.com/Ann/line.git": ("https://ann.github.io/line", "https://github.com/Ann/line"),
    "https://user:key@github.com/ann/line/": ("https://ann.github.io/line", "https://github.com/ann/line"),
    "git@github.com:ann/ann.github.io.git": ("https://ann.github.io", "https://github.com/ann/ann.github.io"),
    "ssh://git@github.com/ann/line": ("https://ann.github.io/line", "https://github.com/ann/line"),
    "https://git.example.org/ann/line": (None, None),
    "https://github.com.example.org/ann/line": (None, None),
    "/srv/line": (None, None),
}  # fmt: skip


@pytest.mark.parametrize("remote", REMOTES)
def test_a_clone_knows_its_address_by_its_remote(project, monkeypatch, remote):
    monkeypatch.delenv("GITHUB_REPOSITORY")
    folder = project()
    assert Book.read(folder).address_from is None
    subprocess.run(["git", "init", "-q", folder], check=True)
    assert Book.read(folder).repository is None
    subprocess.run(["git", "-C", folder, "remote", "add", "origin", remote], check=True)
    book = Book.read(folder)
    assert (book.site, book.repository) == REMOTES[remote]
    assert book.address_from == ("git remote origin" if book.repository else None)


def test_what_quarto_yml_says_comes_first_and_then_githubs_runner(project, monkeypatch):
    folder = project()
    subprocess.run(["git", "init", "-q", folder], check=True)
    remote = ["git", "-C", folder, "remote", "add", "origin", "https://github.com/a/remote"]
    subprocess.run(remote, check=True)
    monkeypatch.setenv("GITHUB_REPOSITORY", "b/runner")
    book = Book.read(folder)
    assert (book.site, book.repository) == (
        "https://b.github.io/runner",
        "https://github.com/b/runner",
    )
    assert book.address_from == "GITHUB_REPOSITORY"
    book = Book.read(project(book={"repo-url": "https://github.com/c/said"}))
    assert (book.site, book.address_from) == ("https://c.github.io/said", "_quarto.yml")
    monkeypatch.setenv("GITHUB_REPOSITORY", "")  # nowhere
    book = Book.read(project())
    assert (book.site, book.repository, book.address_from) == (None, None, None)


def test_a_page_without_a_heading_is_named(project):
    folder = project(pages=["b.qmd"])
    (folder / "b.qmd").write_text("No heading.", "utf-8")
    with pytest.raises(BookError, match=r"^b\.qmd: no heading of level 1"):
        _ = Book.read(folder).pages
    (folder / "b.qmd").write_bytes(b"\xef\xbb\xbf# B")
    with pytest.raises(BookError, match=r"^b\.qmd: begins with a byte order mark"):
        _ = Book.read(folder).pages
