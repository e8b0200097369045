"""The ledger is complete and true: every published value is printed, recorded and shown."""

import json
import re
from pathlib import Path

import pytest

from book import notebooks
from book.proof import ledger, matrix, records
from utils import published

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "chapters" / "recorded"


def shown(name: str) -> str:
    """All the plain text that a notebook's cells show."""
    cells = notebooks.load(ROOT / "chapters" / name).cells
    return "\n".join(records.text_of(o) for cell in cells for o in cell.get("outputs", []))


def recorded(name: str) -> dict:
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


def values(id: str) -> list[str]:
    return published._flatten(published.record(id)["values"])


# --- what is published is printed, what is printed is recorded ---------------------------------


def test_the_ledger_holds_what_the_notebooks_print():
    assert recorded("ledger.json")["records"] == ledger.printed(), "run `make stamp`"


@pytest.mark.parametrize("id", published.ids())
def test_every_record_is_printed_to_the_last_digit(id):
    printed = recorded("ledger.json")["records"][id]["values"]
    assert [value if isinstance(value, str) else repr(value) for value in printed] == values(id)


def test_every_float_of_a_record_is_compared_as_a_float():
    for id in published.ids():
        for ours, theirs in zip(
            recorded("ledger.json")["records"][id]["values"], values(id), strict=True
        ):
            assert isinstance(ours, float) == bool(re.fullmatch(r"-?\d+\.\d+", theirs)), theirs


def test_a_frozen_parameter_is_not_what_was_published():
    """The state dict is compared as printed: without requires_grad the record is not found."""
    books, id = records.read(), "5.3.5/state-dict"
    printed = records.find(published.record(id), books)
    for spot in printed.spots:
        output = books[printed.notebook].cells[spot.cell].outputs[spot.output]
        output.text = output.text.replace(", requires_grad=True", "")
    with pytest.raises(LookupError, match=f"{id} is not printed"):
        records.find(published.record(id), books)


def test_the_page_counts_all_of_them():
    total = sum(len(values(id)) for id in published.ids())
    text = shown("ledger.ipynb")
    assert f"{total} of {total} published values reproduced" in text
    assert f"{total} of {total} equal to the last digit" in text
    assert "largest distance: 0 ulp" in text
    assert "DIFFERS" not in text


def test_the_page_shows_every_published_value():
    tables = shown("ledger.ipynb").split("value  published")
    for id in published.ids():
        caption = next(n for n, part in enumerate(tables) if f"\n{id}: " in f"\n{part}")
        rows = re.findall(r"^ *\d+  (\S.*?)  +(\S.*?)  +(?:0|equal)$", tables[caption + 1], re.M)
        assert rows == [(value, value) for value in values(id)]


# --- what is measured ----------------------------------------------------------------------------


def test_no_measured_distance_is_above_one_ulp():
    rows = recorded("matrix.json")["rows"]
    found = [record["max_ulp"] for row in rows for record in row["records"].values()]
    found += [row[matrix.ORDERED_KEY]["max_ulp"] for row in rows if matrix.ORDERED_KEY in row]
    assert found and set(found) <= {0, 1}


def test_the_plain_kernels_give_every_digit_on_every_machine_that_was_tried():
    rows = [row for row in recorded("matrix.json")["rows"] if row.get("kernels") == "default"]
    assert {row["machine"] for row in rows} == set(recorded("matrix.json")["machines"])
    assert {record["max_ulp"] for row in rows for record in row["records"].values()} == {0}


def test_the_matrix_covers_what_is_promised():
    content = recorded("matrix.json")
    for name, machine in content["machines"].items():
        rows = [row for row in content["rows"] if row["machine"] == name]
        missing = " ".join(machine["not to be had"])
        assert {row["python"].rpartition(".")[0] for row in rows} == set(matrix.PYTHONS)
        exact = {pin.partition("==")[2] for pin in matrix.NUMPYS if "==" in pin}
        assert exact < {row["numpy"] for row in rows}
        assert any(row.get("simd") is False for row in rows)
        tried = {(row["kernels"], row["threads"]) for row in rows if "torch" in row}
        for kernels in matrix.CAPABILITIES:
            for threads in matrix.THREADS:
                what = f"{kernels} kernels, {threads} thread"
                assert (kernels, threads) in tried or what in missing


def test_each_row_measured_whole_records():
    for row in recorded("matrix.json")["rows"]:
        assert row["records"]
        for id, record in row["records"].items():
            assert record["total"] == len(values(id)), f"{id}: run `make matrix`"
            assert (record["exact"] == record["total"]) == (record["max_ulp"] == 0)
            if "values" in record:
                compared = published.compare(id, record["values"])
                assert (compared.exact, compared.max_ulp) == (record["exact"], record["max_ulp"])


def test_reordered_sums_stay_far_inside_the_tolerance():
    rows = re.findall(r"^5\.\d\S+ +(\d+)$", shown("different.ipynb"), re.MULTILINE)
    assert rows
    assert max(map(int, rows)) <= published.TOLERANCE_ULP / 4


def test_the_run_names_the_pinned_versions():
    pins = dict(
        re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    )
    packages = recorded("ledger.json")["run"]["packages"]
    assert packages.keys() >= {"numpy", "scikit-learn", "torch", "matplotlib"}
    for name in packages.keys() & pins.keys():
        assert packages[name] == pins[name], "the pins have moved: run `make notebooks`"


def test_the_notes_give_each_slip_its_three_parts():
    cells = notebooks.load(ROOT / "chapters" / "notes.ipynb").cells
    text = "\n".join(cell.source for cell in cells)
    sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE))
    assert sections.pop("What no check can see"), "this one is about other people's works"
    for name, section in sections.items():
        parts = re.findall(r"\*\*(Printed|True|In this book)\.\*\*", section)
        assert parts == ["Printed", "True", "In this book"], name
    assert len(sections) >= 10
