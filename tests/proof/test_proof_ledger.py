"""The ledger is complete: every published value is there, computed again, printed and recorded."""

import json
import re
from pathlib import Path

import pytest

from book.proof import prove
from utils import ledger, published

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "chapters" / "recorded"


def outputs(name: str) -> str:
    """All the plain text that a notebook stores."""
    cells = prove.load(ROOT / "chapters" / name)["cells"]
    texts = (
        output.get("text", output.get("data", {}).get("text/plain", ""))
        for cell in cells
        for output in cell.get("outputs", [])
    )
    return "\n".join(map(prove.text_of, texts))


def recorded(name: str) -> dict:
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


def test_no_published_value_is_missing():
    values = [
        v for id in published.ids() for v in published._flatten(published.record(id)["values"])
    ]
    assert len(published.ids()) == 16
    assert len(values) == 214
    assert sum(bool(prove.FLOAT.fullmatch(value)) for value in values) == 191


@pytest.mark.parametrize("id", published.ids())
def test_every_record_is_reproduced(id):
    result = published.compare(id, ledger.reproduce(id))
    assert result.agrees, result


def test_a_record_without_a_recipe_is_refused():
    with pytest.raises(ValueError, match="'5.9.9/nothing' has no recipe"):
        ledger.reproduce("5.9.9/nothing")


def test_reproducing_leaves_the_random_streams_alone():
    torch = pytest.importorskip("torch")
    before = torch.get_rng_state()
    ledger.reproduce("5.4.1/dataloader-shuffled")
    assert torch.equal(torch.get_rng_state(), before)


def test_every_float_stands_in_the_outputs_of_its_section():
    assert sum(len(place.floats) for place in prove.places()) == 191


def test_the_ledger_counts_214_of_214():
    text = outputs("ledger.ipynb")
    assert "214 of 214 published values reproduced" in text
    assert "214 of 214 equal to the last digit" in text
    assert "DIFFERS" not in text


def test_the_ledger_shows_every_published_value():
    text = outputs("ledger.ipynb")
    for id in published.ids():
        for value in published._flatten(published.record(id)["values"]):
            assert value in text, (id, value)


def test_the_notes_are_ten():
    cells = prove.load(ROOT / "chapters" / "notes.ipynb")["cells"]
    text = "\n".join(prove.text_of(cell["source"]) for cell in cells)
    assert len(re.findall(r"^## ", text, re.MULTILINE)) == 10
    assert (
        text.count("**Printed.**")
        == text.count("**True.**")
        == text.count("**In this book.**")
        == 10
    )


def test_reordered_sums_stay_far_inside_the_tolerance():
    rows = re.findall(r"^5\.\d\S+ +(\d+)$", outputs("different.ipynb"), re.MULTILINE)
    assert len(rows) == 6
    assert max(map(int, rows)) <= published.TOLERANCE_ULP / 4


def test_no_recorded_distance_is_above_one_ulp():
    distances = {
        record["max_ulp"]
        for row in recorded("matrix.json")["rows"]
        for record in row["records"].values()
    }
    assert distances <= {0, 1}


def test_the_matrix_covers_what_is_promised():
    rows = recorded("matrix.json")["rows"]
    missing = " ".join(recorded("matrix.json")["not to be had"])
    pythons = {".".join(row["python"].split(".")[:2]) for row in rows}
    assert pythons == {"3.10", "3.11", "3.12", "3.13"}
    assert {"1.26.4", "2.0.2"} < {row["numpy"] for row in rows}
    assert any(row.get("simd") is False for row in rows)
    torch_rows = {(row["kernels"].lower(), row["threads"]) for row in rows if "torch" in row}
    for kernels in ("default", "avx2", "avx512"):
        for threads in (1, 2):
            assert (
                kernels,
                threads,
            ) in torch_rows or f"{kernels} kernels, {threads} thread" in missing
    for row in rows:
        wanted = (
            published.ids()
            if "torch" in row
            else [i for i in published.ids() if not ledger.needs_torch(i)]
        )
        assert list(row["records"]) == wanted


def test_the_stamp_names_the_pinned_versions():
    pins = dict(
        re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    )
    packages = recorded("stamp.json")["packages"]
    for name in ("numpy", "scikit-learn", "torch", "matplotlib"):
        assert packages[name] == pins[name], "the pins have moved: run `make notebooks stamp`"
