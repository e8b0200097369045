"""Recorded measurements name what they were made with, and are refused when they cannot be true."""

import datetime
import json
import re
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest

from book.proof import matrix, measure
from utils import published

ROOT = Path(__file__).resolve().parents[2]
RECORDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "chapters" / "recorded").glob("*.json"))
}
PINS = dict(
    re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MACHINES = RECORDS["matrix"]["machines"]

#: Where each record keeps the machine and the versions that it was made with.
MADE_WITH = {
    "ledger": lambda record: (record["run"]["machine"], record["run"]["packages"]),
    "matrix": lambda record: (list(MACHINES.values())[-1], record["rows"][-1]),
    "timings": lambda record: (record["environment"], record["environment"]),
    "gpu": lambda record: (record["host"], record),
}


def numbers(record, *path):
    """The ratios in a record of timings: (path, ratio)."""
    if isinstance(record, list):
        record = dict(enumerate(record))
    if isinstance(record, dict):
        if "ratio" in record:
            yield path, record["ratio"]
        for key, below in record.items():
            yield from numbers(below, *path, key)


def test_every_recorded_ratio_is_a_median_between_its_quartiles():
    for path, ratio in numbers(RECORDS["timings"]):
        entry = reduce(getitem, path, RECORDS["timings"])
        assert 0 < entry["low"] <= ratio <= entry["high"], path


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_carries_command_machine_and_versions(name):
    record = RECORDS[name]
    machine, versions = MADE_WITH[name](record)
    kind, command = re.fullmatch(r"(make|python -m) ([\w.-]+)", record["command"]).groups()
    target = rf"^{command}:" if kind == "make" else rf"-m {re.escape(command)}$"
    assert re.search(target, MAKEFILE, re.MULTILINE), f"no such command: {record['command']}"
    made = datetime.date.fromisoformat(record["recorded"])
    assert datetime.date(2026, 1, 1) < made <= datetime.date.today() + datetime.timedelta(1)
    for package in ("numpy", "torch"):
        assert versions[package] == PINS[package], f"the pins have moved: {record['command']}"
    known = [other["processor"] for other in MACHINES.values()]
    assert machine["processor"] in known, (
        f"{machine['processor']} is not a machine of the matrix: run `make matrix` there"
    )


def test_every_row_of_the_matrix_can_be_true():
    sizes = {id: len(published._flatten(published.record(id)["values"])) for id in published.ids()}
    for row in RECORDS["matrix"]["rows"]:
        assert row["records"].keys() == {
            id for id in sizes if "torch" in row or id[:3] in ("5.1", "5.2")
        }
        for id, found in row["records"].items():
            assert found["total"] == sizes[id] >= found["exact"] >= 0, f"{row['what']}: {id}"
            assert (found["exact"] == found["total"]) == (found["max_ulp"] == 0)
            assert 0 <= found["max_ulp"] <= published.TOLERANCE_ULP
            if "values" in found:
                again = published.compare(id, found["values"])
                assert (again.exact, again.max_ulp) == (found["exact"], found["max_ulp"])


def test_the_ledger_was_made_on_a_machine_of_the_matrix():
    machine = RECORDS["ledger"]["run"]["machine"]
    assert matrix.name_of(machine) in MACHINES, "run `make matrix` on the machine of the ledger"


def test_a_machine_ran_only_what_its_instructions_allow():
    for name, machine in MACHINES.items():
        assert matrix.name_of(machine) == name
        for row in RECORDS["matrix"]["rows"]:
            if row["machine"] == name and row.get("kernels", "default") != "default":
                kernels = row["kernels"].replace("avx512", "avx512f")
                assert kernels in machine["vector instructions"], f"{row['what']} on {name}"
    assert {row["machine"] for row in RECORDS["matrix"]["rows"]} == set(MACHINES)


def test_distances_on_a_gpu_are_within_the_tolerance():
    for id, record in RECORDS.get("gpu", {"records": {}})["records"].items():
        assert record["total"] == len(published._flatten(published.record(id)["values"]))
        assert (record["exact"] == record["total"]) == (record["max_ulp"] == 0)
        assert record["max_ulp"] <= published.TOLERANCE_ULP


#: All benchmarks run again with one round; these with less to do, too.
FEW = {
    "loading": {"points": 10_000},
    "workers": {"sizes": (85, 1_000_000)},
    "disk": {"ways": (), "blocks": 1},
}
#: The sizes of these are measured apart: where their names stand in a path, and the option for them.
SIZES = {"loading": (2, "batch_sizes"), "minibatches": (1, "sizes")}
GROUPS = sorted({path[0] for path, _ in numbers(RECORDS["timings"])} - {"pinned_memory"})


@pytest.mark.parametrize("group", GROUPS)
def test_a_quick_run_of_the_benchmark_bears_out_the_recorded_ratios(group):
    """By a factor of three: so it holds on other machines too, and refuses what is invented."""
    recorded = {path: ratio for path, ratio in numbers(RECORDS["timings"]) if path[0] == group}
    benchmark, far = getattr(measure, f"measure_{group}"), recorded
    options = {"rounds": 1} | FEW.get(group, {})
    for attempt in range(5):  # a busy machine may disturb one run, but not each
        found = dict(numbers({group: benchmark(**options)}))
        assert found and found.keys() <= recorded.keys()
        assert attempt or group == "workers" or found.keys() == recorded.keys()
        ratios = {path: found[path] / recorded[path] for path in found if path in far}
        far = {path: found[path] for path, ratio in ratios.items() if not 1 / 3 < ratio < 3}
        if not far:
            break
        if group in SIZES:  # the sizes that are borne out are not measured again
            place, name = SIZES[group]
            options[name] = sorted({int(path[place]) for path in far})
    assert not far, {path: f"recorded {recorded[path]}, now {far[path]}" for path in far}
