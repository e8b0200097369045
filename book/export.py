"""Make the self-contained edition of each notebook, for Colab, Kaggle, JupyterLab and VS Code.

An exported notebook needs no other file: the modules of ``utils`` that it uses, and their data,
travel inside it as folded cells that write them as ordinary files.  Quarto's Markdown is lowered
(``book/lower.py``), stored outputs are kept, nothing is fetched and nothing is installed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import re
import sys
from base64 import b64encode
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from posixpath import normpath

import nbformat
import yaml
from nbformat import NotebookNode, from_dict

from book import lower

ROOT = Path(__file__).resolve().parent.parent

#: The options of a code cell (``#| key: value``) that the book's notebook grammar knows.
OPTIONS = ("echo", "code-fold", "code-summary", "fig-cap", "fig-alt", "classes")

#: The packages whose modules travel; what a notebook does not use does not.
PACKAGES = ("utils", "explorer", "exercises")

METADATA = {
    "accelerator": "GPU",
    "colab": {
        "collapsed_sections": ["files"],
        "gpuType": "T4",
        "provenance": [],
        "toc_visible": True,
    },
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

#: The first of the folded cells; it teaches the kernel the magic that the others begin with.
WRITER = '''\
#@title How the files are written { display-mode: "form" }
# Each cell below begins with %%book_file NAME. Running it saves the rest of the cell under that
# name beside this notebook. So what a cell shows is what runs: change it, run it, then run the
# Setup cell and what follows again.
import sys
from importlib.util import cache_from_source
from pathlib import Path

from IPython.core.magic import register_cell_magic

if Path("utils").is_dir() and not Path("utils/published.json").is_file():
    raise FileExistsError(
        "Beside this notebook there is another folder named utils, and nothing in it was changed. "
        "Move the notebook to a folder of its own and run it there."
    )
if "_saved" not in globals():
    _saved = {}  # name -> text, as this kernel saved it


@register_cell_magic
def book_file(name, text):
    """Save the cell under `name`; a file that somebody else changed is first put aside."""
    text = "".join(line for line in text.splitlines(True) if not line.startswith("#@title"))
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    if before not in (None, text, _saved.get(name)):
        copies = (path.with_name(f"{path.stem}.before-{n}{path.suffix}") for n in range(1, 1000))
        aside = next(copy for copy in copies if not copy.exists())
        aside.write_text(before, encoding="utf-8", newline="\\n")
        print(f"{name} differed from this cell; what it held is kept as {aside.as_posix()}")
    if before != text:
        path.write_text(text, encoding="utf-8", newline="\\n")
        # A change within the same second, of the same length, would leave the compiled file in use.
        Path(cache_from_source(name)).unlink(missing_ok=True)
    _saved[name] = text
    # Python keeps what it has imported. Without this, another project's `utils`, or ours as it was
    # before a change, would be used again. (The Setup cell puts this folder first on the path.)
    for module in [m for m in sys.modules if m.split(".")[0] in ("utils", "explorer", "exercises")]:
        del sys.modules[module]
'''


class ExportError(ValueError):
    """A notebook that cannot be exported: the message names the file, the cell and the reason."""


def export_all(project: Path, out: Path) -> list[Path]:
    """Write ``out/notebooks/NAME.ipynb`` for each notebook that ``_quarto.yml`` lists.

    Returns: the paths written, in the book's order.  Raises: ExportError.
    """
    book = Book(Path(project))
    folder = Path(out) / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page in book.notebooks:
        path = folder / page.name
        nbformat.write(export_notebook(book, page), path)
        written.append(path)
    return written


def colab_url(config: dict, name: str) -> str | None:
    """The address that opens the exported notebook in Colab; None without a ``repo-url`` on GitHub.

    Parameters: config, the contents of ``_quarto.yml``; name, such as "5-1-math.ipynb".
    """
    url = (config.get("book") or {}).get("repo-url") or ""
    match = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", url)
    if not match:
        return None
    owner, repository = match.groups()
    return (
        f"https://colab.research.google.com/github/{owner}/{repository}"
        f"/blob/gh-pages/notebooks/{name}"
    )


@dataclass
class Book:
    """The sources of the book, read once."""

    root: Path
    config: dict = field(init=False)
    pages: list[PurePosixPath] = field(init=False)
    _read: dict[PurePosixPath, NotebookNode] = field(init=False, default_factory=dict)

    def __post_init__(self):
        self.config = yaml.safe_load((self.root / "_quarto.yml").read_text(encoding="utf-8"))
        self.pages = [PurePosixPath(page) for page in _pages(self.config["book"])]

    @property
    def notebooks(self) -> list[PurePosixPath]:
        return [page for page in self.pages if page.suffix == ".ipynb"]

    @property
    def site(self) -> str | None:
        url = self.config["book"].get("site-url")
        return url.rstrip("/") if url else None

    def read(self, page: PurePosixPath) -> NotebookNode:
        """The notebook, read once and not to be changed."""
        if page not in self._read:
            self._read[page] = nbformat.read(self.root / page, as_version=4)
        return self._read[page]

    @cached_property
    def works(self) -> dict[str, dict]:
        name = self.config.get("bibliography")
        return lower.load_works(self.root / name if name else None)

    @cached_property
    def targets(self) -> dict[PurePosixPath, set[str]]:
        """Page -> the identifiers on it that some page of the book links to."""
        found: dict[PurePosixPath, set[str]] = {page: set() for page in self.pages}
        for page in self.pages:
            for target in re.findall(r"\]\(\s*([^()\s]*#[^()\s]+)", self._text(page)):
                path, _, fragment = target.partition("#")
                other = _resolve(page, path) if path else page
                if other in found and "://" not in target:
                    found[other].add(fragment)
        return found

    def identifiers(self, page: PurePosixPath) -> set[str]:
        """All identifiers on a page, of headings and of divs, each heading's name numbered apart."""
        text = self._text(page)
        seen: dict[str, int] = {}
        names = set(lower.explicit_ids(text))
        for _, _, name in lower.headings(text):
            names.add(f"{name}-{seen[name]}" if name in seen else name)
            seen[name] = seen.get(name, 0) + 1
        return names

    def _text(self, page: PurePosixPath) -> str:
        if not (self.root / page).is_file():
            return ""
        if page.suffix != ".ipynb":
            return (self.root / page).read_text(encoding="utf-8")
        cells = [cell.source for cell in self.read(page).cells if cell.cell_type == "markdown"]
        return "\n\n".join(cells)


