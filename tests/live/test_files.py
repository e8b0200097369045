"""Every byte that a page loads is the one that the list names, whatever its source."""

import hashlib
import re
import zipfile
from pathlib import Path

import pytest

from book import notebooks
from book.live import files

ROOT = Path(__file__).resolve().parents[2]
GOOD, BAD = b"the right bytes", b"other bytes"


@pytest.fixture
def listed(monkeypatch, tmp_path):
    """A list of two files, and sources: a folder as an address, and a wheel."""
    folder, wheel = tmp_path / "served", tmp_path / "some_files-1.0-py3-none-any.whl"
    folder.mkdir()
    with zipfile.ZipFile(wheel, "w") as packed:
        about = "some_files-1.0.dist-info"
        packed.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: some-files\nVersion: 1.0\n"
        )
        packed.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        packed.writestr(f"{about}/RECORD", "")
        packed.writestr("deep/inside/a.zip", GOOD)
        packed.writestr("deep/b.whl", BAD)
    sha256 = hashlib.sha256(GOOD).hexdigest()
    monkeypatch.setattr(files, "FILES", {name: {"sha256": sha256} for name in ("a.zip", "b.whl")})
    monkeypatch.setitem(files.LIST, "sources", [f"{folder.as_uri()}/", str(wheel)])
    return folder, tmp_path / "cache"


def test_files_come_from_the_first_source_that_has_them_right(listed):
    folder, cache = listed
    (folder / "a.zip").write_bytes(BAD)
    (folder / "b.whl").write_bytes(GOOD)
    said = []
    assert files.fetch(cache, said.append)
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == {
        "a.zip": GOOD,
        "b.whl": GOOD,
    }
    assert any(line.startswith("  a.zip from file:") and "refused" in line for line in said)
    said.clear()
    assert files.fetch(cache, said.append) and said == []


def test_what_no_source_has_right_is_named_and_not_kept(listed):
    _, cache = listed
    said = []
    assert not files.fetch(cache, said.append)
    assert said[-1] == "  no source has b.whl: the pages will have no Run"
    assert files.missing(cache) == ["b.whl"] and not (cache / "b.whl").exists()


def test_a_file_that_was_changed_in_the_cache_is_missing(listed):
    folder, cache = listed
    for name in files.FILES:
        (folder / name).write_bytes(GOOD)
    assert files.fetch(cache, lambda line: None)
    (cache / "a.zip").write_bytes(BAD)
    assert files.missing(cache) == ["a.zip"]


def test_the_list_names_all_that_its_packages_depend_on():
    packages = files.LIST["packages"]
    assert all(name.lower() in packages for one in packages.values() for name in one["depends"])
    assert {"numpy", "matplotlib", "sklearn"} <= {
        n for one in packages.values() for n in one["imports"]
    }


@pytest.mark.parametrize("source", files.LIST["pages"])
def test_the_list_names_the_cells_that_need_what_is_elsewhere(source):
    code = {c.id: c.source for _, c in notebooks.code_cells(notebooks.load(ROOT / source))}
    left = files.LIST["pages"][source]
    assert {*left} <= code.keys()
    names = {"torch", "nn", "DataLoader", "TensorDataset", "random_split"}
    for id, text in list(code.items())[1:]:  # an import alone, as in the setup, uses nothing
        used = re.sub(r"\"[^\"\n]*\"|^(import|from) .*$|#.*$", "", text, flags=re.M)
        assert id in left or not names & {*re.findall(r"\w+", used)}, id


def test_an_exercise_runs_with_its_check_and_its_solution_apart():
    source = Path("chapters/5-5-exercises.ipynb")
    runs = files.page(source, notebooks.load(ROOT / source))["runs"]
    answers = {id for id in runs if id.startswith("start-")}
    assert answers == {f"start-5-{n}" for n in (1, 2, 3, 4, 5, 8, 9, 10, 11)}
    assert all(id.replace("start", "check") in runs for id in answers)
    assert {kind for id, kind in runs.items() if id.startswith("solution")} == {"live aside"}
