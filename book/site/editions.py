"""The editions in one document: PDF by Typst, EPUB by Pandoc."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from book import BookError, notebooks, pandoc, read_text
from book.config import Book, Page
from book.notebooks import Node
from book.site import outputs
from book.site.pages import FILE, HERE
from book.site.svg import parsed


def pdf(book: Book, out: Path, scratch: Path) -> Path:
    import typst

    source, path = scratch / "book.typ", out / f"{FILE}.pdf"
    template = f"--template={HERE / 'book.typ'}"
    _write(book, "typst", scratch, "--to=typst", "--wrap=none", template, f"--output={source}")
    try:
        typst.compile(
            str(source), output=str(path), root=str(scratch), font_paths=[str(HERE / "print")]
        )
    except typst.TypstError as error:
        raise BookError(f"PDF: {error}") from None
    return path


def epub(book: Book, out: Path, scratch: Path) -> Path:
    path = out / f"{FILE}.epub"
    _write(
        book,
        "epub",
        scratch,
        f"--defaults={HERE / 'epub.yaml'}",
        f"--resource-path={scratch}",
        f"--output={path}",
    )
    return path


def _write(book: Book, edition: str, scratch: Path, *arguments: str) -> None:
    """All pages as one document, their drawings as files in ``scratch/media``."""
    (scratch / "media").mkdir(exist_ok=True)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        pages = list(pool.map(lambda page: one_page(book, page, edition, scratch), book.pages))
    blocks, back, part = [], [], None
    for page, (one, solutions) in zip(book.pages, pages):
        if page.part != part and edition == "typst":
            blocks.append({"t": "RawBlock", "c": ["typst", f"#part[{page.part}]"]})
        part = page.part
        blocks += one["blocks"]
        back += solutions
    names = ("title", "subtitle", "description", "lang")
    meta = {n: {"t": "MetaString", "c": text} for n in names if (text := getattr(book, n))}
    document = {**pages[0][0], "meta": meta, "blocks": blocks + back}
    pandoc.run("--from=json", *arguments, stdin=json.dumps(document).encode(), page=edition)


def one_page(book: Book, page: Page, edition: str, scratch: Path) -> tuple[dict, list]:
    """One page through the filter, its drawings in ``scratch/media``; and apart the blocks of its
    solutions, the cells with the tag ``solution``, which stand at the end of the book."""
    if not page.is_notebook:
        return _document(book, page, edition, scratch, None, {}), []
    notebook, drawings = outputs.read(book.root / page.source, str(page.source))
    cells = notebook.cells
    notebook.cells = [cell for cell in cells if not _is_solution(cell)]
    document = _document(book, page, edition, scratch, notebook, drawings)
    notebook.cells = list(_titled(page, filter(_is_solution, cells)))
    if not notebook.cells:
        return document, []
    return document, _document(book, page, edition, scratch, notebook, drawings)["blocks"]


def _titled(page: Page, cells: Iterable[Node]) -> Iterator[Node]:
    """The cells of solutions, each exercise under a title made from the ids of its cells."""
    before = None
    for cell in cells:
        _, chapter, number, *_ = cell.id.split("-")
        if (chapter, number) != before:
            first = "" if before else f"# Solutions {{#solutions-{page.source.stem}}}\n\n"
            title = f"## Exercise {chapter}.{number} {{#solution-{chapter}-{number}}}"
            yield notebooks.markdown_cell(f"title-{chapter}-{number}", first + title)
        before = (chapter, number)
        yield cell


def _is_solution(cell: Node) -> bool:
    return "solution" in cell.metadata.get("tags", ())


def _document(book: Book, page: Page, edition: str, scratch: Path, notebook, drawings) -> dict:
    made = pandoc.read_page(book, page.source, edition, "--to=json", notebook=notebook)
    document = json.loads(made)
    for image in _images(document["blocks"]):
        attributes, _, target = image["c"]
        source = target[0]
        if source in drawings:
            svg = drawings[source].svg
        else:
            svg = read_text(book.root / page.source.parent / source, f"{page.source}: {source}")
        target[0] = f"media/{page.source.stem}-{Path(source).stem}.svg"
        (scratch / target[0]).write_text(svg, "utf-8")
        if edition == "typst" and "width" not in dict(attributes[2]):
            # On paper a little smaller than drawn, and never wider than the text, of 402 points.
            box = parsed(svg).get("viewBox", "0 0 400 0").split()
            attributes[2].append(["width", f"{min(100, float(box[2]) * 0.85 / 4.02):.0f}%"])
    return document


def _images(value) -> Iterator[dict]:
    """The images of a document, at every depth."""
    if isinstance(value, dict) and value.get("t") == "Image":
        yield value
    elif isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from _images(below)
