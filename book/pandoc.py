"""Pandoc, and the one filter through which it reads the pages of the book."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path, PurePosixPath

from book import BookError, notebooks, read_text

HERE = Path(__file__).resolve().parent


@cache
def path() -> str:
    import pypandoc

    return pypandoc.get_pandoc_path()


def run(*arguments, stdin: bytes | None = None, page: str = "") -> bytes:
    """Run Pandoc.  Raises: BookError with the filter's message, or Pandoc's own with the page."""
    done = subprocess.run(
        [path(), *map(str, arguments)], input=stdin, capture_output=True, check=False
    )
    message = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode or message:
        ours = re.search(r"^BOOK (.*)$", message, re.MULTILINE)
        raise BookError(ours[1] if ours else f"{page}: {message}".lstrip(": "))
    return done.stdout


def read_page(book, source: PurePosixPath, edition: str, *more, notebook=None, **metadata) -> bytes:
    """One page of the book through the filter.

    Parameters: book, a config.Book; source, the page, relative to the project; edition, which the
    filter knows; more, arguments that say what to write; notebook, the page as it is to be shown,
    by default as it is without outputs; metadata, what else the filter is told.
    """
    name, reader = str(source), []
    if source.suffix == ".ipynb":
        shown = notebook or notebooks.load(book.root / source, name)
        text = _for_filter(shown, name, not notebook)
    else:
        text, reader = read_text(book.root / source, name), ["--from=markdown"]
    # Values of -M are taken as they stand; those of a metadata file are read as Markdown.
    metadata |= {
        "edition": edition,
        "page": name,
        "project": book.root,
        "lang": book.lang,
        "pages": json.dumps({str(page.source): page.anchor for page in book.pages}),
        "bibliography": book.bibliography,
    }
    return run(
        f"--defaults={HERE / 'pandoc.yaml'}",
        "--ipynb-output=all",
        *reader,
        *(f"--metadata={key}={value}" for key, value in metadata.items() if value),
        *more,
        stdin=text.encode("utf-8"),
        page=name,
    )


def _for_filter(notebook, name: str, bare: bool) -> str:
    """The JSON of a notebook whose code cells bring their options as metadata."""
    cells = [dict(cell) for cell in notebook.cells]
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "code":
            with notebooks.at(name, number, cell):
                cell["metadata"], cell["source"] = notebooks.options(cell["source"])
            cell["outputs"] = [] if bare else cell["outputs"]
    return json.dumps({**notebook, "cells": cells})
