"""The exporter: what it lowers, what it refuses, what travels in the file and where links lead."""

import base64
import json
import re
import shutil
from pathlib import Path, PurePosixPath

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book import export, lower

ROOT = Path(__file__).resolve().parents[2]
SETUP = """\
#| code-fold: true
#| code-summary: "Setup"
import sys
from pathlib import Path

here = Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "utils" / "published.json").is_file())
sys.path.insert(0, str(root))

from utils import data
"""
WORKS = {
    "smith2020": {
        "id": "smith2020",
        "title": "A book",
        "publisher": "A press",
        "author": [{"family": "Smith", "given": "Ann"}],
        "issued": {"date-parts": [[2020]]},
    },
    "two2021": {
        "id": "two2021",
        "title": "An article",
        "container-title": "A journal",
        "author": [{"family": "Ito", "given": "K."}, {"family": "Roe", "given": "J."}],
        "issued": {"date-parts": [[2021, 3]]},
        "DOI": "10.1/2",
    },
}


def lowered(text, anchors=(), link=lambda target: target):
    return lower.markdown(text, lower.Page(link=link, works=WORKS, anchors=frozenset(anchors)))


# --- Markdown ---------------------------------------------------------------------------------

LOWERED = {
    "a callout becomes a quotation": (
        '::: {.callout-note title="Beyond the chapter"}\nOne.\n\nTwo.\n:::',
        "> **Beyond the chapter**\n>\n> One.\n>\n> Two.",
    ),
    "text around a callout keeps its distance": (
        'Before.\n::: {.callout-tip title="T"}\nIn.\n:::\nAfter.',
        "Before.\n\n> **T**\n>\n> In.\n\nAfter.",
    ),
    "a collapsed callout becomes details": (
        '::: {.callout-note title="Why `x` *now*?" collapse="true"}\n- a\n- b\n:::',
        "<details>\n<summary><b>Why <code>x</code> <em>now</em>?</b></summary>\n\n- a\n- b\n\n</details>",
    ),
    "a formula in a quotation stands on one line": (
        '::: {.callout-note title="T"}\n$$\na\n+ b\n$$\n:::',
        "> **T**\n>\n> $$ a + b $$",
    ),
    "a callout in a callout": (
        ':::: {.callout-note title="A" collapse="true"}\n::: {.callout-tip title="B"}\nx\n:::\n::::',
        "<details>\n<summary><b>A</b></summary>\n\n> **B**\n>\n> x\n\n</details>",
    ),
    "an equation keeps its tag and its anchor": (
        "::: {#equation-5-1}\n$$\nJ = 1 \\tag{5.1}\n$$\n:::",
        '<a id="equation-5-1"></a>\n\n$$\nJ = 1 \\tag{5.1}\n$$',
    ),
    "attributes of a heading go": (
        "## A title {#here .unnumbered}",
        '<a id="here"></a>\n\n## A title',
    ),
    "braces that are no attributes stay": ("## The set {1, 2}", "## The set {1, 2}"),
    "citations become names and years": (
        "As shown [@smith2020], [see @two2021, p. 3; @smith2020] and [-@smith2020], says @two2021.",
        "As shown (Smith 2020), (see Ito and Roe 2021, p. 3; Smith 2020) and (2020), says Ito and Roe (2021).",
    ),
    "code and formulas are not touched": (
        "`[@x]{.y}` and $[a]{b}$, `A @ B`, ``a`b -- c``\n\n```python\n::: {.x}\n#| y\nA @ B -- [@z]\n```",
        "`[@x]{.y}` and $[a]{b}$, `A @ B`, ``a`b -- c``\n\n```python\n::: {.x}\n#| y\nA @ B -- [@z]\n```",
    ),
    "dashes": ("one -- two --- three, 3--4\n\n---\n\n| a | b |\n|---|--:|", None),
    "a link's text may hold code": ("[`utils` here](5-2.ipynb)", "[`utils` here](5-2.ipynb)"),
}
LOWERED["dashes"] = (LOWERED["dashes"][0], "one – two — three, 3–4\n\n---\n\n| a | b |\n|---|--:|")


@pytest.mark.parametrize("name", LOWERED)
def test_markdown_is_lowered(name):
    source, expected = LOWERED[name]
    assert lowered(source) == expected


def test_works_are_listed_with_their_authors_place_and_link():
    assert lower.reference(WORKS["smith2020"]) == "Ann Smith. *A book*. A press, 2020."
    assert lower.reference(WORKS["two2021"]) == (
        "K. Ito, J. Roe. An article. *A journal*, 2021. <https://doi.org/10.1/2>"
    )
    many = {**WORKS["smith2020"], "author": [*WORKS["smith2020"]["author"], {"literal": "others"}]}
    assert lower.reference(many) == "Ann Smith, et al. *A book*. A press, 2020."


