"""What Quarto calls, as ``_quarto.yml`` says.

``ipynb-filters`` sends each notebook through here on its way to Quarto.  ``post-render``, with the
argument ``--after``, adds what the pages link to: the one-file notebooks, the PDF and the EPUB.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / ".venv" / "bin" / "python"


def for_quarto(notebook: dict) -> dict:
    """The notebook with its HTML outputs as raw HTML in Markdown, a table in a box that scrolls, and
    figures whose panels stack on a phone as the Pandoc edition has them.

    To a page with an output of the type HTML Quarto adds two scripts from another host.
    """
    from book import notebooks
    from book.site import svg

    page = svg.Page()
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            html, data = "", output.get("data") or {}
            if "text/html" in data:
                html = "".join(data["text/html"]).strip()
                if "<gd-explorer" not in html:
                    html = f'<div class="book-table" tabindex="0" role="group" aria-label="Table">\n{html}\n</div>'
            elif "image/svg+xml" in data:
                drawing = "".join(data["image/svg+xml"])
                options, _ = notebooks.options("".join(cell["source"]))
                if svg.Page().inline(drawing, "").startswith("<div"):
                    html = page.inline(drawing, options.get("fig-alt", ""))
            if html:
                output["data"] = {"text/markdown": f"```{{=html}}\n{html}\n```\n"}
    return notebook


def add_what_is_linked() -> None:
    """Into Quarto's output folder; the PDF and the EPUB only if the whole book was rendered or they
    are not there."""
    from book.config import Book
    from book.site import pages, render

    out = ROOT / os.environ["QUARTO_PROJECT_OUTPUT_DIR"]
    there = all((out / f"{pages.FILE}.{kind}").exists() for kind in ("pdf", "epub"))
    whole = "QUARTO_PROJECT_RENDER_ALL" in os.environ
    html_only = "BOOK_HTML_ONLY" in os.environ or (there and not whole)
    try:
        render.accompany(Book.read(ROOT), out, html_only, print)
    except render.BookError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    try:
        import pypandoc  # noqa: F401
        import typst  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as error:
        if OURS.is_file() and Path(sys.prefix) != OURS.parents[1]:
            os.execv(OURS, [str(OURS), *sys.argv])
        sys.exit(
            f"{sys.executable}: {error}. `make book` makes an environment with all that is needed."
        )
    if "--after" in sys.argv:
        add_what_is_linked()
    else:
        json.dump(for_quarto(json.load(sys.stdin)), sys.stdout)
