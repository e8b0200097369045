"""The explorer on the pages of the built book, in Chromium and on paper."""

import zipfile

import pytest


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
