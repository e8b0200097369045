"""What needs Chromium's own tools: fingers, axe, layout shifts, a printer, a page without script."""

import json

import axe
import numpy as np
import pytest
from engines import Chromium

from explorer import SCRIPT, Explorer


@pytest.fixture(scope="module")
def engine(chromium):
    found = Chromium(chromium)
    yield found
    found.close()


def test_a_finger_drags_the_ring_and_taps_the_map_but_scrolls_elsewhere(visit):
    page = visit(width=375, height=600, has_touch=True, is_mobile=True)
    window = page.engine.page
    session = window.context.new_cdp_session(window)

    def touch(kind, *points):
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )

    x, y = page.spot("map", 1, 1.5)
    touch("touchStart", (x, y))
    for part in (0.3, 0.6, 1):
        touch("touchMove", (x + 50 * part, y + 30 * part))
    touch("touchEnd")
    page.settle()
    dragged = page.settings()
    assert dragged["b"] > 1.3 and dragged["w"] < 1.4
    assert page.run("() => scrollY") == 0
    for _ in range(8):  # Chromium takes a tap that comes soon after a drag for its end
        window.touchscreen.tap(*page.spot("map", 2.4, 2.4))
        window.wait_for_timeout(400)
        if page.settings()["b"] > 2:
            break
    tapped = page.settings()
    assert tapped["b"] == pytest.approx(2.4, abs=0.02) and tapped["w"] == pytest.approx(
        2.4, abs=0.02
    )
    touches = (
        "[getComputedStyle($('.map .box')).touchAction, getComputedStyle($('.handle')).touchAction]"
    )
    assert page.ex(touches) == ["auto", "none"]
    side = page.spot("map", 0.5, 0.5)
    touch("touchStart", side)
    for part in (20, 60, 120):
        touch("touchMove", (side[0], side[1] - part))
    touch("touchEnd")
    window.wait_for_timeout(200)
    assert page.run("() => scrollY") > 20
    assert page.settings() == tapped


def test_reduced_motion_shows_the_end_at_once(visit):
    page = visit(reduced_motion="reduce")
    page.choose("#k", 0)
    page.click("#play")
    assert page.text("#k-now") == "200 of 200" and page.text("#play") == "Play"


