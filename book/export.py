"""Make the one-file edition of each notebook, for Colab, Kaggle, JupyterLab and VS Code.

An exported notebook needs no other file: the modules that it uses, and their data, travel inside it
as cells that write them as ordinary files.  Its prose comes from Pandoc and ``book/filter.lua``, as
every edition does; code cells and stored outputs stay as they are.  Nothing is fetched and nothing
is installed.
"""

from __future__ import annotations

import ast
import json
import os
import textwrap
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path, PurePosixPath

from book import BookError, notebooks, pandoc, read_text
from book.config import Book
from book.notebooks import Node

#: The packages whose modules travel; what a notebook does not use does not.
PACKAGES = ("utils", "explorer", "exercises")

#: The folders whose data files travel, where code names them.
FOLDERS = (*PACKAGES, "chapters/recorded")

#: The modules that a learner reads, in this order: each has a cell of its own, in plain text.
READABLE = tuple(
    f"utils/{name}.py" for name in ("data", "gradients", "optimizers", "descent", "plots")
)

LIBRARIES = {
    "numpy": "NumPy",
    "sklearn": "scikit-learn",
    "matplotlib": "Matplotlib",
    "torch": "PyTorch",
}

#: The first of the folded cells; it teaches the kernel what the other cells begin with.
WRITER = '''\
#@title How the files are written { display-mode: "form" }
# The cells below hold files of the book. Running one saves its files beside this notebook, so what
# a cell shows is what runs: change it, run it, then run the Setup cell and what follows again.
import json
import sys
from base64 import b64decode
from importlib.util import cache_from_source
from pathlib import Path
from zlib import decompress

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


def book_unpack(packed):
    """Save the files that a cell carries compressed."""
    for name, text in json.loads(decompress(b64decode(packed))).items():
        book_file(name, text)
'''


def export_all(book: Book, out: Path) -> list[Path]:
    """Write ``out/notebooks/NAME.ipynb`` for each notebook of the book.

    Returns: the paths written, in the book's order.  Raises: BookError naming file, cell and reason.
    """
    folder = Path(out) / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    sources = book.notebooks
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # pictures are made here while Pandoc writes
        written = pool.map(lambda source: _prose(book, source), sources)
        read = {source: _read(book, source) for source in sources}
        prose = dict(zip(sources, written))
    linked = {link for one in prose.values() for link in one["links"]}
    shelf = _Shelf(book.root)
    for source in sources:
        notebook = _notebook(book, shelf, source, read[source], prose[source], linked)
        notebooks.save(notebook, folder / source.name)
    return [folder / source.name for source in sources]


def _read(book: Book, source: PurePosixPath) -> Node:
    """The notebook as it is stored, with a PNG beside each vector figure.

    JupyterLab shows no vector graphics of a notebook that it does not trust yet, and without a
    PNG a reader would see only ``<Figure size ...>`` before the first run.
    """
    notebook = notebooks.load(book.root / source, str(source))
    for number, cell in notebooks.code_cells(notebook):
        with notebooks.at(str(source), number, cell):
            for output in cell.outputs:
                data = output.get("data", {})
                if "image/svg+xml" in data and "image/png" not in data:
                    data["image/png"] = b64encode(png(data["image/svg+xml"])).decode() + "\n"
    return notebook


@cache
def png(svg: str, ppi: int = 96) -> bytes:
    """A drawing as a picture.  Raises: BookError."""
    import typst

    page = b'#set page(width: auto, height: auto, margin: 0pt)\n#image("figure.svg")'
    files = {"main.typ": page, "figure.svg": svg.encode()}
    try:
        return typst.compile(files, format="png", ppi=ppi, ignore_system_fonts=True)
    except typst.TypstError as error:
        raise BookError(f"a stored figure that cannot be drawn: {error}") from None


