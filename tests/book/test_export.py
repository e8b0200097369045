"""The exporter: what its Markdown looks like, what it refuses, what travels and where links lead."""

import base64
import json
import re
import shutil
import zlib
from pathlib import Path, PurePosixPath

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book import BookError, export, pandoc
from book.config import Book

ROOT = Path(__file__).resolve().parents[2]
SETUP = """\
#| code-fold: true
#| code-summary: "Setup"
import sys
from pathlib import Path, PurePosixPath

here = Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "utils" / "published.json").is_file())
sys.path.insert(0, str(root))

from utils import data
"""
WORKS = """\
@book{smith2020, title = {A book}, publisher = {A press}, author = {Smith, Ann}, year = {2020}}
@article{two2021, title = {An article}, journal = {A journal}, author = {Ito, K. and Roe, J.},
  year = {2021}, doi = {10.1/2}}
"""


# --- a small book -----------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    """A book of two notebooks and a page, with the real utils."""
    shutil.copytree(ROOT / "utils", tmp_path / "utils", ignore=shutil.ignore_patterns("__pyc*"))
    (tmp_path / "chapters" / "recorded").mkdir(parents=True)
    (tmp_path / "chapters" / "recorded" / "times.json").write_text('{"a": 1}\n')
    (tmp_path / "chapters" / "words.qmd").write_text("# Words\n\n## Learning rate\n\nA number.\n")
    (tmp_path / "_quarto.yml").write_text(
        "book:\n  title: A small book\n  chapters:\n    - chapters/one.ipynb\n"
        "    - part: More\n      chapters: [chapters/two.ipynb, chapters/words.qmd]\n"
        "bibliography: works.bib\n"
    )
    (tmp_path / "works.bib").write_text(WORKS)
    write(tmp_path, "one", new_markdown_cell("Go to [there](two.ipynb#a-place)."))
    write(tmp_path, "two", new_markdown_cell("## 2.1 A place"))
    return tmp_path


def write(project, name, *cells, setup=SETUP):
    first = [new_markdown_cell(f"# {name}"), new_code_cell(setup, metadata={"tags": ["setup"]})]
    notebook = new_notebook(cells=[*first, *cells])
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    nbformat.write(notebook, project / "chapters" / f"{name}.ipynb")


def exported(project, name="one"):
    export.export_all(Book.read(project), project / "out")
    return nbformat.read(project / "out" / "notebooks" / f"{name}.ipynb", as_version=4)


def set_in_book(project, line):
    path = project / "_quarto.yml"
    path.write_text(path.read_text().replace("book:\n", f"book:\n  {line}\n"))


def text_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def files_of(notebook):
    """The files that the cells before "Start here" write: name -> text."""
    files = {}

    def unpack(packed):
        files.update(json.loads(zlib.decompress(base64.b64decode(packed))))

    for cell in notebook.cells:
        if cell.source.startswith("%%book_file "):
            magic, _, text = cell.source.partition("\n")
            files[magic.split()[1]] = text + "\n"
        elif cell.id.startswith("files-") and cell.id != "files-writer":
            exec(cell.source, {"book_file": files.__setitem__, "book_unpack": unpack})
    return files


def lines_before_start(notebook):
    ids = [cell.id for cell in notebook.cells]
    return sum(len(cell.source.splitlines()) for cell in notebook.cells[: ids.index("start")])


# --- Markdown ---------------------------------------------------------------------------------

