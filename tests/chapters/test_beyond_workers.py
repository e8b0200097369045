"""The page "Many workers, one gradient": its functions, run by real processes."""

import json
import re
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest

import utils.data
import utils.descent
import utils.gradients
from book.proof import measure

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "chapters" / "beyond-workers.ipynb"
X, _, y, _ = utils.data.load_chapter_data()

TASKS = """
def all_paths(X, y):
    found = {"by_hand": by_hand(X, y)}
    if dist.get_world_size() > 1:
        found |= four_ways(X, y) | {"starts": starts(X, y)}
    return found

def with_pid(work):
    def task(X, y):
        Path(f"{dist.get_rank()}.pid").write_text(str(os.getpid()))
        return work(X, y)
    return task

@with_pid
def killed(X, y):
    by_hand(X, y, steps=3)
    if dist.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return by_hand(X, y)

@with_pid
def raises(X, y):
    if dist.get_rank() == 1:
        raise ValueError("a fault of worker 1")
    return by_hand(X, y)

@with_pid
def silent(X, y):
    if dist.get_rank() == 1:
        time.sleep(600)
    return by_hand(X, y)
"""


@pytest.fixture
def page(tmp_path):
    """The definitions of the page, and its worker file with the tasks above."""
    return measure.workers_page(tmp_path, TASKS, points=(X, y))


def gone(pid: int) -> bool:
    """Whether a process has ended (one that only waits to be collected has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def no_process_left(folder: Path) -> bool:
    pids = [int(path.read_text()) for path in folder.glob("*.pid")]
    assert pids
    ends = time.monotonic() + 10
    while time.monotonic() < ends and not all(map(gone, pids)):
        time.sleep(0.05)
    return all(map(gone, pids))


# The paths ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[1, 3])  # the page itself has two and four
def results(request, tmp_path_factory):
    """What each of so many workers says of all the paths, from one launch."""
    page = measure.workers_page(tmp_path_factory.mktemp("workers"), TASKS, points=(X, y))
    return page["launch"](request.param, "all_paths")


def test_the_path_of_many_workers_is_that_of_utils(results):
    expected = utils.descent.gradient_descent(X, y, lr=0.2, steps=10).path[1:]
    paths = [result["by_hand"] for result in results]
    assert len(paths) in (1, 3) and all(path == paths[0] for path in paths)
    np.testing.assert_array_max_ulp(np.array(paths[0]), expected, maxulp=8)


@pytest.mark.parametrize("results", [3], indirect=True)
def test_ddp_goes_where_each_way_must_lead(results):
    """The four paths, each from the weight that its way gives to every point."""
    workers = len(results)
    shards = [np.arange(rank, 85, workers) for rank in range(workers)]
    sizes = np.concatenate([np.full(shard.size, shard.size) for shard in shards])
    weights = {
        "drop": np.where(np.arange(85) < 85 // workers * workers, 1.0, 0.0),
        "pad": np.where(np.arange(85) < -85 % workers, 2.0, 1.0),
        "uneven": (1 / sizes)[np.argsort(np.concatenate(shards))],
        "weighted": np.ones(85),
    }
    for way, weight in weights.items():
        theta, path = np.array([1.0, 1.5]), []
        for _ in range(10):
            error = y - theta[0] - theta[1] * X
            gradient = [np.average(-2 * part, weights=weight) for part in (error, error * X)]
            theta = theta - 0.2 * np.array(gradient)
            path.append(theta)
        for result in results:
            assert np.allclose(result[way][0], path, rtol=1e-13), way
            assert result[way][1] == [16] * 10
    assert len({tuple(results[0][way][0][-1]) for way in weights}) == 4


@pytest.mark.parametrize("results", [3], indirect=True)
def test_ddp_gives_all_workers_the_parameters_of_the_first(results):
    (own_0, wrapped_0, walked_0), *others = (result["starts"] for result in results)
    assert wrapped_0 == own_0
    for own, wrapped, walked in others:
        assert own != own_0 and wrapped == own_0
        assert np.allclose(np.subtract(walked, walked_0), np.subtract(own, own_0), rtol=1e-12)


# What goes wrong ---------------------------------------------------------------------------------


def test_a_killed_worker_ends_all_with_an_error(page):
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="process 1 terminated with signal SIGKILL"):
        page["launch"](2, "killed")
    assert time.monotonic() - begun < 50, "before the time limit of all_reduce"
    assert no_process_left(page["folder"])


def test_a_fault_in_a_worker_is_told(page):
    with pytest.raises(RuntimeError, match="a fault of worker 1|Connection closed by peer"):
        page["launch"](2, "raises")
    assert no_process_left(page["folder"])


def test_a_silent_worker_is_not_waited_for_longer_than_all_reduce_may(page):
    worker = page["folder"] / "worker.py"
    source = worker.read_text()
    assert source.count("timedelta(seconds=60)") == 1
    worker.write_text(source.replace("timedelta(seconds=60)", "timedelta(seconds=3)"))
    with pytest.raises(RuntimeError, match="(?i)timed out"):
        page["launch"](2, "silent", seconds=100)
    assert no_process_left(page["folder"])


def test_the_launcher_has_a_time_limit_of_its_own(page):
    for seconds in (5, 15, 45):  # a busy machine may need as long to start the workers
        with pytest.raises(RuntimeError, match=f"not done after {seconds} s; all were stopped"):
            page["launch"](2, "silent", seconds=seconds)
        if list(page["folder"].glob("*.pid")):
            break
    assert no_process_left(page["folder"])


# What the page says ------------------------------------------------------------------------------


def test_the_record_bears_out_what_the_page_says_of_it():
    record = json.loads(measure.RECORD.read_text(encoding="utf-8"))["workers"]
    assert set(record["points"]) == {str(n) for n in measure.WORKERS_POINTS}
    ratios = [row["two_processes"]["ratio"] for row in record["points"].values()]
    assert ratios[0] < 0.2, "many times slower at 85 points"
    assert ratios[0] < ratios[3] < ratios[-1], "the more points, the less that matters"
    text = "".join(
        output.get("text", "")
        for cell in nbformat.read(PAGE, as_version=4).cells
        for output in cell.get("outputs", [])
    )
    for n, row in record["points"].items():
        ratio = "{ratio:.3g} ({low:.3g} to {high:.3g})".format(**row["two_processes"])
        assert re.search(rf"^ *{n} +{re.escape(ratio)}$", text, re.MULTILINE)
