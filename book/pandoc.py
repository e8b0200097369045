"""Pandoc, and the one filter through which it reads the pages of the book."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path, PurePosixPath

from book import BookError, notebooks, read_text

HERE = Path(__file__).resolve().parent

# Pandoc's own Markdown, for the cells of a notebook too.
MARKDOWN = (
    "-gfm_auto_identifiers+auto_identifiers+fenced_divs+bracketed_spans+link_attributes+citations"
    "+footnotes+inline_notes+header_attributes+definition_lists+implicit_figures+raw_attribute"
    "+fenced_code_attributes+fancy_lists+startnum+superscript+subscript+escaped_line_breaks"
    "+table_captions+simple_tables+multiline_tables+grid_tables+blank_before_header"
    "+blank_before_blockquote+implicit_header_references+inline_code_attributes"
    "-lists_without_preceding_blankline+smart-autolink_bare_uris"
)


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
    name, reader = str(source), "markdown"
    if source.suffix == ".ipynb":
        text, reader = (
            _for_filter(notebook or notebooks.load(book.root / source, name), name, not notebook),
            "ipynb",
        )
    else:
        text = read_text(book.root / source, name)
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
        f"--from={reader}{MARKDOWN}",
        f"--defaults={HERE / 'pandoc.yaml'}",
        "--ipynb-output=all",
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