CONSTRUCTS = {
    "title": '# The title\n\nIt\'s "said" -- and [linked](one.ipynb#the-title).',
    "callout": '::: {.callout-note title="Beyond the `chapter`"}\nOne.\n\nTwo,\nin two lines.\n:::',
    "neighbours": 'Before.\n\n::: {.callout-tip title="T"}\nIn.\n:::\n\nAfter.',
    "collapsed": '::: {.callout-note title="Why `x` *now*, at $a<b$?" collapse="true"}\n- a\n- b\n\n$$\nc\n$$\n:::',
    "opened": '::: {.callout-note title="Open" collapse="false"}\nx\n:::',
    "math-in-callout": '::: {.callout-note title="T"}\nBy\n$$\na\n+ b_1 * c_2\n$$\nand $d\n+ e$.\n:::',
    "nested": ':::: {.callout-note title="A" collapse="true"}\n::: {.callout-tip title="B"}\nx\n:::\n::::',
    "equation": "::: {#equation-5-1}\n$$\nJ = \\frac{1}{N} \\\\\n  + 1 \\tag{5.1}\n$$\n:::\n\nSee [it](#equation-5-1).",
    "heading": "## A part {#here .unnumbered}\n\nGo [there](#here).\n\n### Not linked\n\n## The set {1, 2}",
    "citations": "As [@smith2020], [see @two2021, p. 3; @smith2020] and [-@smith2020], says @two2021.",
    "verbatim": "`[@x]{.y} -- z` and $[a]{b}_i$ and ``a`b``\n\n```python\n::: {.x}\n#| y\nA @ B -- [@z]\n```\n\n````\n```\n````",
    "signs": "a < b, but b > a; [b, w] and 2 * 3; x_y, 5 $; one -- two --- three, 3--4 ...\n\n---\n\n1. a\n   $$x\n   + y$$\n   b\n2. c",
    "table": "| $b$ | `a|b` |\n|:---|--:|\n| *x* | [w](words.qmd) |\n\n: Its *caption*.",
    "span": "A [word]{#place} and [its link](#place).",
    "html": "Nothing.<!-- a remark -->\n\n<!-- another -->",
}


def test_the_markdown_of_every_construct(project, file_regression):
    cells = [new_markdown_cell(text) for text in CONSTRUCTS.values()]
    source = (
        '#| fig-cap: "Figure 3. The map of $J$, see [the words](words.qmd)."\n'
        '#| fig-alt: "Five rings, *one* in another."\n1'
    )
    figure = new_code_cell(source, id="figure")
    notebook = new_notebook(cells=[*cells[:1], new_code_cell(SETUP), *cells[1:], figure])
    notebook.cells[1].metadata["tags"] = ["setup"]
    for cell, name in zip(cells, CONSTRUCTS, strict=True):
        cell.id = name
    nbformat.write(notebook, project / "chapters" / "one.ipynb")
    text = {cell.id: cell.source for cell in exported(project).cells}
    names = [*CONSTRUCTS, "caption-figure", "works-cited"]
    shown = "\n\n".join(f"%% {name}\n\n{text[name]}" for name in names)
    file_regression.check(shown + "\n", extension=".md")


def test_no_link_leaves_the_text_and_a_heading_without_links_has_no_anchor(project):
    write(
        project,
        "one",
        new_markdown_cell("## Part\n\nthe [learning *rate*](words.qmd#learning-rate)."),
    )
    assert "\n## Part\n\nthe learning *rate*." in text_of(exported(project))


REFUSED = {
    "::: {.column-margin}\nx\n:::": "column-margin",
    "::: panel-tabset\nx\n:::": "panel-tabset",
    "::: {.callout-note}\nx\n:::": "without a title",
    '::: {.callout-remark title="x"}\nx\n:::': "callout-remark",
    '::: {.callout-note title="T" icon="false"}\nx\n:::': "icon",
    '::: {.callout-note title="T"}\nx': "unclosed",
    "x\n\n:::": "closes nothing",
    "{{< video x >}}": "shortcode",
    "![a](b.png)": "b.png",
    "x ![a](b.png)": "b.png",
    "[a]{.remark}": "the span",
    "see @fig-one": "fig-one",
    "see [@nobody1999]": "nobody1999",
    "```{=html}\n<b>\n```": "raw html",
    "```python\nx = 1": "code fence",
    "a note[^1]": "[^1]",
    "a note[^1]\n\n[^1]: here": "a footnote",
    "a note^[here]": "a footnote",
    "Term\n\n:   What it is.": "a definition list",
    "`<b>`{=html}": "raw html",
    '<script src="x.js"></script>': "raw html",
    "$$x \\tag{1}$$": "numbered equation",
}


@pytest.mark.parametrize("source", REFUSED)
def test_unknown_markup_is_refused_by_name(source, project):
    write(project, "one", new_markdown_cell(source))
    with pytest.raises(BookError, match=re.escape(REFUSED[source])) as error:
        page = PurePosixPath("chapters/one.ipynb")
        pandoc.read_page(Book.read(project), page, "notebook", "--to=html")
    assert str(error.value).startswith("chapters/one.ipynb")