def export_notebook(book: Book, page: PurePosixPath) -> NotebookNode:
    """Return the self-contained edition of one notebook of the book.

    Parameters: book; page, relative to the project, such as ``chapters/5-1-math.ipynb``.
    Raises: ExportError naming the file, the cell and the construct.
    """
    source = book.read(page)
    context = lower.Page(
        link=lambda target: _link(book, page, target),
        works=book.works,
        anchors=frozenset(book.targets.get(page, ())),
    )
    cells, names = [], {"utils/__init__.py", "utils/published.json"}
    for number, cell in enumerate(source.cells, start=1):
        try:
            if cell.cell_type == "markdown":
                if cell.get("attachments"):
                    raise lower.NotLowered("an attachment")
                cells.append(_markdown_cell(cell.id, lower.markdown(cell.source, context)))
            elif cell.cell_type == "code":
                cells += _code_cells(cell, context)
                names |= _needs(book.root, _parse(cell.source))
            else:
                raise lower.NotLowered(f"a cell of type {cell.cell_type!r}")
        except lower.NotLowered as error:
            raise ExportError(f"{page}, cell {number}: {error}") from error
    title, setup, rest = _opening(page, cells)
    cells = [
        title,
        _markdown_cell("edition", _edition(book, page, source)),
        *_file_cells(_files(book.root, names)),
        _markdown_cell("start", "## Start here"),
        setup,
        *rest,
    ]
    if context.cited:
        lines = [f"- {lower.reference(book.works[key])}" for key in sorted(context.cited)]
        cells.append(_markdown_cell("works-cited", "\n".join(["## Works cited", "", *lines])))
    _number(cells)
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(METADATA))
    notebook.metadata.colab["name"] = page.name
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return notebook


# --- pages and links --------------------------------------------------------------------------


def _pages(node) -> list[str]:
    """The files listed under ``book``: chapters, parts and their chapters, appendices."""
    if isinstance(node, str):
        return [node] if node.endswith((".qmd", ".ipynb", ".md")) else []
    if isinstance(node, list):
        return [page for item in node for page in _pages(item)]
    return [
        page for key in ("part", "chapters", "appendices") for page in _pages(node.get(key, []))
    ]


def _resolve(page: PurePosixPath, path: str) -> PurePosixPath:
    return PurePosixPath(normpath((page.parent / path).as_posix()))


def _link(book: Book, page: PurePosixPath, target: str) -> str | None:
    """Where a link of ``page`` leads from the exported notebook; None where only its text can stay."""
    if re.match(r"(https?|mailto):", target):
        return target
    path, _, fragment = target.partition("#")
    other = _resolve(page, path) if path else page
    anchor = f"#{fragment}" if fragment else ""
    if not (book.root / other).exists():
        raise lower.NotLowered(f"the link to {target!r}: there is no such file")
    if fragment and fragment not in book.identifiers(other):
        raise lower.NotLowered(f"the link to {target!r}: there is no such place in {other.name}")
    if other == page:
        return anchor or page.name
    if other in book.pages:
        if book.site:
            return f"{book.site}/{other.with_suffix('.html')}{anchor}"
        return f"{other.name}{anchor}" if other.suffix == ".ipynb" else None
    repository = (book.config["book"].get("repo-url") or "").rstrip("/")
    return f"{repository}/blob/main/{other}" if repository else None


