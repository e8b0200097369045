"""A notebook runs in a fresh process and reports its distances, on a GPU too; tried without one."""

import json
from pathlib import Path

import nbformat
import pytest
import torch

import book.proof.measure_gpu as gpu
from book.proof import matrix, records, run
from utils import published

ROOT = Path(__file__).resolve().parents[2]
ID = "5.3.3/first-gradient"
RIGHT = [float(text) for text in published.record(ID)["values"]]
SETUP = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom utils import published"


@pytest.fixture
def report(tmp_path):
    """The report of a notebook with these cells."""

    def make(*cells, **variables):
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in (SETUP, *cells)]
        nbformat.write(notebook, tmp_path / "page.ipynb")
        return run.report(tmp_path / "page.ipynb", **variables)

    return make


def test_what_the_notebook_compares_is_reported(report):
    found = report(f"print(published.report({ID!r}, {RIGHT}))")
    assert found["wrong"] == [] and found["numpy"] and found["python"]
    assert found["records"][ID] == {
        "total": 2,
        "exact": 2,
        "max_ulp": 0,
        "agrees": True,
        "values": RIGHT,
    }


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (f"published.compare({ID!r}, [{RIGHT[0]}, -1.0])", f"{ID}: differs by "),
        ("import warnings; warnings.warn('beware')", "warning: UserWarning: beware"),
        ("1 / 0", "cell 2: ZeroDivisionError"),
        ("if", "cell 2: SyntaxError"),
        ("import os; os._exit(3)", "status 3"),
    ],
    ids=["a record", "a warning", "an error", "a syntax error", "a crash"],
)
def test_what_goes_wrong_is_a_complaint(cell, complaint, report):
    (found,) = report(cell)["wrong"]
    assert found.startswith(complaint)


def test_variables_reach_the_notebook_and_a_missing_instruction_gives_nothing(report):
    cell = "import os, signal\nif 'KIND' in os.environ: os.kill(os.getpid(), signal.SIGILL)"
    assert report(cell)["wrong"] == []
    assert report(cell, KIND="avx1024") is None


# --- the GPU --------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Where the measurement goes."""
    monkeypatch.setattr(gpu, "RECORDED", tmp_path / "gpu.json")
    return tmp_path / "gpu.json"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_measures_nothing_and_says_so(written, capsys):
    assert gpu.main() == 2
    assert "no CUDA device" in capsys.readouterr().err
    assert not written.exists()


@pytest.fixture
def pretend(monkeypatch):
    """A GPU, and in place of running a notebook what it found there."""

    def make(**found):
        record = {"total": 2, "exact": 1, "max_ulp": 1, "agrees": True, "values": RIGHT}
        report = {"wrong": [], "records": {ID: record}, "sklearn": "1", "cuda_bytes": 64, **found}
        monkeypatch.setattr(run, "report", lambda notebook, **variables: report)
        monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(gpu.torch.cuda, "get_device_name", lambda: "a GPU")
        monkeypatch.setattr(gpu, "time_loops", lambda devices: {"85": devices})

    return make


def test_with_a_gpu_it_records_distances_device_and_times(pretend, written, capsys):
    pretend()
    assert gpu.main() == 0
    found = json.loads(written.read_text("utf-8"))
    assert found["records"] == {ID: {"total": 2, "exact": 1, "max_ulp": 1, "values": RIGHT}}
    assert (found["device"], found["command"]) == ("a GPU", "make test-gpu")
    assert found["loop"] == {"85": ["cpu", "cuda"]}
    assert ID in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "complaint"),
    [({"cuda_bytes": 0}, "left the GPU's memory untouched"), ({"wrong": ["oh"]}, "oh")],
)
def test_what_goes_wrong_on_a_gpu_is_said_and_not_recorded(found, complaint, pretend, written):
    pretend(**found)
    with pytest.raises(SystemExit, match=complaint):
        gpu.main()
    assert not written.exists()


def test_a_page_without_a_gpu_is_measured_in_the_same_way():
    pages = {id: found.notebook for id, found in records.find_all().items()}
    page = pages["5.2.3/batch-gd-numpy"]
    row = matrix.measure([page])
    assert row["records"].keys() == {id for id in pages if pages[id] == page}
    assert row["numpy"] and "cuda_bytes" not in row


def test_the_loop_is_timed_on_each_device():
    found = gpu.time_loops(["cpu"], sizes=((85, 32),), rounds=2)
    assert found["85"]["cpu"]["ratio"] == 1 and found["85"]["batch_size"] == 32


def test_the_page_says_whether_a_gpu_has_been_measured():
    page = (ROOT / "chapters" / "running.qmd").read_text(encoding="utf-8")
    recorded = (ROOT / "chapters" / "recorded" / "gpu.json").exists()
    assert recorded != ("No GPU timing is recorded in this book yet" in page)