def _notebook(
    book: Book, shelf: _Shelf, source: PurePosixPath, notebook: Node, prose: dict, linked: set[str]
) -> Node:
    """The one-file edition of one notebook; ``linked`` holds the places that need an anchor."""
    cells, names, imports = [], {"utils/__init__.py", "utils/published.json"}, set()
    markdown = prose["cells"]
    for place in prose["places"]:
        if f"{source}#{place}" not in linked:
            anchor = f'<a id="{place}"></a>'
            for id, text in markdown.items():
                markdown[id] = text.replace(f"{anchor}\n\n", "").replace(f"\n\n{anchor}", "")
    for number, cell in enumerate(notebook.cells, 1):
        with notebooks.at(str(source), number, cell):
            if cell.cell_type == "code":
                options, code = notebooks.options(cell.source)
                names |= shelf.needs(code)
                imports |= _imports(code)
                cells.append(_code(cell.id, code, cell.outputs))
                if options.get("code-fold") or options.get("echo") is False:
                    _fold(cells[-1], options.get("code-summary", "Code"))
                for key, value in {**cell.metadata, **options}.items():
                    if key in ("tags", "fig-alt"):
                        cells[-1].metadata[key] = value
        for id in (cell.id, f"caption-{cell.id}"):
            if text := markdown.get(id):
                cells.append(notebooks.markdown_cell(id, text))
    if len(cells) < 2 or not cells[0].source.startswith("# "):
        raise BookError(f"{source}, cell 1: not a heading of the first level")
    if "setup" not in cells[1].metadata.get("tags", []):
        raise BookError(f"{source}, cell 2: not the setup cell (tag 'setup')")
    files = shelf.files(names)
    traveling = (_imports(text) for name, text in files.items() if name.endswith(".py"))
    if "works-cited" in markdown:
        cells.append(notebooks.markdown_cell("works-cited", markdown["works-cited"]))
    cells[1:1] = [
        notebooks.markdown_cell("edition", _edition(book, source, imports.union(*traveling))),
        *_file_cells(book, files),
        notebooks.markdown_cell("start", '<a id="start"></a>\n\n## Start here'),
    ]
    _number(cells)
    colab = {"collapsed_sections": ["files"], "provenance": [], "toc_visible": True}
    metadata = {
        "colab": colab | {"name": source.name},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    if "torch" in imports:  # only PyTorch makes use of one
        metadata["accelerator"], metadata["colab"]["gpuType"] = "GPU", "T4"
    return Node(cells=cells, metadata=metadata, nbformat=4, nbformat_minor=5)


# --- prose ------------------------------------------------------------------------------------


def _prose(book: Book, source: PurePosixPath) -> dict:
    """What Pandoc made of a notebook's Markdown cells and captions.

    Returns: ``cells``, a cell's id -> its Markdown; ``places``, what can be linked to on this page;
    ``links``, where they lead: "chapters/5-1-math.ipynb#loss".
    """
    home = {"site": book.site, "files": book.source_url("")}
    return json.loads(pandoc.read_page(book, source, "notebook", "--to=html", **home))


# --- cells ------------------------------------------------------------------------------------


def _code(id: str, source: str, outputs: Iterable[Node] = ()) -> Node:
    """A code cell; `_number` counts it later."""
    return Node(
        cell_type="code",
        execution_count=None,
        id=id,
        metadata=Node(),
        outputs=list(outputs),
        source=source.rstrip("\n"),
    )


def _fold(cell: Node, title: str | None = None) -> Node:
    """Hide the code: by Jupyter's metadata and Kaggle's, and as a form with a title on Colab."""
    if title:
        cell.source = f'#@title {title} {{ display-mode: "form" }}\n{cell.source}'
    cell.metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}
    cell.metadata["_kg_hide-input"] = True
    return cell


def _edition(book: Book, source: PurePosixPath, imports: set[str]) -> str:
    """The note below the title: what this file is and what it needs."""
    names = [name for module, name in LIBRARIES.items() if module in imports] or ["Python"]
    *first, last = names
    needs = f"{', '.join(first)} and {last}" if first else last
    links = {
        "Start here": "#start",
        "Read this page in the book": book.site
        and f"{book.site}/{source.with_suffix('.html').as_posix()}",
        "Open in Colab": book.colab_url(source.name),
    }
    return (
        f"> **This file stands alone.** It is one page of *{book.title}*, made to run anywhere: on\n"
        "> Colab, on Kaggle, in JupyterLab, in VS Code. Nothing is fetched and nothing is\n"
        f"> installed; it uses the {needs} that {'are' if first else 'is'} there. The book's own\n"
        "> modules are in the first section, for you to read and to change; *Run all* writes them\n"
        "> as files beside this notebook.\n"
        ">\n"
        f"> {' · '.join(f'[{text}]({address})' for text, address in links.items() if address)}"
    )


def _number(cells: list[Node]) -> None:
    """Number the code cells as one run from the top does."""
    code = (cell for cell in cells if cell.cell_type == "code")
    for count, cell in enumerate(code, 1):
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


# --- the files that travel --------------------------------------------------------------------