# --- what an exported notebook consists of ------------------------------------------------------


def test_every_listed_notebook_is_written_and_the_bytes_repeat(project, tmp_path_factory):
    first, second = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    written = export.export_all(Book.read(project), first)
    assert [path.relative_to(first).as_posix() for path in written] == [
        "notebooks/one.ipynb",
        "notebooks/two.ipynb",
    ]
    again = export.export_all(Book.read(project), second)
    assert [p.read_bytes() for p in written] == [p.read_bytes() for p in again]
    for path in written:
        nbformat.validate(nbformat.read(path, as_version=4))


def test_the_opening_is_title_note_files_setup(project):
    write(project, "one", new_code_cell("from utils import optimizers, descent"))
    notebook = exported(project)
    assert [cell.id for cell in notebook.cells] == [
        "cell-0",
        "edition",
        *("files", "files-writer", "files-utils"),
        *("file-data-says", "file-data", "file-gradients-says", "file-gradients"),
        *("file-optimizers-says", "file-optimizers", "file-descent-says", "file-descent"),
        *("start", "cell-1", "cell-2"),
    ]
    assert "\n## Start here" in notebook.cells[-3].source
    assert notebook.metadata.colab.collapsed_sections == [notebook.cells[2].metadata.id]
    says = next(cell.source for cell in notebook.cells if cell.id == "file-data-says")
    assert says.startswith("### `utils/data.py`\n\nThe chapter's dataset")


def test_a_gpu_is_asked_for_only_where_pytorch_is_used(project):
    assert "accelerator" not in exported(project).metadata
    assert "the NumPy that is there" in text_of(exported(project))
    write(project, "one", new_code_cell("if True:\n    from torch import nn"))
    assert exported(project).metadata.accelerator == "GPU"
    assert exported(project).metadata.colab.gpuType == "T4"
    assert "the NumPy and PyTorch that are there" in text_of(exported(project))


def test_what_is_folded_is_folded_everywhere_and_modules_to_read_are_not(project):
    cells = {cell.id: cell for cell in exported(project).cells}
    for id in ("files-writer", "files-utils", "cell-1"):
        cell = cells[id]
        assert cell.source.startswith("#@title ") and '{ display-mode: "form" }\n' in cell.source
        assert cell.metadata.jupyter.source_hidden and cell.metadata.cellView == "form"
        assert cell.metadata["_kg_hide-input"]
    assert cells["file-data"].source.startswith("%%book_file utils/data.py\n")
    assert "jupyter" not in cells["file-data"].metadata


def test_only_the_files_that_are_needed_travel_and_none_is_changed(project):
    files = files_of(exported(project))
    assert set(files) == {
        "utils/published.json",
        "utils/__init__.py",
        "utils/data.py",
        "utils/_validate.py",
    }
    for name, text in files.items():
        assert text.rstrip("\n") == (project / name).read_text(encoding="utf-8").rstrip("\n")


def test_a_package_travels_module_by_module_and_says_what_it_is(project):
    package = project / "exercises"
    package.mkdir()
    (package / "__init__.py").write_text('"""The checks of ``this`` book."""\n')
    (package / "_core.py").write_text("VALUE = 1\n")
    (package / "one.py").write_text(
        "from exercises import _core\nfrom exercises._core import VALUE\nSCRIPT, STYLE = 'form.js', 'form.css'\n"
    )
    (package / "two.py").write_text("import exercises._core\n")
    (package / "form.js").write_text("1\n")
    (package / "form.css").write_text("p {}\n")
    (package / "front.html").write_text("<p>\n")
    set_in_book(project, "repo-url: https://github.com/me/book")
    write(project, "one", new_code_cell("from exercises import one"))
    notebook = exported(project)
    names = {name for name in files_of(notebook) if name.startswith("exercises/")}
    modules = {"exercises/__init__.py", "exercises/_core.py", "exercises/one.py"}
    assert names == {*modules, "exercises/form.css", "exercises/form.js"}
    cell = next(cell for cell in notebook.cells if cell.id == "files-exercises")
    assert cell.source.splitlines()[:5] == [
        '#@title Compressed: exercises (5 files) { display-mode: "form" }',
        "# These files travel compressed, because nobody needs to change them here. Running the cell",
        "# writes them beside this notebook, as they are; there you can read them, or at "
        "https://github.com/me/book/blob/HEAD/exercises:",
        "# exercises/__init__.py: The checks of `this` book.",
        "# exercises/_core.py",
    ]


