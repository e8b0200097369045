"""The built pages: links, numbers, alternative texts, policy, weight of what they hold."""

import gzip
import html
import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from book.config import Book
from book.site.finish import Finished
from book.site.pages import dead_links

ROOT = Path(__file__).resolve().parents[2]
#: What runs before the first paint: the one script that stands in the page.
THEME = r"<script data-root[^>]*>(.*?)</script>"
SECTIONS = [f"5-{k}" for k in range(1, 6)]


class Elements(HTMLParser):
    """All elements of a page, with what stands in the policy's way."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def elements(book):
    return {address: Elements(text).elements for address, text in book.html.items()}


def headings(text):
    """(level, identifier, number, text) of each heading."""
    found = re.findall(r'<section id="([^"]*)"[^>]*>\s*<h(\d)>(.*?)</h\2>', text, re.DOTALL)
    for identifier, level, inner in found:
        plain = " ".join(re.sub(r"<[^>]*>", "", inner).replace("#", "").split())
        number = re.match(r"(?:Exercise )?(\d+(?:\.\d+)+)", plain)
        yield int(level), identifier, number[1] if number else None, plain


def links(text):
    for address, inner in re.findall(r'<a\s[^>]*?href="([^"]*)"[^>]*>(.*?)</a>', text, re.DOTALL):
        yield html.unescape(address), " ".join(re.sub(r"<[^>]*>", "", inner).split())


def test_every_page_of_quarto_yml_is_there_and_no_other(book):
    listed = [source.with_suffix(".html") for source, _ in Book.read(ROOT).listed]
    assert len(listed) >= 17
    there = {path.relative_to(book.folder).as_posix() for path in book.folder.rglob("*.html")}
    assert there == {*map(str, listed), "404.html"}


def finished(text, address):
    return Finished(text, address, lambda source, alt: "")


def test_every_link_and_anchor_inside_the_book_resolves(book):
    texts = {a: re.sub(THEME, "", text, flags=re.DOTALL) for a, text in book.html.items()}
    assert dead_links({a: finished(text, a) for a, text in texts.items()}) == []


def test_a_dead_link_is_seen():
    pages = {
        "a.html": '<a href="b.html#x">x</a>',
        "b.html": '<p id="y"><a class="z" href="c.html">z</a></p>',
    }
    assert len(dead_links({a: finished(text, a) for a, text in pages.items()})) == 2


def test_every_file_that_a_page_asks_for_is_there(book, elements):
    for address, found in elements.items():
        here = (book.folder / address).parent
        for tag, attributes in found:
            link = attributes.get("src") or attributes.get("href") or ""
            if tag == "use" or not link or re.match(r"(https?:|data:|mailto:|#)", link):
                continue
            assert (here / link.partition("#")[0]).exists(), f"{address}: {link}"


@pytest.mark.parametrize("section", SECTIONS)
def test_headings_are_numbered_without_gaps(book, section):
    address = next(a for a in book.html if Path(a).name.startswith(section))
    found = list(headings(book.html[address]))
    assert found[0][2] == section.replace("-", ".")
    if section == "5-5":  # the exercises, under headings without a number
        numbers = [number for _, _, number, words in found if words.startswith("Exercise ")]
        assert numbers == [f"5.{k}" for k in range(1, len(numbers) + 1)]
    else:
        numbers = [number for level, _, number, _ in found if level == 2 and number]
        assert numbers == [f"{found[0][2]}.{k}" for k in range(1, len(numbers) + 1)]
    assert numbers
    assert len({identifier for _, identifier, _, _ in found}) == len(found)


def test_links_that_name_a_number_lead_to_that_number(book):
    places = {}
    for address, text in book.html.items():
        for level, identifier, number, plain in headings(text):
            word = "Exercise" if plain.startswith("Exercise") else "Section"
            if number:
                places[address, identifier] = f"{word} {number}"
                if level == 1:
                    places[address, ""] = f"{word} {number}"
        for identifier, number in re.findall(
            r'id="(equation-[\d-]+)".*?class="equation-number"[^>]*>\(([\d.]+)\)<', text, re.DOTALL
        ):
            places[address, identifier] = f"Equation {number}"
    checked = 0
    for address, text in book.html.items():
        body = text[text.index("<main") : text.index('<nav class="turn"')]
        for link, words in links(body):
            named = re.fullmatch(r"(Section|Equation|Exercise) (\d+(?:\.\d+)*)", words)
            if not named:
                continue
            path, _, fragment = link.partition("#")
            page = (Path("/") / Path(address).parent / path).resolve() if path else None
            target = str(page.relative_to("/")) if page else address
            assert places.get((target, fragment)) == words, f"{address}: '{words}' leads to {link}"
            checked += 1
    assert checked > 40


def test_equations_carry_their_numbers(book):
    text = book.html["chapters/5-1-math.html"]
    assert re.findall(r'class="equation-number"[^>]*>\(([\d.]+)\)<', text) == ["5.1", "5.2"]
    assert "\\tag" not in "".join(book.html.values())
    assert "<math" in text
    assert "$$" not in re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL)


def test_every_figure_says_what_it_shows(book, elements):
    seen = 0
    for address, found in elements.items():
        for tag, attributes in found:
            if attributes.get("role") == "img" or tag == "img":
                text = attributes.get("aria-label") or attributes.get("alt") or ""
                assert len(text) >= 60, f"{address}: {text!r}"
                assert not re.match(r"(a|the) (plot|figure|image|picture)\W*$", text, re.I)
                seen += 1
    assert seen >= 20


def test_identifiers_are_unique_in_every_page(elements):
    for address, found in elements.items():
        names = [attributes["id"] for _, attributes in found if "id" in attributes]
        assert len(names) == len(set(names)), address


def test_drawings_define_what_they_use(elements):
    for address, found in elements.items():
        names = {attributes.get("id") for _, attributes in found}
        for _, attributes in found:
            wanted = [attributes["href"][1:]] if attributes.get("href", "").startswith("#d") else []
            wanted += re.findall(r"url\(#([^)]*)\)", attributes.get("clip-path", ""))
            assert names.issuperset(wanted), f"{address}: {wanted}"


def test_nothing_comes_from_another_host_and_nothing_is_inline(book, elements):
    for address, found in elements.items():
        policy = [
            a["content"] for t, a in found if a.get("http-equiv") == "Content-Security-Policy"
        ]
        assert len(policy) == 1, address
        assert "default-src 'none'" in policy[0]
        assert "unsafe" not in policy[0]
        (theme,) = re.findall(THEME, book.html[address], re.DOTALL)
        assert f"'sha256-{b64encode(sha256(theme.encode()).digest()).decode()}'" in policy[0]
        for tag, attributes in found:
            assert tag != "style", address
            assert tag != "script" or attributes.keys() & {"src", "data-root"}, address
            assert "style" not in attributes, f"{address}: <{tag} style>"
            assert not any(name.startswith("on") for name in attributes), address
            for name in ("src", "srcset", "data", "poster"):
                assert not re.match(r"(https?:)?//", attributes.get(name) or ""), address
            if tag == "link" and attributes.get("rel") != "canonical":
                assert not re.match(r"(https?:)?//", attributes["href"]), address
    css = (book.folder / "assets" / "book.css").read_text("utf-8")
    assert "--plots-ink" in css
    assert not re.search(r"url\(['\"]?(https?:)?//", css)
    assert "@import" not in css


def test_the_style_of_the_404_page_is_what_its_policy_allows(book):
    import base64
    import hashlib

    text = (book.folder / "404.html").read_text("utf-8")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in text


def test_pages_weigh_little(book):
    """The first visit is measured in the browser; here what each further page adds."""
    for address in book.html:
        weight = len(gzip.compress((book.folder / address).read_bytes()))
        assert weight <= 60_000, f"{address}: {weight} bytes gzipped"
    fonts = sum(path.stat().st_size for path in (book.folder / "assets" / "fonts").iterdir())
    assert fonts <= 90_000


def test_what_is_published_is_marked_and_leads_to_the_ledger(book):
    marked = book.html["chapters/5-2-numpy.html"]
    assert '<p class="mark"><a href="ledger.html">as published</a></p>' in marked


def test_every_notebook_can_be_downloaded(book):
    for page in book.pages:
        if page.is_notebook:
            link = f"../notebooks/{page.source.name}"
            assert f'href="{link}" download' in book.html[str(page.target)]
            assert (book.folder / page.target).parent.joinpath(link).is_file()


def test_the_search_index_knows_every_section(book):
    text = (book.folder / "assets" / "search-index.js").read_text("utf-8")
    index = json.loads(text.removeprefix("window.bookIndex = ").rstrip(";\n"))
    places = {entry["u"] for entry in index}
    for address, page in book.html.items():
        for _, identifier, _, _ in headings(page):
            assert f"{address}#{identifier}" in places
    assert any("DataLoader" in entry["x"] for entry in index)


def test_sources_are_linked_and_listed(book):
    page = book.html["chapters/references.html"]
    cited = set()
    for text in book.html.values():
        cited.update(re.findall(r'href="[^"]*#(ref-[\w-]+)"', text))
    assert cited
    assert cited <= set(re.findall(r'id="(ref-[\w-]+)"', page))


def test_explorers_need_no_script_of_their_own(book):
    pages = [text for text in book.html.values() if "<gd-explorer" in text]
    assert pages
    for text in pages:
        still = r"<gd-explorer[^>]*>.*?<(svg|div class=\"panels\") role=\"img\".*?</gd-explorer>"
        assert re.search(still, text, re.DOTALL)


def test_every_line_of_a_drawing_has_a_colour_for_the_dark_theme(book):
    css = (book.folder / "assets" / "book.css").read_text("utf-8")
    drawn = set(re.findall(r'stroke="#\w{6}"', "".join(book.html.values())))
    assert len(drawn) > 15
    grey = {'stroke="#808080"'}  # is seen on both
    assert {colour for colour in drawn if f"[{colour}]" not in css} - grey == set()


def test_the_figures_colours_stand_in_plots_alone(book):
    from utils import plots

    names = ("INK", "GREY", "PAPER", "BLUE", "ORANGE", "TEAL")
    source = (ROOT / "book" / "site" / "book.css").read_text("utf-8")
    css = (book.folder / "assets" / "book.css").read_text("utf-8")
    for name in names:
        colour = getattr(plots, name)
        assert colour not in source
        assert f"--plots-{name.lower()}: {colour};" in css
        assert f"--figure-{name.lower()}: " in source
        assert f'[fill="{colour}"] {{ fill: var(--figure-{name.lower()}); }}' in css
