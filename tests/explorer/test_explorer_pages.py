"""The explorer on the pages of the built book, under their own policy."""

import functools
import http.server
import threading
import time
import zipfile

import pytest


@pytest.fixture(scope="module")
def shelf(book):
    """The address of the built book."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Handler, directory=str(book.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("width, height", [(1280, 800), (375, 667)])
def test_the_front_page_says_at_once_what_to_press(engine, shelf, page_of, width, height):
    page = page_of(engine)
    engine.open(f"{shelf}/index.html", width, height)
    page.settle()
    for selector in (".data .box", ".map .box", "#play"):
        left, top, across, tall = page.box(selector)
        assert left >= 0 and left + across <= width and top + tall <= height, selector
    assert page.box(".data .box")[1::2] == pytest.approx(page.box(".map .box")[1::2], abs=1)
    buttons = page.run(
        "() => [...document.querySelectorAll('main .btn')].map((a) => [a.textContent, a.getBoundingClientRect().top])"
    )
    assert [text for text, _ in buttons] == ["Start reading", "Run it"]
    assert all(top < height - 20 for _, top in buttons)
    page.click("#play")
    end = time.monotonic() + 5
    while page.ex("e.k") < 4:
        assert time.monotonic() < end
    assert engine.errors() == []


@pytest.mark.parametrize("name", ["5-1-math", "5-2-numpy", "5-3-pytorch"])
def test_explorers_run_under_the_policy_of_the_pages(engine, shelf, page_of, name):
    page = page_of(engine)
    engine.open(f"{shelf}/chapters/{name}.html", 1280, 800)
    page.settle()
    assert page.box(".map canvas")[3] > 300
    assert page.text("#message")
    assert engine.errors() == []


def test_the_front_page_does_not_shift(chromium, shelf):
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{shelf}/index.html", wait_until="networkidle")
    page.wait_for_timeout(300)
    shift = page.evaluate(
        """() => new Promise((done) => {
          let total = 0;
          new PerformanceObserver((list) => list.getEntries().forEach((e) => (total += e.value))).observe({ type: "layout-shift", buffered: true });
          setTimeout(() => done(total), 200);
        })"""
    )
    page.close()
    assert shift < 0.02


def test_without_script_the_two_stills_stand_side_by_side(chromium, shelf):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shelf}/index.html")
    stills = [one.bounding_box() for one in page.locator(".stills svg").all()]
    context.close()
    assert len(stills) == 2
    assert stills[0]["y"] == pytest.approx(stills[1]["y"], abs=2)
    assert stills[0]["x"] + stills[0]["width"] <= stills[1]["x"]


def test_on_paper_the_two_stills_stand_for_it(book):
    """Nor is there anything to press."""
    with zipfile.ZipFile(next(book.folder.glob("*.epub"))) as epub:
        texts = [epub.read(name).decode() for name in epub.namelist() if name.endswith(".xhtml")]
    front = next(text for text in texts if 'class="stills"' in text)
    assert front.count("<img") == 2 and "Start reading" not in front and "gd-explorer" not in front
