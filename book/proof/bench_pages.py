"""How the pages fit and how quick they are: ``make bench-pages``, after ``make html``.

For every page, on a screen of 1280 and of 375 pixels: code blocks cut at the right edge, and how far text moves
while the page comes over a slow line.  With PUBLISHED=folder, a copy of the published site, also first sight side
by side: largest contentful paint and DOMContentLoaded, the median of alternating first visits.  What other hosts
would send, fonts and MathJax, is blocked.  The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import uvicorn
from playwright.sync_api import Browser, sync_playwright
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

OURS = ("chapters/5-1-math.html", "chapters/5-3-pytorch.html")
PUBLISHED = "contents/intro2pt/intro.html"  # Sections 5.1 to 5.5 are one page there
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 2e5, "uploadThroughput": 1e5}
WATCH = """() => {
  window.seen = { moved: 0, paint: 0 };
  const watch = (type, act) => new PerformanceObserver((list) => list.getEntries().forEach(act)).observe({ type, buffered: true });
  watch("layout-shift", (entry) => (seen.moved += entry.value));
  watch("largest-contentful-paint", (entry) => (seen.paint = entry.startTime));
}"""
PAINTED = (
    "new Promise((done) => (function look() { seen.paint ? done() : setTimeout(look, 50); })())"
)
CUT = """() => [...document.querySelectorAll("pre.code")].map((code) => {
  for (let fold = code.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  return code.scrollWidth > code.clientWidth;
})"""


def serve(folder: Path, *, packed: bool = True) -> str:
    """Serve a folder for as long as this process lives, compressed as hosts do; returns the address."""
    app = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])
    app = GZipMiddleware(app) if packed else app
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    threading.Thread(target=server.run, args=[[listening]], daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/"


@contextmanager
def chromium():
    """The browser to measure in; says how busy the machine is."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def visit(browser: Browser, base: str, address: str, width: int = 1280, slow: bool = False) -> dict:
    """A first visit: ``moved``, ``paint`` and ``ready`` in milliseconds, ``cut``, which code is."""
    phone = width < 500
    size = {"width": width, "height": 800 if phone else 900}
    context = browser.new_context(viewport=size, has_touch=phone, is_mobile=phone)
    page = context.new_page()
    page.add_init_script(f"({WATCH})()")
    network = context.new_cdp_session(page)  # a handler of requests here would itself take time
    network.send("Network.enable")
    network.send("Network.setBlockedURLs", {"urls": ["https://*"]})
    if slow:
        network.send("Network.emulateNetworkConditions", SLOW)
    page.goto(base + address, wait_until="load")
    page.evaluate(PAINTED)
    page.wait_for_timeout(700 if slow else 300)
    seen = page.evaluate("seen") | {"cut": page.evaluate(CUT)}
    timing = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    seen["ready"] = page.evaluate(timing)
    context.close()
    return seen


def every_page(browser: Browser, folder: Path) -> None:
    base, total = serve(folder), {1280: [0, 0, 0.0], 375: [0, 0, 0.0]}
    print("page                              cut at 1280   moved   cut at 375   moved")
    for path in sorted(folder.rglob("*.html")):
        if path.name == "404.html":
            continue
        line = f"{path.relative_to(folder)!s:34}"
        for width, sums in total.items():
            seen = visit(browser, base, str(path.relative_to(folder)), width, slow=True)
            cut, moved = seen["cut"], seen["moved"]
            line += f"{sum(cut):5} of {len(cut):2}   {moved:7.4f}"
            sums[:] = sums[0] + sum(cut), sums[1] + len(cut), max(sums[2], moved)
        print(line, flush=True)
    for width, (cut, count, moved) in total.items():
        print(f"{width} px: {cut} of {count} code blocks cut; nothing moves more than {moved:.4f}")


def side_by_side(browser: Browser, folder: Path, published: Path, visits: int) -> None:
    places = {address: serve(folder) for address in OURS} | {PUBLISHED: serve(published)}
    times = {address: [] for address in places}
    for _ in range(visits):
        for address, base in places.items():
            times[address].append(visit(browser, base, address))
    for address in OURS:
        for name, key in (("largest contentful paint", "paint"), ("DOMContentLoaded", "ready")):
            ours, theirs = (median(seen[key] for seen in times[a]) for a in (address, PUBLISHED))
            print(
                f"{address}: {name} {ours:.0f} ms, published {theirs:.0f} ms: {ours / theirs:.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m book.proof.bench_pages")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("_book"))
    parser.add_argument("--published", type=Path, help="a copy of the published site")
    parser.add_argument("--visits", type=int, default=15)
    options = parser.parse_args()
    with chromium() as browser:
        if options.published:
            side_by_side(browser, options.folder, options.published, options.visits)
        every_page(browser, options.folder)


if __name__ == "__main__":
    main()
