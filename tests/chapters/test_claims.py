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
