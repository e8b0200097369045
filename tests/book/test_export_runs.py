"""Each exported notebook runs anywhere: an empty folder, no network, no `utils` but its own.

What can fail in an exported notebook alone?  Its code after "Start here" is that of the source, cell
by cell, and so are its outputs; that is compared below, and the strict run of the sources (nbval on
``chapters``) has executed and compared that code.  What differs is the beginning: the cells that
write the files, and the Setup cell, which must find these files and no others.  So each notebook is
run here up to its imports, with another project's `utils` in the way.  And because the argument
rests on the files being those of the sources, the notebooks in WHOLE are run to their end, and their
outputs compared: one with NumPy and the explorer, one with PyTorch and the exercises' checks, one
that reads the recorded data.
"""

import json
import os
import shutil
import subprocess
import sys
import zlib
from base64 import b64encode
from pathlib import Path
from xml.etree import ElementTree

import pytest

from book import export, notebooks
from book.config import Book
from utils import published

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
SOURCES = {source.stem: ROOT / source for source in Book.read(ROOT).notebooks}
WHOLE = ("5-2-numpy", "5-5-exercises", "ledger")


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


# --- what is the same as in the source ------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(book):
    """The exported notebooks, as they lie beside the pages: name -> path."""
    return {name: book.folder / "notebooks" / f"{name}.ipynb" for name in SOURCES}


@pytest.mark.parametrize("name", SOURCES)
def test_the_code_after_the_start_and_its_outputs_are_those_of_the_source(name, exported):
    cells = notebooks.load(exported[name]).cells
    start = next(n for n, cell in enumerate(cells) if cell.id == "start")
    ours = [cell for cell in cells[start:] if cell.cell_type == "code"]
    theirs = [cell for _, cell in notebooks.code_cells(notebooks.load(SOURCES[name]))]
    assert [cell.id for cell in ours] == [cell.id for cell in theirs]
    for our, their in zip(ours, theirs, strict=True):
        form, _, rest = our.source.partition("\n")
        code = rest if form.startswith("#@title ") else our.source
        kept = [line for line in their.source.splitlines() if not line.startswith("#|")]
        assert code.strip("\n") == "\n".join(kept).strip("\n"), our.id
        assert [_comparable(o) for o in our.outputs] == [_comparable(o) for o in their.outputs]


def _comparable(output):
    data = {mime: value for mime, value in output.get("data", {}).items() if mime != "image/png"}
    return {**output, "data": data, "execution_count": None}


def test_every_record_is_compared_and_agrees(exported):
    texts = [path.read_text(encoding="utf-8") for path in exported.values()]
    for id in published.ids():
        agree = published.report(id, published.record(id)["values"])
        assert agree.startswith(f"{id}: ") and "agree" in agree
        assert any(agree in text for text in texts), f"no notebook prints: {agree}"


# --- run where another `utils` is in the way ------------------------------------------------------

