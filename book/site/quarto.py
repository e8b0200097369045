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
    """The notebook with its HTML outputs as raw HTML in Markdown, a table in a box that scrolls.

    To a page with an output of the type HTML Quarto adds two scripts from another host.
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if "text/html" in (data := output.get("data") or {}):
                html = "".join(data["text/html"]).strip()
                if "<gd-explorer" not in html:
                    html = f'<div class="book-table" tabindex="0" role="group" aria-label="Table">\n{html}\n</div>'
                output["data"] = {"text/markdown": f"```{{=html}}\n{html}\n```\n"}
    return notebook


def add_what_is_linked() -> None:
    """Into Quarto's output folder; the PDF and the EPUB only if the whole book was rendered or they
    are not there."""
    sys.path[0] = str(ROOT)
    try:
        import pypandoc  # noqa: F401
        import typst  # noqa: F401

        from book.config import Book
        from book.site import pages, render
    except ImportError as error:
        if OURS.is_file() and Path(sys.prefix) != OURS.parents[1]:
            os.execv(OURS, [str(OURS), *sys.argv])
        sys.exit(
            f"{sys.executable}: {error}. `make book` makes an environment with all that is needed."
        )
    out = ROOT / os.environ["QUARTO_PROJECT_OUTPUT_DIR"]
    there = all((out / f"{pages.FILE}.{kind}").exists() for kind in ("pdf", "epub"))
    whole = "QUARTO_PROJECT_RENDER_ALL" in os.environ
    html_only = "BOOK_HTML_ONLY" in os.environ or (there and not whole)
    try:
        render.accompany(Book.read(ROOT), out, html_only, print)
    except render.BookError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    if "--after" in sys.argv:
        add_what_is_linked()
    else:
        json.dump(for_quarto(json.load(sys.stdin)), sys.stdout)