def test_the_real_notebooks_are_short_before_their_start(real):
    lines = {path.stem: lines_before_start(notebook) for path, notebook in real.items()}
    assert lines["5-1-math"] <= 700
    assert max(lines.values()) <= 750, lines


def test_files_that_code_names_travel_too(project):
    cell = new_code_cell('from utils.plots import use_style\n(root / "recorded" / "times.json")')
    write(project, "one", cell)
    assert {"utils/plots.py", "utils/book.mplstyle", "chapters/recorded/times.json"} <= set(
        files_of(exported(project))
    )


def test_recorded_files_travel_as_they_are(project):
    (project / "chapters" / "recorded" / "times.csv").write_text("a,b\n1,2\n")
    write(project, "one", new_code_cell("names = 'times.csv', 'recorded/times.json'"))
    notebook = exported(project)
    files = files_of(notebook)
    assert files["chapters/recorded/times.csv"] == "a,b\n1,2\n"
    assert files["chapters/recorded/times.json"] == '{"a": 1}\n'
    assert "files-recorded" in {cell.id for cell in notebook.cells}


def test_a_drawing_cell_gives_its_caption_and_its_words(project):
    source = '#| fig-cap: "Figure 3. The map of [J](words.qmd)."\n#| fig-alt: "Five rings."\n1'
    output = new_output("execute_result", data={"text/plain": "1"}, execution_count=1)
    write(project, "one", new_code_cell(source, outputs=[output], execution_count=1))
    *_, cell, caption = exported(project).cells
    assert cell.source == "1" and cell.metadata["fig-alt"] == "Five rings."
    assert caption.source.startswith("**Figure 3.** The map of J.\n\n<details>")
    assert "\n\nFive rings.\n\n</details>" in caption.source
    assert cell.outputs[0].execution_count == cell.execution_count > 1


