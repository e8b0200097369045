"""A build says what it cannot do, by file and cell, and leaves the last book as it was."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_book import code, markdown

from book import pandoc
from book.config import Book
from book.site import pages, render

ROOT = Path(__file__).resolve().parents[2]

SVG = {
    "output_type": "display_data",
    "metadata": {},
    "data": {"image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"></svg>'},
}
STDERR = {"output_type": "stream", "name": "stderr", "text": "Warning: careful\n"}
ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["no"]}
PNG = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBORw0KGgo="}}


def html(text):
    return {"output_type": "display_data", "metadata": {}, "data": {"text/html": text}}


SCRIPT = html("<p>hi</p><script>alert(1)</script>")
DRAWN = '#| fig-cap: "A cap."\n#| fig-alt: "An alternative text that says in some detail what one could see in this drawing."\n'


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Build a small project; the exporter, which wants whole chapters, stays at home."""
    monkeypatch.setattr(render.export, "export_all", lambda project, out: [])

    def run(project):
        out = tmp_path / "_book"
        render.build(project, out, renderer="pandoc", html_only=True, say=lambda line: None)
        return out

    return run


def test_a_small_book_is_built(project, build):
    out = build(project(markdown("Hello *there*.")))
    assert "Hello <em>there</em>." in (out / "page.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (code("#| lable: x\n1"), "page.ipynb, cell 2 (code): unknown cell option 'lable'"),
        (code("#| echo: maybe\n1"), "cell 2 (code): cell option 'echo' wants true or false"),
        (code("#| classes: shiny\n1"), "cell 2 (code): unknown class 'shiny'"),
        (code("#| fig-cap: [\n1"), "cell 2 (code): the cell options are not YAML"),
        (code("1", run=None), "cell 2 (code): a code cell that was never run"),
        (code("1", ERROR), "cell 2 (code): a stored error in the output"),
        (code("1", STDERR), "cell 2 (code): a stored warning"),
        (code("1", SCRIPT), "cell 2 (code): an output with a script"),
        (code("1", html('<p onclick="f()">x</p>')), "cell 2 (code): an output that runs script"),
        (code("1", html('<a href=" JavaScript:f()">x</a>')), "an output that runs script: href="),
        (markdown('[x]{onclick="f()"}'), "page.ipynb: style or script in the text: <span onclick"),
        (markdown('[x]{style="color: red"}'), "style or script in the text: <span style"),
        (code("draw()", SVG), "cell 2 (code): a cell that draws needs the option 'fig-cap'"),
        (
            code('#| fig-cap: "C"\ndraw()', SVG),
            "cell 2 (code): a cell that draws needs the option 'fig-alt'",
        ),
        (
            code('#| fig-cap: "C"\n#| fig-alt: ""\ndraw()', SVG),
            "(code): a cell that draws needs the option 'fig-alt'",
        ),
        (
            code('#| fig-cap: "C"\n#| fig-alt: "A plot."\ndraw()', SVG),
            "'fig-alt', 60 characters or more",
        ),
        (code(DRAWN + "draw()", PNG), "cell 2 (code): a figure of the type image/png"),
        (code(DRAWN + "1"), "cell 2 (code): 'fig-cap' and 'fig-alt' belong to a cell that draws"),
        (
            markdown('::: {.callout-hint title="T"}\nx\n:::'),
            "cell 2 (words): unknown callout type 'callout-hint'",
        ),
        (markdown("::: {.callout-note}\nx\n:::"), "cell 2 (words): a callout without a title"),
        (
            markdown('::: {.callout-note title="T" icon="false"}\nx\n:::'),
            "unknown callout attribute 'icon'",
        ),
        (
            markdown("::: {.panel-tabset}\nx\n:::"),
            "cell 2 (words): unknown block '::: { panel-tabset}'",
        ),
        (markdown("{{< video x >}}"), "cell 2 (words): a Quarto shortcode"),
        (markdown("<div>x</div>"), "cell 2 (words): raw html"),
        (markdown("$$ a \\tag{5.1} $$"), "a numbered equation outside a block {#equation-N}"),
        (
            markdown("::: {#equation-5-1}\n$$ a \\tag{5.2} $$\n:::"),
            "the equation #equation-5-1 has the number 5.2",
        ),
        (markdown("::: {#equation-5-1}\n$$ a $$\n:::"), "the equation #equation-5-1 has no \\tag"),
        (markdown("[x](other.ipynb)"), "cell 2 (words): a link to 'other.ipynb', which is no page"),
        (markdown("[x](page.ipynb#nowhere)"), "page.html: a link to 'page.html#nowhere'"),
        (markdown("[x](#nowhere)"), "page.html: a link to '#nowhere'"),
        (markdown("# Another"), "page.ipynb: a second heading of level 1: Another"),
        (
            markdown("## One {#one}\n\n## Two {#one}"),
            "page.ipynb: two headings with the anchor #one",
        ),
        (markdown("![" + "What it shows. " * 6 + "](missing.svg)"), "missing.svg needs fig-alt"),
        (
            {"cell_type": "raw", "id": "r", "metadata": {}, "source": "x"},
            "page.ipynb, cell 2 (r): a raw cell",
        ),
    ],
)
def test_what_is_not_in_the_grammar_is_refused_by_name(project, build, cell, message):
    with pytest.raises(render.BookError) as refusal:
        build(project(cell))
    assert message in str(refusal.value)


