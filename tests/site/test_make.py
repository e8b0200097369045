"""`make` makes the environment whole or not at all."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: A Python of version $VERSION that makes environments as Debian's does: without the package
#: python3-venv it has written half of one when it fails.
PYTHON = """#!/bin/sh
case "$*" in
  *"print("*) echo {version} ;;
  "-m venv "*)
    mkdir -p "$3/bin" && touch "$3/pyvenv.cfg" && cp "$0" "$3/bin/python"
    [ -e "{package}" ] || {{ echo "ensurepip is not available" >&2; exit 1; }}
    touch "$3/pip" ;;
  "-m pip "*) [ -e "$(dirname "$0")/../pip" ] || exit 1; echo "$*" >> "{log}" ;;
esac
"""


@pytest.fixture
def make(tmp_path):
    """Run `make html` in a folder with nothing but the Makefile, by stand-ins for Python."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "render.lock").touch()
    shutil.copy(ROOT / "Makefile", tmp_path)

    def run(*arguments, version="3.12", package=True):
        has, log, python = (tmp_path / name for name in ("package", "log", f"python{version}"))
        has.touch() if package else has.unlink(missing_ok=True)
        python.write_text(PYTHON.format(version=version, package=has, log=log), "utf-8")
        python.chmod(0o755)
        path = tmp_path / "bin"
        path.mkdir(exist_ok=True)
        shutil.copy(python, path / "python3")
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHON", "MAKEFLAGS")}
        environment["PATH"] = f"{path}:{environment['PATH']}"
        return subprocess.run(
            ["make", "html", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip

    run.folder = tmp_path
    return run


def test_a_failed_environment_leaves_nothing_and_names_the_package(make):
    failed = make(package=False)
    assert failed.returncode
    assert "apt-get install python3-venv" in failed.stderr
    assert not (make.folder / ".venv").exists()
    assert make().returncode == 0


def test_half_an_environment_does_not_stand_in_the_way(make):
    half = make.folder / ".venv" / "bin"
    half.mkdir(parents=True)
    (half.parent / "pyvenv.cfg").touch()
    shutil.copy(shutil.which("true"), half / "python")
    (half / "python").write_text("#!/bin/sh\nexit 1\n", "utf-8")
    assert make().returncode == 0


def test_another_folder_of_that_name_is_left_alone(make):
    (make.folder / ".venv").mkdir()
    (make.folder / ".venv" / "precious").touch()
    failed = make()
    assert failed.returncode
    assert "is no environment of Python" in failed.stderr
    assert (make.folder / ".venv" / "precious").exists()


def test_a_python_that_is_asked_for_is_the_one_that_runs(make):
    assert make(version="3.11").returncode == 0
    installed = (make.folder / "log").read_text("utf-8")
    again = make(version="3.11")
    assert again.returncode == 0
    assert "Making" not in again.stdout
    assert (make.folder / "log").read_text("utf-8").count("install") == installed.count("install")
    (make.folder / ".venv" / "mark").touch()
    assert make(version="3.12").returncode == 0  # nobody asked: the environment stays
    assert (make.folder / ".venv" / "mark").exists()
    asked = make("PYTHON=./python3.13", version="3.13")
    assert "Making the environment .venv with ./python3.13" in asked.stdout
    assert not (make.folder / ".venv" / "mark").exists()
    assert "Making" not in make("PYTHON=./python3.13", version="3.13").stdout


@pytest.mark.parametrize("lock", ["render", "all"])
def test_what_is_pinned_is_locked_with_hashes(lock):
    """After a change of a pin: `make lock`."""
    names = ["book/requirements.txt"] + ["requirements.txt"] * (lock == "all")
    lines = "\n".join((ROOT / name).read_text("utf-8") for name in names).splitlines()
    pins = {line.split("#")[0].strip() for line in lines if "==" in line}
    pins -= {pin for pin in pins if pin.startswith("torch==")}  # it has several builds
    locked = (ROOT / "book" / f"{lock}.lock").read_text("utf-8")
    assert len(pins) >= 8
    for pin in pins:
        pattern = re.escape(pin.lower()).replace("_", "[-_]")
        assert re.search(rf"^{pattern}\b[^\n]*\\\n +--hash=sha256:", locked, re.MULTILINE), pin
    assert not re.search(r"^(torch|nvidia)", locked, re.MULTILINE)
