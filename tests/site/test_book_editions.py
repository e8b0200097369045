"""The PDF and the EPUB open and hold the chapter: text, numbers, equations, figures, links."""

import html
import re
import zipfile
from pathlib import PurePosixPath
from xml.etree import ElementTree

import pypdf
import pypdfium2
import pytest

XHTML = "{http://www.w3.org/1999/xhtml}"


def plain(text):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


@pytest.fixture(scope="module")
def pdf(book):
    return pypdf.PdfReader(book.folder / "linear-regression.pdf")


@pytest.fixture(scope="module")
def pdf_text(pdf):
    return " ".join(" ".join(page.extract_text() for page in pdf.pages).split())


@pytest.fixture(scope="module")
def epub(book):
    with zipfile.ZipFile(book.folder / "linear-regression.epub") as archive:
        assert archive.testzip() is None
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


@pytest.fixture(scope="module")
def epub_pages(epub):
    return {
        name: ElementTree.fromstring(content)
        for name, content in epub.items()
        if name.endswith(".xhtml")
    }


def test_the_pdf_holds_every_page_of_the_book(book, pdf, pdf_text):
    assert len(pdf.pages) > 40
    assert pdf.metadata.title == "Linear regression, line by line"
    for page in book.pages:
        assert plain(page.title) in pdf_text


def test_the_pdf_has_bookmarks(book, pdf):
    titles = [entry.title for entry in pdf.outline if not isinstance(entry, list)]
    assert [*(plain(page.title) for page in book.pages), "Solutions"] == [
        title for title in titles if title != "Contents"
    ]


def test_solutions_stand_at_the_end_of_the_book(pdf, epub_pages):
    outline = {entry.title: entry for entry in pdf.outline if not isinstance(entry, list)}
    first = pdf.get_destination_page_number(outline["Solutions"])
    found = [n for n, page in enumerate(pdf.pages) if "Solution: Figure" in page.extract_text()]
    assert found and min(found) >= first
    texts = ["".join(page.itertext()) for _, page in sorted(epub_pages.items())]
    assert ["Solution: Figure 6" in text for text in texts if "Exercise 5.1" in text][-1]
    assert sum("Solution: Figure 6" in text for text in texts) == 1


def test_the_pdf_numbers_the_equations_and_prints_the_numbers(pdf_text):
    assert "(5.1)" in pdf_text
    assert "(5.2)" in pdf_text
    assert "2.291241352364798" in pdf_text  # Section 5.1.3
    assert "Figure 6." in pdf_text
    assert "as published" in pdf_text
    for leftover in ("::: {", "#|", "\\tag", "callout-", "$$"):
        assert leftover not in pdf_text


def test_the_pdf_carries_its_fonts(pdf):
    names = set()
    for page in list(pdf.pages)[:12]:
        for font in page["/Resources"].get("/Font", {}).values():
            names.add(font.get_object()["/BaseFont"])
    assert any("STIXTwoText" in name for name in names)
    assert any("STIXTwoMath" in name for name in names)


def test_no_line_of_the_pdf_leaves_its_column(book):
    """The right edge of every line of text: the column ends at 499 points, and a box may hang over."""
    edges = []
    with pypdfium2.PdfDocument(book.folder / "linear-regression.pdf") as document:
        for number, page in enumerate(document, 1):
            text = page.get_textpage()
            for i in range(text.count_rects()):
                left, bottom, right, top = text.get_rect(i)
                edges.append((right, number, text.get_text_bounded(left, bottom, right, top)))
    assert len(edges) > 3000
    assert max(edges)[0] < 506, max(edges)


def test_the_epub_is_an_epub(epub):
    assert next(iter(epub)) == "mimetype"
    assert epub["mimetype"] == b"application/epub+zip"
    assert b"Linear regression, line by line" in epub["EPUB/content.opf"]
    assert any(name.endswith("cover.png") or "cover" in name for name in epub)


def test_the_epub_holds_every_page_of_the_book(book, epub_pages):
    text = " ".join(" ".join("".join(page.itertext()).split()) for page in epub_pages.values())
    for page in book.pages:
        assert plain(page.title) in text
    assert "(5.1)" in text
    assert "2.291241352364798" in text
    assert "::: {" not in text


def test_the_epub_sets_mathematics_and_describes_its_figures(epub, epub_pages):
    everything = [element for page in epub_pages.values() for element in page.iter()]
    assert any(element.tag.endswith("}math") for element in everything)
    images = [element for element in everything if element.tag == XHTML + "img"]
    assert len(images) >= 20
    for image in images:
        assert len(image.get("alt", "")) >= 60
    assert not any(element.tag == XHTML + "script" for element in everything)


def test_the_links_of_the_epub_resolve(epub_pages):
    places = {name: {e.get("id") for e in page.iter()} for name, page in epub_pages.items()}
    checked = 0
    for name, page in epub_pages.items():
        for link in page.iter(XHTML + "a"):
            target = link.get("href") or ""
            if not target or re.match(r"[a-z]+:", target):
                continue
            path, _, fragment = target.partition("#")
            full = name
            if path:
                parts = []
                for part in (PurePosixPath(name).parent / path).parts:
                    parts.pop() if part == ".." else parts.append(part)
                full = "/".join(parts)
            if not full.endswith(".xhtml"):
                assert not full.endswith((".ipynb", ".qmd")), target
                continue
            assert full in places, f"{name}: {target}"
            assert not fragment or fragment in places[full], f"{name}: {target}"
            checked += 1
    assert checked > 100