def test_a_heading_that_is_linked_to_gets_an_anchor():
    assert lowered("## 5.1.3 Gradient descent", anchors=["gradient-descent"]) == (
        '<a id="gradient-descent"></a>\n\n## 5.1.3 Gradient descent'
    )
    title = lowered("# 5.1 Linear regression", anchors=["linear-regression"])
    assert title == '# 5.1 Linear regression\n\n<a id="linear-regression"></a>'
    assert lowered("## 5.1.3 Gradient descent") == "## 5.1.3 Gradient descent"


def test_a_link_without_a_place_leaves_its_text():
    assert lowered("the [learning *rate*](g.qmd#x).", link=lambda target: None) == (
        "the learning *rate*."
    )


REFUSED = {
    "::: {.column-margin}\nx\n:::": ".column-margin",
    "::: panel-tabset\nx\n:::": "panel-tabset",
    "::: {.callout-note}\nx\n:::": "without a title",
    '::: {.callout-remark title="x"}\nx\n:::': "callout-remark",
    '::: {.callout-note title="T" icon="false"}\nx\n:::': "icon",
    '::: {.callout-note title="T"}\nx': "not closed",
    "x\n:::": "closes nothing",
    "{{< video x >}}": "shortcode",
    "![a](b.png)": "b.png",
    "[a]{.smallcaps}": "smallcaps",
    "see @fig-one": "@fig-one",
    "see [@nobody1999]": "@nobody1999",
    "```{=html}\n<b>\n```": "{=html}",
    "```python\nx = 1": "code fence",
    "a note[^1]": "[^1]",
    "`<b>`{=html}": "{=html}",
    "Term\n\n:   its definition": "definition list",
    '<script src="x.js"></script>': "<script",
}


@pytest.mark.parametrize("source", REFUSED)
def test_unknown_markup_is_refused_by_name(source):
    with pytest.raises(lower.NotLowered, match=re.escape(REFUSED[source])):
        lowered(source)


def test_identifiers_are_pandocs():
    import pypandoc

    pages = [*(ROOT / "chapters").glob("*.ipynb"), *(ROOT / "chapters").glob("*.qmd")]
    texts = ["## 5.1.3 Gradient descent", "## Use a `class` to: *describe* it!", "# Why is it_so?"]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = nbformat.reads(text, as_version=4).cells
            text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        texts += re.findall(r"^#{1,6} .*$", text, flags=re.MULTILINE)
    for text in texts:
        ((_, _, ours),) = lower.headings(text)
        (block,) = json.loads(pypandoc.convert_text(text, "json", "markdown"))["blocks"]
        assert ours == block["c"][1][0], text


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
    )
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
    return export.export_notebook(export.Book(project), PurePosixPath(f"chapters/{name}.ipynb"))


def set_in_book(project, line):
    path = project / "_quarto.yml"
    path.write_text(path.read_text().replace("book:\n", f"book:\n  {line}\n"))


def text_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def files_of(notebook):
    cells = [cell.source for cell in notebook.cells if cell.source.startswith("%%book_file ")]
    return {c.split(maxsplit=2)[1]: c.split("\n", 2)[2] + "\n" for c in cells}


def test_every_listed_notebook_is_written_and_the_bytes_repeat(project, tmp_path_factory):
    first, second = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    written = export.export_all(project, first)
    assert [path.relative_to(first).as_posix() for path in written] == [
        "notebooks/one.ipynb",
        "notebooks/two.ipynb",
    ]
    again = export.export_all(project, second)
    assert [p.read_bytes() for p in written] == [p.read_bytes() for p in again]
    for path in written:
        nbformat.validate(nbformat.read(path, as_version=4))


def test_the_opening_is_title_note_files_setup(project):
    notebook = exported(project)
    assert [cell.id for cell in notebook.cells[:4]] == [
        "cell-0",
        "edition",
        "files",
        "files-writer",
    ]
    kinds = [cell.source.split("\n")[0] for cell in notebook.cells]
    start = kinds.index("## Start here")
    assert all(kind.startswith("%%book_file ") for kind in kinds[4:start])
    assert kinds[start + 1] == '#@title Setup { display-mode: "form" }'
    assert notebook.metadata.accelerator == "GPU"
    assert notebook.metadata.colab.collapsed_sections == [notebook.cells[2].metadata.id]


def test_what_is_folded_is_folded_for_jupyter_and_for_colab(project):
    notebook = exported(project)
    folded = [cell for cell in notebook.cells if "#@title" in cell.source]
    assert len(folded) == len(files_of(notebook)) + 2
    for cell in folded:
        assert cell.metadata.jupyter.source_hidden and cell.metadata.cellView == "form"
        assert any(line.startswith("#@title") for line in cell.source.split("\n")[:2])


def test_only_the_files_that_are_needed_travel_and_none_is_changed(project):
    files = files_of(exported(project))
    assert next(iter(files)) == "utils/published.json"
    assert set(files) == {
        "utils/published.json",
        "utils/__init__.py",
        "utils/data.py",
        "utils/_validate.py",
    }
    for name, text in files.items():
        assert text.rstrip("\n") == (project / name).read_text(encoding="utf-8").rstrip("\n")


