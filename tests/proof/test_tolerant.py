"""The tolerant mode of nbval forgives the last digits and nothing else, driven by nbval's own code."""

import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from nbval.plugin import IPyNbCell, get_sanitize_patterns, nocolors

from book.proof import records
from utils import published

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "tests" / "proof" / "tolerant.cfg"
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e[+-]?\d+)?(?!\w)")

#: Sums of Python's own numbers, which IEEE 754 makes the same on every machine.
EVERYWHERE_THE_SAME = ("0.6000000000000001",)

# Four units are promised; the comparison in the notebooks allows `TOLERANCE_ULP`, so test that.
REACH = max(4, published.TOLERANCE_ULP)


@pytest.fixture(scope="module")
def rules():
    return dict(get_sanitize_patterns(CONFIG.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def sanitize(rules):
    """nbval's own `sanitize`, on a cell that knows no more than the rules."""
    cell = SimpleNamespace(parent=SimpleNamespace(sanitize_patterns=rules))
    return lambda text: IPyNbCell.sanitize(cell, text)


@pytest.fixture(scope="module")
def same_outputs(rules):
    """nbval's own comparison: (outputs, reference outputs) -> whether they agree."""
    skipped = ("metadata", "output_type", "name", "execution_count", "image/png")
    file = SimpleNamespace(sanitize_patterns=rules, skip_compare=skipped)
    cell = SimpleNamespace(parent=file, colors=nocolors)
    cell.sanitize = lambda text: IPyNbCell.sanitize(cell, text)
    cell.format_output_compare = lambda key, left, right: None
    return lambda test, reference: IPyNbCell.compare_outputs(cell, test, reference)


def published_floats() -> list[str]:
    texts = (published._flatten(published.record(id)["values"]) for id in published.ids())
    return [text for values in texts for text in values if records.FLOAT.fullmatch(text)]


def stored_texts() -> list[str]:
    """All texts that nbval compares in the stored outputs of the book."""
    texts = []
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                texts.append(output.get("text", ""))
                texts += [t for t in output.get("data", {}).values() if isinstance(t, str)]
    return texts


def neighbours(text: str) -> list[str]:
    """The number and the REACH floats on each side of it, as Python prints them."""
    bits = np.float64(text).view(np.int64)
    return [repr(float((bits + k).view(np.float64))) for k in np.arange(-REACH, REACH + 1)]


FLOATS = published_floats()


def test_nbval_reads_every_rule(rules):
    lines = CONFIG.read_text(encoding="utf-8").splitlines()
    assert len(rules) == sum(line.startswith("regex:") for line in lines) > 0
    assert len(rules) == sum(line.startswith("replace:") for line in lines)
    assert all(replacement for replacement in rules.values())


@pytest.mark.parametrize("text", sorted(set(FLOATS)))
def test_neighbours_of_a_published_float_become_the_same_text(text, sanitize):
    assert {sanitize(f"[{near}, 1.5]\n") for near in neighbours(text)} == {
        sanitize(f"[{text}, 1.5]\n")
    }


@pytest.mark.parametrize("text", sorted(set(FLOATS)))
def test_a_wrong_digit_among_the_first_ten_remains_wrong(text, sanitize):
    first = re.search("[1-9]", text).start()
    kept = [i for i in range(first, len(text)) if text[i].isdigit()][:10]
    kept += [i for i in range(first) if text[i].isdigit()]  # a zero in front counts as well
    for i in kept:
        for digit in "0123456789".replace(text[i], ""):
            wrong = text[:i] + digit + text[i + 1 :]
            assert sanitize(wrong) != sanitize(text), f"{wrong} passes for {text}"


def test_a_wrong_sign_or_exponent_or_a_lost_value_remains_wrong(sanitize):
    for text in FLOATS:
        assert len({sanitize(t) for t in (text, "-" + text, text + "e-05", "nan", "")}) == 5
    assert sanitize("[1.462128976503838, 1.70260448274778]") != sanitize("[1.462128976503838]")


def test_what_is_not_a_long_number_stays():
    rules_ = get_sanitize_patterns(CONFIG.read_text(encoding="utf-8"))
    for text in ("tensor(1.5000, dtype=torch.float64)", "85 of 85", "v1.2.3", "x1.46212897650383"):
        assert all(re.sub(regex, replace, text) == text for regex, replace in rules_)


def test_a_column_may_be_as_wide_as_its_longest_number(sanitize):
    def table(number):
        rule = "-" * (10 + len(number))
        return f"{rule}\nvalue  {'J':{len(number)}}  ulp\n{rule}\n    1  {number}    0\n"

    one, other = sanitize(table("1.462128976503838")), sanitize(table("1.4621289765038381"))
    assert one == other != sanitize(table("1.4621289765038381").replace("0\n", "1\n"))


def test_nbval_accepts_a_neighbour_and_refuses_a_wrong_digit(same_outputs):
    def out(text):
        stream = nbformat.v4.new_output("stream", name="stdout", text=f"[{text}, 1.5]\n")
        result = nbformat.v4.new_output("execute_result", data={"text/plain": f"({text},)"})
        return [stream, result]

    for text in FLOATS:
        for near in (neighbours(text)[0], neighbours(text)[-1]):
            assert same_outputs(out(near), out(text))
        assert not same_outputs(out(text[:8] + str((int(text[8]) + 1) % 10) + text[9:]), out(text))


def test_a_figure_may_change_its_bytes_but_not_disappear(same_outputs):
    def figure(path):
        svg = f'<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg width="9">{path}\n<g/></svg>\n'
        return nbformat.v4.new_output("display_data", data={"image/svg+xml": svg})

    one, other = figure('<path d="M 1.4621289765038 0"/>'), figure("<path/>")
    assert same_outputs([one], [other])
    assert not same_outputs([], [other])
    assert not same_outputs([one, one], [other])


def test_every_rule_matches_something_in_the_stored_outputs(rules):
    texts = stored_texts()
    for regex, replacement in rules.items():  # in nbval's order, each on what the last one left
        changed = [re.sub(regex, replacement, text) for text in texts]
        assert changed != texts, f"nothing matches {regex}"
        texts = changed


def test_every_long_number_in_the_stored_outputs_has_forgiven_neighbours(sanitize):
    """What is stored but not published is held to the same: the promised four units."""
    figures = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
    for text in stored_texts():
        for number in NUMBER.findall(figures.sub("", text)):
            if (
                number in EVERYWHERE_THE_SAME
                or len(re.sub(r"^-?[0.]*|\D", "", number.partition("e")[0])) < 15
            ):
                continue
            bits = np.float64(number).view(np.int64)
            near = {repr(float((bits + k).view(np.float64))) for k in np.arange(-4, 5)}
            assert {sanitize(n) for n in near} == {sanitize(number)}, number