def test_a_missing_drawing_is_named(project, build):
    alt = "A text that says in some detail what one could see in the drawing, were it there."
    with pytest.raises(render.BookError, match=r"page\.ipynb, cell 2 .*missing file.*lost\.svg"):
        build(project(markdown(f'![A cap](lost.svg){{fig-alt="{alt}"}}')))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"website": {}}, "_quarto.yml: unknown key 'website'"),
        ({"format": {"html": {"colour": "red"}}}, "_quarto.yml: unknown key 'format.html.colour'"),
        ({"format": "html"}, "_quarto.yml: 'format' wants keys below it, not 'html'"),
        ({"book": {"titel": "x"}}, "_quarto.yml: unknown key 'book.titel'"),
        (
            {"book": {"chapters": ["gone.ipynb"]}},
            "gone.ipynb: listed in _quarto.yml, but there is no such file",
        ),
        ({"book": {"chapters": ["page.md"]}}, "page.md: a page is a notebook"),
        ({"book": {"chapters": [{"part": "P"}]}}, "_quarto.yml: a chapter is a file or a part"),
        ({"bibliography": "gone.bib"}, "gone.bib: named in _quarto.yml"),
    ],
)
def test_what_quarto_yml_may_not_say(project, build, config, message):
    with pytest.raises(render.BookError) as refusal:
        build(project(**config))
    assert message in str(refusal.value)


def test_a_source_that_nobody_wrote_is_named(project, build, tmp_path):
    folder = project(markdown("As one has said [@nobody1900]."), bibliography="works.bib")
    (folder / "works.bib").write_text(
        "@book{one2020, title={T}, author={One, A}, year={2020}}", "utf-8"
    )
    with pytest.raises(render.BookError, match=r"page\.ipynb.*nobody1900"):
        build(folder)


def beside(out):
    return sorted(path.name for path in out.parent.iterdir() if path.name.startswith(out.name))


@pytest.mark.parametrize("made", [True, False])
def test_the_front_page_links_a_pdf_and_an_epub_only_if_they_are_made(made):
    book = Book.read(ROOT)
    text = pages.render(book, book.pages[0], editions=made).html
    menu, main = text.split("<main")
    for part in menu, main:
        links = set(re.findall(r'href="(linear-regression\.\w+)"', part))
        assert links == ({"linear-regression.pdf", "linear-regression.epub"} if made else set())


@pytest.mark.parametrize("made", [True, False])
def test_nor_does_quartos_front_page(made, monkeypatch):
    monkeypatch.delenv("BOOK_HTML_ONLY", raising=False)
    if not made:
        monkeypatch.setenv("BOOK_HTML_ONLY", "1")
    lua = Path(__file__).with_name("quarto.lua")
    page = pandoc.run(
        "--from=markdown",
        "--to=html5",
        "--metadata=page:index.qmd",
        f"--metadata=root:{ROOT}",
        f"--lua-filter={lua}",
        ROOT / "index.qmd",
    ).decode()
    assert ("linear-regression.pdf" in page) == ("linear-regression.epub" in page) == made


