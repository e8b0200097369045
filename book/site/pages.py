"""The pages of the web edition."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from book import BookError, pandoc, read_text
from book.config import Book, Page
from book.live import files
from book.site import outputs, svg
from book.site.finish import Finished

HERE = Path(__file__).resolve().parent
FILE = "linear-regression"  # .pdf and .epub


def squeezed(path: Path) -> str:
    """A script or a style sheet without comment lines and indentation."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("//", "/*")))


def render(
    book: Book, page: Page, *, editions: bool = False, live: bool = False, python: bool = False
) -> Finished:
    """One page; with links to PDF and EPUB, for a ``live`` preview, with cells that run where there is
    Python for them.  Raises: BookError."""
    notebook, drawings, runs = None, {}, {}
    if page.is_notebook:
        notebook, drawings = outputs.read(book.root / page.source, str(page.source))
        runs = files.page(page.source, notebook) if python else {}
    shown = svg.Page()

    def drawing(source: str, alt: str) -> str:
        if source not in drawings:  # in prose: a file beside the page
            path = book.root / page.source.parent / source
            drawings[source] = outputs.Drawing(read_text(path, f"{page.source}: {source}"))
        element = f'<div class="drawing">{shown.inline(drawings[source].svg, alt)}</div>'
        opening = drawings[source].explorer
        return f"{opening}{element}</gd-explorer>" if opening else element

    variables = _variables(book, page) | {"editions": FILE if editions else "", "live": live}
    variables["python"] = runs.get("python", "")
    # What must run before the first paint stands in the page itself; the policy lets this text run and no other.
    theme = squeezed(HERE / "theme.js")
    variables["theme"] = f"sha256-{b64encode(sha256(theme.encode()).digest()).decode()}"
    text = pandoc.read_page(
        book,
        page.source,
        "html",
        f"--defaults={HERE / 'html.yaml'}",
        *(f"--variable-json={name}:{json.dumps(value)}" for name, value in variables.items()),
        notebook=notebook,
        editions=editions,
        runs=json.dumps(runs.get("runs", {})),
    )
    try:
        finished = Finished(text.decode("utf-8"), str(page.target), drawing)
    except BookError as error:
        raise BookError(f"{page.source}: {error}") from None
    finished.html = finished.html.replace(' src="theme.js">', f">{theme}", 1)
    return finished


def _variables(book: Book, page: Page) -> dict:
    """What the template shows around the text; a text in it is HTML."""
    links = [
        {
            "title": other.title,
            "href": page.root + str(other.target),
            "current": other == page,
            "part": other.part or "",
        }
        for other in book.pages
    ]
    parts = groupby(links, itemgetter("part"))
    place, name = book.pages.index(page), page.source.name
    return {
        "book": {"title": escape(book.title), "description": escape(book.description or "")},
        "root": page.root,
        "start": links[0]["href"],
        "home": name == "index.qmd",
        "parts": [{"name": part, "pages": list(inside)} for part, inside in parts],
        "previous": links[place - 1] if place else "",
        "next": links[place + 1] if page != book.pages[-1] else "",
        "site": book.site or "",
        "address": f"{book.site}/{page.target}" if book.site else "",
        "source-url": book.source_url(page.source) or "",
        "notebook": f"{page.root}notebooks/{name}" if page.is_notebook else "",
        "colab": (page.is_notebook and book.colab_url(name)) or "",
    }


def dead_links(pages: dict[str, Finished]) -> list[str]:
    """A line for each link from page to page, or within one, that leads nowhere."""
    dead = []
    for address, page in pages.items():
        for link in sorted(page.links):
            other, fragment = urldefrag(urljoin(address, link))
            if ":" in other or not other.endswith(".html"):
                continue
            if other not in pages:
                dead.append(f"{address}: a link to '{link}', but there is no such page")
            elif fragment and fragment not in pages[other].ids:
                dead.append(
                    f"{address}: a link to '{link}', but there is no such place in that page"
                )
    return dead