# --- cells ------------------------------------------------------------------------------------


def _markdown_cell(id: str, source: str, /, **metadata) -> NotebookNode:
    return from_dict({"cell_type": "markdown", "id": id, "metadata": metadata, "source": source})


def _code_cell(id: str, source: str, outputs=()) -> NotebookNode:
    return from_dict(
        {
            "cell_type": "code",
            "execution_count": None,  # `_number` knows
            "id": id,
            "metadata": {},
            "outputs": [copy.deepcopy(output) for output in outputs],
            "source": source,
        }
    )


def _code_cells(cell: NotebookNode, context: lower.Page) -> list[NotebookNode]:
    """The code cell, folded where its options say so, and the caption below it as a cell."""
    options, code = _options(cell.source)
    new = _code_cell(cell.id, code, cell.outputs)
    if cell.metadata.get("tags"):
        new.metadata["tags"] = list(cell.metadata.tags)
    if options.get("code-fold") is True or options.get("echo") is False:
        _fold(new, options.get("code-summary", "Code"))
    for output in new.outputs:
        _add_picture(output)
    if "fig-alt" in options:
        new.metadata["fig-alt"] = options["fig-alt"]
    caption = _caption(options, context)
    return [new] if caption is None else [new, _markdown_cell(f"caption-{cell.id}", caption)]


def _add_picture(output: NotebookNode) -> None:
    """Give a stored vector figure a PNG beside it.

    JupyterLab shows no vector graphics of a notebook that it does not trust yet, and without a
    PNG a reader would see only ``<Figure size ...>`` before the first run.
    """
    data = output.get("data", {})
    if "image/svg+xml" in data and "image/png" not in data:
        data["image/png"] = _png(data["image/svg+xml"])


@cache
def _png(svg: str) -> str:
    import typst

    page = b'#set page(width: auto, height: auto, margin: 0pt)\n#image("figure.svg")'
    files = {"main.typ": page, "figure.svg": svg.encode()}
    picture = typst.compile(files, format="png", ppi=96, ignore_system_fonts=True)
    return b64encode(picture).decode() + "\n"


def _options(source: str) -> tuple[dict, str]:
    lines = source.splitlines()
    first = next((i for i, line in enumerate(lines) if not line.startswith("#|")), len(lines))
    if any(line.lstrip().startswith("#|") for line in lines[first:]):
        raise lower.NotLowered("an option (#|) below the first line of code")
    options = yaml.safe_load("\n".join(line[2:].removeprefix(" ") for line in lines[:first])) or {}
    for key, value in options.items():
        if key not in OPTIONS:
            raise lower.NotLowered(f"the option {key!r}")
        if key == "classes" and value != "as-published":
            raise lower.NotLowered(f"the class {value!r}")
        if key in ("echo", "code-fold") and not isinstance(value, bool):
            raise lower.NotLowered(f"the value {value!r} of {key!r}")
    return options, "\n".join(lines[first:])


def _fold(cell: NotebookNode, title: str) -> None:
    """Hide the code: by Jupyter's metadata, and as a form with a title on Colab."""
    form = f'#@title {title} {{ display-mode: "form" }}\n'
    if cell.source.startswith("%%"):
        magic, _, rest = cell.source.partition("\n")
        cell.source = f"{magic}\n{form}{rest}"
    else:
        cell.source = form + cell.source
    cell.metadata["cellView"] = "form"
    cell.metadata["jupyter"] = {"source_hidden": True}


def _caption(options: dict, context: lower.Page) -> str | None:
    if "fig-cap" not in options:
        return None
    caption = lower.markdown(str(options["fig-cap"]).strip(), context)
    caption = re.sub(r"^(Figure [\w.]+?\.)(?=\s)", r"**\1**", caption)
    if "fig-alt" not in options:
        return caption
    # Jupyter shows stored pictures without their alternative text, so it stands below them.
    alt = lower.markdown(str(options["fig-alt"]).strip(), context)
    return f"{caption}\n\n<details>\n<summary>The figure in words</summary>\n\n{alt}\n\n</details>"


def _opening(page: PurePosixPath, cells: list) -> tuple[NotebookNode, NotebookNode, list]:
    if len(cells) < 2 or not cells[0].source.startswith("# "):
        raise ExportError(f"{page}, cell 1: not a heading of the first level")
    if "setup" not in cells[1].metadata.get("tags", []):
        raise ExportError(f"{page}, cell 2: not the setup cell (tag 'setup')")
    return cells[0], cells[1], cells[2:]