def test_cells_are_numbered_as_one_run_numbers_them(project):
    counts = [c.execution_count for c in exported(project).cells if c.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_links_lead_to_siblings_or_to_the_site(project):
    write(
        project,
        "one",
        new_markdown_cell(
            "[there](two.ipynb#a-place), [rate](words.qmd#learning-rate), [here](#a-part), "
            "[self](one.ipynb#a-part), [out](https://example.org/x), [code](../utils/data.py)"
        ),
        new_markdown_cell("## 1.1 A part"),
    )
    assert (
        "[there](two.ipynb#a-place), rate, [here](#a-part), [self](#a-part), "
        "[out](https://example.org/x), code"
    ) in text_of(exported(project))
    assert '<a id="a-part"></a>\n\n## 1.1 A part' in text_of(exported(project))
    assert '<a id="a-place"></a>\n\n## 2.1 A place' in text_of(exported(project, "two"))
    set_in_book(project, "site-url: https://me.example/book/")
    set_in_book(project, "repo-url: https://github.com/me/book")
    assert (
        "[there](https://me.example/book/chapters/two.html#a-place), "
        "[rate](https://me.example/book/chapters/words.html#learning-rate), [here](#a-part), "
        "[self](#a-part), [out](https://example.org/x), "
        "[code](https://github.com/me/book/blob/HEAD/utils/data.py)"
    ) in text_of(exported(project))


def test_no_colab_link_without_a_repository(project):
    assert "colab.research" not in nbformat.writes(exported(project))
    set_in_book(project, "repo-url: https://git.example.org/me/book")  # Colab reads GitHub only
    assert "colab.research" not in nbformat.writes(exported(project))


BROKEN = {
    "an import that does not travel": (new_code_cell("import chapters.x"), "'chapters'"),
    "a relative import": (new_code_cell("from . import x"), "a relative import"),
    "a dead link": (new_markdown_cell("[x](three.ipynb)"), "'three.ipynb'"),
    "an unknown option": (new_code_cell("#| layout-ncol: 2\n1"), "'layout-ncol'"),
    "a late option": (new_code_cell("1\n#| echo: false"), "below the first line"),
    "a record that is not there": (new_code_cell('open("recorded/x.json")'), "it reads x.json"),
    "an installation": (new_code_cell("!pip install torch"), "not plain Python"),
    "a raw cell": (nbformat.v4.new_raw_cell("x"), "raw cell"),
    "a broken figure": (
        new_code_cell("1", outputs=[new_output("display_data", data={"image/svg+xml": "<svg"})]),
        "cannot be drawn",
    ),
    "an unknown block": (new_markdown_cell("::: {.aside}\nx\n:::"), "aside"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_unknown_is_refused_with_file_and_cell(name, project):
    cell, words = BROKEN[name]
    write(project, "one", cell)
    with pytest.raises(BookError, match=re.escape(words)) as error:
        exported(project)
    where = "chapters/one.ipynb, cell 3 (cell-2): "
    assert str(error.value).startswith(where)


def test_no_text_of_quarto_is_left_in_the_real_notebooks(real):
    for path, notebook in real.items():
        for cell in notebook.cells:
            if cell.id.startswith("file"):
                continue
            prose = re.sub(r"^```.*?^```|`[^`]*`", "", cell.source, flags=re.DOTALL | re.MULTILINE)
            for markup in (":::", "#|", "{.callout", "[@", "{#", "{{<", ".qmd"):
                assert markup not in prose, f"{path.name}: {markup} in {prose}"


def test_every_vector_figure_has_a_picture_for_notebooks_not_trusted_yet(real):
    figures = 0
    for notebook in real.values():
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                if "image/svg+xml" in data:
                    png = base64.b64decode(data["image/png"])
                    assert png.startswith(b"\x89PNG")
                    width = int.from_bytes(png[16:20], "big")
                    points = float(re.search(r'width="([\d.]+)pt"', data["image/svg+xml"])[1])
                    assert abs(width - points * 96 / 72) <= 1
                    figures += 1
    assert figures >= 6


def test_the_real_notebooks_are_valid_and_fetch_nothing(real):
    for notebook in real.values():
        nbformat.validate(notebook)
        assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
        code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
        assert not re.search(
            r"^\s*[!%](?!%book_file)|\bpip\b|urlopen|urlretrieve", code, re.MULTILINE
        )


@pytest.fixture(scope="module")
def real(book):
    paths = sorted((book.folder / "notebooks").iterdir())
    assert len(paths) == len(Book.read(ROOT).notebooks)
    return {path: nbformat.read(path, as_version=4) for path in paths}


def test_every_link_has_its_target(book, tmp_path):
    """With and without a home: what a link in an exported notebook names does exist."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "chapters", copy / "chapters")
    shutil.copytree(ROOT / "utils", copy / "utils", ignore=shutil.ignore_patterns("__pyc*"))
    for name in ("_quarto.yml", "index.qmd"):
        shutil.copy(ROOT / name, copy / name)
    set_in_book(copy, "site-url: https://me.example/book")
    set_in_book(copy, "repo-url: https://github.com/me/book")
    export.export_all(Book.read(copy), tmp_path)
    for home, out in ((False, book.folder), (True, tmp_path)):
        written = sorted((out / "notebooks").iterdir())
        colab = 0
        for path in written:
            notebook = nbformat.read(path, as_version=4)
            text = text_of(notebook)
            for target in re.findall(r"\]\(([^()\s]+)\)", text):
                name, _, fragment = target.partition("#")
                if target.startswith("https://colab.research.google.com/github/me/book/blob/"):
                    branch, _, file = name.partition("/blob/")[2].partition("/")
                    assert branch == "gh-pages" and (out / file).is_file(), target
                    assert file == f"notebooks/{path.name}"
                    colab += 1
                elif target.startswith("https://me.example/book/"):
                    page = name.removeprefix("https://me.example/book/").removesuffix(".html")
                    assert any((copy / f"{page}{end}").is_file() for end in (".qmd", ".ipynb"))
                elif target.startswith("https://github.com/me/book/blob/HEAD/"):
                    relative = name.removeprefix("https://github.com/me/book/blob/HEAD/")
                    assert (ROOT / relative).exists(), target
                elif not re.match(r"https?:|mailto:", target):
                    other = out / "notebooks" / name if name else path
                    assert other.is_file(), target
                    place = f'<a id="{fragment}"></a>'
                    assert not fragment or place in text_of(nbformat.read(other, as_version=4))
        assert colab == (len(written) if home else 0)