def test_files_that_code_names_travel_too(project):
    cell = new_code_cell('from utils.plots import use_style\n(root / "recorded" / "times.json")')
    write(project, "one", cell)
    assert {"utils/plots.py", "utils/book.mplstyle", "chapters/recorded/times.json"} <= set(
        files_of(exported(project))
    )


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
        "[code](https://github.com/me/book/blob/main/utils/data.py)"
    ) in text_of(exported(project))


def test_no_colab_link_without_a_repository(project):
    assert "colab.research" not in nbformat.writes(exported(project))
    set_in_book(project, "repo-url: https://git.example.org/me/book")  # Colab reads GitHub only
    assert "colab.research" not in nbformat.writes(exported(project))


BROKEN = {
    "an import that does not travel": (new_code_cell("import chapters.x"), "'chapters'"),
    "a dead link": (new_markdown_cell("[x](three.ipynb)"), "'three.ipynb'"),
    "a dead place": (new_markdown_cell("[x](two.ipynb#nowhere)"), "two.ipynb#nowhere"),
    "an unknown option": (new_code_cell("#| layout-ncol: 2\n1"), "'layout-ncol'"),
    "a late option": (new_code_cell("1\n#| echo: false"), "below the first line"),
    "an installation": (new_code_cell("!pip install torch"), "not plain Python"),
    "a raw cell": (nbformat.v4.new_raw_cell("x"), "'raw'"),
    "an unknown block": (new_markdown_cell("::: {.aside}\nx\n:::"), ".aside"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_unknown_is_refused_with_file_and_cell(name, project, capsys):
    cell, words = BROKEN[name]
    write(project, "one", cell)
    with pytest.raises(export.ExportError, match=re.escape(words)) as error:
        exported(project)
    assert str(error.value).startswith("chapters/one.ipynb, cell 3: ")
    assert export.main(["--project", str(project), "--output", str(project / "out")]) == 1
    assert "chapters/one.ipynb, cell 3: " in capsys.readouterr().err


def test_no_text_of_quarto_is_left_in_the_real_notebooks(real):
    for path, notebook in real.items():
        for cell in notebook.cells:
            if cell.source.startswith("%%book_file"):
                continue
            prose = re.sub(r"^```.*?^```|`[^`]*`", "", cell.source, flags=re.DOTALL | re.MULTILINE)
            for markup in (":::", "#|", "{.callout", "[@", "{#", "{{<", ".qmd"):
                assert markup not in prose, f"{path.name}: {markup} in {prose}"


def without_png(output):
    data = {mime: value for mime, value in output.get("data", {}).items() if mime != "image/png"}
    return {**output, "data": data, "execution_count": 0}


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


def test_the_real_notebooks_are_valid_keep_their_outputs_and_fetch_nothing(real):
    for path, notebook in real.items():
        nbformat.validate(notebook)
        source = nbformat.read(ROOT / "chapters" / path.name, as_version=4)
        ours = {cell.id: cell for cell in notebook.cells}
        assert len(ours) == len(notebook.cells), "a cell's name appears twice"
        for cell in source.cells:
            if cell.cell_type == "code":
                assert [without_png(o) for o in ours[cell.id].outputs] == [
                    without_png(o) for o in cell.outputs
                ]
        code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
        assert not re.search(
            r"^\s*[!%](?!%book_file)|\bpip\b|urlopen|urlretrieve", code, re.MULTILINE
        )


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    written = export.export_all(ROOT, tmp_path_factory.mktemp("book"))
    return {path: nbformat.read(path, as_version=4) for path in written}


def test_every_link_has_its_target(tmp_path):
    """With and without a home: what a link in an exported notebook names does exist."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "chapters", copy / "chapters")
    shutil.copytree(ROOT / "utils", copy / "utils", ignore=shutil.ignore_patterns("__pyc*"))
    for name in ("_quarto.yml", "index.qmd"):
        shutil.copy(ROOT / name, copy / name)
    for home in (False, True):
        if home:
            set_in_book(copy, "site-url: https://me.example/book")
            set_in_book(copy, "repo-url: https://github.com/me/book")
        out = tmp_path / f"home-{home}"
        written = export.export_all(copy, out)
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
                elif target.startswith("https://github.com/me/book/blob/main/"):
                    relative = name.removeprefix("https://github.com/me/book/blob/main/")
                    assert (ROOT / relative).exists(), target
                elif not re.match(r"https?:|mailto:", target):
                    other = out / "notebooks" / name if name else path
                    assert other.is_file(), target
                    place = f'<a id="{fragment}"></a>'
                    assert not fragment or place in text_of(nbformat.read(other, as_version=4))
        assert colab == (len(written) if home else 0)