def _edition(book: Book, page: PurePosixPath, source: NotebookNode) -> str:
    """The note below the title: what this file is and what it needs."""
    title = book.config["book"]["title"]
    code = "\n".join(cell.source for cell in source.cells if cell.cell_type == "code")
    needs = ["NumPy", "scikit-learn", "Matplotlib"]
    if re.search(r"^\s*(import|from) torch\b", code, flags=re.MULTILINE):
        needs.append("PyTorch")
    lines = [
        f"> **This file stands alone.** It is one page of *{title}*, made to run anywhere: on",
        "> Colab, on Kaggle, in JupyterLab, in VS Code. Nothing is fetched and nothing is",
        f"> installed; it uses the {', '.join(needs[:-1])} and {needs[-1]} that are there. The",
        "> book's own modules are in the folded cells below, for you to read and to change;",
        "> *Run all* writes them as files beside this notebook.",
    ]
    links = []
    if book.site:
        links.append(f"[Read this page in the book]({book.site}/{page.with_suffix('.html')})")
    colab = colab_url(book.config, page.name)
    if colab:
        links.append(f"[Open in Colab]({colab})")
    if links:
        lines += [">", f"> {' · '.join(links)}"]
    return "\n".join(lines)


def _number(cells: list[NotebookNode]) -> None:
    """Number the code cells as one run from the top does."""
    count = 0
    for cell in cells:
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


# --- the files that travel --------------------------------------------------------------------


def _file_cells(files: dict[str, str]) -> list[NotebookNode]:
    heading = _markdown_cell(
        "files",
        "## The book's own files\n\n"
        "The modules and data that this notebook uses, one cell a file. Run them once; you can "
        "fold this section away.",
        id="files",  # Colab's name of the cell, for collapsed_sections
    )
    heading.metadata["jp-MarkdownHeadingCollapsed"] = True
    writer = _code_cell("files-writer", WRITER.rstrip("\n"))
    writer.metadata["cellView"] = "form"
    writer.metadata["jupyter"] = {"source_hidden": True}
    cells = [heading, writer]
    for name in sorted(files, key=_rank):
        id = "file-" + re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
        cell = _code_cell(id, f"%%book_file {name}\n{files[name]}".rstrip("\n"))
        _fold(cell, name)
        cells.append(cell)
    return cells


def _rank(name: str) -> tuple:
    """published.json first: where it is, the folder is known to be ours; then code, then data."""
    return (name != "utils/published.json", not name.endswith(".py"), name)


def _files(root: Path, names: set[str]) -> dict[str, str]:
    """The texts of these files of the book and of all that they need in turn."""
    files: dict[str, str] = {}
    names = set(names)
    while names:
        name = names.pop()
        text = (root / name).read_text(encoding="utf-8")
        # One final newline, as a cell leaves it: the text of a cell ends without its own.
        files[name] = text.rstrip("\n") + "\n"
        if name.endswith(".py"):
            names |= _needs_of_module(root, text) - files.keys()
    return files


@cache
def _needs_of_module(root: Path, text: str) -> set[str]:
    return _needs(root, ast.parse(text))


def _parse(code: str) -> ast.AST:
    try:
        return ast.parse(code)
    except SyntaxError as error:
        raise lower.NotLowered(f"code that is not plain Python ({error.msg})") from error


def _needs(root: Path, tree: ast.AST) -> set[str]:
    """The project's files that a piece of code imports or names."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise lower.NotLowered("a relative import")
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            modules = []
        for module in modules:
            package = module.partition(".")[0]
            if package not in PACKAGES and (root / package).is_dir():
                raise lower.NotLowered(f"the import of {package!r}, which does not travel")
            folder = module.replace(".", "/")
            for path in (f"{folder}.py", f"{folder}/__init__.py"):
                if package in PACKAGES and (root / path).is_file():
                    names |= {path, f"{package}/__init__.py"}
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for folder in (*PACKAGES, "chapters/recorded"):
                name = f"{folder}/{PurePosixPath(node.value).name}" if node.value else folder
                if not name.endswith(".py") and _is_plain(node.value) and (root / name).is_file():
                    names.add(name)
    return names


def _is_plain(text: str) -> bool:
    """Whether a string can be the name of a file: ``book.mplstyle``, ``recorded/timings.json``."""
    return re.fullmatch(r"[\w./-]+\.\w+", text) is not None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m book.export", description=__doc__)
    parser.add_argument("--project", type=Path, default=ROOT, help="default: this repository")
    parser.add_argument("--output", type=Path, default=ROOT / "_book", help="default: _book")
    options = parser.parse_args(arguments)
    try:
        written = export_all(options.project, options.output)
    except (ExportError, FileNotFoundError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(f"{path} {path.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