@pytest.mark.parametrize("theme, width", [("light", 1000), ("dark", 1000), ("light", 320)])
def test_axe_finds_nothing(visit, theme, width):
    page = visit("5.1", "5.2", "front", width=width)
    page.run("(theme) => { document.documentElement.dataset.theme = theme }", theme)
    page.run(
        "() => document.querySelectorAll('gd-explorer').forEach((e) => e.shadowRoot.querySelectorAll('details').forEach((d) => (d.open = true)))"
    )
    page.settle()
    page.engine.page.evaluate(axe.SCRIPT)
    found = page.run(
        "() => axe.run().then((r) => ({ bad: r.violations.map((v) => [v.id, v.nodes.map((n) => n.target + n.failureSummary)]), good: r.passes.length }))"
    )
    assert found["bad"] == []
    assert found["good"] > 15
    assert page.run("() => document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [1000, 375])
def test_nothing_shifts_when_it_loads_and_the_page_below_stays_when_it_plays(visit, width):
    page = visit("5.1", "5.2", "5.3", "front", width=width)
    page.engine.page.wait_for_timeout(200)
    shifts = """() => new Promise((done) => {
      new PerformanceObserver((list) => done(list.getEntries().map((e) => e.value))).observe({ type: "layout-shift", buffered: true });
      setTimeout(() => done([]), 300);
    })"""
    assert sum(page.run(shifts)) < 0.005  # a busy machine may paint once between two lines
    for index in range(4):
        height = page.ex("e.offsetHeight", index=index)
        for preset in page.ex("e.config.presets.map((p) => p.id)", index=index):
            for k in (0, 5, 1e9):
                page.ex(
                    "e.choose(e.config.presets.find((p) => p.id === a)), e.go(b)",
                    preset,
                    k,
                    index=index,
                )
                page.settle()
                assert page.ex("e.offsetHeight", index=index) == height, (preset, k)


def test_without_script_and_in_print_the_still_figure_stands(visit, address, engine):
    engine.open(address("5.1.3/gd"), java_script_enabled=False)
    image = engine.page.locator("gd-explorer img")
    assert image.is_visible() and len(image.get_attribute("alt")) > 60
    visit(java_script_enabled=True)  # a window of its own, which goes to the printer
    image, app = engine.page.locator("gd-explorer img"), engine.page.locator(".app")
    assert not image.is_visible() and app.is_visible()
    engine.page.emulate_media(media="print")
    assert image.is_visible() and not app.is_visible()


@pytest.fixture
def busy(engine):
    """Start the clock of the page's thread, which does not run while others have the processor."""

    def start():
        session = engine.page.context.new_cdp_session(engine.page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def milliseconds():
            metrics = session.send("Performance.getMetrics")["metrics"]
            return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")

        return milliseconds

    return start


def test_a_run_of_850_updates_is_drawn_within_half_a_frame(visit, busy):
    """Ten epochs, one point a batch: computed and drawn in less than 8 ms, in the mean of 40."""
    page = visit("5.2")
    again = """await new Promise((done) => setTimeout(() => {
      for (let i = 0; i < 40; i++) {
        e.set({ batch: 1, epochs: 10, b: 0.5 + 0.01 * i });
        e.update();
      }
      done();
    }))"""
    page.ex(again)  # the browser compiles
    worked = busy()
    before = worked()
    page.ex(again)
    assert page.ex("e.run.updates") == 850
    assert 10 < worked() - before < 40 * 8


DRAG = """([x, y]) => new Promise((done) => {
  const box = document.querySelector("gd-explorer").shadowRoot.querySelector(".map .box"), frames = [];
  let last = 0, count = 0;
  requestAnimationFrame(function frame(now) {
    if (last) frames.push(now - last);
    last = now;
    if (++count > 90) return done(frames);
    for (const part of [0.3, 0.6, 0.9]) { // a fine mouse: several moves a frame
      const at = { clientX: x + 80 * Math.sin((count + part) / 20), clientY: y - 60 * Math.sin((count + part) / 31) };
      box.dispatchEvent(new PointerEvent("pointermove", { ...at, pointerType: "mouse", bubbles: true }));
    }
    requestAnimationFrame(frame);
  });
})"""


def test_a_drag_leaves_the_processor_most_of_each_frame(visit, busy):
    """Seen with ``pytest -s -k drag_leaves``: the frames, and how long the page's thread works in one."""
    page = visit("5.1", width=1280)
    page.ex("$('.map').scrollIntoView({ block: 'center', behavior: 'instant' })")
    place, worked = page.spot("map", 1, 1.5), busy()
    page.engine.mouse(("move", *place), ("down",))
    before, frames = worked(), page.engine.page.evaluate(DRAG, place)
    each = (worked() - before) / len(frames)
    page.engine.mouse(("up",))
    times = f"median {np.median(frames):.1f} ms, 95 % below {np.quantile(frames, 0.95):.1f} ms"
    print(f"frames of a drag: {times}; the page's thread works {each:.1f} ms in each")
    assert page.settings() != Explorer("5.1.3/gd").settings
    assert each < 8, "half of a frame at 60 Hz"


def test_the_readable_script_and_the_one_on_the_page_show_the_same(visit, site):
    """Every word, and every pixel of the canvases."""
    css = json.dumps(SCRIPT.with_suffix(".css").read_text("utf-8"))
    readable = SCRIPT.read_text("utf-8").replace('"gd-explorer.css"', css)
    site[0]["/readable.js"] = (readable, "text/javascript")
    shown = []
    for script in ("/gd-explorer.js", "/readable.js"):
        page = visit("5.1.3/diverging", script=script)
        page.choose("#k", 3)
        shown.append(
            page.ex(
                """[e.shadowRoot.textContent.replace(/\\s+/g, " "), e.shadowRoot.adoptedStyleSheets[0].cssRules.length,
                ...[e.map, e.data, e.curve].map((p) => p.canvas.toDataURL())]"""
            )
        )
    assert shown[0] == shown[1] and len(shown[0][2]) > 5000
