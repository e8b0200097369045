"""Python in the pages, in bytes and in seconds: ``make bench-live``, after ``make html``.

What the first Run brings over the wire; the time from the click to the first result, beside JupyterLite's
Pyodide kernel on the same files, in turns; and 200 steps of descent in the page beside the same cell in NumPy here.
JupyterLite comes from the wheel that files.json names.  The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, Page

from book import notebooks
from book.live import files
from book.proof.bench_pages import chromium, serve

PAGE = "chapters/5-1-math.html"
LITE = "lite/repl/index.html?kernel=python&code="
#: What JupyterLite runs; our page imports this and the book's modules in its setup, and then draws the points.
CODE = "import matplotlib.pyplot as plt\nimport numpy as np\nprint('mean', np.mean([1.0, 2.0]))"
TIMED = """
import time
times = []
for _ in range(15):
    begin = time.perf_counter()
{cell}
    times.append(time.perf_counter() - begin)
print("seconds", min(times))
"""
ALONE = """(code) => new Promise((done) => {
  const worker = new Worker("../assets/live/worker.js", { type: "module" });
  worker.onmessage = ({ data }) => data.kind === "done" && (worker.terminate(), done());
  worker.postMessage({ code, name: "cell", place: 0, alts: [], libraries: ["numpy"] });
})"""


def weight(folder: Path, urls: list[str]) -> int:
    """The bytes of these files as a host sends them, texts compressed."""
    total = 0
    for url in set(urls):
        path = folder / urlsplit(url).path.lstrip("/")
        content = path.read_bytes() if path.is_file() else b""
        text = url.endswith((".js", ".mjs", ".css", ".json", ".html"))
        total += len(gzip.compress(content) if text else content)
    return total


def opened(browser: Browser, address: str) -> tuple[Page, list[str]]:
    """A page in an empty browser, and the addresses of what it asks for from then on."""
    page = browser.new_context().new_page()
    page.goto(address, wait_until="networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return page, asked


def run(page: Page, place: int, code: str = "") -> str:
    """Run a cell of the page, with other code if there is some; returns what it prints."""
    cell = page.locator(".cell.live").nth(place)
    if code:
        cell.get_by_role("button", name="Edit").click()
        cell.get_by_role("textbox").wait_for()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(code)
    cell.get_by_role("button", name="Run").click()
    shown = cell.locator(".results samp")
    shown.first.wait_for(timeout=300_000)
    return shown.first.inner_text()


def ours(browser: Browser, base: str) -> tuple[float, Page, list[str]]:
    page, asked = opened(browser, base + PAGE)
    begin = time.perf_counter()
    run(page, 1)
    return time.perf_counter() - begin, page, asked


def theirs(browser: Browser, base: str) -> tuple[float, list[str]]:
    """From the birth of the kernel's worker, so without JupyterLite's own interface."""
    page = browser.new_context().new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    born: list[float] = []
    page.on("worker", lambda worker: born.append(time.perf_counter()))
    page.goto(base + LITE + quote(CODE))
    page.get_by_text("mean 1.5").wait_for(timeout=300_000)
    page.context.close()
    return time.perf_counter() - born[0], [url for url in asked if url.startswith(base)]


def jupyterlite(folder: Path) -> Path:
    """JupyterLite and its Pyodide as the wheel carries them."""
    source = next(source for source in files.LIST["sources"] if "==" in source)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*command, source], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    return next(folder.glob("*/assets"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m book.proof.bench_live")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("_book"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with chromium() as browser, tempfile.TemporaryDirectory() as scratch:
        other = jupyterlite(Path(scratch))
        base, lite = (serve(folder, packed=False) for folder in (options.folder, other))

        page, asked = opened(browser, base + PAGE)
        page.evaluate(ALONE, "import numpy")
        print(f"first run, NumPy alone: {weight(options.folder, asked) / 1e6:.2f} MB")
        page.context.close()
        times: dict[str, list[float]] = {"here": [], "JupyterLite": []}
        for _ in range(options.rounds):
            seconds, page, asked = ours(browser, base)
            times["here"].append(seconds)
            bytes_, last = weight(options.folder, asked), page
            seconds, loaded = theirs(browser, lite)
            times["JupyterLite"].append(seconds)
        print(f"first run of a page with matplotlib: {bytes_ / 1e6:.2f} MB", end=", ")
        print(f"JupyterLite's with its interface: {weight(other, loaded) / 1e6:.2f} MB")
        middle = {name: median(one) for name, one in times.items()}
        print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in middle.items()), end=": ")
        each = [a / b for a, b in zip(*times.values())]
        print(f"ratio {median(each):.2f}, from {min(each):.2f} to {max(each):.2f}")

        notebook = notebooks.load(files.ROOT / PAGE.replace(".html", ".ipynb"))
        codes = [notebooks.options(cell.source)[1] for _, cell in notebooks.code_cells(notebook)]
        place = next(n for n, code in enumerate(codes) if "for step in range(200)" in code)
        cell = "\n".join(f"    {line}" for line in codes[place].splitlines()[:-1])
        timed = TIMED.format(cell=cell)
        page_seconds = float(run(last, place, timed).split()[-1])
        gradient = next(code for code in codes if code.startswith("def dJ")).rpartition("\n\n\n")[0]
        points = "import numpy as np\nfrom utils import data\nX, _, y, _ = data.load_chapter_data()"
        program = "\n".join([points, gradient, timed])
        native = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        here = float(native.stdout.split()[-1])
        print(
            f"200 steps: {1e3 * page_seconds:.1f} ms in the page, {1e3 * here:.1f} ms here: {page_seconds / here:.1f}"
        )


if __name__ == "__main__":
    main()
