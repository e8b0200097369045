"""Each exported notebook runs anywhere: an empty folder, no network, no `utils` but its own."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

from book import export
from utils import published

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
NAMES = [page.stem for page in export.Book(ROOT).notebooks]


def environment(folder: Path, *more: Path, **variables: str) -> dict[str, str]:
    """A machine like Colab's, without a network; nothing of this repository can be imported."""
    kept = (
        "PATH",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "SYSTEMROOT",
        "LD_LIBRARY_PATH",
        "CUDA_VISIBLE_DEVICES",
    )
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(map(str, [*more, TESTS / "book" / "colab"])),
        "NETWORK_LOG": str(folder / "network.log"),
        "COLAB_RELEASE_TAG": "simulated",
        "OMP_NUM_THREADS": "1",  # two kernels share the cores better than their threads do
        **variables,
    }


def attempts(folder: Path) -> list[str]:
    log = folder / "network.log"
    return log.read_text().splitlines() if log.exists() else []


def spread(folder: Path) -> dict[str, Path]:
    """Export the book and give each notebook an empty folder of its own."""
    notebooks = {}
    for path in export.export_all(ROOT, folder / "site"):
        target = folder / "alone" / path.stem
        target.mkdir(parents=True)
        notebooks[path.stem] = Path(shutil.copy(path, target))
    return notebooks


# --- nbval, tolerant, over all of them ----------------------------------------------------------


@pytest.fixture(scope="module")
def nbval(tmp_path_factory):
    """One run of nbval in tolerant mode: (the folder, notebook -> outcome of each code cell)."""
    folder = tmp_path_factory.mktemp("elsewhere")
    notebooks = spread(folder)
    (folder / "pytest.ini").write_text("[pytest]\njunit_family = xunit1\n")
    rules = shutil.copy(TESTS / "proof" / "tolerant.cfg", folder)
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadscope"),
        # pytest would take the path of the rules for a test, and this repository for the root
        *("-c", "pytest.ini", "--rootdir", ".", "-p", "no:cacheprovider", "--nbval"),
        *(f"--nbval-sanitize-with={rules}", "--junitxml", "junit.xml"),
        *(str(path.relative_to(folder)) for path in notebooks.values()),
    ]
    run = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,  # what failed is read from its report
    )
    outcomes = {name: [] for name in notebooks}
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):
        problem = next(iter(case), None)
        name = Path(case.get("file") or case.get("classname").replace(".", "/")).parent.name
        outcomes[name].append(None if problem is None else f"{case.get('name')}: {problem.text}")
    return folder, outcomes, run.stdout + run.stderr


