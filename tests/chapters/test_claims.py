"""What the pages say is held by the claims of tests/chapters/claims; tests/claims.py explains them."""

import re

import claims
import pytest

PAGES = list(claims.sources())
ALL = [claim for page in [*PAGES, claims.EVERYWHERE] for claim in claims.read(page)[1]]


@pytest.mark.parametrize("claim", ALL, ids=lambda claim: f"{claim.page}:{claim.line}")
def test_the_claim_stands_once_and_is_true(claim):
    fault = claims.fault_of(claim)
    assert not fault, fault


@pytest.mark.parametrize("page", PAGES)
def test_every_number_is_claimed(page):
    found = [f"{number!r} in: {sentence}" for number, sentence in claims.uncovered(page)]
    assert not found, f"{page} states numbers without a claim:\n" + "\n".join(found)


def test_there_are_no_claims_about_other_pages():
    assert {path.stem for path in claims.FOLDER.iterdir()} <= {*PAGES, claims.EVERYWHERE}


def test_a_link_says_the_number_of_its_target():
    for page, text, target in claims.links():
        file, _, anchor = target.partition("#")
        for number in re.findall(r"(?:Section |Exercise |^)(5(?:\.\d+)+)", text):
            other = claims.ROOT / "chapters" / file if file else claims.sources()[page]
            title = claims.headings(other.stem)[anchor]
            assert re.search(rf"\b{re.escape(number)}\b(?!\.\d)", title), (
                f"{page}: {text} -> {title}"
            )


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("5-")])
def test_headings_are_numbered_in_order(page):
    titles = dict.fromkeys(claims.headings(page).values())
    first, *others = re.findall(r"^(?:Exercise )?(5(?:\.\d+)+)\b", "\n".join(titles), re.M)
    assert first == page[:3].replace("-", ".")
    stem = "5" if page.startswith("5-5") else first
    assert others == [f"{stem}.{n}" for n in range(1, len(others) + 1)]
