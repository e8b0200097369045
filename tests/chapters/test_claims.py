"""What the pages say is held by the claims of tests/chapters/claims; tests/claims.py explains them."""

import re
from difflib import SequenceMatcher
from pathlib import Path
from random import Random

import claims
import pytest

PAGES = list(claims.sources())


@pytest.mark.parametrize("page", [*PAGES, claims.EVERYWHERE])
def test_every_claim_of_the_page_stands_once_and_is_true(page):
    faults = [fault for claim in claims.read(page)[1] if (fault := claims.fault_of(claim))]
    assert not faults, "\n\n".join(faults)


@pytest.mark.parametrize("page", PAGES)
def test_every_number_is_claimed(page):
    found = [f"{number!r} in: {sentence}" for number, sentence in claims.uncovered(page)]
    assert not found, f"{page} states numbers without a claim:\n" + "\n".join(found)


def test_there_are_no_claims_about_other_pages():
    assert {path.stem for path in claims.FOLDER.iterdir()} <= {*PAGES, claims.EVERYWHERE}


def test_a_link_says_the_number_and_the_title_of_its_target():
    for page, text, target in claims.links():
        file, _, anchor = target.partition("#")
        if not re.fullmatch(r"[\w/.-]*\.(ipynb|qmd)", file or "here.qmd"):
            continue
        titles = claims.headings(Path(file).stem if file else page)
        title = titles.get(anchor, titles[""])
        for number in re.findall(r"(?:Section |Exercise |^)(5(?:\.\d+)+)", text):
            assert re.match(rf"(Exercise )?{re.escape(number)}\.? ", title), f"{page}: {text}"
        if SequenceMatcher(None, text.lower(), title.lower()).ratio() > 0.9:
            assert text.lower().removeprefix("the ") in title.lower(), (
                f"{page}: {text!r} leads to {title!r}"
            )


def test_parts_that_are_named_exist():
    titles = [title for page in PAGES for title in claims.headings(page).values()]
    sections = {
        number for title in titles for number in re.findall(r"^(?:Exercise )?(5[.\d]*\d)", title)
    }
    chapter = re.findall(r"Figure (\d)\. ", claims.text_of("5-1-math"))
    assert [*map(int, dict.fromkeys(chapter))] == [*range(1, 7)]
    for page in PAGES:
        figures = re.findall(r"Figure (\d)\. ", claims.text_of(page))
        known = {
            "Section": sections,
            "Exercise": sections,
            "Equation": {"5.1", "5.2"},
            "Chapter": {"5"},
        }
        known["Figure"] = {*chapter, *figures}
        for name in claims.NAMED.findall(claims.text_of(page)):
            kind = name.split(" ")[0].rstrip("s")
            if kind in known:
                assert {*re.findall(r"\d+(?:\.\d+)*", name)} <= known[kind], f"{page}: {name}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("5-")])
def test_headings_are_numbered_in_order(page):
    titles = dict.fromkeys(claims.headings(page).values())
    first, *others = re.findall(r"^(?:Exercise )?(5(?:\.\d+)+)\b", "\n".join(titles), re.M)
    assert first == page[:3].replace("-", ".")
    stem = "5" if page.startswith("5-5") else first
    assert others == [f"{stem}.{n}" for n in range(1, len(others) + 1)]


@pytest.mark.parametrize("page", PAGES)
def test_no_digit_can_change_unseen(page):
    """But for the numbers of sections and figures, which the tests above hold."""
    text, random = claims.text_of(page), Random(page)
    named = {n for match in claims.NAMED.finditer(text) for n in range(*match.span())}
    places = [match.start() for match in re.finditer(r"\d", text) if match.start() not in named]
    for place in random.sample(places, min(5, len(places))):
        other = random.choice("0123456789".replace(text[place], ""))
        changed = text[:place] + other + text[place + 1 :]
        assert claims.sees(page, changed), changed[place - 40 : place + 40]
