"""Which cells run in a page: what each needs, by itself, by the names it uses, by the book's modules."""

from pathlib import Path

import pytest

from book import notebooks
from book.live import cells, files

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    "utils": "",
    "utils.data": "import numpy",
    "utils.plots": "import matplotlib.pyplot\nfrom utils import data",
    "exercises": "",
    "exercises.training": "def needy(answer):\n    import torch\n\n\ndef plain(answer):\n    pass",
}


@pytest.mark.parametrize(
    "code, expected",
    [
        ("import os, sys\nfrom pathlib import Path", set()),
        ("import numpy as np", {"numpy"}),
        ("from sklearn.model_selection import train_test_split", {"sklearn"}),
        ("from utils import plots", {"numpy", "matplotlib"}),
        ("import utils.data", {"numpy"}),
        ("def f():\n    import torch", {"torch"}),
    ],
)
def test_libraries_are_found_through_the_books_own_modules(code, expected):
    assert cells.libraries(code, MODULES.get) == expected


@pytest.mark.parametrize(
    "codes, expected",
    [
        (["import torch\nimport numpy as np", "np.ones(2)"], "yy"),
        (["import torch", "torch.ones(2)"], "yn"),
        (["import torch\nx = torch.ones(2)"], "n"),
        (["from torch import nn", "class M(nn.Module): ...", "M()"], "ynn"),
        (["from torch import nn", "m = nn.Linear(1, 1)", "m = 2", "m + 1"], "ynyy"),
        (["import torch", "for x in torch.ones(2): ...", "for x in [1]:\n    print(x)"], "yny"),
        (["import torch", "def f(torch):\n    return torch", "f(1)"], "yyy"),
        (["from exercises.training import needy, plain", "a = 1", "needy(a)"], "ynn"),
        (["from exercises.training import needy, plain", "a = 1", "plain(a)"], "yyy"),
        (["import torch", "print(1)\na = 1", "torch.ones(a)"], "yyn"),
    ],
)
def test_a_cell_runs_where_all_that_it_uses_can(codes, expected):
    given = [(code, "print" in code) for code in codes]
    runs = cells.runnable(given, MODULES.get, {"torch"})
    assert "".join("ny"[run] for run in runs) == expected


def test_of_the_exercises_those_run_that_need_no_pytorch():
    source = next(name for name in files.LIST["pages"] if "5-5" in name)
    runs = files.page(ROOT, Path(source), notebooks.load(ROOT / source))["runs"]
    answers = {id for id in runs if id.startswith("start-")}
    assert answers == {f"start-5-{n}" for n in (1, 2, 3, 4, 5, 8, 9, 10, 11)}
    assert all(id.replace("start", "check") in runs for id in answers)
    assert {kind for id, kind in runs.items() if id.startswith("solution")} == {"live aside"}


def test_the_pages_of_5_1_and_5_2_run_whole_and_load_scikit_learn_only_for_one_cell():
    for name in ("5-1-math", "5-2-numpy"):
        notebook = notebooks.load(ROOT / f"chapters/{name}.ipynb")
        found = files.page(ROOT, Path(f"chapters/{name}.ipynb"), notebook)
        assert found["python"] == "matplotlib numpy"
        assert len(found["runs"]) == len(list(notebooks.code_cells(notebook)))
