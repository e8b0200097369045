"""The filter's golden files: ``python -m book.golden`` renews what ``tests/golden`` expects.

Each small source there (a notebook or Markdown) has one expected text an edition.
"""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

from book import pandoc
from book.config import Book

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "site" / "golden"
EDITIONS = {"html": "html5", "typst": "typst", "epub": "html5"}


def sources() -> list[Path]:
    return sorted(path for path in GOLDEN.iterdir() if path.suffix in (".ipynb", ".qmd"))


def expected(source: Path, edition: str) -> Path:
    return source.with_name(f"{source.name}.{edition}.txt")


def filtered(source: Path, edition: str) -> str:
    """What the filter makes of a source, written in the edition's format.  Raises: BookError."""
    to = f"--to={EDITIONS[edition]}"
    with tempfile.TemporaryDirectory() as media:
        made = pandoc.read_page(
            Book.read(GOLDEN), PurePosixPath(source.name), edition, to, media=media
        )
    return made.decode("utf-8")


def main() -> None:
    for source in sources():
        for edition in EDITIONS:
            expected(source, edition).write_text(filtered(source, edition), "utf-8")
            print(expected(source, edition).relative_to(Path.cwd()))


if __name__ == "__main__":
    main()
