"""How heavy and how quick the explorer is: ``python -m book.proof.bench_explorer`` prints it.

Weight: script and data, gzipped.  Redraw: the time to recompute and redraw a run of 200 steps, layout
included, median of 300.  Drag: the intervals between frames while the start is dragged, on a processor
slowed four times by Chromium's own throttle.  Needs Chromium (CHROMIUM, or on the path); the
processor should have nothing else to do.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from statistics import median, quantiles

from playwright.sync_api import Page, sync_playwright

from explorer import SCRIPT, Explorer, script

REDRAW = """() => {
  const element = document.querySelector("gd-explorer"), times = [];
  for (let i = 0; i < 320; i++) {
    element.set({ b: 0.5 + 0.005 * i, w: 2 - 0.003 * i, epochs: 200, lr: 0.1 }, { write: false });
    const begin = performance.now();
    element.update();
    element.shadowRoot.querySelector(".path").getBoundingClientRect();
    times.push(performance.now() - begin);
  }
  return times.slice(20);
}"""
DRAG = """([x, y]) => new Promise((done) => {
  const element = document.querySelector("gd-explorer"), { update } = element, frames = [], work = [];
  const box = element.shadowRoot.querySelector(".map .box");
  element.update = function () {
    const begin = performance.now();
    update.call(this);
    work.push(performance.now() - begin);
  };
  let last = 0, count = 0;
  requestAnimationFrame(function frame(now) {
    if (last) frames.push(now - last);
    last = now;
    if (++count > 180) return done([frames, work]);
    // A fine mouse: several moves a frame.
    for (const part of [0.3, 0.6, 0.9]) {
      const at = { clientX: x + 80 * Math.sin((count + part) / 20), clientY: y - 60 * Math.sin((count + part) / 31) };
      box.dispatchEvent(new PointerEvent("pointermove", { ...at, pointerType: "mouse", bubbles: true }));
    }
    requestAnimationFrame(frame);
  });
})"""


def weight() -> str:
    """The gzipped bytes of the script and of the heaviest data that a page carries."""
    config = json.dumps(
        Explorer("5.2.4/shuffled").config(), separators=(",", ":"), ensure_ascii=False
    )
    readable = SCRIPT.read_text(encoding="utf-8")
    file, js, data = (len(gzip.compress(text.encode(), 9)) for text in (readable, script(), config))
    return (
        f"weight      script {js} + data {data} = {js + data} bytes gzipped (limit 15000); "
        f"gd-explorer.js with its comments {file}"
    )


def busy(session) -> float:
    """The processor time of the page's main thread, in seconds: other programs do not count."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def redraw(page: Page) -> str:
    """The time of one recomputed and redrawn 200-step run, in milliseconds."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = busy(session)
    times = page.evaluate(REDRAW)
    own = 1000 * (busy(session) - before) / 320
    return (
        f"redraw      median {median(times):.2f} ms, 95 % below {quantiles(times, n=20)[-1]:.2f} ms "
        f"(limit 4 ms; {4 / median(times):.1f} times under it); "
        f"processor time {own:.2f} ms each"
    )


def drag(page: Page, rate: int) -> str:
    """The frame intervals of three seconds of dragging at ``rate`` times slower, in milliseconds."""
    session = page.context.new_cdp_session(page)
    box = page.locator(".handle").bounding_box()
    x, y = box["x"] + 22, box["y"] + 22
    page.mouse.move(x, y)
    page.mouse.down()
    session.send("Emulation.setCPUThrottlingRate", {"rate": rate})
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = busy(session)
    times, work = page.evaluate(DRAG, [x, y])
    own = 1000 * (busy(session) - before) / len(times)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    page.mouse.up()
    page.evaluate("delete document.querySelector('gd-explorer').update")
    smooth = sum(time < 17.5 for time in times) / len(times)
    return (
        f"drag at 1/{rate}  frames: median {median(times):.1f} ms, 95 % below "
        f"{quantiles(times, n=20)[-1]:.1f} ms, {smooth:.0%} at 60 a second ({len(times)} frames); "
        f"own work a frame: median {median(work):.1f} ms of 16.7; "
        f"processor time of the page's thread, all told, {own:.1f} ms a frame"
    )


def main() -> None:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(weight())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        element = Explorer("5.1.3/gd").element("<svg/>")
        page.set_content(f"<!doctype html><meta charset=utf-8><script>{script()}</script>{element}")
        page.wait_for_timeout(300)
        print(redraw(page))
        for rate in (1, 4):
            print(drag(page, rate))
        browser.close()


if __name__ == "__main__":
    main()
