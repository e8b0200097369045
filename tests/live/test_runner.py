"""What a cell shows in a page: the runner is plain Python, so it is asked here without a browser."""

import json
from pathlib import Path

import pytest

from book.live import runner

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(monkeypatch):
    """Run cells in a namespace of their own; returns what each shows."""
    monkeypatch.setattr(runner, "NAMESPACE", {"__name__": "__main__"})
    monkeypatch.setenv("MPLBACKEND", "svg")

    def one(code, alts=(), place=0, elsewhere=(("torch", "PyTorch"),)):
        shown = []
        runner.run(
            code, "Code 1", place, dict(elsewhere), list(alts), lambda *what: shown.append(what)
        )
        return shown

    return one


def texts(shown):
    return "".join(text for kind, text, _ in shown if kind == "text")


def test_what_is_printed_and_the_last_value_are_shown_in_order(run):
    assert texts(run("print(1)\nx = 2\nx + 1")) == "1\n3\n"
    assert texts(run("print(x)")) == "2\n"
    assert run("None") == run("x;") == run("") == run("# nothing") == []


def test_a_cell_that_prints_without_end_is_cut(run):
    assert (
        len(texts(run("for i in range(10**6): print('a line of some length')"))) < 2 * runner.MOST
    )


@pytest.mark.parametrize(
    "code, short",
    [
        ("x = 1\nprint(lrr)", "Line 2: NameError: name 'lrr' is not defined"),
        ("x = (1", "Line 1: SyntaxError: '(' was never closed"),
        ("def f():\n    return 1 / 0\n\n\nf()", "Line 2: ZeroDivisionError: division by zero"),
        ("raise SystemExit", "Line 1: SystemExit"),
        ("import sys; sys.exit(3)", "Line 1: SystemExit: 3"),
    ],
)
def test_an_error_is_one_line_and_its_traceback_begins_in_the_cell(run, code, short):
    kind, text, trace = run(code)[-1]
    assert (kind, text) == ("error", short)
    assert 'File "Code 1"' in trace and "runner.py" not in trace


def test_what_does_not_run_in_a_page_says_so_only_where_it_is_used(run):
    assert run("import torch\nfrom torch import nn\nimport numpy as np") == []
    for code in ("torch.ones(2)", "class M(nn.Module): ...", "nn(1)"):
        assert "PyTorch does not run in a page" in run(code)[-1][1]


def test_a_figure_is_drawn_as_the_stored_one(run):
    page = json.loads((ROOT / "chapters/5-1-math.ipynb").read_text("utf-8"))
    cells = {c["id"]: "".join(c["source"]) for c in page["cells"] if c["cell_type"] == "code"}
    for id in ("534c1bf9", "load-points"):
        run(cells[id])
    [(kind, svg, _)] = run(cells["480999ff"], ["What it shows"])
    assert kind == "figure" and 'aria-label="What it shows"' in svg
    assert svg.startswith('<svg role="img"') and "style" not in svg and "<metadata" not in svg
    [(_, again, _)] = run(cells["480999ff"], place=1)
    assert svg.split("id=")[1] != again.split("id=")[1]  # no name twice in a page
    kind, _, tag = run("Explorer('5.1.3/gd')")[-1]
    assert kind == "explorer" and tag.startswith("<gd-explorer data-config=")


def test_a_table_is_shown_as_html(run):
    code = "from utils.tables import Table\nTable('Title', ['a'], [(1,)])"
    assert run(code)[-1][0] == "html"
