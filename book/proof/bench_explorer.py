"""How quick the explorer is on its page: ``make bench-explorer``, after ``make html``.

Drag: the intervals between frames while the start is dragged in Section 5.1, at full speed and on a
processor slowed four times by Chromium's own throttle, and the processor time of the page's thread.
Redraw: ten epochs of one point a batch, computed and drawn.  The machine should have nothing else to do.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Page, sync_playwright

DRAG = """([x, y]) => new Promise((done) => {
  const box = document.querySelector("gd-explorer").shadowRoot.querySelector(".map .box"), frames = [];
  let last = 0, count = 0;
  requestAnimationFrame(function frame(now) {
    if (last) frames.push(now - last);
    last = now;
    if (++count > 180) return done(frames);
    for (const part of [0.3, 0.6, 0.9]) { // a fine mouse: several moves a frame
      const at = { clientX: x + 80 * Math.sin((count + part) / 20), clientY: y - 60 * Math.sin((count + part) / 31) };
      box.dispatchEvent(new PointerEvent("pointermove", { ...at, pointerType: "mouse", bubbles: true }));
    }
    requestAnimationFrame(frame);
  });
})"""
REDRAW = """() => {
  const element = document.querySelector("gd-explorer"), times = [];
  for (let i = 0; i < 60; i++) {
    element.set({ batch: 1, epochs: 10, b: 0.5 + 0.01 * i }, { write: false });
    const begin = performance.now();
    element.update();
    times.push(performance.now() - begin);
  }
  return times.slice(10);
}"""


def summary(times: list[float]) -> str:
    return f"median {median(times):.1f} ms, 95 % below {quantiles(times, n=20)[-1]:.1f} ms"


def drag(page: Page, rate: int) -> str:
    """The frames of three seconds of dragging at ``rate`` times slower."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    page.locator(".map").first.scroll_into_view_if_needed()
    box = page.locator(".handle").first.bounding_box()
    x, y = box["x"] + 22, box["y"] + 22
    page.mouse.move(x, y)
    page.mouse.down()
    session.send("Emulation.setCPUThrottlingRate", {"rate": rate})
    before = busy()
    frames = page.evaluate(DRAG, [x, y])
    own = 1000 * (busy() - before) / len(frames)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    page.mouse.up()
    return f"drag at 1/{rate}   frames: {summary(frames)}; the page's thread works {own:.1f} ms a frame"


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "_book").resolve()
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((folder / "chapters/5-1-math.html").as_uri())
        page.wait_for_timeout(500)
        for rate in (1, 4):
            print(drag(page, rate))
        page.goto((folder / "chapters/5-2-numpy.html").as_uri())
        print(f"850 updates  computed and drawn: {summary(page.evaluate(REDRAW))}")
        browser.close()


if __name__ == "__main__":
    main()