def test_a_failed_build_leaves_the_last_book(project, build, tmp_path):
    out = build(project(markdown("The first.")))
    before = (out / "page.html").read_bytes()
    with pytest.raises(render.BookError):
        build(project(markdown("{{< oops >}}")))
    assert (out / "page.html").read_bytes() == before
    assert beside(out) == ["_book"]


@pytest.mark.parametrize("moment", ["write_pages", "write_assets", "swap"])
def test_an_interrupted_build_leaves_the_last_book(project, build, monkeypatch, moment):
    out = build(project(markdown("The first.")))
    before = (out / "page.html").read_bytes()

    def interrupt(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(render, moment, interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(project(markdown("The second.")))
    assert (out / "page.html").read_bytes() == before
    assert beside(out) == ["_book"]


def test_a_swap_that_fails_half_way_puts_the_last_book_back(tmp_path):
    out, built = tmp_path / "_book", tmp_path / "_book.tmp-1"
    out.mkdir()
    (out / "old").touch()
    with pytest.raises(FileNotFoundError):
        render.swap(built, out)  # there is nothing to put there
    assert (out / "old").exists()


KILLED = """
import os, pathlib, signal, sys
from book.site import render
rename, out = pathlib.Path.rename, pathlib.Path(sys.argv[1])
built = out.with_name(f"_book.tmp-{os.getpid()}")
built.mkdir()
def once(path, target):
    rename(path, target)
    os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.rename = once
render.swap(built, out)
"""


def test_a_build_that_is_killed_between_two_renames_loses_no_book(project, build):
    out = build(project(markdown("The first.")))
    run = subprocess.run([sys.executable, "-c", KILLED, out], cwd=ROOT, check=False)
    assert run.returncode == -signal.SIGKILL
    assert not out.exists()
    with pytest.raises(render.BookError):
        build(project(markdown("{{< oops >}}")))
    assert "The first." in (out / "page.html").read_text("utf-8")
    assert beside(out) == ["_book"]


def test_a_book_that_is_a_file_is_refused_and_a_link_is_followed(project, build, tmp_path):
    folder, out = project(markdown("Hello.")), tmp_path / "_book"
    out.write_text("a file", "utf-8")
    with pytest.raises(render.BookError, match="it is not a folder of its own"):
        build(folder)
    assert out.read_text("utf-8") == "a file"
    out.unlink()
    (tmp_path / "elsewhere").mkdir()
    out.symlink_to("elsewhere")
    build(folder)
    assert out.is_symlink()
    assert (tmp_path / "elsewhere" / "page.html").is_file()
    with pytest.raises(render.BookError, match="it is not a folder of its own"):
        render.build(folder, folder)


def test_a_disk_that_refuses_is_a_message(project, tmp_path, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(render, "write_assets", full)
    folder = project()
    assert render.main(["--project", str(folder), "--html-only", "--renderer", "pandoc"]) == 1
    assert "No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["my--book", "my book's copy", "a~b~c", "a--b's c~d", "$x*y_z_ é"])
def test_the_folder_of_a_book_may_have_any_name(project, tmp_path, monkeypatch, name):
    monkeypatch.setattr(render.export, "export_all", lambda project, out: [])
    alt = "A text that says in some detail what one could see in the drawing beside the page."
    folder = project(
        markdown(f'As [@one2020] said.\n\n![A cap](figure.svg){{fig-alt="{alt}"}}'),
        code(DRAWN + "draw()", SVG),
        pages=["chapters/references.qmd"],
        bibliography="works.bib",
    )
    (folder / "chapters").mkdir()
    (folder / "chapters" / "references.qmd").write_text(
        "# References\n\n[@one2020]\n\n::: {#refs}\n:::\n"
    )
    (folder / "works.bib").write_text("@book{one2020, title={T}, author={One, A}, year={2020}}")
    (folder / "figure.svg").write_text(SVG["data"]["image/svg+xml"])
    folder = folder.rename(tmp_path / name)
    render.build(folder, renderer="pandoc", say=lambda line: None)
    made = {path.name for path in (folder / "_book").iterdir()}
    assert {"page.html", "linear-regression.pdf", "linear-regression.epub"} <= made
    text = (folder / "_book" / "page.html").read_text("utf-8")
    assert text.count('<svg role="img"') == 2
    assert 'href="chapters/references.html#ref-one2020"' in text


def test_a_drawing_that_is_none_is_refused(project, build):
    broken = {**SVG, "data": {"image/svg+xml": "<svg"}}
    with pytest.raises(
        render.BookError, match=r"^page\.ipynb, cell 2 \(code\): a figure is not an SVG"
    ):
        build(project(code(DRAWN + "draw()", broken)))


def test_what_typst_cannot_set_is_an_error_of_the_pdf_and_other_errors_are_not(
    project, tmp_path, monkeypatch
):
    monkeypatch.setattr(render.export, "export_all", lambda project, out: [])
    monkeypatch.setattr(pandoc, "run", spoil(pandoc.run))
    with pytest.raises(render.BookError, match="PDF: unknown variable: nothing"):
        render.build(project(), tmp_path / "_book", renderer="pandoc", say=lambda line: None)

    def interrupted(*arguments, **keywords):
        raise MemoryError

    monkeypatch.setattr("typst.compile", interrupted)
    with pytest.raises(MemoryError):
        render.build(project(), tmp_path / "_book", renderer="pandoc", say=lambda line: None)


def spoil(run):
    """Pandoc whose Typst does not compile."""

    def spoilt(*arguments, **keywords):
        made = run(*arguments, **keywords)
        for argument in map(str, arguments):
            if argument.endswith("book.typ") and argument.startswith("--output="):
                path = Path(argument.removeprefix("--output="))
                path.write_text(path.read_text("utf-8") + "#nothing", "utf-8")
        return made

    return spoilt


def test_the_summary_of_a_page_ends_at_a_word_not_inside_a_character(project, build):
    out = build(project(markdown("x" + "\u00e9\u2014 \u03b7\u00e9" * 120)))
    text = (out / "page.html").read_bytes().decode("utf-8")
    summary = re.search(r'<meta name="description" content="([^"]*)">', text)[1]
    assert 290 < len(summary) <= 302  # counted in characters
    assert summary.endswith("\u00e9\u2014 \u2026")


def test_a_build_that_is_ended_from_outside_leaves_the_last_book(project, tmp_path):
    names = [f"more-{i}.qmd" for i in range(24)]
    folder = project(pages=names)
    for name in names:
        (folder / name).write_text(f"# {name}\n\nText.\n", "utf-8")
    out = tmp_path / "_book"
    out.mkdir()
    (out / "index.html").write_text("the last", "utf-8")
    run = subprocess.Popen(
        [sys.executable, "-m", "book.site.render", "--project", folder, "--output", out]
        + ["--renderer", "pandoc", "--html-only"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert "Rendering 25 pages" in run.stdout.readline()
    time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    _, message = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "the last book is as it was" in message
    assert (out / "index.html").read_text("utf-8") == "the last"
    assert beside(out) == ["_book"]


def test_the_command_says_what_failed(project, tmp_path):
    folder = project(code("#| lable: x\n1"))
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "book.site.render",
            "--project",
            folder,
            "--output",
            tmp_path / "_book",
        ]
        + ["--renderer", "pandoc", "--html-only"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "page.ipynb, cell 2 (code): unknown cell option 'lable'" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "_book").exists()


def test_the_sitemap_and_the_links_to_colab_need_an_address(project):
    home = {"repo-url": "https://github.com/a/b", "site-url": "https://a.test/b/"}
    text, plain = (
        pages.render(book, book.pages[0]).html
        for book in (Book.read(project(book=home)), Book.read(project()))
    )
    assert "https://colab.research.google.com/github/a/b/blob/gh-pages/notebooks/page.ipynb" in text
    assert "https://github.com/a/b/blob/HEAD/page.ipynb" in text
    assert 'rel="canonical" href="https://a.test/b/page.html"' in text
    assert "colab" not in plain
    assert "canonical" not in plain
    assert 'href="notebooks/page.ipynb"' in plain
