"""`make test-gpu` measures on a GPU, or says that there is none; tried here without one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import book.proof.measure_gpu as measure
from utils import published

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "book.proof.measure_gpu", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_measures_nothing_and_says_so(tmp_path):
    done = run("--write", str(tmp_path / "gpu.json"))
    assert done.returncode == 2 and "no CUDA device" in done.stderr
    assert not (tmp_path / "gpu.json").exists()


def test_a_run_on_the_cpu_is_never_written(tmp_path):
    done = run("--cpu", "--write", str(tmp_path / "gpu.json"))
    assert done.returncode == 2 and "nothing to write" in done.stderr


def test_the_same_command_works_on_the_cpu():
    done = run("--cpu", "--only", "5-2-numpy")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout[done.stdout.index("\n{") :])
    section = [id for id in published.ids() if id.startswith("5.2.")]
    assert sorted(result["records"]) == sorted(section)
    for id, record in result["records"].items():
        assert record["total"] == published.compare(id, published.record(id)["values"]).total
        assert 0 <= record["max_ulp"] <= published.TOLERANCE_ULP


def test_a_notebook_that_does_not_use_the_gpu_is_reported(tmp_path, monkeypatch):
    def pretend(command, cwd, **options):
        report = {"wrong": [], "records": {}, "device": "a GPU", "cuda_bytes": 0}
        Path(cwd, "report.json").write_text(json.dumps(report))

    monkeypatch.setattr(measure.subprocess, "run", pretend)
    _, wrong = measure.run_notebooks(tmp_path, ["5-1-math", "5-4-dataloader"], cpu=False)
    assert wrong == ["5-4-dataloader: it left the GPU's memory untouched"]


def test_the_farthest_distance_of_all_notebooks_counts():
    def report(distance):
        return {"records": {"a": {"total": 2, "exact": 1, "max_ulp": distance, "agrees": True}}}

    found = measure.farthest({"one": report(1), "two": report(3), "three": report(2)})
    assert found == {"a": {"total": 2, "exact": 1, "max_ulp": 3}}


def test_the_loop_is_timed_on_each_device():
    found = measure.time_loops(["cpu"], sizes=((85, 32),), rounds=2)
    assert found["85"]["cpu"]["ratio"] == 1 and found["85"]["batch_size"] == 32


def test_the_page_says_whether_a_gpu_has_been_measured():
    page = (ROOT / "chapters" / "running.qmd").read_text(encoding="utf-8")
    recorded = (ROOT / "chapters" / "recorded" / "gpu.json").exists()
    assert recorded != ("No GPU timing is recorded in this book yet" in page)