@pytest.mark.parametrize("name", NAMES)
def test_nbval_passes_in_tolerant_mode(name, nbval):
    folder, outcomes, log = nbval
    notebook = nbformat.read(folder / "alone" / name / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [problem for problem in outcomes[name] if problem] == [], log
    assert len(outcomes[name]) == len(cells), f"nbval passed over cells\n{log}"


def test_nothing_was_asked_from_the_network(nbval):
    assert attempts(nbval[0]) == []


def test_every_record_was_compared_and_agreed(nbval):
    """nbval has just proven that the stored texts are the computed ones."""
    folder = nbval[0]
    texts = [path.read_text(encoding="utf-8") for path in (folder / "alone").glob("*/*.ipynb")]
    for id in published.ids():
        agree = published.report(id, published.record(id)["values"])
        assert agree.startswith(f"{id}: ") and "agree" in agree
        assert any(agree in text for text in texts), f"no notebook prints: {agree}"


def test_each_notebook_wrote_the_files_that_its_cells_show(nbval):
    for path in (nbval[0] / "alone").glob("*/*.ipynb"):
        shown = {}
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.source.startswith("%%book_file "):
                magic, _, text = cell.source.split("\n", 2)
                shown[magic.split()[1]] = text + "\n"
        written = [p for p in path.parent.rglob("*.*") if p.suffix not in (".ipynb", ".pyc")]
        assert {p.relative_to(path.parent).as_posix() for p in written} == set(shown)
        for name, text in shown.items():
            assert (path.parent / name).read_text(encoding="utf-8") == text, name


def test_nothing_of_the_book_can_be_imported_there(nbval):
    folder = nbval[0]
    for module in ("utils", "utils.data", "book"):
        run = subprocess.run(
            [sys.executable, "-c", f"import {module}"],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "ModuleNotFoundError" in run.stderr, f"{module} can be imported"


def test_the_network_is_really_blocked(tmp_path):
    code = "import urllib.request as r; r.urlopen('http://192.0.2.1/', timeout=5)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no network in this test" in run.stderr
    assert attempts(tmp_path) == ["socket.getaddrinfo 192.0.2.1"]


# --- one `jupyter execute` each, where another `utils` is in the way ------------------------------


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """`jupyter execute` of each notebook: another `utils` can be imported, and has been."""
    folder = tmp_path_factory.mktemp("clash")
    other = folder / "other" / "utils"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("data = 'of another project'\n")
    notebooks = spread(folder)

    def execute(path: Path):
        (path.parent / "utils.py").write_text("raise ImportError('the wrong utils')\n")
        return subprocess.run(
            [sys.executable, "-m", "jupyter", "execute", path.name],
            cwd=path.parent,
            env=environment(folder, other.parent, STALE_UTILS="1"),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    with ThreadPoolExecutor(2) as pool:
        return folder, dict(zip(notebooks, pool.map(execute, notebooks.values()), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_one_jupyter_execute_is_enough(name, executed):
    folder, runs = executed
    assert runs[name].returncode == 0, runs[name].stderr[-3000:]
    assert (folder / "alone" / name / "utils" / "published.json").is_file()
    assert attempts(folder) == []


# --- the cells that write the files ---------------------------------------------------------------

SHELL = """
import json, sys
sys.path.insert(0, "")
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.load(sys.stdin):
    result = shell.run_cell(cell)
    if result.error_before_exec or result.error_in_exec:
        sys.exit(1)
"""


@pytest.fixture
def session(tmp_path):
    """Run cells in a fresh IPython in an empty folder; return (status, what was printed)."""

    def run(*cells, **variables):
        env = environment(tmp_path, **variables)
        del env["NETWORK_LOG"]
        done = subprocess.run(
            [sys.executable, "-c", SHELL],
            input=json.dumps([export.WRITER, *cells]),
            cwd=tmp_path,
            env={**env, "NO_COLOR": "1", "TERM": "dumb"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def file_cell(name, text):
    return f'%%book_file {name}\n#@title {name} {{ display-mode: "form" }}\n{text}'


PUBLISHED = file_cell("utils/published.json", "{}")
ONE = file_cell("utils/one.py", "VALUE = 1")
PRINT = "import sys; sys.path.insert(0, '.')\nfrom utils.one import VALUE; print('VALUE', VALUE)"


def test_a_second_run_changes_nothing_and_says_nothing(session, tmp_path):
    assert session(PUBLISHED, ONE) == (0, "")
    assert (tmp_path / "utils/one.py").read_bytes() == b"VALUE = 1\n"
    before = (tmp_path / "utils/one.py").stat().st_mtime_ns
    assert session(PUBLISHED, ONE) == (0, "")
    assert (tmp_path / "utils/one.py").stat().st_mtime_ns == before


def test_a_file_that_the_learner_changed_is_put_aside_and_named(session, tmp_path):
    session(PUBLISHED, ONE)
    for edit, aside in (("VALUE = 7", "one.before-1.py"), ("VALUE = 8", "one.before-2.py")):
        (tmp_path / "utils/one.py").write_text(edit + "\n")
        status, printed = session(PUBLISHED, ONE, PRINT)
        assert status == 0 and "VALUE 1" in printed
        assert (
            f"utils/one.py differed from this cell; what it held is kept as utils/{aside}"
            in printed
        )
        assert (tmp_path / "utils" / aside).read_text() == edit + "\n"


def test_a_changed_cell_takes_effect_without_a_restart_and_leaves_no_copy(session, tmp_path):
    changed = ONE.replace("VALUE = 1", "VALUE = 2")
    status, printed = session(PUBLISHED, ONE, PRINT, export.WRITER, changed, PRINT)
    assert status == 0 and printed.split() == ["VALUE", "1", "VALUE", "2"]
    assert sorted(p.name for p in (tmp_path / "utils").glob("*.*")) == ["one.py", "published.json"]


def test_a_folder_of_another_project_is_left_alone(session, tmp_path):
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils/one.py").write_text("mine = True\n")
    status, printed = session(PUBLISHED, ONE)
    assert status == 1 and "Move the notebook to a folder of its own" in printed
    assert [p.name for p in (tmp_path / "utils").iterdir()] == ["one.py"]
    assert (tmp_path / "utils/one.py").read_text() == "mine = True\n"