def _file_cells(book: Book, files: dict[str, str]) -> list[Node]:
    """The section with the book's files: what nobody edits folded, then the modules to read."""
    heading = notebooks.markdown_cell(
        "files",
        "## The book's own files\n\n"
        "The modules that this notebook uses and, folded, what they need. Open this section to read "
        "or change them. *Run all* runs it too, whether it is open or not.",
        id="files",  # Colab's name of the cell, for collapsed_sections
    )
    heading.metadata["jp-MarkdownHeadingCollapsed"] = True
    cells = [heading, _fold(_code("files-writer", WRITER))]
    for folder in FOLDERS:
        names = (name for name in sorted(files) if name.startswith(f"{folder}/"))
        packed = {name: files[name] for name in names if name not in READABLE}
        if packed:
            cells.append(_packed_cell(book, folder, packed))
    for name in READABLE:
        if name in files:
            id, says = f"file-{PurePosixPath(name).stem}", _first_line(name, files[name])
            cells.append(notebooks.markdown_cell(f"{id}-says", f"### `{name}`\n\n{says}"))
            cells.append(_code(id, f"%%book_file {name}\n{files[name]}"))
            cells[-1].metadata["_kg_hide-input"] = True  # Kaggle cannot fold the section
    return cells


def _packed_cell(book: Book, folder: str, files: dict[str, str]) -> Node:
    """Files that nobody changes in a notebook, compressed, and a word on what and where they are."""
    address = book.source_url(folder)
    says = [
        "# These files travel compressed, because nobody needs to change them here. Running the cell",
        "# writes them beside this notebook, as they are; there you can read them"
        + (f", or at {address}:" if address else ":"),
        *(f"# {name}: {_first_line(name, text)}".rstrip(": ") for name, text in files.items()),
    ]
    packed = b64encode(zlib.compress(json.dumps(files).encode(), 9)).decode()
    lines = [*says, 'book_unpack("""', *textwrap.wrap(packed, 2000), '""")']
    cell = _code(f"files-{PurePosixPath(folder).name}", "\n".join(lines))
    return _fold(cell, f"Compressed: {folder} ({len(files)} files)")


def _first_line(name: str, text: str) -> str:
    """The first line of a module's docstring, as Markdown; nothing for other files."""
    says = ast.get_docstring(_parse(text)) if name.endswith(".py") else None
    return (says or "").partition("\n")[0].replace("``", "`")


class _Shelf:
    """The files of the project that can travel, and what each of them needs."""

    def __init__(self, root: Path):
        self.root = root
        self.needs = cache(self._needs)
        #: The name of a file that is no module -> the file, relative to the project.
        self.data = {
            path.name: path.relative_to(root).as_posix()
            for folder in FOLDERS
            for path in (root / folder).glob("*.*")
            if path.suffix != ".py"
        }

    def files(self, names: set[str]) -> dict[str, str]:
        """The texts of these files and of all that they need in turn."""
        files: dict[str, str] = {}
        while names:
            name, *others = names
            # One final newline, as a cell leaves it: the text of a cell ends without its own.
            files[name] = read_text(self.root / name, name).rstrip("\n") + "\n"
            names = {*others}
            if name.endswith(".py"):
                try:
                    names |= self.needs(files[name]) - files.keys()
                except BookError as error:
                    raise BookError(f"{name}: {error}") from None
        return files

    def _needs(self, code: str) -> set[str]:
        """The files that a piece of code imports or names."""
        nodes, names = list(ast.walk(_parse(code))), set()
        if any(getattr(node, "level", None) for node in nodes):
            raise BookError("a relative import")
        for module in _modules(code):
            top = module.partition(".")[0]
            if top not in PACKAGES and (self.root / top).is_dir():
                raise BookError(f"the import of {top!r}, which does not travel")
            folder = module.replace(".", "/")
            for path in (f"{folder}.py", f"{folder}/__init__.py"):
                if top in PACKAGES and (self.root / path).is_file():
                    names |= {path, f"{top}/__init__.py"}
        texts = [getattr(node, "value", None) for node in nodes]
        paths = [PurePosixPath(text) for text in texts if isinstance(text, str)]
        names |= {self.data[path.name] for path in paths if path.name in self.data}
        # A record that code reads without asking whether it is there must travel.
        words = {word for path in paths for word in path.parts}
        words |= {getattr(node, "attr", getattr(node, "id", None)) for node in nodes}
        if "recorded" in words and not words & {"is_file", "exists"}:
            for path in paths:
                if path.suffix == ".json" and path.name not in self.data:
                    raise BookError(f"it reads {path.name}, which is not in chapters/recorded")
        return names


@cache
def _parse(code: str) -> ast.AST:
    try:
        return ast.parse(code)
    except SyntaxError as error:
        raise BookError(f"code that is not plain Python ({error.msg})") from None


@cache
def _imports(code: str) -> set[str]:
    """The top-level names of what the code itself imports."""
    return {module.partition(".")[0] for module in _modules(code)}


def _modules(code: str) -> Iterator[str]:
    """The full names of the modules that are imported, or may be, from a package."""
    for node in ast.walk(_parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
