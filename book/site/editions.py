"""The editions in one document: PDF by Typst, EPUB by Pandoc."""

from __future__ import annotations

import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from book import BookError, notebooks, pandoc, read_text
from book.config import Book, Page
from book.notebooks import Node
from book.site import mathml, outputs, svg
from book.site.pages import FILE, HERE

MATHML = "http://www.w3.org/1998/Math/MathML"
SVG = "http://www.w3.org/2000/svg"
PART = "part-"  # how the file of a part is called in the EPUB


def pdf(book: Book, out: Path, scratch: Path) -> Path:
    import pikepdf

    source, path = scratch / "book.typ", out / f"{FILE}.pdf"
    template = f"--template={HERE / 'book.typ'}"
    _write(book, "typst", scratch, "--to=typst", "--wrap=none", template, f"--output={source}")
    _set(scratch, source.name, path)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        document.save(object_stream_mode=pikepdf.ObjectStreamMode.generate)  # half the size
    return path


def epub(book: Book, out: Path, scratch: Path) -> Path:
    path, cover = out / f"{FILE}.epub", scratch / "cover.png"
    words = "\n".join((book.title, book.subtitle or "", book.author or ""))
    _set(scratch, "cover-page.typ", cover, ppi=216, sys_inputs={"words": words})
    how = f"--defaults={HERE / 'epub.yaml'}", f"--resource-path={scratch}"
    to = f"--epub-cover-image={cover}", f"--output={path}"
    _name(path, _write(book, "epub", scratch, *how, *to))
    return path


def _set(scratch: Path, source: str, path: Path, **options) -> None:
    """What Typst makes of a file in ``scratch``.  Raises: BookError with its message."""
    import typst

    for file in HERE.glob("cover*.typ"):
        shutil.copy(file, scratch)
    places, fonts = map(str, (scratch / source, path, scratch)), [str(HERE / "print")]
    try:
        typst.compile(*places, fonts, ignore_system_fonts=True, **options)
    except typst.TypstError as error:
        raise BookError(f"{path.suffix[1:].upper()}: {error}") from None


def _write(book: Book, edition: str, scratch: Path, *arguments: str) -> dict[str, str]:
    """All pages as one document, their drawings as files in ``scratch/media``.

    Returns: the chapters in order, and among them the parts, each by its name with its title.
    """
    (scratch / "media").mkdir(exist_ok=True)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        pages = list(pool.map(lambda page: one_page(book, page, edition, scratch), book.pages))
    blocks, back, part, chapters = [], [], None, {}
    for page, (one, solutions) in zip(book.pages, pages):
        if page.part and page.part != part:
            inside = [o["blocks"][0] for p, (o, _) in zip(book.pages, pages) if p.part == page.part]
            blocks += _part(page.part, edition, inside)
            chapters[f"{PART}{page.part.lower().replace(' ', '-')}"] = page.part
        part = page.part
        chapters[page.source.stem] = page.title
        blocks += one["blocks"]
        back += solutions
    if back:
        chapters["solutions"] = "Solutions"
    names = ("title", "subtitle", "author", "description", "lang")
    meta = {n: {"t": "MetaString", "c": text} for n in names if (text := getattr(book, n))}
    # The same book has the same name wherever and whenever it is built.
    name = uuid.uuid5(uuid.NAMESPACE_URL, book.site or book.title).urn
    meta["identifier"] = {"t": "MetaString", "c": name}
    document = {**pages[0][0], "meta": meta, "blocks": blocks + back}
    pandoc.run("--from=json", *arguments, stdin=json.dumps(document).encode(), page=edition)
    return chapters


def _part(name: str, edition: str, headings: list[dict]) -> list[dict]:
    """The page of a part; in an EPUB with links to its chapters, whose first headings are given."""
    if edition == "typst":
        return [{"t": "RawBlock", "c": ["typst", f"#part[{name}]"]}]
    links = [
        {"t": "Link", "c": [["", [], []], inlines, [f"#{attributes[0]}", ""]]}
        for _, attributes, inlines in (heading["c"] for heading in headings)
    ]
    title = {"t": "Header", "c": [1, ["", [], []], [{"t": "Str", "c": name}]]}
    return [title, {"t": "BulletList", "c": [[{"t": "Plain", "c": [link]}] for link in links]}]


