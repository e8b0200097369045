"""The pages in a real Chromium: accessible, narrow, searchable, quiet, readable without script."""

import gzip
import mimetypes
from pathlib import Path

import pytest
from axe import COLOURS, violations

from book.config import Book

HOST = "http://book.test/"
ROOT = Path(__file__).resolve().parents[2]
ADDRESSES = [str(source.with_suffix("")) for source, _ in Book.read(ROOT).listed]


@pytest.fixture
def visit(chromium, book):
    """Open a page of the book over HTTP, or as a file; foreign requests and errors fail the test."""
    contexts, wrong = [], []

    def answer(route):
        url = route.request.url
        path = book.folder / url.removeprefix(HOST).partition("?")[0].partition("#")[0]
        if not url.startswith(HOST):
            wrong.append(f"foreign request: {url}")
            route.abort()
        elif not path.is_file():
            wrong.append(f"not found: {url}")
            route.fulfill(status=404, body="")
        else:
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            route.fulfill(status=200, body=path.read_bytes(), content_type=kind)

    def open_page(address, *, hash="", file=False, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        if not file:
            context.route("**/*", answer)
        page = context.new_page()
        page.asked = set()
        page.on("request", lambda request: page.asked.add(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: m.type in ("error", "warning") and wrong.append(m.text))
        page.on("requestfailed", lambda r: wrong.append(f"failed: {r.url}"))
        base = book.folder.as_uri() + "/" if file else HOST
        page.goto(f"{base}{address}.html{hash}")
        # The text waits for its fonts.
        page.locator("html:not(.waiting)").wait_for(state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


# Formulas that part from the sign behind them; rows of formulas whose subscripts are not in line; fades that are missing.
ASKEW = """() => {
  const wrong = [], box = (element) => element.getBoundingClientRect();
  for (const span of document.querySelectorAll(".together"))
    if (span.getClientRects().length > 1) wrong.push(`parted: ${span.textContent}`);
  for (const math of document.querySelectorAll("p math[display=inline], figcaption math")) {
    const next = math.nextSibling, alone = math.parentNode.childNodes.length < 3;
    if (next?.nodeType === 3 && /^[.,;:!?)]/.test(next.data) && !alone && !math.closest(".together")) wrong.push(`loose: ${next.data}`);
  }
  for (const row of document.querySelectorAll("mrow, mtd")) {
    const letters = [...row.children].filter((one) => one.tagName === "msub" && one.firstElementChild.textContent.length === 1);
    const lines = letters.map((one) => box(one.lastElementChild).bottom);
    if (Math.max(...lines) - Math.min(...lines) > 1) wrong.push(`not in line: ${row.textContent}`);
  }
  for (const scrolls of document.querySelectorAll("[role=group][aria-label]"))
    if (scrolls.clientWidth && scrolls.scrollWidth > scrolls.clientWidth + 1 && getComputedStyle(scrolls).maskImage === "none")
      wrong.push(`no fade: ${scrolls.textContent.slice(0, 40)}`);
  return wrong;
}"""


# Its script has come.  (wait_for_function evaluates text, which the pages' policy forbids but for the first time.)
EXPLORER = "customElements.whenDefined('gd-explorer').then(() => 0)"


def drawn(page):
    """Two frames later: what happens in a frame has happened."""
    frames = "requestAnimationFrame(() => requestAnimationFrame(done))"
    page.evaluate(f"new Promise((done) => {frames})")


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_is_light_accessible_and_not_wider_than_the_screen(visit, book, address):
    page = visit(address)  # for the first time: a new context has an empty cache
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    for explorer in page.locator("gd-explorer").all():
        explorer.scroll_into_view_if_needed()
        page.evaluate(EXPLORER)
    assert violations(page) == [], "light"
    page.emulate_media(color_scheme="dark")
    drawn(page)  # an explorer hears of the theme in the next frame
    assert violations(page, only=COLOURS) == [], "dark"
    page.set_viewport_size({"width": 375, "height": 800})
    drawn(page)
    assert violations(page) == [], "375 px, dark"
    assert page.evaluate(ASKEW) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    drawn(page)
    weights = {}
    for url in page.asked:
        content = (book.folder / url.removeprefix(HOST)).read_bytes()
        packed = url.endswith((".woff2", ".png"))
        weights[url] = len(content if packed else gzip.compress(content))
    assert len(weights) <= 12, sorted(weights)
    assert sum(weights.values()) <= 150_000, weights


def test_axe_can_find_something(visit):
    page = visit("index")
    page.evaluate("document.querySelector('main svg[role=img]').removeAttribute('aria-label')")
    assert any("svg-img-alt" in one for one in violations(page))


@pytest.mark.parametrize("file", [False, True], ids=["http", "file"])
@pytest.mark.parametrize("start", ["index", "chapters/glossary"])
def test_search_finds_a_word_and_goes_there(visit, file, start):
    page = visit(start, file=file)
    page.keyboard.press("/")
    field = page.get_by_role("textbox")
    field.wait_for()
    field.fill("random_split")
    first = page.locator(".search li a").first
    first.wait_for()
    assert "random_split" in first.inner_text()
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    assert first.evaluate("(link) => link === document.activeElement")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/5-4-dataloader.html#random_split")
    assert page.locator("h1").inner_text().startswith("5.4")


def test_search_leads_to_what_teaches_the_word(visit):
    page = visit("index")
    page.keyboard.press("/")
    words = {
        "learning rate": "learning-rate",
        "learing rate": "learning-rate",
        "adam": "adam",
        "overfit": "overfitting",
    }
    for typed, place in (words | {"overfiting": "overfitting", "mini-bat": "mini-batch"}).items():
        page.get_by_role("textbox").fill(typed)
        assert place in page.locator(".search li a").first.get_attribute("href"), typed
    addresses = page.evaluate("bookIndex.map((section) => section.u)")
    assert addresses.count("chapters/glossary.html#adam") == 1
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize("hash", ["#%", "#%E0%A4%A", "#nowhere"])
def test_a_hash_that_names_nothing_takes_nothing_with_it(visit, hash):
    page = visit("index", hash=hash)
    page.keyboard.press("/")
    page.get_by_role("textbox").fill("DataLoader")
    page.locator(".search li a").first.wait_for()


def test_search_that_finds_nothing_says_so_and_escape_closes_it(visit):
    page = visit("index")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("textbox").fill("xylophone quartz")
    assert "Nothing found" in page.get_by_role("dialog").get_by_role("status").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.keyboard.press("Control+k")
    assert page.locator("dialog").is_visible()


def ground(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("file", [False, True], ids=["http", "file"])
def test_the_choice_of_theme_survives_a_reload(visit, file):
    page = visit("index", file=file, color_scheme="light")
    light = ground(page)
    page.get_by_role("button", name="Dark theme").click()
    dark = ground(page)
    assert dark != light
    page.reload()
    assert ground(page) == dark
    page.get_by_role("link", name="5.2 Linear regression (NumPy)").first.click()
    page.wait_for_url("**/5-2-numpy.html")
    assert ground(page) == dark
    page.get_by_role("button", name="Light theme").click()
    page.reload()
    assert ground(page) == light


def test_the_theme_follows_the_system_and_the_drawings_follow_the_theme(visit):
    page = visit("chapters/5-1-math", color_scheme="light")
    ink = "getComputedStyle(document.querySelector('.drawing [fill=\"#1f2430\"]')).fill"
    light, dark_ink = ground(page), page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    assert ground(page) != light
    assert page.evaluate(ink) != dark_ink


def test_a_drawing_out_of_sight_costs_nothing_and_keeps_its_place(visit):
    page = visit("chapters/5-1-math")
    drawn = """() => [...document.querySelectorAll(".drawing svg[width] path:first-of-type")]
      .filter((path) => path.checkVisibility({ contentVisibilityAuto: true })).length"""
    first = page.evaluate(drawn)
    page.locator(
        "figure"
    ).last.scroll_into_view_if_needed()  # and the explorer, which is higher, comes
    page.evaluate("customElements.whenDefined('gd-explorer').then(() => true)")
    page.wait_for_timeout(300)
    height = page.evaluate("document.body.scrollHeight")
    page.evaluate("""() => document.querySelectorAll(".drawing svg")
      .forEach((drawing) => (drawing.style.contentVisibility = "visible"))""")
    assert page.evaluate("document.body.scrollHeight") == height
    assert first < page.evaluate(drawn) / 2


def test_pages_read_without_script(visit):
    page = visit("chapters/5-1-math", java_script_enabled=False)
    assert page.locator("h1").inner_text().endswith("Linear regression (math)")
    assert page.locator("#equation-5-1 math").is_visible()
    assert page.locator("figure svg").count() >= 6
    still = page.locator("gd-explorer svg").first
    still.scroll_into_view_if_needed()
    assert still.is_visible()
    assert not page.locator("#search-button").is_visible()
    fold = page.locator("details").first
    assert not fold.locator("pre").is_visible()
    fold.locator("summary").click()
    assert fold.locator("pre").is_visible()
    page.set_viewport_size({"width": 375, "height": 700})
    page.locator(".menu-button").click()
    assert page.locator("nav.book a[aria-current]").is_visible()


# How large the text of each figure is, in pixels: a glyph is drawn at 100. Of each row of panels: where each stands, and
# what of it reaches over the edge. What is clipped stays inside, as the axes do.
SET = """() => {
  const box = (element) => element.getBoundingClientRect(), all = (within, what) => [...within.querySelectorAll(what)];
  const glyphs = all(document, ".drawing [transform]").filter((one) => /scale\\([.\\d]+ -/.test(one.getAttribute("transform")) && box(one).width);
  return {
    texts: glyphs.map((one) => one.getScreenCTM()).map(({ a, b }) => 100 * Math.hypot(a, b)),
    rows: all(document, ".panels").filter((row) => box(row).width).map((row) => ({
      room: row.clientWidth, wants: [...row.children].map((one) => +one.getAttribute("width")),
      panels: [...row.children].map((one) => box(one)).map(({ x, y, right, bottom }) => ({ x, y, right, bottom })),
      over: [...row.children].flatMap((panel) => all(panel, ":not(defs) > path, use").filter((one) => {
        const inner = box(one), outer = box(panel);
        return !one.closest("clipPath, [clip-path]") && (inner.left < outer.left - 1 || inner.right > outer.right + 1);
      })).map((one) => one.outerHTML),
    })),
  };
}"""


@pytest.mark.parametrize("width", [375, 1280])
def test_figures_are_legible_and_their_panels_stack_on_a_phone(visit, book, width):
    seen, least = 0, {}
    for address in (one for one in ADDRESSES if "drawing" in book.html[f"{one}.html"]):
        page = visit(
            address, java_script_enabled=False, viewport={"width": width, "height": 900}
        )  # so that the explorers' stills are seen
        page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
        found = page.evaluate(SET)
        least[address] = min(found["texts"], default=99)
        for row in found["rows"]:
            seen += 1
            panels, wants = row["panels"], row["wants"]
            assert row["over"] == [], address
            for one, other in zip(panels, panels[1:]):
                if width == 375:
                    assert other["y"] > one["bottom"] and other["x"] == one["x"], address
                else:
                    assert abs(other["x"] - one["right"]) < 0.1, address
                    assert abs(other["bottom"] - one["bottom"]) < 1 and other["y"] == one["y"]
            if width == 375:
                sizes = [one["right"] - one["x"] for one in panels]
                assert sizes == [min(want, row["room"]) for want in wants], address
            else:
                whole = panels[-1]["right"] - panels[0]["x"]
                assert abs(whole - min(sum(wants), row["room"])) < 0.1, address
    assert seen == 12
    assert {address: size for address, size in least.items() if size < 9} == {}


def test_the_keyboard_reaches_the_text_first_and_sees_where_it_is(visit):
    page = visit("chapters/5-1-math")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


@pytest.mark.parametrize("file", [False, True], ids=["http", "file"])  # without clipboard, with
def test_code_is_copied_as_it_stands(visit, file):
    page = visit("chapters/5-1-math", file=file, permissions=["clipboard-read", "clipboard-write"])
    box = page.locator(".cell > .code-box").first
    box.hover()
    box.get_by_role("button").click()
    page.locator(".copy", has_text="Copied").wait_for()
    page.evaluate("document.body.prepend(document.createElement('textarea'))")
    page.locator("textarea").press("Control+v")
    pasted = page.locator("textarea").input_value()
    assert pasted == box.locator("code").text_content()
    assert "\n" in pasted


def test_the_contents_follow_the_reader(visit):
    page = visit("chapters/5-1-math")
    page.evaluate("document.getElementById('loss-function').scrollIntoView({behavior: 'instant'})")
    current = page.locator("nav.contents a[aria-current]")
    current.wait_for()
    assert current.inner_text() == "5.1.2 Loss function"


def test_what_is_linked_to_inside_a_fold_is_unfolded(visit, book):
    page = visit("chapters/5-5-exercises")
    page.evaluate("document.querySelector('details.callout .callout-body').id = 'inside'")
    page.evaluate("location.hash = 'inside'")
    page.wait_for_function("() => document.getElementById('inside').closest('details').open")


def test_wide_boxes_are_reached_by_the_keyboard_and_others_are_not(visit):
    page = visit("chapters/5-1-math", viewport={"width": 375, "height": 800})
    page.wait_for_function("() => document.querySelector('pre.code[tabindex]')")
    for box in page.locator("[role=group][aria-label]").all():
        wide, reached = box.evaluate(
            "b => [b.scrollWidth > b.clientWidth && b.clientWidth > 0, b.tabIndex === 0]"
        )
        if wide:
            assert reached


def test_explorers_run_under_the_pages_policy(visit):
    page = visit("chapters/5-1-math")
    page.locator("gd-explorer").first.scroll_into_view_if_needed()
    page.evaluate(EXPLORER)
    assert page.evaluate(
        "document.querySelector('gd-explorer').shadowRoot.adoptedStyleSheets.length"
    )


def test_printing_opens_the_folds_and_leaves_them_as_they_were(visit):
    page = visit("chapters/5-1-math")
    page.locator("details").first.locator("summary").click()
    closed = page.locator("details:not([open])").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    page.emulate_media(media="print")
    assert not page.locator("nav.book").is_visible()
    assert not page.locator("header.bar").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed
    assert page.locator("details").first.get_attribute("open") is not None


def test_matrices_columns_and_roots_are_set_close_but_do_not_touch(visit):
    box = "const box = (element) => element.getBoundingClientRect();"
    page = visit("chapters/beyond-learning-rate")
    for left, right in page.evaluate(
        f"""() => {{ {box} return [...document.querySelectorAll("mtd.center + mtd")].map((cell) =>
        [box(cell.previousElementSibling.firstElementChild).right, box(cell.firstElementChild).left]); }}"""
    ):
        assert right - left > 6
    page = visit("chapters/beyond-optimizers")
    gaps = page.evaluate(
        f"""() => {{ {box} return [...document.querySelectorAll("msqrt")].map((root) =>
        box(root).right - box(root.lastElementChild).right); }}"""
    )
    assert gaps and max(gaps) < 2  # the bar ends where the root does
    ends = visit("chapters/5-1-math").evaluate(
        f"""() => {{ {box} return [...document.querySelectorAll("mtr")].slice(0, 2).map((row) =>
        Math.round(box(row.firstElementChild.firstElementChild).right)); }}"""
    )
    assert ends[0] == ends[1]  # left sides of equations end in one line


def test_a_finger_finds_copy_above_the_code_and_no_word_of_a_table_is_broken(visit):
    phone = {"viewport": {"width": 375, "height": 800}, "has_touch": True, "is_mobile": True}
    page = visit("chapters/5-3-pytorch", **phone)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    overlaps = """() => [...document.querySelectorAll(".code-box")].map((box) =>
      box.querySelector(".copy").getBoundingClientRect().bottom - box.querySelector("pre").getBoundingClientRect().top)"""
    found = page.evaluate(overlaps)
    assert len(found) > 30
    assert max(found) <= 1
    page = visit("chapters/names", **phone)
    broken = """() => [...document.querySelectorAll("td code")].filter((code) =>
      !code.textContent.includes(" ") && code.getClientRects().length > 1).map((code) => code.textContent)"""
    assert page.evaluate(broken) == []


def test_all_pages_begin_at_one_left_edge(visit):
    edge = "parseFloat(getComputedStyle(document.querySelector('main')).paddingLeft) + document.querySelector('main').getBoundingClientRect().left"
    pages = ("5-1-math", "glossary", "names", "references")
    assert len({visit(f"chapters/{name}").evaluate(edge) for name in pages}) == 1