#: Runs the first cells of notebooks, each in a process and a folder of its own.  They are forked
#: where NumPy and PyTorch are loaded already, which takes longer than all the rest.
BEGINNINGS = """
import io, json, os, sys
import matplotlib.pyplot, numpy, torch
from contextlib import redirect_stderr, redirect_stdout
from IPython.core.interactiveshell import InteractiveShell
sys.path.insert(0, "")
for name, cells in json.load(sys.stdin).items():
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    os.chdir(f"alone/{name}")
    shell, outcomes = InteractiveShell.instance(), []
    for cell in cells:
        with redirect_stdout(io.StringIO()) as printed, redirect_stderr(printed):
            result = shell.run_cell(cell)
        failed = result.error_before_exec or result.error_in_exec
        outcomes.append(repr(failed) + printed.getvalue() if failed else printed.getvalue())
    print(json.dumps([name, outcomes]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, exported):
    """(the folder, notebook -> what is wrong in each code cell, None where nothing is, a log).

    Each notebook lies in a folder of its own; but for WHOLE, which nbval runs in tolerant mode, it
    ends with the Setup cell.  A wrong `utils` lies beside it, and a second one can be imported and
    has been.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    other = folder / "other" / "utils"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("data = 'of another project'\n")
    beginnings = {}
    for name, path in exported.items():
        notebook = notebooks.load(path)
        if name not in WHOLE:
            setup = next(
                n for n, c in enumerate(notebook.cells) if "setup" in c.metadata.get("tags", ())
            )
            del notebook.cells[setup + 1 :]
            cells = [cell for _, cell in notebooks.code_cells(notebook)]
            assert not any(cell.outputs for cell in cells)
            beginnings[name] = [cell.source for cell in cells]
        alone = folder / "alone" / name
        alone.mkdir(parents=True)
        notebooks.save(notebook, alone / path.name)
        (alone / "utils.py").write_text("raise ImportError('the wrong utils')\n")
    (folder / "pytest.ini").write_text("[pytest]\njunit_family = xunit1\n")
    rules = shutil.copy(TESTS / "proof" / "tolerant.cfg", folder)
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadscope"),
        # pytest would take the path of the rules for a test, and this repository for the root
        *("-c", "pytest.ini", "--rootdir", ".", "-p", "no:cacheprovider", "--nbval"),
        *(f"--nbval-sanitize-with={rules}", "--junitxml", "junit.xml"),
        *(f"alone/{name}/{name}.ipynb" for name in WHOLE),
    ]

    def run(command, **options):
        return subprocess.run(
            command,
            cwd=folder,
            env=environment(folder, other.parent, STALE_UTILS="1"),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,  # what failed is read from its report
            **options,
        )

    begun = run([sys.executable, "-c", BEGINNINGS], input=json.dumps(beginnings))
    whole = run(command)
    found = {name: [] for name in exported}
    found |= {
        name: [text or None for text in texts]
        for name, texts in map(json.loads, begun.stdout.splitlines())
    }
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):
        problem = next(iter(case), None)
        name = Path(case.get("file") or case.get("classname").replace(".", "/")).parent.name
        found[name].append(None if problem is None else f"{case.get('name')}: {problem.text}")
    return folder, found, begun.stderr + whole.stdout + whole.stderr


@pytest.mark.parametrize("name", SOURCES)
def test_it_runs_in_an_empty_folder(name, outcomes):
    folder, found, log = outcomes
    cells = list(notebooks.code_cells(notebooks.load(folder / "alone" / name / f"{name}.ipynb")))
    assert [problem for problem in found[name] if problem] == [], log
    assert len(found[name]) == len(cells), f"cells were passed over\n{log}"


def test_nothing_was_asked_from_the_network(outcomes):
    assert attempts(outcomes[0]) == []


def test_each_notebook_wrote_the_files_of_the_book_and_no_others(outcomes):
    for name in SOURCES:
        alone = outcomes[0] / "alone" / name
        written = {
            path.relative_to(alone).as_posix(): path.read_text(encoding="utf-8")
            for path in alone.rglob("*.*")
            if path.suffix not in (".ipynb", ".pyc") and path != alone / "utils.py"
        }
        assert {"utils/published.json", "utils/data.py"} <= set(written)
        for file, text in written.items():
            ours = (ROOT / file).read_text(encoding="utf-8")
            if file.endswith(".json"):  # one entry a line
                text, ours = (json.loads(each, parse_float=str) for each in (text, ours))
            assert text == ours, f"{name}: {file}"


def test_nothing_of_the_book_can_be_imported_there(outcomes):
    folder = outcomes[0]
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


PUBLISHED = 'book_file("utils/published.json", r"""{}\n""")'
ONE = "%%book_file utils/one.py\nVALUE = 1"
PRINT = "import sys; sys.path.insert(0, '.')\nfrom utils.one import VALUE; print('VALUE', VALUE)"


def packed(name, text):
    data = b64encode(zlib.compress(json.dumps({name: text}).encode())).decode()
    return f'# words\nbook_unpack("""\n{data[:20]}\n{data[20:]}\n""")'


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


def test_packed_files_are_saved_with_the_same_care(session, tmp_path):
    assert session(PUBLISHED, packed("utils/one.py", "VALUE = 1\n"), PRINT) == (0, "VALUE 1\n")
    (tmp_path / "utils/one.py").write_text("VALUE = 7\n")
    status, printed = session(PUBLISHED, packed("utils/one.py", "VALUE = 1\n"), PRINT)
    assert status == 0 and "kept as utils/one.before-1.py" in printed and "VALUE 1" in printed
    assert (tmp_path / "utils/one.before-1.py").read_text() == "VALUE = 7\n"


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