def _name(path: Path, chapters: dict[str, str]) -> None:
    """Give the chapters of an EPUB, which Pandoc numbers, their names and titles, and put them
    below their parts in the two tables of contents."""
    with zipfile.ZipFile(path) as archive:
        files = {entry: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in files.items():
            if entry.filename.endswith((".opf", ".ncx", ".xhtml")):
                text = content.decode("utf-8")
                for number, (name, title) in enumerate(chapters.items(), 1):
                    file = f"ch{number:03d}.xhtml"
                    text = text.replace(f"<title>{file}</title>", f"<title>{title}</title>")
                    text = text.replace(file, f"{name}.xhtml")
                    entry.filename = entry.filename.replace(file, f"{name}.xhtml")
                content = _with_accents(text).encode("utf-8")
            if entry.filename.endswith(("nav.xhtml", "toc.ncx")):
                content = _in_parts(content)
            archive.writestr(entry, content, entry.compress_type)


def _with_accents(text: str) -> str:
    """A chapter whose formulas are laid like those of the pages."""
    before, *rest = text.split("<math ")
    for one in rest:
        formula, after = one.split("</math>", 1)
        plain = f"<math {formula}</math>".replace(f' xmlns="{MATHML}"', "")
        formula = mathml.laid(plain, styled=False)
        before += formula.replace("<math", f'<math xmlns="{MATHML}"', 1) + after
    return before


def _in_parts(contents: bytes) -> bytes:
    """A table of contents, nav.xhtml or toc.ncx, with the chapters after a part below it.  Its
    entries are text: what is mathematics in a heading, a reader's menu could not show."""
    root = ElementTree.fromstring(contents)
    space = root.tag.partition("}")[0] + "}"
    for link in root.iter(f"{space}a"):
        for source in link.iter(f"{{{MATHML}}}annotation"):
            source.text = None
        link.text, link[:] = "".join(link.itertext()), []
    entries = root.find(f".//{space}ol") if root.tag.endswith("html") else root[-1]
    below = None
    for entry in list(entries):
        places = (place.get("href") or place.get("src") or "" for place in entry.iter())
        if f"/{PART}" in next(filter(None, places), ""):
            below = (
                ElementTree.SubElement(entry, f"{space}ol") if entries.tag.endswith("ol") else entry
            )
        elif below is not None:
            entries.remove(entry)
            below.append(entry)
    ElementTree.register_namespace("", space[1:-1])
    ElementTree.register_namespace("epub", "http://www.idpf.org/2007/ops")
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def one_page(book: Book, page: Page, edition: str, scratch: Path) -> tuple[dict, list]:
    """One page through the filter, its drawings in ``scratch/media``; and apart the blocks of its
    solutions, which stand at the end of the book.  Tags say which cells these are, and which are
    not printed: what sets the page up, and what is alive on the web."""
    if not page.is_notebook:
        return _document(book, page, edition, scratch, None, {}), []
    notebook, drawings = outputs.read(book.root / page.source, str(page.source))
    shown, solutions = [], []
    for exercise, cells in groupby(notebook.cells, _solved_exercise):
        if not exercise:
            shown += [cell for cell in cells if not {"setup", "web"} & _tags(cell)]
            continue
        link = f"[[Solution](#solution-{exercise})]{{#to-solution-{exercise}}}"
        title = "" if solutions else f"# Solutions {{#solutions-{page.source.stem}}}\n\n"
        title += f"## Exercise {exercise.replace('-', '.')} {{#solution-{exercise}}}\n\n"
        title += f"[Back to the exercise](#to-solution-{exercise})"
        shown.append(notebooks.markdown_cell(f"to-{exercise}", link))
        solutions += [notebooks.markdown_cell(f"title-{exercise}", title), *cells]
    notebook.cells = shown
    document = _document(book, page, edition, scratch, notebook, drawings)
    if not solutions:
        return document, []
    notebook.cells = solutions
    return document, _document(book, page, edition, scratch, notebook, drawings)["blocks"]


def _solved_exercise(cell: Node) -> str:
    """The number of the exercise, as "5-1", if the cell belongs to its solution."""
    return "-".join(cell.id.split("-")[1:3]) if "solution" in _tags(cell) else ""


def _tags(cell: Node) -> set[str]:
    return set(cell.metadata.get("tags", ()))


def _document(book: Book, page: Page, edition: str, scratch: Path, notebook, drawings) -> dict:
    made = pandoc.read_page(book, page.source, edition, "--to=json", notebook=notebook)
    document = json.loads(made)
    for image in _images(document["blocks"]):
        attributes, _, target = image["c"]
        source = target[0]
        if source in drawings:
            text = drawings[source].svg
        else:
            text = read_text(book.root / page.source.parent / source, f"{page.source}: {source}")
        target[0] = f"media/{page.source.stem}-{Path(source).stem}.svg"
        root = svg.parsed(text)
        for path in root.iter(f"{{{SVG}}}path"):
            path.set("d", svg.rounded(svg.simplified(path.get("d", ""))))
        ElementTree.register_namespace("", SVG)
        ElementTree.ElementTree(root).write(scratch / target[0], "utf-8")
        if edition == "typst" and "width" not in dict(attributes[2]):
            # On paper smaller than drawn, and never wider than the text, of 402 points.
            box = root.get("viewBox", "0 0 400 0").split()
            attributes[2].append(["width", f"{min(100, float(box[2]) * 0.78 / 4.02):.0f}%"])
    return document


def _images(value) -> Iterator[dict]:
    """The images of a document, at every depth."""
    if isinstance(value, dict) and value.get("t") == "Image":
        yield value
    elif isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from _images(below)
