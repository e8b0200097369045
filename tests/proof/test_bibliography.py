"""What can be known of a bibliography entry offline: its form, its identifiers, its year and volume.

Names and titles cannot be checked here: nothing on this machine knows them.
"""

import datetime
import json
import re
from pathlib import Path

import pytest

from book import pandoc

BIBLIOGRAPHY = Path(__file__).resolve().parents[2] / "chapters" / "references.bib"
WORKS = {
    work["id"]: work
    for work in json.loads(
        pandoc.run("--from=bibtex", "--to=csljson", stdin=BIBLIOGRAPHY.read_bytes())
    )
}
TEXT = BIBLIOGRAPHY.read_text(encoding="utf-8")

#: Periodicals with one volume a year: the year of volume 0.
VOLUME_0 = {
    "siam review": 1958,
    "acm computing surveys": 1968,
    "siam journal on scientific computing": 1979,
    "computing in science & engineering": 1998,
    "acm transactions on modeling and computer simulation": 1990,
    "advances in neural information processing systems": 1987,
    "journal of machine learning research": 1999,
    "ussr computational mathematics and mathematical physics": 1960,
    "the annals of mathematical statistics": 1929,
    "proceedings of the vldb endowment": 2007,
}
#: Publishers whose DOIs speak of the year, the volume or the first page.
SPEAKING = {
    r"10\.1016/\d{4}-\d{3}[\dX]\((?P<year>\d\d)\)\d{5}-[\dX]": "Elsevier",
    r"10\.1038/s\d{5}-\d(?P<year>\d\d)-\d{4}-[\dx]": "Nature since 2016, without the century",
    r"10\.1038/(?P<volume>\d{3})(?P<page>\d{3})a0": "Nature until 2000",
    r"10\.1109/\w+\.(?P<year>\d{4})\.\d+": "IEEE Computer Society",
    r"10\.1137/0?\d(?P<volume>\d\d)\d{3}": "SIAM until 1996",
}


#: Typed a second time, from what is known of the works: volume, issue, pages, and where to find them.
#: No rule on this machine ties them to anything, but a slip in one of the two lists shows.
AGAIN = """
bottou2018 60 2 223-311 10.1137/16M1080173
boyd2004 - - - https://web.stanford.edu/~boyd/cvxbook/
choi2019 - - - https://arxiv.org/abs/1910.05446
godoy2022 - - - https://leanpub.com/pytorch
goldberg1991 23 1 5-48 10.1145/103162.103163
goyal2017 - - - https://arxiv.org/abs/1706.02677
harris2020 585 - 357-362 10.1038/s41586-020-2649-2
higham1993 14 4 783-799 10.1137/0914050
hinton2012 - - - -
hunter2007 9 3 90-95 10.1109/MCSE.2007.55
kingma2015 - - - https://arxiv.org/abs/1412.6980
li2020 13 12 3005-3018 10.14778/3415478.3415530
matsumoto1998 8 1 3-30 10.1145/272991.272995
paszke2019 32 - 8024-8035 https://arxiv.org/abs/1912.01703
pedregosa2011 12 - 2825-2830 https://jmlr.org/papers/v12/pedregosa11a.html
polyak1964 4 5 1-17 10.1016/0041-5553(64)90137-5
robbins1951 22 3 400-407 10.1214/aoms/1177729586
rumelhart1986 323 - 533-536 10.1038/323533a0
"""


@pytest.fixture(params=WORKS)
def work(request):
    return WORKS[request.param]


def year(work) -> int:
    return int(work["issued"]["date-parts"][0][0])


def check_digit(digits: str) -> bool:
    """Of an ISBN-10 or an ISSN (weights that fall to 1, modulo 11), or of an ISBN-13."""
    values = [10 if digit in "Xx" else int(digit) for digit in digits if digit not in "- "]
    if len(values) == 13:
        return sum(value * (1, 3)[n % 2] for n, value in enumerate(values)) % 10 == 0
    return sum(value * weight for weight, value in enumerate(reversed(values), 1)) % 11 == 0


def test_pandoc_reads_every_entry():
    keys = re.findall(r"^@\w+\{(\S+),$", TEXT, re.MULTILINE)
    assert keys == sorted(keys) == list(WORKS), "each key once, in the alphabet's order"
    assert TEXT.count("{") == TEXT.count("}")


def test_an_entry_says_who_what_and_when(work):
    others = {"literal": "others"}
    assert work["author"] and all("family" in name or name == others for name in work["author"])
    assert work["title"] and work["id"].startswith(
        ("hinton", re.sub(r"\W", "", work["author"][0]["family"].lower()))
    )
    assert 1900 < year(work) <= datetime.date.today().year
    assert work["id"].endswith(str(year(work)))
    if work["type"] == "article-journal":
        assert {"container-title", "volume", "page"} <= work.keys()


def test_first_page_comes_before_the_last(work):
    pages = [int(page) for page in re.findall(r"\d+", work.get("page", ""))]
    assert pages == sorted(pages) and len(pages) in (0, 2)


def test_the_volume_is_that_of_the_year(work):
    start = VOLUME_0.get(work.get("container-title", "").lower())
    if start:
        assert int(work["volume"]) == year(work) - start


def test_volume_issue_pages_and_address_are_those_of_the_second_list():
    for line in AGAIN.split("\n")[1:-1]:
        key, volume, issue, page, place = line.split()
        work = WORKS[key]
        found = [work.get(name, "-") for name in ("volume", "issue", "page")]
        assert [*found, work.get("DOI", work.get("URL", "-"))] == [volume, issue, page, place], key
    assert [line.split()[0] for line in AGAIN.split("\n")[1:-1]] == list(WORKS)


def test_what_the_doi_says_agrees(work):
    doi = work.get("DOI", "10.1/none")
    assert re.fullmatch(r"10\.\d+(\.\d+)*/[\w.()/-]+", doi) and not doi.endswith(".")
    for pattern in SPEAKING:
        if match := re.fullmatch(pattern, doi):
            said = match.groupdict()
            assert str(year(work)).endswith(said.get("year", ""))
            assert said.get("volume", work.get("volume")) == work.get("volume")
            assert work["page"].startswith(said.get("page", ""))


def test_identifiers_have_their_check_digits(work):
    for digits in re.findall(r"\b\d{4}-\d{3}[\dX]\b", work.get("DOI", "")):
        assert check_digit(digits), f"ISSN {digits} in the DOI"
    for name in ("ISBN", "ISSN"):
        assert name not in work or check_digit(work[name]), f"{name} {work[name]}"


def test_a_preprint_is_no_younger_than_its_publication(work):
    for number in re.findall(r"arxiv\.org/abs/(\d{4}\.\d{5}|\d{4}\.\d{4})$", work.get("URL", "")):
        assert 1 <= int(number[2:4]) <= 12
        assert 0 <= year(work) - (2000 + int(number[:2])) <= 2
    assert work.get("URL", "https://").startswith("https://")


def test_the_check_digits_can_fail():
    assert check_digit("0041-5553") and not check_digit("0041-5535")
    assert check_digit("978-0-521-83378-3") and not check_digit("978-0-521-83378-8")
    assert check_digit("0-521-83378-7") and not check_digit("0-521-83387-7")
